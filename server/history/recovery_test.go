package history

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/store"
	"perdure/server/store/fault"
)

// afterCrash runs one story twice: with a crash right after what came before,
// and with a crash after checkpoints have trimmed the log.
func afterCrash(t *testing.T, before func(n *node), after func(n *node)) {
	for what, wait := range map[string]time.Duration{"from the log": 0, "from a checkpoint": 30 * time.Second} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data, records := newData(t), newIndex()
				n := startNode(t, data, records, Config{})
				before(n)
				n.passes(wait)
				n.crash()
				n = startNode(t, data, records, Config{})
				defer n.close()
				after(n)
			})
		})
	}
}

func TestWorkflowTaskSurvives(t *testing.T) {
	afterCrash(t, func(n *node) { n.begin("a") }, func(n *node) {
		n.complete(n.take(), finish())
		require.Nil(t, n.poll(queueName, time.Minute), "once")
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, n.status("a", ""))
	})
}

// A started workflow task lives in memory: after a crash it is offered again
// and the old token is refused.
func TestStartedWorkflowTaskComesAgain(t *testing.T) {
	var old *workflowTask
	afterCrash(t, func(n *node) { n.begin("a"); old = n.take() }, func(n *node) {
		again := n.take()
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED))
		if string(old.TaskToken) != string(again.TaskToken) {
			require.Error(t, n.tryComplete(old, finish()))
		}
		n.complete(again, finish())
		require.Error(t, n.tryComplete(old, finish()), "only one of them completes")
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED))
	})
}

// Activities that were started are not offered again, the others are.
func TestActivitiesSurvive(t *testing.T) {
	var started *activityTask
	afterCrash(t, func(n *node) {
		n.begin("a")
		n.complete(n.take(), activity("1"), activity("2"), activity("3"))
		started = n.takeActivity()
	}, func(n *node) {
		seen := map[string]bool{started.ActivityId: true}
		for range 2 {
			task := n.takeActivity()
			require.False(t, seen[task.ActivityId], "activity %s ran twice", task.ActivityId)
			seen[task.ActivityId] = true
			require.NoError(t, n.completeActivity(task))
		}
		require.Nil(t, n.pollActivity(time.Minute))
		require.NoError(t, n.completeActivity(started), "its worker did not die")
		require.Equal(t, 3, times(n.history("a", ""), enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED))
		n.complete(n.take(), finish())
	})
}

func TestTimersSurvive(t *testing.T) {
	afterCrash(t, func(n *node) {
		n.begin("a")
		n.complete(n.take(), timer("near", 2*time.Minute), timer("far", 72*time.Hour))
		n.begin("b")
		n.complete(n.take(), timer("far", 48*time.Hour))
	}, func(n *node) {
		n.passes(2*time.Minute + time.Second)
		n.complete(n.take())
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_TIMER_FIRED))
		n.passes(48 * time.Hour)
		require.Equal(t, 1, times(n.history("b", ""), enumspb.EVENT_TYPE_TIMER_FIRED))
		n.passes(24 * time.Hour)
		require.Equal(t, 2, times(n.history("a", ""), enumspb.EVENT_TYPE_TIMER_FIRED))
	})
}

// A timer that came due while no node ran fires at the start.
func TestTimerFiresLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{})
		n.begin("a")
		n.complete(n.take(), timer("t", 24*time.Hour))
		n.close()
		n.passes(48 * time.Hour)
		n = startNode(t, data, records, Config{})
		defer n.close()
		n.complete(n.take(), finish())
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_TIMER_FIRED))
	})
}

func (n *node) takeFrom(queue string) *workflowTask {
	n.t.Helper()
	task := n.poll(queue, 10*time.Second)
	require.NotNil(n.t, task, "no workflow task came on %s", queue)
	return task
}

