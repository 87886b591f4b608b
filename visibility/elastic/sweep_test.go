package elastic

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/estest"
	"perdure/visibility"
	"perdure/visibility/visibilitytest"
)

// tombstones counts the documents that only keep a deletion.
func tombstones(t *testing.T, s *Store) int64 {
	t.Helper()
	require.NoError(t, s.Refresh(t.Context()))
	var found searchAnswer
	require.NoError(t, s.search(t.Context(), object{"size": 0, "query": object{"exists": object{"field": fieldDeleted}}}, &found))
	return found.Hits.Total.Value
}

// TestTombstonesAreForgotten checks that deletions do not pile up, and that a run that came back is spared.
func TestTombstonesAreForgotten(t *testing.T) {
	s, err := Open(t.Context(), Options{URLs: []string{estest.URL(t)}, Prefix: estest.Prefix()})
	require.NoError(t, err)
	defer s.Close()
	dead := []*visibility.Record{{NamespaceID: "ns", RunID: "a", Version: 5, Deleted: true}, {NamespaceID: "ns", RunID: "b", Version: 5, Deleted: true}}
	require.NoError(t, s.Write(t.Context(), dead))
	require.EqualValues(t, 2, tombstones(t, s))
	require.NoError(t, s.removeTombstones(t.Context(), time.Now().Add(-time.Hour)))
	require.EqualValues(t, 2, tombstones(t, s), "they are young")
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{{NamespaceID: "ns", RunID: "b", WorkflowID: "w", Version: 6}})) // no refresh: the search still finds its tombstone
	require.NoError(t, s.removeTombstones(t.Context(), time.Now().Add(time.Hour)))
	require.Zero(t, tombstones(t, s))
	records, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "")})
	require.NoError(t, err)
	require.Len(t, records, 1)

	s.swept.Store(0)
	s.sweep(t.Context(), dead, time.Now().Add(visibility.TombstoneAge+time.Hour))
	require.NotZero(t, s.swept.Load())
}
