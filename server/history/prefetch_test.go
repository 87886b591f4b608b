package history

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/cluster"
	"perdure/server/store"
)

// refsOf are the keys of runs, and of one that does not exist.
func (n *node) refsOf(ids []string) []cluster.ExecutionRef {
	refs := []cluster.ExecutionRef{{Slot: cluster.SlotOf(shop.ID, "none"), Exec: 1 << 40}}
	for _, id := range ids {
		key := n.current(id).Key
		refs = append(refs, cluster.ExecutionRef{Slot: key.Slot, Exec: key.Exec})
	}
	return refs
}

// Tasks of a backlog are given out without a read of the store for each.
func TestPrefetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		var ids []string
		for i := range 2*prefetchRuns + 1 {
			ids = append(ids, name("w", i))
			n.begin(ids[i])
		}
		n.passes(time.Minute)
		refs := n.refsOf(ids)
		n.evict()
		n.Prefetch(t.Context(), refs)
		loads, reads := n.gate.count("Load"), n.gate.count("History")
		require.LessOrEqual(t, n.gate.count("LoadAll"), 2*len(n.shards), "a few round trips")
		for range ids {
			n.complete(n.take(), finish())
		}
		require.Equal(t, loads, n.gate.count("Load"))
		require.Equal(t, reads, n.gate.count("History"))
		for _, id := range ids {
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, n.status(id, ""))
		}
	})
}

// A call for a run that is being read ahead waits for it: two entries of one run would be two truths.
func TestPrefetchAndLoadAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		run := n.begin("a")
		n.passes(time.Minute)
		refs := n.refsOf([]string{"a"})
		n.evict()
		release := n.gate.hold("LoadAll")
		var calls sync.WaitGroup
		calls.Go(func() { n.Prefetch(t.Context(), refs) })
		synctest.Wait()
		told := make(chan struct{})
		calls.Go(func() {
			require.NoError(t, n.signal("a", "one"))
			close(told)
		})
		n.pause()
		select {
		case <-told:
			require.Fail(t, "the run was loaded a second time")
		default:
		}
		release()
		calls.Wait()
		require.NoError(t, n.signal("a", "two"))
		require.Equal(t, 2, times(n.history("a", run), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
	})
}

// What was read under a lease that is lost meanwhile is not used.
func TestPrefetchAcrossATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.passes(time.Minute)
		refs := n.refsOf([]string{"a"})
		n.evict()
		release := n.gate.hold("LoadAll")
		var calls sync.WaitGroup
		calls.Go(func() { n.Prefetch(t.Context(), refs) })
		synctest.Wait()
		s := n.shardFor("a")
		s.reset(store.ErrUnknownOutcome)
		n.eventually("the shard serves again", s.serving)
		require.NoError(t, n.signal("a", "one"))
		release()
		calls.Wait()
		require.NoError(t, n.signal("a", "two"))
		require.Equal(t, 2, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
	})
}

// Reading ahead takes no more memory than the cache has.
func TestPrefetchStopsWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newData(t), newIndex(), Config{CacheEntries: 4 * prefetchRuns})
		defer n.close()
		var ids []string
		for i := range 10 * prefetchRuns {
			ids = append(ids, name("w", i))
			n.begin(ids[i])
		}
		n.passes(time.Minute)
		refs := n.refsOf(ids)
		n.evict()
		n.Prefetch(t.Context(), refs)
		held := 0
		for _, s := range n.owned() {
			held += len(s.entries)
		}
		require.NotZero(t, held)
		require.LessOrEqual(t, held, 5*prefetchRuns*len(n.owned()), "a portion more a shard at most")
		require.NoError(t, n.signal(ids[len(ids)-1], "one"))
	})
}
