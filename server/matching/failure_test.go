package matching_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store/memory"
)

func TestStopAnswersPollsAndStoresTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		polls := make(chan string, 3)
		other := activityQueue()
		for range 3 {
			go func() { polls <- r.pollActivity(t.Context(), nil) }()
		}
		fresh := r.offerMany(queue(), 0, 3)
		volatile := task(queue(), "volatile")
		volatile.Volatile = true
		v := r.offer(volatile)
		synctest.Wait()
		start := time.Now()
		r.stop()
		require.Zero(t, time.Since(start))
		for range 3 {
			require.Empty(t, <-polls)
		}
		for _, c := range fresh {
			require.Equal(t, cluster.Stored, <-c)
		}
		require.Equal(t, cluster.Dropped, <-v)
		require.EqualValues(t, 3, r.stored())
		require.Equal(t, cluster.Dropped, <-r.offer(task(other, "late")))
		require.Empty(t, r.poll(t.Context(), queue()))
		require.Zero(t, time.Since(start))
	})
}

// Delivered tasks are deleted on the way out, so a clean restart finds none of them.
func TestStopDeletesWhatWasDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.offerMany(queue(), 0, 3)
		time.Sleep(time.Second)
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		r.stop()
		require.EqualValues(t, 2, r.stored())
	})
}

func TestStopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.store.failWith(errors.New("the store is away"), false)
		c := r.offer(task(queue(), "a"))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, r.engine.Stop(ctx), context.DeadlineExceeded)
		require.Less(t, time.Since(start), 5*time.Second)
		require.Equal(t, cluster.Dropped, <-c)
	})
}

func TestStoreFailureIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.store.failWith(errors.New("the store is away"), false)
		c := r.offer(task(queue(), "a"))
		taken := r.offer(task(queue(), "b"))
		time.Sleep(time.Second)
		require.True(t, c.pending())
		require.Equal(t, "a", r.poll(t.Context(), queue()), "a task that is being written may be taken")
		require.Equal(t, cluster.Delivered, <-c)
		r.store.failWith(nil, false)
		require.Equal(t, cluster.Stored, <-taken)
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 1, r.stored(), "the one that was taken is deleted again")
		require.Equal(t, "b", r.poll(t.Context(), queue()))
	})
}

// The write was made but the answer got lost: the retry finds its own ids.
func TestUnknownOutcomeOfAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.store.failWith(errors.New("connection reset"), true)
		c := r.offer(task(queue(), "a"))
		time.Sleep(210 * time.Millisecond)
		require.True(t, c.pending())
		r.store.failWith(nil, false)
		require.Equal(t, cluster.Stored, <-c)
		require.EqualValues(t, 1, r.stored())
		require.Equal(t, "a", r.poll(t.Context(), queue()))
	})
}

func TestReadFailureIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.offer(task(queue(), "a"))
		time.Sleep(time.Second)
		r.stop()
		second := rigOn(t, r.data, matching.Limits{})
		defer second.stop()
		synctest.Wait()
		second.store.failWith(errors.New("the store is away"), false)
		got := make(chan string, 1)
		go func() { got <- second.poll(t.Context(), queue()) }()
		time.Sleep(3 * time.Second)
		require.Empty(t, got)
		_, reads, _ := second.store.counts()
		require.Less(t, reads, 10, "pauses grow")
		second.store.failWith(nil, false)
		require.Equal(t, "a", <-got)
	})
}

func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.offerMany(queue(), 0, 2)
		time.Sleep(time.Second)
		fresh := r.offer(task(queue(), "fresh"))
		poll := make(chan string, 1)
		go func() { poll <- r.pollActivity(t.Context(), nil) }()
		synctest.Wait()

		second := rigOn(t, r.data, matching.Limits{}) // another node takes the shards
		defer second.stop()
		r.leases.clear()
		r.engine.ShardLost(1)
		r.engine.ShardLost(2)
		require.Equal(t, cluster.Dropped, <-fresh)
		require.Empty(t, <-poll)
		require.Empty(t, r.pollFor(queue(), 3*time.Second), "nothing left here")
		start := time.Now()
		require.Equal(t, cluster.Dropped, <-r.offer(task(queue(), "nobody")), "without a lease it cannot be stored")
		require.InDelta(t, 5.2, time.Since(start).Seconds(), 0.2)
		require.Equal(t, "wf-0000", second.poll(t.Context(), queue()))

		r.acquire() // and gives them back
		require.Equal(t, "wf-0001", r.pollAfterStale("wf-0000"))
	})
}

