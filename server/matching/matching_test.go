package matching_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store/memory"
)

func TestSyncMatchNeedsNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		got := make(chan string, 1)
		go func() { got <- r.poll(t.Context(), queue()) }()
		synctest.Wait()
		c := r.offer(task(queue(), "a"))
		require.Equal(t, "a", <-got)
		require.Equal(t, cluster.Delivered, <-c)
		time.Sleep(10 * time.Second)
		appends, reads, deletes := r.store.counts()
		require.Zero(t, appends+reads+deletes)
		require.False(t, r.history.tasks()[0].FromBacklog)
		require.EqualValues(t, 1, r.registry.Value("perdure_match_total", "sync", "workflow"))
	})
}

func TestTaskWaitsAMomentThenIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		early := r.offer(task(queue(), "early"))
		time.Sleep(199 * time.Millisecond)
		require.True(t, early.pending())
		require.Equal(t, "early", r.poll(t.Context(), queue()))
		require.Equal(t, cluster.Delivered, <-early)

		late := r.offer(task(queue(), "late"))
		time.Sleep(250 * time.Millisecond)
		require.Equal(t, cluster.Stored, <-late)
		require.EqualValues(t, 1, r.stored())
		require.Equal(t, "late", r.poll(t.Context(), queue()))
		require.True(t, r.history.tasks()[1].FromBacklog)
		require.EqualValues(t, 1, r.stored(), "deleted lazily")
		time.Sleep(1100 * time.Millisecond)
		require.Zero(t, r.stored())
	})
}

func TestStoredTaskComesBackWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		want := task(activityQueue(), "a")
		want.ExpiresAt = time.Now().Add(time.Hour).UTC()
		want.Priority = 5
		r.offer(want)
		time.Sleep(time.Second)
		r.stop()
		second := rigOn(t, r.data, matching.Limits{})
		defer second.stop()
		require.Equal(t, "a", second.pollActivity(t.Context(), nil))
		want.FromBacklog = true
		got := *second.history.tasks()[0]
		require.NotNil(t, got.Remembered)
		require.Positive(t, got.Waited)
		require.False(t, got.MatchedAt.IsZero())
		want.MatchedAt, want.Waited = got.MatchedAt, got.Waited
		got.Remembered = nil
		require.Equal(t, want, &got)
	})
}

// 5,000 tasks with a read-ahead of 100 come out in order, and the store ends empty.
func TestBacklogInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 100, BatchTasks: 300})
		defer r.stop()
		const tasks = 5000
		for i, c := range r.offerMany(queue(), 0, tasks) {
			require.Equal(t, cluster.Stored, <-c, "task %d", i)
		}
		appends, _, _ := r.store.counts()
		require.LessOrEqual(t, appends, tasks/300+2, "batches")
		require.EqualValues(t, tasks, r.stored())
		for i := range tasks {
			require.Equal(t, fmt.Sprintf("wf-%04d", i), r.poll(t.Context(), queue()))
		}
		time.Sleep(2 * time.Second)
		require.Zero(t, r.stored())
	})
}

func TestPriorityGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		for i, p := range []int32{5, 3, 0, 1, 4, 1} {
			x := task(queue(), fmt.Sprintf("%d-%d", p, i))
			x.Priority = p
			r.offer(x)
		}
		time.Sleep(time.Second)
		for _, want := range []string{"1-3", "1-5", "3-1", "0-2", "4-4", "5-0"} {
			require.Equal(t, want, r.poll(t.Context(), queue()))
		}
	})
}

func TestCrashRedelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.offerMany(queue(), 0, 20)
		time.Sleep(time.Second)
		for range 5 {
			r.poll(t.Context(), queue())
		}
		// The process dies here, before the delivered tasks are deleted. Its
		// lease is taken over, so nothing it does afterwards reaches the store.
		second := rigOn(t, r.data, matching.Limits{})
		r.stop()
		defer second.stop()
		stale := map[string]bool{}
		for _, x := range r.history.tasks() {
			stale[x.Execution.WorkflowID] = true
		}
		require.Len(t, stale, 5)
		dropped := 0
		second.history.set(func(_ context.Context, x *cluster.Task) error {
			if stale[x.Execution.WorkflowID] {
				dropped++
				return cluster.ErrStaleTask
			}
			return nil
		})
		for i := 5; i < 20; i++ {
			require.Equal(t, fmt.Sprintf("wf-%04d", i), second.poll(t.Context(), queue()))
		}
		require.Equal(t, 5, dropped)
		time.Sleep(2 * time.Second)
		require.Zero(t, second.stored())
	})
}

func TestPollTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		for _, c := range []struct{ deadline, want time.Duration }{
			{70 * time.Second, 59 * time.Second},
			{20 * time.Second, 19 * time.Second},
			{2500 * time.Millisecond, 1500 * time.Millisecond},
			{500 * time.Millisecond, 0},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
			start := time.Now()
			require.Empty(t, r.poll(ctx, queue()))
			require.Equal(t, c.want, time.Since(start), "deadline %v", c.deadline)
			require.NoError(t, ctx.Err())
			cancel()
		}
	})
}

func TestWithdrawnPollGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan string, 1)
		go func() { got <- r.poll(ctx, queue()) }()
		synctest.Wait()
		cancel()
		require.Empty(t, <-got)
		c := r.offer(task(queue(), "a"))
		require.True(t, c.pending())
		require.Equal(t, "a", r.poll(t.Context(), queue()))
		require.EqualValues(t, 1, r.registry.Value("perdure_poll_total", ns.Name, "canceled", "workflow"))
	})
}

