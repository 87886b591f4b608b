package matching_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store/memory"
)

// Clients come and go while tasks are offered, stored, read back and now and
// then cannot be started: each task is started exactly once.
func TestEachTaskStartsOnce(t *testing.T) {
	const tasks, pollers, queues = 8000, 24, 3
	data, err := memory.New(2)
	require.NoError(t, err)
	r := rigOn(t, data, matching.Limits{
		SyncMatchWait: time.Millisecond, ReadAheadTasks: 50, BatchTasks: 40, DeleteDelay: 5 * time.Millisecond,
	})
	queueOf := func(n int) cluster.TaskQueue {
		q := queue()
		q.Name = fmt.Sprintf("orders-%d", n)
		return q
	}
	var started atomic.Int64
	var starts sync.Map
	r.history.onStart = func(ctx context.Context, x *cluster.Task) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if rand.IntN(200) == 0 {
			return errors.New("busy")
		}
		n, _ := starts.LoadOrStore(x.Execution.WorkflowID, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		started.Add(1)
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	for i := range pollers {
		group.Go(func() {
			for started.Load() < tasks && ctx.Err() == nil {
				client, leave := context.WithCancel(ctx)
				timer := time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, leave)
				r.poll(client, queueOf(i%queues))
				timer.Stop()
				leave()
			}
		})
	}
	outcomes := make(chan cluster.Outcome, tasks)
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for i := range tasks {
		r.engine.Offer(task(queueOf(i%queues), fmt.Sprintf("wf-%d", i)), func(o cluster.Outcome) { outcomes <- o })
		if i%100 == 0 {
			<-pace.C // so that tasks and polls meet in memory, too
		}
	}
	group.Wait()
	require.NoError(t, ctx.Err())
	require.EqualValues(t, tasks, started.Load())
	starts.Range(func(id, n any) bool {
		require.EqualValues(t, 1, n.(*atomic.Int64).Load(), "task %s", id)
		return true
	})
	r.stop()
	require.Zero(t, r.stored())
	require.Len(t, outcomes, tasks)
	for range tasks {
		require.Contains(t, []cluster.Outcome{cluster.Delivered, cluster.Stored}, <-outcomes)
	}
}

// Engines stop in the middle of everything: no poll hangs, each offer gets its outcome.
func TestStopUnderLoad(t *testing.T) {
	for range 20 {
		data, err := memory.New(2)
		require.NoError(t, err)
		r := rigOn(t, data, matching.Limits{SyncMatchWait: time.Millisecond, DeleteDelay: time.Millisecond})
		var group sync.WaitGroup
		var offered, reported atomic.Int64
		done := make(chan struct{})
		for range 8 {
			group.Go(func() {
				for !closed(done) {
					r.poll(t.Context(), queue())
				}
			})
		}
		for i := range 4 {
			group.Go(func() {
				turns := make(chan struct{}, 2000) // a stop must not have to store without end
				for n := 0; !closed(done); n++ {
					turns <- struct{}{}
					offered.Add(1)
					r.engine.Offer(task(queue(), fmt.Sprintf("wf-%d-%d", i, n)), func(cluster.Outcome) {
						reported.Add(1)
						<-turns
					})
				}
			})
		}
		require.Eventually(t, func() bool { return len(r.history.tasks()) >= 50 }, 10*time.Second, 100*time.Microsecond)
		r.stop()
		close(done)
		group.Wait()
		require.Eventually(t, func() bool { return offered.Load() == reported.Load() }, 5*time.Second, time.Millisecond)
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
