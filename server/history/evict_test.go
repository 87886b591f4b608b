package history

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
)

// inMemory counts open and closed runs in memory, and the bytes of the latter.
func (n *node) inMemory() (open, closed int, bytes int64) {
	for _, s := range n.owned() {
		s.mu.Lock()
		for _, en := range s.entries {
			en.mu.Lock()
			if en.state.Open() {
				open++
			} else {
				closed++
				bytes += en.weight.Load()
			}
			en.mu.Unlock()
		}
		s.mu.Unlock()
	}
	return open, closed, bytes
}

// Closed runs leave memory beyond their share of it, the open ones stay, and both can be read.
func TestClosedRunsLeaveFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const runs, cacheBytes = 200, 2 << 20
		n := startNode(t, newData(t), newIndex(), Config{CacheBytes: cacheBytes})
		defer n.close()
		for i := range runs {
			n.begin(name("w", i))
			n.complete(n.take(), finish())
			n.passes(10 * time.Millisecond)
			n.begin(name("open", i))
			n.complete(n.take())
		}
		open, closed, bytes := n.inMemory()
		require.Equal(t, runs, open, "they fit")
		const young = 25 * entryBytes * 2 // of the last tenth of a second, and what a shard has before its next run
		require.LessOrEqual(t, bytes, int64(cacheBytes/closedShare+young))
		require.Less(t, closed, runs/2)
		require.Positive(t, closed, "the share is used")
		for i := range runs {
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, n.status(name("w", i), ""))
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, n.status(name("open", i), ""))
		}
	})
}

// A closed run in use is passed over, and its turn comes again.
func TestClosedRunInUseStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newData(t), newIndex(), Config{CacheBytes: 64 << 10}) // room for a few, not in the share of closed ones
		defer n.close()
		n.begin("used")
		n.complete(n.take(), finish())
		en, err := n.find(t.Context(), shop.ID, "used", "")
		require.NoError(t, err)
		s := en.shard
		n.passes(time.Minute)
		evict := func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.evictLocked()
		}
		evict()
		require.Same(t, en, s.cached(en.key), "it is pinned")
		s.unpin(en)
		evict()
		require.Same(t, en, s.cached(en.key), "looked at just now")
		n.passes(closedIdleLeast)
		evict()
		require.Nil(t, s.cached(en.key))
	})
}
