package memory

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/visibility"
	"perdure/visibility/visibilitytest"
)

func TestStore(t *testing.T) {
	visibilitytest.Run(t, func(*testing.T) visibility.Store { return New() })
}

// TestTombstonesAreForgotten checks that deletions do not pile up.
func TestTombstonesAreForgotten(t *testing.T) {
	s := New()
	now := time.Unix(1704067200, 0)
	s.now = func() time.Time { return now }
	gone := &visibility.Record{NamespaceID: "ns", RunID: "gone", Version: 1, Deleted: true}
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{gone}))
	require.Len(t, s.entries, 1)
	now = now.Add(visibility.TombstoneAge + time.Second)
	require.NoError(t, s.Write(t.Context(), nil))
	require.Empty(t, s.entries)
	require.Empty(t, s.deleted)
}
