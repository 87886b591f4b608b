package matching_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
)

func TestStickyNeedsARecentPoller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		require.Equal(t, cluster.Refused, r.offer(task(stickyQueue(), "a")).now(t), "nobody ever polled")

		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.Empty(t, r.poll(ctx, stickyQueue()))
		time.Sleep(9 * time.Second)
		c := r.offer(task(stickyQueue(), "b"))
		require.Equal(t, "b", r.poll(t.Context(), stickyQueue()))
		require.Equal(t, cluster.Delivered, <-c)

		time.Sleep(10 * time.Second)
		require.Equal(t, cluster.Refused, r.offer(task(stickyQueue(), "c")).now(t))
		_, err := r.engine.DispatchQuery(t.Context(), queryOf(stickyQueue()))
		require.ErrorIs(t, err, cluster.ErrNoPoller)
		appends, _, _ := r.store.counts()
		require.Zero(t, appends, "sticky tasks are never stored")
	})
}

// A poll that has waited for long counts as a recent poller.
func TestStickyPollThatWaitsServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		got := make(chan string, 1)
		go func() { got <- r.poll(t.Context(), stickyQueue()) }()
		time.Sleep(50 * time.Second)
		require.Equal(t, cluster.Delivered, <-r.offer(task(stickyQueue(), "a")))
		require.Equal(t, "a", <-got)
	})
}

// A sticky and a normal queue of the same name are two queues.
func TestStickyNameIsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		sticky := queue()
		sticky.Kind = enumspb.TASK_QUEUE_KIND_STICKY
		c := r.offer(task(queue(), "normal"))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.Empty(t, r.poll(ctx, sticky))
		require.Equal(t, cluster.Stored, <-c)
		require.Equal(t, "normal", r.poll(t.Context(), queue()))
	})
}

func TestShutdownWorkerReturnsStickyTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		require.Equal(t, "", r.pollFor(stickyQueue(), 2*time.Second))
		waiting := r.offer(task(stickyQueue(), "a"))
		asked := make(chan error, 1)
		go func() {
			_, err := r.engine.DispatchQuery(t.Context(), queryOf(stickyQueue()))
			asked <- err
		}()
		synctest.Wait()
		require.True(t, waiting.pending())
		r.shutdown(&workflowservice.ShutdownWorkerRequest{StickyTaskQueue: stickyQueue().Name})
		require.Equal(t, cluster.Refused, waiting.now(t))
		require.ErrorIs(t, <-asked, cluster.ErrNoPoller)
		require.Equal(t, cluster.Refused, r.offer(task(stickyQueue(), "b")).now(t), "after the shutdown, too")

		got := make(chan string, 1)
		go func() { got <- r.poll(t.Context(), stickyQueue()) }()
		synctest.Wait()
		require.Equal(t, cluster.Delivered, <-r.offer(task(stickyQueue(), "c")), "until somebody polls anew")
		require.Equal(t, "c", <-got)
	})
}

// A poll that the shutdown answered must not make the queue look served when it ends.
func TestShutdownWorkerEndsStickyPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		got := make(chan string, 1)
		go func() { got <- r.poll(t.Context(), stickyQueue()) }()
		synctest.Wait()
		r.shutdown(&workflowservice.ShutdownWorkerRequest{StickyTaskQueue: stickyQueue().Name})
		require.Empty(t, <-got)
		synctest.Wait()
		require.Equal(t, cluster.Refused, r.offer(task(stickyQueue(), "a")).now(t))
	})
}

func TestShutdownWorkerEndsItsPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		mine, others, activities := make(chan string, 1), make(chan string, 1), make(chan string, 1)
		go func() { mine <- r.poll(t.Context(), queue()) }()
		go func() {
			request := pollRequest(queue())
			request.WorkerInstanceKey = "key-2"
			response, err := r.engine.PollWorkflowTaskQueue(t.Context(), ns, request)
			require.NoError(t, err)
			others <- string(response.TaskToken)
		}()
		go func() {
			response, err := r.engine.PollActivityTaskQueue(t.Context(), ns, &workflowservice.PollActivityTaskQueueRequest{
				WorkerInstanceKey: "key-1", TaskQueue: &taskqueuepb.TaskQueue{Name: queue().Name},
			})
			require.NoError(t, err)
			activities <- string(response.TaskToken)
		}()
		synctest.Wait()
		r.shutdown(&workflowservice.ShutdownWorkerRequest{
			WorkerInstanceKey: "key-1", TaskQueue: "one of its queues",
			TaskQueueTypes: []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_NEXUS},
		})
		require.Empty(t, <-mine)
		require.Empty(t, <-activities)
		start := time.Now()
		require.Empty(t, r.poll(t.Context(), queue()), "a poll that crossed the shutdown")
		require.Zero(t, time.Since(start))
		r.offer(task(queue(), "a"))
		require.Equal(t, "a", <-others)
	})
}

func (r *rig) shutdown(request *workflowservice.ShutdownWorkerRequest) {
	_, err := r.engine.ShutdownWorker(r.t.Context(), ns, request)
	require.NoError(r.t, err)
}

func (r *rig) pollFor(queue cluster.TaskQueue, deadline time.Duration) string {
	ctx, cancel := context.WithTimeout(r.t.Context(), deadline)
	defer cancel()
	return r.poll(ctx, queue)
}

// A task without an end does not keep a dead worker's queue in memory for ever.
func TestAbandonedStickyQueueLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		require.Empty(t, r.pollFor(stickyQueue(), 2*time.Second))
		c := r.offer(task(stickyQueue(), "a"))
		time.Sleep(4 * time.Minute)
		require.True(t, c.pending())
		time.Sleep(7 * time.Minute)
		require.Equal(t, cluster.Refused, <-c)
		require.Zero(t, r.loaded())
	})
}