// The client goes away while history starts the task, and history gives up:
// the next poller gets it.
func TestCanceledDuringStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		ctx, cancel := context.WithCancel(t.Context())
		r.history.set(func(ctx context.Context, _ *cluster.Task) error {
			cancel()
			return ctx.Err()
		})
		c := r.offer(task(queue(), "a"))
		require.Empty(t, r.poll(ctx, queue()))
		require.True(t, c.pending())
		r.history.set(nil)
		start := time.Now()
		require.Equal(t, "a", r.poll(t.Context(), queue()))
		require.Zero(t, time.Since(start), "no pause")
		require.Equal(t, cluster.Delivered, <-c)
	})
}

func TestStaleTaskKeepsThePollWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.history.set(func(_ context.Context, x *cluster.Task) error {
			if x.Execution.WorkflowID == "stale" {
				return cluster.ErrStaleTask
			}
			return nil
		})
		got := make(chan string, 1)
		go func() { got <- r.poll(t.Context(), queue()) }()
		synctest.Wait()
		stale := r.offer(task(queue(), "stale"))
		require.Equal(t, cluster.Delivered, <-stale)
		synctest.Wait()
		require.Empty(t, got)
		r.offer(task(queue(), "good"))
		require.Equal(t, "good", <-got)
	})
}

// A task that cannot be started pauses; others pass it; then it is tried again.
func TestFailedStartIsPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		tries := 0
		r.history.set(func(_ context.Context, x *cluster.Task) error {
			if x.Execution.WorkflowID == "bad" {
				if tries++; tries <= 2 {
					return errors.New("busy")
				}
			}
			return nil
		})
		bad := r.offer(task(queue(), "bad"))
		r.offer(task(queue(), "good"))
		require.Equal(t, "good", r.poll(t.Context(), queue()))
		start := time.Now()
		require.Equal(t, "bad", r.poll(t.Context(), queue()))
		require.Equal(t, 150*time.Millisecond, time.Since(start))
		require.Equal(t, cluster.Delivered, <-bad)
		require.Equal(t, 3, tries)
	})
}

func TestExpiredTasksAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		volatile := task(queue(), "volatile")
		volatile.Volatile = true
		volatile.ExpiresAt = time.Now().Add(5 * time.Second)
		stored := task(queue(), "stored")
		stored.ExpiresAt = time.Now().Add(10 * time.Second)
		v, s := r.offer(volatile), r.offer(stored)
		time.Sleep(time.Second)
		require.True(t, v.pending(), "a volatile task is never stored")
		require.Equal(t, cluster.Stored, <-s)
		time.Sleep(4 * time.Second)
		require.Equal(t, cluster.Dropped, <-v)
		time.Sleep(10 * time.Second)
		require.Zero(t, r.stored())
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.Empty(t, r.poll(ctx, queue()))
		require.EqualValues(t, 2, r.registry.Value("perdure_tasks_expired_total", "workflow"))
	})
}

func TestIdleQueueLeavesMemoryAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.offerMany(queue(), 0, 10)
		time.Sleep(time.Second)
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		time.Sleep(time.Hour) // the read-ahead is trimmed: what is left is in the store only
		appends, reads, deletes := r.store.counts()
		time.Sleep(time.Hour)
		a, d, e := r.store.counts()
		require.Equal(t, []int{appends, reads, deletes}, []int{a, d, e}, "an idle queue makes no statement")
		require.Empty(t, r.engine.RecentPollers(queue()))
		for i := 1; i < 10; i++ {
			require.Equal(t, fmt.Sprintf("wf-%04d", i), r.poll(t.Context(), queue()))
		}
		time.Sleep(time.Hour)
		require.Zero(t, r.loaded())
	})
}

func TestBeforeStartAndWithoutHistory(t *testing.T) {
	e := matching.New(matching.Config{Leases: &heldLeases{}})
	require.Error(t, e.Start(t.Context()))
	c := make(report, 1)
	e.Offer(task(queue(), "a"), func(o cluster.Outcome) { c <- o })
	require.Equal(t, cluster.Dropped, <-c)
	require.NoError(t, e.Stop(t.Context()))
}

// A poll that meets nothing but stale tasks still answers in time.
func TestPollEndsInTimeAmongStaleTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.history.set(func(context.Context, *cluster.Task) error {
			time.Sleep(100 * time.Millisecond)
			return cluster.ErrStaleTask
		})
		r.offerMany(queue(), 0, 1000)
		start := time.Now()
		require.Empty(t, r.pollFor(queue(), 5*time.Second))
		require.Equal(t, 4*time.Second, time.Since(start))
	})
}

func TestBacklogHintLeavesOutTheTaskItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.offerMany(queue(), 0, 3)
		for _, want := range []int64{2, 1, 0} {
			require.Equal(t, want, r.hintOf(queue()))
		}
	})
}

// TestStickyQueueTellsOfNoBacklog: a worker that heard of one would poll no other queue.
func TestStickyQueueTellsOfNoBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		require.Empty(t, r.pollFor(stickyQueue(), 2*time.Second), "a queue that nobody polls refuses its tasks")
		r.offerMany(stickyQueue(), 0, 3)
		require.Zero(t, r.hintOf(stickyQueue()))
		require.Equal(t, "wf-0001", r.poll(t.Context(), stickyQueue()))
	})
}
