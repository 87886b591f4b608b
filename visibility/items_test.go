package visibility_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
)

func TestPendingItemsAreFound(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	items := attr.EncodeItems(slices.Values([]map[string]any{
		{"Type": "Charge", "Attempt": int64(7), "LastFailure": "connection timeout", "ScheduledTime": at},
		{"Type": "Mail", "Attempt": int64(1)},
	}), 1000)
	rec := &visibility.Record{RunID: "r", SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
		attr.ItemsKey(attr.PendingActivity): items,
	}}}
	for text, want := range map[string]bool{
		"EXISTS(PendingActivity WHERE Type='Charge' AND Attempt>5 AND LastFailure CONTAINS 'timeout')": true,
		"EXISTS(PendingActivity WHERE Type='Mail' AND Attempt>5)":                                      false,
		"EXISTS(PendingActivity WHERE ScheduledTime = '2026-01-02T03:04:05Z')":                         true,
		"EXISTS(PendingActivity)": true,
		"EXISTS(PendingChild)":    false,
	} {
		require.Equal(t, want, matches(t, text, attr.Types{}, rec), text)
	}
	require.Nil(t, visibility.Info(rec).SearchAttributes, "lists do not show them")
	data, err := visibility.Encode(rec)
	require.NoError(t, err)
	decoded, err := visibility.Decode("", 0, data)
	require.NoError(t, err)
	require.True(t, matches(t, "EXISTS(PendingActivity WHERE Attempt>5)", attr.Types{}, decoded))
}

func TestItemsThatDoNotFitAreLeftOut(t *testing.T) {
	one := map[string]any{"Type": "Charge"} // 17 bytes
	require.Len(t, attr.DecodeItems(attr.PendingActivity, attr.EncodeItems(slices.Values([]map[string]any{one, one}), 37)), 2)
	require.Len(t, attr.DecodeItems(attr.PendingActivity, attr.EncodeItems(slices.Values([]map[string]any{one, one}), 36)), 1)
	require.Nil(t, attr.EncodeItems(slices.Values([]map[string]any{one}), 18))
	require.Nil(t, attr.EncodeItems(slices.Values([]map[string]any(nil)), 100))
	require.Nil(t, attr.DecodeItems("Nothing", attr.EncodeItems(slices.Values([]map[string]any{one}), 100)))
}
