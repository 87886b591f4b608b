package matching_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store/memory"
)

// offerFor offers tasks of one fairness key, named KEY-NUMBER.
func (r *rig) offerFor(key string, weight float32, from, to int) []report {
	var reports []report
	for i := from; i < to; i++ {
		x := task(queue(), fmt.Sprintf("%s-%05d", key, i))
		x.FairnessKey, x.FairnessWeight = key, weight
		reports = append(reports, r.offer(x))
	}
	return reports
}

func storedAll(t *testing.T, reports []report) {
	for _, c := range reports {
		require.Equal(t, cluster.Stored, <-c)
	}
}

// pollKeys polls and counts what came by key. It requires that each key's tasks
// come in order.
func (r *rig) pollKeys(count int, last map[string]string) map[string]int {
	keys := map[string]int{}
	for range count {
		id := r.poll(r.t.Context(), queue())
		key, _, _ := strings.Cut(id, "-")
		require.Less(r.t, last[key], id, "order within a key")
		last[key] = id
		keys[key]++
	}
	return keys
}

func TestKeysShareByWeight(t *testing.T) {
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprintf("stored=%v", stored), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data, err := memory.New(1)
				require.NoError(t, err)
				r := rigOn(t, data, matching.Limits{ReadAheadTasks: 20, BatchTasks: 100})
				defer func() { r.stop() }()
				reports := r.offerFor("big", 1, 0, 1000)
				reports = append(reports, r.offerFor("heavy", 3, 0, 600)...)
				reports = append(reports, r.offerFor("small", 0, 0, 20)...)
				if stored {
					storedAll(t, reports)
					r.stop()
					r = rigOn(t, data, matching.Limits{ReadAheadTasks: 20, BatchTasks: 100})
				}
				last := map[string]string{}
				got := r.pollKeys(100, last)
				require.InDelta(t, 20, got["big"], 2)
				require.InDelta(t, 60, got["heavy"], 2)
				require.InDelta(t, 20, got["small"], 2)
				got = r.pollKeys(400, last)
				require.InDelta(t, 300, got["heavy"], 4, "the others have nothing more to share with")
				require.InDelta(t, 100, got["big"], 4)
				got = r.pollKeys(1120, last)
				require.Equal(t, 1620, 500+got["big"]+got["heavy"]+got["small"])
			})
		})
	}
}

// Whoever comes late to a long backlog does not wait behind it.
func TestLongBacklogKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 10, BatchTasks: 500})
		defer r.stop()
		storedAll(t, r.offerFor("big", 1, 0, 5000))
		last := map[string]string{}
		r.pollKeys(50, last)
		storedAll(t, r.offerFor("small", 1, 0, 5))
		require.Equal(t, 5, r.pollKeys(11, last)["small"])
		r.offerFor("fresh", 1, 0, 1)
		require.Equal(t, 1, r.pollKeys(2, last)["fresh"])
		urgent := task(queue(), "urgent-1")
		urgent.Priority, urgent.FairnessKey = 1, "big"
		storedAll(t, []report{r.offer(urgent)})
		require.Equal(t, "urgent-1", r.poll(t.Context(), queue()))
	})
}

// A key's newest tasks wait behind its older ones even when those have to be
// read first.
func TestOrderWithinAKeyAcrossTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 4})
		storedAll(t, r.offerFor("a", 1, 0, 30))
		r.stop()
		second := rigOn(t, data, matching.Limits{ReadAheadTasks: 4})
		defer second.stop()
		synctest.Wait()
		second.offerFor("a", 1, 30, 40)
		last := map[string]string{}
		for i := range 10 {
			second.pollKeys(3, last)
			second.offerFor("a", 1, 40+i, 41+i)
		}
		second.pollKeys(20, last)
	})
}

// Priorities are strict in the store too, also for what comes while a lower one is read.
func TestPriorityInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 6})
		defer r.stop()
		var reports []report
		for i := range 200 {
			x := task(queue(), fmt.Sprintf("%d-%03d", i%5+1, i))
			x.Priority = int32(i%5 + 1)
			reports = append(reports, r.offer(x))
		}
		storedAll(t, reports)
		last := ""
		for range 200 {
			id := r.poll(t.Context(), queue())
			require.Less(t, last, id)
			last = id
		}
	})
}

