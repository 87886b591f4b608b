package visibilitytest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/visibility"
)

// Upgraded checks a store whose schema was brought up to date with the recorded runs in it, all open and without attributes.
func Upgraded(t *testing.T, s visibility.Store, namespaceID string) {
	t.Helper()
	want := map[string]int64{}
	for _, rec := range CorpusRecords(namespaceID) {
		want[rec.Status.String()]++
	}
	require.Len(t, list(t, s, namespaceID, ""), len(CorpusRecords(namespaceID)))
	require.Equal(t, want, groups(t, s, namespaceID, "GROUP BY ExecutionStatus"))

	rec := CorpusRecords(namespaceID)["kw-03"]
	rec.Version = 2
	write(t, s, rec)
	require.Equal(t, []string{rec.RunID}, list(t, s, namespaceID, "CustomKeywordField = 'alpha'"))
	require.Equal(t, want, groups(t, s, namespaceID, "GROUP BY ExecutionStatus"))
}