// crashedBefore ends a call by a crash just before or after a later commit was
// written, whatever commit that is.
func eachCommitOf(t *testing.T, story func(n *node), audit func(n *node)) {
	for _, kind := range []fault.Kind{fault.CrashBefore, fault.CrashAfter} {
		for skip := range 8 {
			synctest.Test(t, func(t *testing.T) {
				data, records := newData(t), newIndex()
				n := startNode(t, data, records, Config{})
				n.begin("other")
				n.complete(n.takeFrom(queueName), timer("long", time.Hour))
				n.begin("a")
				task := n.take()
				order := make([]fault.Kind, skip+1)
				order[skip] = kind
				n.fault.Order(order...)
				_ = n.tryComplete(task, signalOther("other"), cancelOther("other"),
					child("kept", enumspb.PARENT_CLOSE_POLICY_ABANDON), child("ended", enumspb.PARENT_CLOSE_POLICY_TERMINATE))
				n.passes(time.Second)
				n.crash()
				n = startNode(t, data, records, Config{})
				defer n.close()
				story(n)
				audit(n)
			})
		}
	}
}

// Messages to other runs have their effect once, wherever a crash cuts in.
func TestMessagesSurvive(t *testing.T) {
	eachCommitOf(t, func(n *node) {
		if times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 0 { // the completion was lost: the worker does it again
			n.complete(n.takeA(), signalOther("other"), cancelOther("other"),
				child("kept", enumspb.PARENT_CLOSE_POLICY_ABANDON), child("ended", enumspb.PARENT_CLOSE_POLICY_TERMINATE))
		}
		n.eventually("all are told", func() bool {
			h := n.history("a", "")
			return times(h, enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED) == 2 &&
				times(h, enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED) == 1 &&
				times(h, enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED) == 1
		})
	}, func(n *node) {
		other := n.history("other", "")
		require.Equal(t, 1, times(other, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
		require.Equal(t, 1, times(other, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED))
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, n.status("kept", ""))
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, n.status("ended", ""))
		n.finishParent()
		n.eventually("the parent's end is told", func() bool {
			return n.status("ended", "") == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
		})
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, n.status("kept", ""))
	})
}

// takeA takes the next task of workflow a; others are left to time out.
func (n *node) takeA() *workflowTask {
	n.t.Helper()
	for range 10 {
		if task := n.takeFrom(queueName); task.WorkflowExecution.WorkflowId == "a" {
			return task
		}
	}
	require.Fail(n.t, "no task of a came")
	return nil
}

func (n *node) finishParent() {
	n.t.Helper()
	n.complete(n.takeA(), finish())
}

// The parent hears of its child's end, wherever a crash cuts in.
func TestChildResultSurvives(t *testing.T) {
	for _, kind := range []fault.Kind{fault.CrashBefore, fault.CrashAfter} {
		for skip := range 4 {
			synctest.Test(t, func(t *testing.T) {
				data, records := newData(t), newIndex()
				n := startNode(t, data, records, Config{})
				n.begin("a")
				n.complete(n.take(), child("c", enumspb.PARENT_CLOSE_POLICY_TERMINATE))
				task := n.takeFrom("parcels")
				order := make([]fault.Kind, skip+1)
				order[skip] = kind
				n.fault.Order(order...)
				_ = n.tryComplete(task, finish())
				n.passes(time.Second)
				n.crash()
				n = startNode(t, data, records, Config{})
				defer n.close()
				if n.status("c", "") == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
					n.complete(n.takeFrom("parcels"), finish())
				}
				n.eventually("the parent hears", func() bool {
					return times(n.history("a", ""), enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED) == 1
				})
				n.passes(time.Minute)
				require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED))
				n.complete(n.take(), finish())
			})
		}
	}
}

// Records that had not reached the visibility store are written by the next node.
func TestRecordsSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{CheckpointInterval: time.Second})
		open := n.begin("a")
		n.complete(n.take())
		records.setDeaf(true)
		lost := n.begin("b")
		n.complete(n.take(), finish())
		n.passes(time.Minute) // checkpoints must not trim what is not written
		require.Nil(t, records.record(lost))
		n.crash()
		records.setDeaf(false)
		n = startNode(t, data, records, Config{CheckpointInterval: time.Second})
		defer n.close()
		n.eventually("the record is written", func() bool { return records.record(lost) != nil })
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, records.record(lost).Status)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, records.record(open).Status)
	})
}

