package indexer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/visibility"
	"perdure/visibility/indexer"
)

// While full batches wait, as many are written at once as there are writers; else one.
func TestFullBatchesOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var underWay, most atomic.Int64
		store := newGuarded(func(ctx context.Context, records []*visibility.Record) error {
			now := underWay.Add(1)
			defer underWay.Add(-1)
			most.Store(max(most.Load(), now))
			if now > 1 && len(records) < 10 {
				t.Errorf("a batch of %d beside another", len(records))
			}
			return slow(ctx, records)
		})
		c := config(store)
		c.Writers, c.MaxBatch = 3, 10
		i := indexer.New(c)
		for n := range 9 {
			enqueue(i, run(fmt.Sprint("few-", n), 1), nil)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		require.EqualValues(t, 1, most.Load(), "few records are not worth more")
		for n := range 200 {
			enqueue(i, run(fmt.Sprint("many-", n), 1), nil)
		}
		require.NoError(t, i.Flush(t.Context()))
		require.EqualValues(t, 3, most.Load())
		require.Len(t, store.versions(t), 209)
		require.NoError(t, i.Close(t.Context()))
	})
}

// Two batches under way may have versions of one run; whichever is first, the newer stays, and all who wait are told.
func TestNewestStaysWhenBatchesOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int64
		store := newGuarded(func(_ context.Context, records []*visibility.Record) error {
			<-time.After(time.Second / time.Duration(writes.Add(1))) // the later the sooner
			return nil
		})
		c := config(store)
		c.Writers, c.MaxBatch = 2, 5
		i := indexer.New(c)
		var told atomic.Int64
		for version := range 40 {
			for n := range 5 {
				enqueue(i, run(fmt.Sprint(n), int64(version+1)), func() { told.Add(1) })
			}
			synctest.Wait() // each version begins a batch of its own, as long as a writer is free
		}
		require.NoError(t, i.Flush(t.Context()))
		for id, version := range store.versions(t) {
			require.EqualValues(t, 40, version, id)
		}
		require.EqualValues(t, 200, told.Load())
		require.Greater(t, writes.Load(), int64(1))
		require.NoError(t, i.Close(t.Context()))
	})
}

// A store that takes nothing is tried by one writer alone, with one record, and rests in between.
func TestBlockedStoreIsTriedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newGuarded(func(_ context.Context, records []*visibility.Record) error {
			return &visibility.WriteError{Items: []visibility.ItemError{{Class: visibility.Blocked, Err: errRefused}}}
		})
		c := config(store)
		c.Writers, c.MaxBatch, c.RetryMin, c.RetryMax = 2, 1, time.Second, time.Second
		i := indexer.New(c)
		for n := range 50 {
			enqueue(i, run(fmt.Sprint(n), 1), nil)
			time.Sleep(100 * time.Millisecond)
		}
		writes, sizes := store.counts()
		require.LessOrEqual(t, writes, 9, "about one a second")
		for _, size := range sizes {
			require.Equal(t, 1, size)
		}
		store.setGuard(nil)
		require.NoError(t, i.Flush(t.Context()))
		require.Len(t, store.versions(t), 50)
		require.NoError(t, i.Close(t.Context()))
	})
}
