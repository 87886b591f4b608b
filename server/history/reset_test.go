package history

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/store"
	"perdure/server/store/fault"
)

// firstTask takes the first task of a workflow, which waits for an hour then,
// and returns the event at which it ended.
func (n *node) firstTask(id string) (runID string, fork int64) {
	n.t.Helper()
	runID = n.begin(id)
	n.complete(n.take(), timer("t", time.Hour))
	return runID, 4
}

func TestResetOfAnOpenRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		old, fork := n.firstTask("a")
		require.NoError(t, n.signal("a", "1"))
		n.complete(n.take())
		require.NoError(t, n.signal("a", "2"))

		run := n.resetTo("a", old, fork)
		require.Equal(t, run, n.resetTo("a", old, fork), "the same request again")
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, n.status("a", old))
		require.Equal(t, run, n.current("a").RunID)
		events := n.history("a", run)
		require.Equal(t, 2, times(events, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED), "signals are kept")
		require.Zero(t, times(events, enumspb.EVENT_TYPE_TIMER_STARTED), "what the undone task did is not")
		task := n.take()
		require.Equal(t, run, task.WorkflowExecution.RunId)
		n.complete(task, finish())
		require.Nil(t, n.poll(queueName, time.Minute), "nothing of the old run is left")
	})
}

func TestResetOfAClosedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{})
		old := n.begin("a")
		n.complete(n.take(), finish())
		n.passes(time.Minute)
		n.crash()
		n = startNode(t, data, records, Config{})
		defer n.close()
		run := n.resetTo("a", old, 4)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, n.status("a", old))
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, n.status("a", run))
		n.complete(n.take(), finish())
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, n.status("a", run))
	})
}

// An earlier run is reset while a later one is open: that one ends.
func TestResetOfAnEarlierRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		first := n.begin("a")
		n.complete(n.take(), continueAsNew())
		second := n.current("a").RunID
		require.NoError(t, n.signal("a", "to the second"))
		run := n.resetTo("a", first, 4)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, n.status("a", second))
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, n.status("a", first))
		require.Equal(t, 1, times(n.history("a", run), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED), "signals of the chain are kept")
	})
}

// A child started before the fork stays the new run's child and tells it of its end.
func TestChildOfAResetRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		old := n.begin("a")
		n.complete(n.take(), child("c", enumspb.PARENT_CLOSE_POLICY_TERMINATE))
		kid := n.takeFrom("parcels")
		n.eventually("the start is told", func() bool {
			return times(n.history("a", ""), enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED) == 1
		})
		task := n.take()
		n.complete(task)
		run := n.resetTo("a", old, task.StartedEventId+1)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, n.status("c", ""), "the child lives on")
		n.complete(kid, finish())
		n.eventually("the new run hears", func() bool {
			return times(n.history("a", run), enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED) == 1
		})
		require.Zero(t, times(n.history("a", old), enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED))
		n.complete(n.take(), finish())
	})
}

// A reset whose answer was lost is answered by what is there, and is all or nothing.
func TestLostReset(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Error, fault.LostAck} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t)
			defer n.close()
			old, fork := n.firstTask("a")
			n.fault.Order(kind)
			_, err := n.ResetWorkflowExecution(t.Context(), shop, resetRequest("a", old, fork))
			require.Error(t, err)
			var run string
			n.eventually("the reset is done", func() bool {
				r, err := n.ResetWorkflowExecution(t.Context(), shop, resetRequest("a", old, fork))
				run = r.GetRunId()
				return err == nil
			})
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, n.status("a", old))
			rows, err := n.gate.Store.Executions(t.Context(), store.ExecutionKey{}, 10)
			require.NoError(t, err)
			require.Len(t, rows, 2, "one run was made")
			require.Equal(t, run, n.current("a").RunID)
		})
	}
}

func TestResetRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		run, _ := n.firstTask("a")
		for _, event := range []int64{0, 1, 2, 6, 100} {
			_, err := n.ResetWorkflowExecution(t.Context(), shop, resetRequest("a", run, event))
			require.Error(t, err, "event %d is no place to go on from", event)
		}
		_, err := n.ResetWorkflowExecution(t.Context(), shop, resetRequest("nobody", "", 4))
		require.True(t, isNotFound(err))
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, n.status("a", run))
	})
}

// A run goes on from behind a task that failed, too: its further attempt is pending there, although history does not tell.
func TestResetBehindAFailedTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		old := n.begin("a")
		_, err := n.RespondWorkflowTaskFailed(t.Context(), shop, &workflowservice.RespondWorkflowTaskFailedRequest{TaskToken: n.take().TaskToken})
		require.NoError(t, err)
		n.pause()
		require.NoError(t, n.signal("a", "1"))
		run := n.resetTo("a", old, 5)
		events := n.history("a", run)
		require.Equal(t, 2, times(events, enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED))
		require.Equal(t, 3, times(events, enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED))
		require.Equal(t, 1, times(events, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
		n.complete(n.take(), finish())
	})
}

// Where no task is pending, or events happened at once, a run cannot go on from.
func TestResetWithoutATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		old := n.begin("a")
		n.pause()
		n.complete(n.take(), timer("t", time.Second))
		n.complete(n.take())
		events := n.history("a", old)
		require.Equal(t, enumspb.EVENT_TYPE_TIMER_FIRED, events[5].EventType)
		for fork, words := range map[int64]string{2: "at the boundary", 5: "at the boundary", 6: "WorkflowTaskScheduled +1", 7: "at the boundary"} {
			_, err := n.ResetWorkflowExecution(t.Context(), shop, resetRequest("a", old, fork))
			var invalid *serviceerror.InvalidArgument
			require.ErrorAs(t, err, &invalid, "event %d", fork)
			require.ErrorContains(t, err, words, "event %d", fork)
		}
	})
}
