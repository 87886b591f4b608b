package history

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// Whoever waits is answered when the node drains.
func TestDrainAnswersWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		n.begin("a")
		n.complete(n.take(), timer("t", time.Hour))
		first, err := n.GetWorkflowExecutionHistory(t.Context(), shop, longPoll("a", nil), true)
		require.NoError(t, err)
		answers := make(chan error, 3)
		go func() {
			r, err := n.GetWorkflowExecutionHistory(t.Context(), shop, longPoll("a", first.NextPageToken), true)
			if err == nil && r.NextPageToken == nil {
				err = serviceerror.NewInternal("the poll cannot go on elsewhere")
			}
			answers <- err
		}()
		go func() {
			_, err := n.UpdateWorkflowExecution(t.Context(), shop, updateRequest("a", "u"))
			answers <- err
		}()
		go func() {
			_ = n.poll("nothing", time.Hour)
			answers <- nil
		}()
		synctest.Wait()
		require.Empty(t, answers)
		began := time.Now()
		n.Drain()
		synctest.Wait()
		require.Len(t, answers, 2)
		n.close() // matching answers its polls
		for range 3 {
			require.NoError(t, <-answers)
		}
		require.Less(t, time.Since(began), time.Second)
	})
}

// A wait for news ends in time for its answer to arrive, and can go on from there.
func TestLongPollEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		first, err := n.GetWorkflowExecutionHistory(t.Context(), shop, longPoll("a", nil), true)
		require.NoError(t, err)
		for limit, expected := range map[time.Duration]time.Duration{5 * time.Second: 4 * time.Second, time.Hour: 20 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			began := time.Now()
			r, err := n.GetWorkflowExecutionHistory(ctx, shop, longPoll("a", first.NextPageToken), true)
			cancel()
			require.NoError(t, err)
			require.Equal(t, expected, time.Since(began))
			require.Empty(t, r.History.Events)
			require.Equal(t, first.NextPageToken, r.NextPageToken)
		}
	})
}

// Who waits for the end of a run hears of it, with its last event.
func TestWaitForTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		last := make(chan enumspb.EventType, 1)
		go func() {
			request := longPoll("a", nil)
			request.HistoryEventFilterType = enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT
			r, _ := n.GetWorkflowExecutionHistory(t.Context(), shop, request, true)
			last <- r.History.Events[0].EventType
		}()
		task := n.take()
		require.NoError(t, n.signal("a", "s"))
		require.Error(t, n.tryComplete(task, finish()), "a signal came in between")
		require.Empty(t, last)
		n.complete(n.take(), finish())
		require.Equal(t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, <-last)
	})
}

// An update that a worker had when the shard was lost is sent again by its
// caller, and is then done once.
// TestAdmittedUpdateEndsWithItsRun: it does not wander to the run that replaces its own.
func TestAdmittedUpdateEndsWithItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		refused := make(chan error, 1)
		go func() {
			_, err := n.UpdateWorkflowExecution(t.Context(), shop, updateRequest("a", "u"))
			refused <- err
		}()
		synctest.Wait() // until it is admitted and waits
		start := startRequest("a", "again")
		start.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
		_, err := n.StartWorkflowExecution(t.Context(), shop, start)
		require.NoError(t, err)
		require.EqualError(t, <-refused, "workflow update was aborted by closing workflow")
	})
}

func TestUpdateAcrossATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.complete(n.take(), timer("t", time.Hour))
		refused := make(chan error, 1)
		go func() {
			_, err := n.UpdateWorkflowExecution(t.Context(), shop, updateRequest("a", "u"))
			refused <- err
		}()
		task := n.take()
		n.shardFor("a").reset(context.Canceled)
		var unavailable *serviceerror.Unavailable
		require.ErrorAs(t, <-refused, &unavailable)
		n.eventually("the shard serves again", n.shardFor("a").serving)
		require.Error(t, n.acceptUpdates(task), "the task went with the shard")

		done := make(chan error, 1)
		go func() {
			request := updateRequest("a", "u")
			request.WaitPolicy = &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED}
			_, err := n.UpdateWorkflowExecution(t.Context(), shop, request)
			done <- err
		}()
		require.NoError(t, n.acceptUpdates(n.take()))
		require.NoError(t, <-done)
		r, err := n.PollWorkflowExecutionUpdate(t.Context(), shop, pollUpdateRequest("a", "u"))
		require.NoError(t, err)
		require.Equal(t, "done", string(r.Outcome.GetSuccess().Payloads[0].Data))
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED))
	})
}

// A query of a run without a task goes straight to a worker.
func TestDirectQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.complete(n.take(), finish())
		before := len(n.gate.committed())
		answer := make(chan string, 1)
		go func() {
			r, err := n.QueryWorkflow(t.Context(), shop, queryRequest("a"))
			if err == nil {
				answer <- string(r.QueryResult.Payloads[0].Data)
			}
		}()
		task := n.take()
		require.Equal(t, "state", task.Query.QueryType)
		require.Len(t, task.History.Events, 5)
		_, err := n.matching.RespondQueryTaskCompleted(t.Context(), shop, &workflowservice.RespondQueryTaskCompletedRequest{
			TaskToken: task.TaskToken, CompletedType: enumspb.QUERY_RESULT_TYPE_ANSWERED, QueryResult: payloads("over"),
		})
		require.NoError(t, err)
		require.Equal(t, "over", <-answer)
		require.Len(t, n.gate.committed(), before, "a query writes nothing")

		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err = n.QueryWorkflow(ctx, shop, &workflowservice.QueryWorkflowRequest{
			Execution: &commonpb.WorkflowExecution{WorkflowId: "a"}, Query: queryRequest("a").Query,
			QueryRejectCondition: enumspb.QUERY_REJECT_CONDITION_NOT_OPEN,
		})
		require.NoError(t, err, "a rejection is an answer")
		_, err = n.QueryWorkflow(ctx, shop, queryRequest("a"))
		var none *serviceerror.FailedPrecondition
		require.ErrorAs(t, err, &none, "nobody polls")
	})
}
