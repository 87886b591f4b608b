package history

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"perdure/visibility"
	"perdure/visibility/memory"
)

// same tells whether two stores know the same of every run.
func (i *index) same(other *index) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	for id, rec := range i.records {
		if known := other.records[id]; known == nil || known.Version < rec.Version || known.Deleted != rec.Deleted {
			return false
		}
	}
	return len(i.records) == len(other.records)
}

func (i *index) offered() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.offers
}

func second(records *index) Config {
	return Config{CheckpointInterval: time.Second, RecordRefresh: 1000 * time.Hour, Feeds: []Feed{{Name: "second", Indexer: records}}}
}

// work starts, ends and deletes some workflows.
func (n *node) work(round int) {
	n.t.Helper()
	for i := range 4 {
		id := fmt.Sprint("w", round, "-", i)
		run := n.begin(id)
		if i > 0 {
			n.complete(n.take(), finish())
		} else {
			n.complete(n.take(), timer("t", 100*time.Hour))
		}
		if i == 3 {
			require.NoError(n.t, n.tryDelete(id, run))
		}
	}
}

func (n *node) inStep(a, b *index) {
	n.t.Helper()
	n.eventually("the stores know the same", func() bool { return a.same(b) })
}

// A store without room holds up nobody: the other store hears of everything at
// once, nothing is kept in memory for the slow one, and it gets all from the
// log when it has room, also of runs that are deleted meanwhile.
func TestSlowStoreCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records, other := newIndex(), newIndex()
		n := startNode(t, newData(t), records, second(other))
		defer n.close()
		n.work(0)
		n.inStep(records, other)
		other.setFull(true)
		for round := range 5 {
			n.work(round + 1)
		}
		require.LessOrEqual(t, other.offered(), 20+2+2*followLoads, "it is not asked for each change")
		behind := 0
		for _, s := range n.owned() {
			for _, r := range s.currentReaders() {
				if r.feed.Name == "second" && r.look().behind {
					behind++
					require.LessOrEqual(t, len(r.rows), recoveryPage)
				}
			}
		}
		require.Positive(t, behind)
		require.Len(t, records.records, 24)
		n.passes(10 * time.Second)
		require.Positive(t, n.logRows(), "the log waits")
		require.Positive(t, n.FeedStatuses()[1].Oldest)
		other.setFull(false)
		n.inStep(records, other)
		n.passes(10 * time.Second)
		require.Zero(t, n.logRows())
		require.Zero(t, n.FeedStatuses()[1].BehindShards)
		n.work(9)
		n.inStep(records, other)
	})
}

// What a slow store lacks is brought by the next process.
func TestSlowStoreSurvivesACrash(t *testing.T) {
	for _, passes := range []time.Duration{0, 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			data, records, other := newData(t), newIndex(), newIndex()
			n := startNode(t, data, records, second(other))
			n.work(0)
			other.setFull(true)
			n.work(1)
			n.passes(passes)
			n.crash()
			n = startNode(t, data, records, second(other))
			n.work(2)
			n.passes(passes)
			n.crash()
			other.setFull(false)
			n = startNode(t, data, records, second(other))
			defer n.close()
			n.inStep(records, other)
		})
	}
}

// inventoried is a store that a rebuild can compare.
type inventoried struct {
	*index
	store *memory.Store
}

func (i inventoried) Offer(r *visibility.Record, at time.Time, done func()) bool {
	return i.index.Offer(r, at, func() { i.keep(r); call(done) })
}

func (i inventoried) Enqueue(ctx context.Context, r *visibility.Record, at time.Time, done func()) error {
	return i.index.Enqueue(ctx, r, at, func() { i.keep(r); call(done) })
}

func (i inventoried) keep(r *visibility.Record) {
	if err := i.store.Write(context.Background(), []*visibility.Record{r}); err != nil {
		panic(err) // a map does not fail
	}
}

func call(done func()) {
	if done != nil {
		done()
	}
}

