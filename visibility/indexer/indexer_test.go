package indexer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/server/metrics"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/indexer"
	"perdure/visibility/memory"
	"perdure/visibility/query"
)

var errRefused = errors.New("refused")

// guarded is a memory store whose writes pass a function that may refuse or wait.
type guarded struct {
	*memory.Store
	mu     sync.Mutex
	guard  func(ctx context.Context, records []*visibility.Record) error
	writes int
	sizes  []int
}

func newGuarded(guard func(context.Context, []*visibility.Record) error) *guarded {
	return &guarded{Store: memory.New(), guard: guard}
}

func (g *guarded) Write(ctx context.Context, records []*visibility.Record) error {
	g.mu.Lock()
	g.writes++
	g.sizes = append(g.sizes, len(records))
	guard := g.guard
	g.mu.Unlock()
	if guard != nil {
		if err := guard(ctx, records); err != nil {
			return err
		}
	}
	return g.Store.Write(ctx, records)
}

func (g *guarded) setGuard(guard func(context.Context, []*visibility.Record) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.guard = guard
}

func (g *guarded) counts() (writes int, sizes []int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.writes, g.sizes
}

// versions lists what is stored: the version of each run.
func (g *guarded) versions(t require.TestingT) map[string]int64 {
	q := &query.Query{}
	require.NoError(t, query.Check(q, nil))
	records, _, err := g.List(context.Background(), visibility.ListRequest{NamespaceID: "ns", Query: q})
	require.NoError(t, err)
	versions := map[string]int64{}
	for _, rec := range records {
		versions[rec.RunID] = rec.Version
	}
	return versions
}

func run(runID string, version int64) *visibility.Record {
	return &visibility.Record{NamespaceID: "ns", WorkflowID: "w", RunID: runID, Version: version}
}

// enqueue waits for room.
func enqueue(i *indexer.Indexer, rec *visibility.Record, done func()) {
	_ = i.Enqueue(context.Background(), rec, time.Now(), done) // it ends when the indexer is closed
}

func config(s visibility.Store) indexer.Config {
	return indexer.Config{Store: s, Logger: slog.New(slog.DiscardHandler)}
}

func TestWritesAtOnceAndThenRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newGuarded(nil)
		i := indexer.New(config(s))
		done := 0
		start := time.Now()
		enqueue(i, run("r", 1), func() { done++ })
		synctest.Wait()
		require.Equal(t, 1, done)
		require.Equal(t, start, time.Now(), "a lone record does not wait")
		require.Equal(t, map[string]int64{"r": 1}, s.versions(t))
		require.Zero(t, i.Oldest())

		<-time.After(time.Hour)
		writes, _ := s.counts()
		require.Equal(t, 1, writes, "nothing is sent while nothing waits")
		require.NoError(t, i.Close(t.Context()))
	})
}

func TestCoalescesWhileAWriteIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newGuarded(func(context.Context, []*visibility.Record) error {
			<-release
			return nil
		})
		i := indexer.New(config(s))
		done := 0
		count := func() { done++ }
		enqueue(i, run("a", 1), count)
		synctest.Wait()
		enqueued := time.Now()
		for version := int64(2); version <= 5; version++ {
			enqueue(i, run("a", version), count)
			enqueue(i, run("b", version), nil)
		}
		enqueue(i, run("a", 3), count) // a late, older one
		synctest.Wait()
		require.Zero(t, done)
		require.Equal(t, 3, i.Pending())
		require.Equal(t, enqueued, i.Oldest())
		close(release)
		require.NoError(t, i.Flush(t.Context()))
		require.Equal(t, 6, done)
		_, sizes := s.counts()
		require.Equal(t, []int{1, 2}, sizes)
		require.Equal(t, map[string]int64{"a": 5, "b": 5}, s.versions(t))
		require.NoError(t, i.Close(t.Context()))
	})
}

func TestBatchesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newGuarded(func(context.Context, []*visibility.Record) error {
			<-release
			return nil
		})
		c := config(s)
		c.MaxBatch = 3
		i := indexer.New(c)
		for n := range 8 {
			enqueue(i, run(fmt.Sprint(n), 1), nil)
		}
		close(release)
		require.NoError(t, i.Close(t.Context()))
		_, sizes := s.counts()
		for _, size := range sizes {
			require.LessOrEqual(t, size, 3)
		}
		require.Len(t, s.versions(t), 8)
	})
}

func TestEnqueueBlocksWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newGuarded(func(context.Context, []*visibility.Record) error {
			<-release
			return nil
		})
		c := config(s)
		c.MaxWaiting = 4 // half of it for those who wait
		i := indexer.New(c)
		enqueue(i, run("under way", 1), nil)
		synctest.Wait()
		enqueue(i, run("a", 1), nil)
		enqueue(i, run("b", 1), nil)
		enqueue(i, run("b", 2), nil) // a run that waits already needs no place
		var entered atomic.Bool
		go func() {
			enqueue(i, run("c", 1), nil)
			entered.Store(true)
		}()
		synctest.Wait()
		require.False(t, entered.Load())
		close(release)
		synctest.Wait()
		require.True(t, entered.Load())
		require.NoError(t, i.Close(t.Context()))
		require.Equal(t, map[string]int64{"under way": 1, "a": 1, "b": 2, "c": 1}, s.versions(t))
	})
}

func TestRetriesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newGuarded(func(context.Context, []*visibility.Record) error { return errors.New("down") })
		i := indexer.New(config(s))
		done := 0
		for n := range 100 {
			enqueue(i, run(fmt.Sprint(n), 1), func() { done++ })
		}
		<-time.After(time.Hour)
		synctest.Wait()
		require.Zero(t, done)
		require.Equal(t, 100, i.Pending())
		writes, _ := s.counts()
		require.Less(t, writes, 5000, "a store that is down is asked a few times per %s", indexer.RetryMaxDefault)
		enqueue(i, run("5", 2), func() { done++ })

		s.setGuard(nil)
		<-time.After(indexer.RetryMaxDefault)
		synctest.Wait()
		require.Equal(t, 101, done)
		require.EqualValues(t, 2, s.versions(t)["5"])
		require.NoError(t, i.Close(t.Context()))
	})
}

// refuseAttribute refuses batches in which a record has the attribute.
func refuseAttribute(_ context.Context, records []*visibility.Record) error {
	for _, rec := range records {
		if _, ok := rec.SearchAttributes.GetIndexedFields()["poison"]; ok {
			return errRefused
		}
	}
	return nil
}

func TestPoisonIsWrittenWithoutCustomAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newGuarded(refuseAttribute)
		registry := metrics.NewRegistry()
		c := config(s)
		c.Metrics = registry
		i := indexer.New(c)
		done := 0
		for n := range 20 {
			rec := run(fmt.Sprint(n), 1)
			if n%7 == 0 {
				rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
					"poison":   attr.Encode("x", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
					"BuildIds": attr.Encode([]string{"b"}, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST),
				}}
			}
			enqueue(i, rec, func() { done++ })
		}
		require.NoError(t, i.Close(t.Context()))
		require.Equal(t, 20, done)
		require.Len(t, s.versions(t), 20)
		q, err := query.Parse("BuildIds = 'b'")
		require.NoError(t, err)
		require.NoError(t, query.Check(q, nil))
		result, err := s.Count(t.Context(), "ns", q)
		require.NoError(t, err)
		require.EqualValues(t, 3, result.Total, "the system's own attributes stay")
		require.EqualValues(t, 3, registry.Value("perdure_visibility_docs_total", "index", "error", "memory"))
		require.EqualValues(t, 20, registry.Value("perdure_visibility_docs_total", "index", "ok", "memory"))
	})
}