// Wherever commits are lost, a workflow that is tried again ends once.
func TestLostCommitsOfAWholeLife(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Error, fault.LostAck} {
		for skip := range 6 {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				defer n.crash() // a fault may be left, for an end in good order
				n.begin("a")
				order := make([]fault.Kind, skip+1)
				order[skip] = kind
				n.fault.Order(order...)
				n.eventually("the workflow ends", func() bool {
					return n.stepOn("a") == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
				})
				h := n.history("a", "")
				require.Equal(t, 1, times(h, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED))
				require.Equal(t, 1, times(h, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED))
				require.LessOrEqual(t, times(h, enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED), 1)
			})
		}
	}
}

// stepOn does a worker's next step on a workflow of one activity, and tells its status.
func (n *node) stepOn(id string) enumspb.WorkflowExecutionStatus {
	if task, err := n.tryPoll(time.Second); err == nil && task != nil {
		if times(task.History.Events, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == 0 {
			_ = n.tryComplete(task, shortActivity("1"))
		} else {
			_ = n.tryComplete(task, finish())
		}
	}
	if task, err := n.tryPollActivity(time.Second); err == nil && task != nil {
		_ = n.completeActivity(task)
	}
	state, err := n.describe(id)
	if err != nil {
		return enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED
	}
	return state.WorkflowExecutionInfo.Status
}

// The start of a task that came from the backlog is no commit of its own; the
// backlog keeps the task until the run remembers.
func TestBacklogTaskStartsInMemory(t *testing.T) {
	afterCrash(t, func(n *node) {
		n.begin("a")
		n.begin("b")
		n.passes(30 * time.Second) // they are in the backlog, and the log is trimmed
		before := len(n.gate.committed())
		first := n.take()
		n.take()
		require.Len(n.t, n.gate.committed(), before)
		n.complete(first, finish())
	}, func(n *node) {
		again := n.take()
		n.complete(again, finish())
		require.Nil(n.t, n.poll(queueName, time.Minute), "each once")
		for _, id := range []string{"a", "b"} {
			require.Equal(n.t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, n.status(id, ""))
			require.Equal(n.t, 1, times(n.history(id, ""), enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED))
		}
	})
}

// The shard of a run may be taken anew while the shard of its queue is not: the
// run forgets the start, and the queue offers the task again.
func TestBacklogTaskOfALostRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.passes(30 * time.Second)
		old := n.take()
		s := n.shardFor("a")
		s.reset(store.ErrUnknownOutcome)
		n.eventually("the shard serves again", s.serving)
		again := n.poll(queueName, time.Minute)
		require.NotNil(t, again)
		require.Error(t, n.tryComplete(old, finish()))
		n.complete(again, finish())
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED))
		require.Nil(t, n.poll(queueName, time.Minute), "once")
	})
}

// While a start is not durable a second copy of its task is not stale: it may be all that is left.
func TestSecondCopyOfAnUnsettledTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.passes(30 * time.Second)
		held := n.take()
		en := n.entryOf("a")
		remembered := 0
		copied := &cluster.Task{
			Execution:        cluster.ExecutionRef{NamespaceID: shop.ID, WorkflowID: "a", RunID: en.runID, Slot: en.key.Slot, Exec: en.key.Exec},
			ScheduledEventID: held.StartedEventId - 1, Stamp: en.state.Task.Stamp, FromBacklog: true, Remembered: func() { remembered++ },
		}
		poll := &workflowservice.PollWorkflowTaskQueueRequest{Identity: "other"}
		_, err := n.StartWorkflowTask(t.Context(), copied, poll)
		require.ErrorIs(t, err, cluster.ErrUnsettledTask)
		n.complete(held, finish())
		_, err = n.StartWorkflowTask(t.Context(), copied, poll)
		require.ErrorIs(t, err, cluster.ErrStaleTask, "now it is")
		require.Zero(t, remembered, "it never started")
	})
}