// pollAfterStale polls while history says that one task is stale.
func (r *rig) pollAfterStale(stale string) string {
	r.history.set(func(_ context.Context, x *cluster.Task) error {
		if x.Execution.WorkflowID == stale {
			return cluster.ErrStaleTask
		}
		return nil
	})
	return r.poll(r.t.Context(), queue())
}

// The lease is lost to another node before anybody noticed.
func TestFencedWriteIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		c := r.offer(task(queue(), "a"))
		second := rigOn(t, r.data, matching.Limits{})
		defer second.stop()
		require.Equal(t, cluster.Dropped, <-c)
		require.Zero(t, second.stored())
	})
}

// A task that a poller held when the lease was lost ends without touching the store.
func TestLostLeaseDuringAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{})
		defer r.stop()
		r.offerMany(queue(), 0, 2)
		time.Sleep(time.Second)
		r.history.set(func(context.Context, *cluster.Task) error {
			r.engine.ShardLost(1)
			return fmt.Errorf("the shard moved")
		})
		require.Empty(t, r.pollFor(queue(), 3*time.Second))
		r.history.set(nil)
		r.acquire()
		require.Equal(t, "wf-0000", r.poll(t.Context(), queue()))
		require.Equal(t, "wf-0001", r.poll(t.Context(), queue()))
		require.Empty(t, r.pollFor(queue(), 3*time.Second))
		require.Zero(t, r.stored())
	})
}

// A task is taken while it is written, ahead of others that are in the store
// only. Reading those passes its row, which must not be delivered again.
func TestTakenWhileWrittenIsNotReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{ReadAheadTasks: 4, DeleteDelay: time.Minute})
		defer r.stop()
		r.offerMany(queue(), 0, 20)
		time.Sleep(time.Second)

		writing, write := make(chan struct{}), make(chan struct{})
		r.store.mu.Lock()
		r.store.beforeAppend = func() {
			close(writing)
			<-write
		}
		r.store.mu.Unlock()
		urgent := task(queue(), "urgent")
		urgent.Priority = 1
		c := r.offer(urgent)
		<-writing
		require.Equal(t, "urgent", r.poll(t.Context(), queue()))
		require.Equal(t, cluster.Delivered, <-c)
		close(write)
		synctest.Wait()
		require.EqualValues(t, 21, r.stored())
		for i := range 20 {
			require.Equal(t, fmt.Sprintf("wf-%04d", i), r.poll(t.Context(), queue()))
		}
		require.Empty(t, r.pollFor(queue(), 5*time.Second))
		time.Sleep(2 * time.Minute)
		require.Zero(t, r.stored())
	})
}

// A new owner offers what its executions wait for before it announces the
// shard, and others offer while a shard has no lease: nothing of it is dropped.
func TestOffersAroundATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, err := memory.New(1)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{})
		defer r.stop()
		r.offerMany(queue(), 0, 3)
		time.Sleep(time.Second)
		r.leases.clear()
		r.engine.ShardLost(1)
		between := r.offer(task(queue(), "wf-0003"))
		time.Sleep(2 * time.Second)
		require.True(t, between.pending())

		shards, err := r.store.Shards(t.Context())
		require.NoError(t, err)
		acquired, err := r.store.Acquire(t.Context(), 1, shards[0].Epoch, "node")
		require.NoError(t, err)
		r.leases.set(acquired)
		time.Sleep(time.Second)
		require.Equal(t, cluster.Stored, between.now(t), "stored under the new lease")
		recovered := r.offer(task(queue(), "wf-0004"))
		r.engine.ShardAcquired(1)
		time.Sleep(time.Second)
		require.Equal(t, cluster.Stored, recovered.now(t))
		got := r.describe(&workflowservice.DescribeTaskQueueRequest{ReportStats: true})
		require.EqualValues(t, 5, got.Stats.ApproximateBacklogCount)
		for i := range 5 {
			require.Equal(t, fmt.Sprintf("wf-%04d", i), r.poll(t.Context(), queue()))
		}
		require.Empty(t, r.pollFor(queue(), 3*time.Second))
		require.Zero(t, r.stored())
	})
}