// TestHopelessRecordBlocksNobody has the store refuse one run in every form, for a while.
func TestHopelessRecordBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newGuarded(func(_ context.Context, records []*visibility.Record) error {
			for _, rec := range records {
				if rec.RunID == "hopeless" {
					return errRefused
				}
			}
			return nil
		})
		i := indexer.New(config(s))
		hopeless, others := 0, 0
		enqueue(i, run("hopeless", 1), func() { hopeless++ })
		for n := range 10 {
			enqueue(i, run(fmt.Sprint(n), 1), func() { others++ })
		}
		<-time.After(time.Minute)
		synctest.Wait()
		require.Equal(t, 10, others)
		require.Zero(t, hopeless)
		require.Equal(t, 1, i.Pending())

		start := time.Now()
		enqueue(i, run("new", 1), func() { others++ })
		<-time.After(indexer.RetryMaxDefault)
		synctest.Wait()
		require.Equal(t, 11, others, "after %s", time.Since(start))

		s.setGuard(nil)
		<-time.After(indexer.RetryMaxDefault)
		synctest.Wait()
		require.Equal(t, 1, hopeless)
		require.NoError(t, i.Close(t.Context()))
	})
}

func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		s := newGuarded(func(ctx context.Context, _ []*visibility.Record) error {
			if first {
				first = false
				<-ctx.Done()
			}
			return ctx.Err()
		})
		i := indexer.New(config(s))
		enqueue(i, run("r", 1), nil)
		require.NoError(t, i.Flush(t.Context()))
		require.Equal(t, map[string]int64{"r": 1}, s.versions(t))
		require.NoError(t, i.Close(t.Context()))
	})
}

func TestCloseWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newGuarded(func(context.Context, []*visibility.Record) error { return errors.New("down") })
		c := config(s)
		c.MaxWaiting = 1
		i := indexer.New(c)
		enqueue(i, run("a", 1), func() { t.Error("it was not written") })
		synctest.Wait()
		go enqueue(i, run("b", 1), nil) // may wait for a place: Close lets it go

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, i.Close(ctx), context.DeadlineExceeded)
		enqueue(i, run("c", 1), func() { t.Error("it was not written") })
		require.Error(t, i.Flush(t.Context()))
		require.Error(t, i.Close(ctx), "again")
	})
}

// TestConverges draws changes in any order, with repeats and a store that fails
// at random: in the end the store has the newest version of each run, and
// every done was called once.
func TestConverges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		versions := rapid.SliceOfN(rapid.Int64Range(1, 6), 1, 60).Draw(rt, "versions")
		runs := rapid.SliceOfN(rapid.IntRange(0, 4), len(versions), len(versions)).Draw(rt, "runs")
		outcomes := rapid.SliceOfN(rapid.Bool(), 0, 30).Draw(rt, "outcomes")
		batch := rapid.IntRange(1, 4).Draw(rt, "batch")
		waiting := rapid.IntRange(1, 5).Draw(rt, "waiting")
		synctest.Test(t, func(t *testing.T) {
			s := newGuarded(func(context.Context, []*visibility.Record) error {
				if len(outcomes) == 0 {
					return nil
				}
				ok := outcomes[0]
				outcomes = outcomes[1:]
				if ok {
					return nil
				}
				return errors.New("flaky")
			})
			c := config(s)
			c.MaxBatch, c.MaxWaiting = batch, waiting
			i := indexer.New(c)
			want := map[string]int64{}
			done := make([]int, len(versions))
			for n, version := range versions {
				runID := fmt.Sprint(runs[n])
				want[runID] = max(want[runID], version)
				enqueue(i, run(runID, version), func() { done[n]++ })
			}
			require.NoError(rt, i.Close(t.Context()))
			require.Equal(rt, want, s.versions(rt))
			for n := range done {
				require.Equal(rt, 1, done[n])
			}
		})
	})
}