// More keys than a queue keeps apart: they share lanes, and nothing is lost or out of order.
func TestMoreKeysThanLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		limits := matching.Limits{ReadAheadTasks: 10, LanesMax: 20}
		r := rigOn(t, data, limits)
		var reports []report
		for i := range 5 {
			for k := range 200 {
				reports = append(reports, r.offerFor(fmt.Sprintf("key%d", k), 1, i, i+1)...)
			}
		}
		storedAll(t, reports)
		last := map[string]string{}
		got := r.pollKeys(300, last)
		r.stop()
		second := rigOn(t, data, limits)
		defer second.stop()
		for key, n := range second.pollKeys(700, last) {
			got[key] += n
		}
		require.Len(t, got, 200)
		for key, n := range got {
			require.Equal(t, 5, n, key)
		}
		require.Empty(t, second.pollFor(queue(), 3*time.Second))
		require.Zero(t, second.stored())
	})
}

// While the store fails, what is in memory goes on; then those who waited come.
func TestReadFailureHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 4})
		defer r.stop()
		storedAll(t, r.offerFor("big", 1, 0, 100))
		last := map[string]string{}
		r.pollKeys(5, last)
		r.store.failWith(errors.New("the store is away"), false)
		r.offerFor("small", 1, 0, 10)
		got := map[string]int{}
		for got["small"] < 10 {
			for key, n := range r.pollKeys(1, last) {
				got[key] += n
			}
		}
		require.Less(t, got["big"], 10, "what had been read")
		r.store.failWith(nil, false)
		r.pollKeys(95-got["big"], last)
	})
}

// Reading waits for deletes that have fallen behind, so that what a crash
// delivers again is bounded; while deletes fail, what is in memory goes on.
func TestReadingWaitsForDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 10, BatchTasks: 10})
		defer r.stop()
		storedAll(t, r.offerFor("big", 1, 0, 1000))
		r.store.mu.Lock()
		r.store.failDeletes = errors.New("locked")
		r.store.mu.Unlock()
		taken := 0
		for ; r.pollFor(queue(), 3*time.Second) != ""; taken++ {
		}
		require.InDelta(t, 210, taken, 20)
		for i := range 5 {
			r.offerFor("small", 1, i, i+1)
			require.Equal(t, fmt.Sprintf("small-%05d", i), r.pollFor(queue(), 3*time.Second))
		}
		r.store.mu.Lock()
		r.store.failDeletes = nil
		r.store.mu.Unlock()
		for ; taken < 1000; taken++ {
			require.Equal(t, fmt.Sprintf("big-%05d", taken), r.poll(t.Context(), queue()))
		}
		time.Sleep(5 * time.Second)
		require.Zero(t, r.stored())
	})
}

// Eight workers of 10 ms a task are busy with a big tenant's backlog, and the
// store takes 5 ms to read: a task of a small tenant starts when the next or
// the second worker is free, as if there were no backlog.
func TestSmallTenantsStartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 50})
		defer r.stop()
		storedAll(t, r.offerFor("big", 1, 0, 10_000))
		r.store.mu.Lock()
		r.store.beforeRead = func() { time.Sleep(5 * time.Millisecond) }
		r.store.mu.Unlock()
		started := make(chan time.Time, 1)
		ctx, cancel := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for range 8 {
			workers.Go(func() {
				for ctx.Err() == nil {
					if strings.HasPrefix(r.poll(ctx, queue()), "small") {
						started <- time.Now()
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		for i := range 100 {
			time.Sleep(time.Duration(1+i*7%23) * time.Millisecond)
			offered := time.Now()
			r.offerFor("small", 1, i, i+1)
			require.LessOrEqual(t, (<-started).Sub(offered), 15*time.Millisecond)
		}
		require.Less(t, len(r.history.tasks()), 5000, "the backlog is there still")
		cancel()
		workers.Wait()
	})
}
