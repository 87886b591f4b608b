package history

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/store/fault"
)

// Closed runs go when their time has come, page by page; open ones, young ones
// and those that still have something to tell stay.
func TestDeleteClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		old := map[string]string{}
		for _, id := range []string{"a", "b", "c"} {
			old[id] = n.begin(id)
			n.complete(n.take(), finish())
		}
		open := n.begin("open")
		n.complete(n.take(), timer("t", 100*time.Hour))
		n.passes(time.Hour)
		before := time.Now()
		n.passes(time.Second)
		young := n.begin("young")
		n.complete(n.take(), finish())

		deleted, behind := 0, cluster.Position{}
		for more := true; more; {
			page, err := n.DeleteClosed(t.Context(), shop, before, behind, 2)
			require.NoError(t, err)
			deleted, behind, more = deleted+page.Deleted, page.Next, page.More
		}
		require.Equal(t, 3, deleted)
		for id, run := range old {
			n.requireNothing(id, run)
			n.begin(id)
			n.complete(n.take(), finish())
		}
		require.NotNil(t, n.index.record(young))
		require.False(t, n.index.record(young).Deleted)
		require.False(t, n.index.record(open).Deleted)
		require.NoError(t, n.signal("open", "s"))
	})
}

// Removing a run waits a while for search, no longer: search hears of it from the log.
func TestDeleteClosedDoesNotNeedSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{})
		run := n.begin("a")
		n.complete(n.take(), finish())
		n.passes(time.Minute)
		records.setDeaf(true)
		began := time.Now()
		page, err := n.DeleteClosed(t.Context(), shop, time.Now(), cluster.Position{}, 10)
		require.NoError(t, err)
		require.Equal(t, cluster.DeletedRuns{Seen: 1, Deleted: 1, Next: page.Next}, page)
		require.Equal(t, unlistMax, time.Since(began))
		_, err = n.describe("a")
		require.True(t, isNotFound(err))
		require.False(t, records.record(run).Deleted)
		n.crash()
		records.setDeaf(false)
		n = startNode(t, data, records, Config{})
		defer n.close()
		n.eventually("search forgets it", func() bool { return records.record(run).Deleted })
	})
}

// All runs of a namespace go, also after a crash in the middle.
func TestDeleteRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{})
		n.begin("a")
		n.complete(n.take(), finish())
		n.begin("b")
		n.begin("c")
		page, err := n.DeleteRuns(t.Context(), shop, cluster.Position{}, 2)
		require.NoError(t, err)
		require.Equal(t, 2, page.Deleted)
		n.crash()
		n = startNode(t, data, records, Config{})
		defer n.close()
		page, err = n.DeleteRuns(t.Context(), shop, cluster.Position{}, 10)
		require.NoError(t, err)
		require.Equal(t, 1, page.Deleted)
		page, err = n.DeleteRuns(t.Context(), shop, cluster.Position{}, 10)
		require.NoError(t, err)
		require.Zero(t, page.Seen)
	})
}

// A store that fails leaves all as it was.
func TestDeleteClosedStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.complete(n.take(), finish())
		n.passes(time.Minute + time.Millisecond) // past what else is due at the full minute
		n.gate.failDeletions(fault.ErrInjected)
		_, err := n.DeleteClosed(t.Context(), shop, time.Now(), cluster.Position{}, 10)
		require.Error(t, err)
		_, err = n.describe("a")
		require.NoError(t, err)
		n.gate.failDeletions(nil)
		page, err := n.DeleteClosed(t.Context(), shop, time.Now(), cluster.Position{}, 10)
		require.NoError(t, err)
		require.Equal(t, 1, page.Deleted)
	})
}
