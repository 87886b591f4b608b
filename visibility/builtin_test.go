package visibility_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

func matches(t *testing.T, text string, custom attr.Types, rec *visibility.Record) bool {
	t.Helper()
	q, err := query.Parse(text)
	require.NoError(t, err)
	require.NoError(t, query.CheckList(q, custom), text)
	again, err := query.Parse(q.String())
	require.NoError(t, err)
	require.NoError(t, query.CheckList(again, custom), q.String())
	require.Equal(t, q.String(), again.String())
	return eval.Match(q.Where, visibility.Row(rec))
}

func TestBuiltInAttributes(t *testing.T) {
	custom := attr.Types{"FailureType": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "City": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
	fields := map[string]*commonpb.Payload{
		"City":        attr.Encode("Rome", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
		"FailureType": attr.Encode("the user's", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
	}
	for name, value := range map[string]any{
		attr.PendingActivityMaxAttempt: int64(6), attr.PendingActivityTypes: []string{"Charge", "Mail"},
		attr.FailureType: "the server's", attr.FailureMessage: "connection timeout",
	} {
		key, declared, ok := attr.BuiltIn(name)
		require.True(t, ok)
		fields[key] = attr.Encode(value, declared)
	}
	rec := &visibility.Record{RunID: "r", SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields}}
	for text, want := range map[string]bool{
		"PendingActivityMaxAttempt > 5":         true,
		"PendingActivityMaxAttempt > 6":         false,
		"perdure_PendingActivityMaxAttempt > 5": true,
		"PendingActivityTypes = 'Charge'":       true,
		"PendingActivityTypes = 'Ship'":         false,
		"FailureMessage = 'timeout'":            true,
		"FailureType = 'the user''s'":           true,
		"FailureType = 'the server''s'":         false,
		"perdure_FailureType = 'the server''s'": true,
		"LastWorkerIdentity IS NULL":            true,
	} {
		require.Equal(t, want, matches(t, text, custom, rec), text)
	}
	require.True(t, matches(t, "FailureType = 'the server''s'", attr.Types{}, rec), "a namespace without such a name of its own")

	listed := visibility.Info(rec).SearchAttributes.IndexedFields
	require.Len(t, listed, 2)
	require.Contains(t, listed, "City")
	require.Contains(t, listed, "FailureType")
	data, err := visibility.Encode(rec)
	require.NoError(t, err)
	decoded, err := visibility.Decode("", 0, data)
	require.NoError(t, err)
	require.Equal(t, visibility.Row(rec), visibility.Row(decoded), "a stored record is found as before")
}

func TestBuiltInKeysAreNobodysOwn(t *testing.T) {
	require.True(t, attr.IsReserved("perdure_FailureType"))
	require.True(t, attr.IsReserved("perdure_anything"))
	for name := range attr.BuiltIns() {
		require.False(t, attr.IsReserved(name), "users may define %s", name)
	}
	_, _, known := attr.BuiltIn("perdure_anything")
	require.False(t, known)
}