// The log does not wait for ever: a store too far behind is left alone, and
// rebuilt from the executions when it is well. What was deleted meanwhile goes,
// wherever a crash cuts in.
func TestLostStoreIsRebuilt(t *testing.T) {
	for crash := range 4 {
		synctest.Test(t, func(t *testing.T) {
			data, records := newData(t), newIndex()
			other := inventoried{newIndex(), memory.New()}
			config := func() Config {
				c := second(nil)
				c.Feeds[0].Indexer, c.Feeds[0].Store, c.FeedRowsMax = other, other.store, 3
				return c
			}
			n := startNode(t, data, records, config())
			again := func(at int) {
				if crash == at {
					n.crash()
					n = startNode(t, data, records, config())
				}
			}
			deleted := n.begin("gone")
			n.complete(n.take(), finish())
			n.work(0)
			other.setFull(true)
			for round := range 6 {
				n.work(round + 1)
			}
			require.NoError(t, n.tryDelete("gone", deleted))
			n.eventually("the log is trimmed", func() bool { return n.logRows() == 0 })
			again(1)
			n.work(7)
			n.passes(time.Minute)
			require.Zero(t, n.logRows(), "nor does it wait for what comes")
			require.Positive(t, n.FeedStatuses()[1].LostShards)
			other.setFull(false)
			again(2)
			n.work(8)
			n.eventually("it is rebuilt", func() bool { return n.FeedStatuses()[1].LostShards == 0 })
			again(3)
			for id, rec := range records.records {
				shown := versionsOf(t, other.store)
				if rec.Deleted {
					require.NotContains(t, shown, id)
				} else {
					require.EqualValues(t, rec.Version, shown[id], id)
				}
			}
			n.eventually("it needs no more", func() bool { return n.FeedStatuses()[1].LostShards == 0 })
			n.close()
		})
	}
}

// versionsOf lists what the store shows: the version of each run.
func versionsOf(t *testing.T, s *memory.Store) map[string]int64 {
	t.Helper()
	found := map[string]int64{}
	digests, err := s.Digests(t.Context(), shop.ID)
	require.NoError(t, err)
	for _, digest := range digests {
		keys, err := s.Keys(t.Context(), shop.ID, digest.Bucket, "", 10_000)
		require.NoError(t, err)
		for _, key := range keys {
			found[key.RunID] = key.Version
		}
	}
	return found
}

// A store that is new gets all runs that were there before it.
func TestNewStoreIsFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records, other := newData(t), newIndex(), newIndex()
		n := startNode(t, data, records, Config{})
		n.work(0)
		n.close()
		n = startNode(t, data, records, second(other))
		n.work(1)
		n.eventually("it is filled", func() bool { return n.FeedStatuses()[1].LostShards == 0 })
		n.passes(10 * time.Second)
		n.close()
		for id, rec := range records.records {
			require.True(t, rec.Deleted || other.record(id) != nil, id)
		}
		began := other.offered()
		n = startNode(t, data, records, second(other))
		defer n.close()
		n.passes(time.Minute)
		require.Equal(t, began, other.offered(), "once")
	})
}

// Who asks for a fresh answer waits until all that was acknowledged is written.
func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.index.setFull(true)
		run := n.begin("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var late *serviceerror.DeadlineExceeded
		require.ErrorAs(t, n.Fresh(ctx), &late)
		var behind *serviceerror.Unavailable
		began := time.Now()
		require.ErrorAs(t, n.Fresh(t.Context()), &behind)
		require.Contains(t, behind.Message, "does not show the newest changes after 5s")
		require.Equal(t, 5*time.Second, time.Since(began))
		fresh := make(chan error, 1)
		go func() { fresh <- n.Fresh(t.Context()) }()
		synctest.Wait()
		require.Empty(t, fresh)
		n.index.setFull(false)
		require.NoError(t, <-fresh)
		require.NotNil(t, n.index.record(run))
	})
}

// A rebuild that is asked for keeps to its rate and goes on after a crash where it was.
func TestRebuildGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{})
		for i := range 30 {
			n.begin(fmt.Sprint("w", i))
			n.complete(n.take(), finish())
		}
		require.Error(t, n.Rebuild("other", RebuildRequest{}))
		require.NoError(t, n.Rebuild("main", RebuildRequest{Rate: scanPage / 10, Again: true}))
		n.passes(3 * time.Second)
		require.Equal(t, "scanning", n.FeedStatuses()[0].Rebuild.Phase)
		n.crash()
		n = startNode(t, data, records, Config{})
		defer n.close()
		n.eventually("it is done", func() bool { return n.FeedStatuses()[0].Rebuild.Phase == "done" })
		require.EqualValues(t, 30, n.FeedStatuses()[0].Rebuild.Scanned)
		for _, rec := range records.records {
			require.True(t, rec.Again || rec.Version > 0)
		}
	})
}
