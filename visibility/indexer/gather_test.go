package indexer_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/visibility"
	"perdure/visibility/indexer"
)

// slow makes each write take a while, so that more comes meanwhile.
func slow(ctx context.Context, _ []*visibility.Record) error {
	select {
	case <-time.After(5 * time.Millisecond):
	case <-ctx.Done():
	}
	return ctx.Err()
}

// In a flood, the start, the changes and the end of a short run are one record.
func TestFloodIsGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newGuarded(slow)
		i := indexer.New(config(store))
		const runs = 1000 // one a millisecond, each with three records over 40 ms
		for n := range runs {
			for v := range 3 {
				time.AfterFunc(time.Duration(n+20*v)*time.Millisecond, func() { enqueue(i, run(fmt.Sprint(n), int64(v+1)), nil) })
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		writes, sizes := store.counts()
		written := 0
		for _, size := range sizes {
			written += size
		}
		require.Len(t, store.versions(t), runs)
		for id, version := range store.versions(t) {
			require.EqualValues(t, 3, version, id)
		}
		require.Less(t, writes, 25, "about ten a second")
		require.Less(t, written, runs*17/10, "most runs are written once")
		require.NoError(t, i.Close(t.Context()))
	})
}

// What comes alone is written at once, also right behind a batch.
func TestFewDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newGuarded(slow)
		i := indexer.New(config(store))
		for n := range 5 {
			began := time.Now()
			done := make(chan struct{})
			enqueue(i, run(fmt.Sprint(n), 1), func() { close(done) })
			<-done
			require.Equal(t, 5*time.Millisecond, time.Since(began))
		}
		require.NoError(t, i.Close(t.Context()))
	})
}

// Who waits for all that is enqueued does not wait for more to come.
func TestFlushDoesNotGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newGuarded(slow)
		i := indexer.New(config(store))
		enqueue(i, run("first", 1), nil)
		synctest.Wait() // its write is under way
		for n := range 100 {
			enqueue(i, run(fmt.Sprint(n), 1), nil)
		}
		time.Sleep(20 * time.Millisecond) // the flood is being gathered
		began := time.Now()
		require.NoError(t, i.Flush(t.Context()))
		require.Equal(t, 5*time.Millisecond, time.Since(began))
		require.NoError(t, i.Close(t.Context()))
	})
}
