package clients

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
)

func childPoliciesCase(s goSuite) {
	prefix := "go-child-" + uuid.NewString()
	policies := map[enumspb.ParentClosePolicy]enumspb.WorkflowExecutionStatus{
		enumspb.PARENT_CLOSE_POLICY_TERMINATE:      enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED,
		enumspb.PARENT_CLOSE_POLICY_ABANDON:        enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL: enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED,
	}
	children := map[string]int32{}
	for policy := range policies {
		children[fmt.Sprint(prefix, int32(policy))] = int32(policy)
	}
	parent := s.start(abandoningWorkflow, children)
	require.NoError(s, parent.Get(s.context(), nil))
	description, err := s.client.DescribeWorkflowExecution(s.context(), parent.GetID(), "")
	require.NoError(s, err)
	require.Len(s, description.PendingChildren, len(children), "children stay to be seen with their closed parent")
	for policy, want := range policies {
		id := fmt.Sprint(prefix, int32(policy))
		if policy == enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL {
			// blockedWorkflow does not look at its cancellation, so the request is what can be seen.
			child := s.client.GetWorkflow(s.context(), id, "")
			eventually(s.T, "the child is asked to cancel", func() bool {
				return countEvents(s.history(child), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED) == 1
			})
		} else {
			eventually(s.T, fmt.Sprintf("child with %s is %s", policy, want), func() bool { return s.status(id) == want })
		}
	}
	for _, policy := range []enumspb.ParentClosePolicy{enumspb.PARENT_CLOSE_POLICY_ABANDON, enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL} {
		require.NoError(s, s.client.TerminateWorkflow(s.context(), fmt.Sprint(prefix, int32(policy)), "", "done"))
	}
}

func childFailureCase(s goSuite) { requireResult(s, s.start(failedChildWorkflow), "Broken") }

func externalCase(s goSuite) {
	receiver := s.start(signalWorkflow, 1)
	var missing string
	require.NoError(s, s.start(signallingWorkflow, receiver.GetID()).Get(s.context(), &missing))
	require.Contains(s, missing, "unknown external workflow execution")
	requireResult(s, receiver, []string{"from outside"})
	victim := s.start(cleanupWorkflow)
	require.NoError(s, s.start(cancellingWorkflow, victim.GetID()).Get(s.context(), nil))
	var cancelled *temporal.CanceledError
	require.ErrorAs(s, victim.Get(s.context(), nil), &cancelled)
}

func workflowRetryCase(s goSuite) {
	options := s.options()
	options.RetryPolicy = &temporal.RetryPolicy{InitialInterval: soon, BackoffCoefficient: 1, MaximumAttempts: 3}
	run := s.startWith(options, flakyWorkflow, 2)
	first := run.GetRunID()
	requireResult(s, run, 2)
	description, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), "")
	require.NoError(s, err)
	require.Equal(s, first, description.WorkflowExecutionInfo.FirstRunId)
	require.NotEqual(s, first, description.WorkflowExecutionInfo.Execution.RunId)
}

func failureCase(s goSuite) {
	err := s.start(failingWorkflow, "Broken").Get(s.context(), nil)
	var failure *temporal.ApplicationError
	require.ErrorAs(s, err, &failure)
	require.Equal(s, "Broken", failure.Type())
	var detail string
	require.NoError(s, failure.Details(&detail))
	require.Equal(s, "a detail", detail)
}

func activityTimeoutCase(s goSuite) {
	requireResult(s, s.start(timedOutActivityWorkflow), "StartToClose")
}

func runTimeoutCase(s goSuite) {
	options := s.options()
	options.WorkflowRunTimeout = time.Second
	run := s.startWith(options, blockedWorkflow)
	var timeout *temporal.TimeoutError
	require.ErrorAs(s, run.Get(s.context(), nil), &timeout)
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, s.status(run.GetID()))
}

func memoCase(s goSuite) {
	options := s.options()
	options.Memo = map[string]any{"given": "at start"}
	run := s.startWith(options, memoWorkflow)
	require.NoError(s, run.Get(s.context(), nil))
	description, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), "")
	require.NoError(s, err)
	for key, want := range map[string]string{"given": "at start", "added": "later"} {
		var got string
		require.NoError(s, converter.GetDefaultDataConverter().FromPayload(description.WorkflowExecutionInfo.Memo.Fields[key], &got))
		require.Equal(s, want, got)
	}
}

// sideEffectCase replays a run on a worker that has not seen it: what the markers say must come back.
func sideEffectCase(s goSuite) {
	taskQueue := "go-replay-" + uuid.NewString()
	options := s.options()
	options.TaskQueue = taskQueue
	startWorker := func() worker.Worker {
		w := worker.New(s.client, taskQueue, worker.Options{WorkerStopTimeout: time.Second})
		registerSuite(w, &suiteActivities{})
		require.NoError(s, w.Start())
		return w
	}
	chosen := func(id string) (text string) {
		answer, err := s.client.QueryWorkflow(s.context(), id, "", "chosen")
		require.NoError(s, err)
		require.NoError(s, answer.Get(&text))
		return text
	}
	first := startWorker()
	run := s.startWith(options, sideEffectWorkflow)
	before := chosen(run.GetID())
	first.Stop()
	second := startWorker()
	defer second.Stop()
	require.Equal(s, before, chosen(run.GetID()), "the replay took another value")
	s.finish(run)
	requireResult(s, run, before+" at version 2")
}

func idPoliciesCase(s goSuite) {
	options := s.options()
	run := s.startWith(options, blockedWorkflow)
	same := s.startWith(options, blockedWorkflow)
	require.Equal(s, run.GetRunID(), same.GetRunID(), "the SDK hands out the run that is under way")
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	_, err := s.client.ExecuteWorkflow(s.context(), options, blockedWorkflow)
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	require.ErrorAs(s, err, &started)
	require.Equal(s, run.GetRunID(), started.RunId)
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
	next := s.startWith(options, echoWorkflow, "next")
	requireResult(s, next, "echo next")
	old, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), run.GetRunID())
	require.NoError(s, err)
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, old.WorkflowExecutionInfo.Status)
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED
	options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	_, err = s.client.ExecuteWorkflow(s.context(), options, echoWorkflow, "refused")
	require.ErrorAs(s, err, &started)
}

func parallelCase(s goSuite) { requireResult(s, s.start(parallelWorkflow, 20), 20) }

func eagerStartCase(s goSuite) {
	options := s.options()
	options.EnableEagerStart = true
	requireResult(s, s.startWith(options, activityWorkflow, 1), "succeeded at attempt 1")
}

// list is every execution that the query finds, over all pages of two.
func (s goSuite) list(query string) []*workflowpb.WorkflowExecutionInfo {
	s.Helper()
	var found []*workflowpb.WorkflowExecutionInfo
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 2}
	for {
		page, err := s.client.ListWorkflow(s.context(), request)
		require.NoError(s, err)
		found = append(found, page.Executions...)
		if len(page.NextPageToken) == 0 {
			return found
		}
		request.NextPageToken = page.NextPageToken
	}
}

// closedRuns runs count workflows of one type on a task queue that is this case's own and returns a query for them.
func (s goSuite) closedRuns(count int) (string, []client.WorkflowRun) {
	s.Helper()
	taskQueue := "go-list-" + uuid.NewString()
	w := worker.New(s.client, taskQueue, worker.Options{})
	registerSuite(w, &suiteActivities{})
	require.NoError(s, w.Start())
	s.Cleanup(w.Stop)
	options := s.options()
	options.TaskQueue = taskQueue
	base := options.ID
	runs := make([]client.WorkflowRun, count)
	for i := range runs {
		options.ID = fmt.Sprintf("%s-%d", base, i)
		runs[i] = s.startWith(options, echoWorkflow, "listed")
		requireResult(s, runs[i], "echo listed")
	}
	return fmt.Sprintf("WorkflowId STARTS_WITH '%s' AND TaskQueue = '%s' AND ExecutionStatus = 'Completed'", base, taskQueue), runs
}

func listCase(s goSuite) {
	query, runs := s.closedRuns(5)
	eventually(s.T, "all runs are listed", func() bool { return len(s.list(query)) == len(runs) })
	listed := s.list(query)
	for i, execution := range listed {
		require.Equal(s, runs[len(runs)-1-i].GetID(), execution.Execution.WorkflowId, "newest first")
		require.Equal(s, "echoWorkflow", execution.Type.Name)
		require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, execution.Status)
		require.NotNil(s, execution.CloseTime)
		require.Positive(s, execution.HistoryLength)
	}
	_, err := s.client.ListWorkflow(s.context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "NoSuchAttribute = 'x'"})
	var invalid *serviceerror.InvalidArgument
	require.ErrorAs(s, err, &invalid)
}

func countCase(s goSuite) {
	query, runs := s.closedRuns(3)
	eventually(s.T, "all runs are counted", func() bool {
		answer, err := s.client.CountWorkflow(s.context(), &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		require.NoError(s, err)
		return answer.Count == int64(len(runs))
	})
}

func describeCase(s goSuite) {
	run := s.start(asyncPendingWorkflow)
	eventually(s.T, "the activity is pending with its failure", func() bool {
		description, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), "")
		require.NoError(s, err)
		require.Equal(s, run.GetRunID(), description.WorkflowExecutionInfo.Execution.RunId)
		require.Equal(s, s.taskQueue, description.ExecutionConfig.TaskQueue.Name)
		pending := description.PendingActivities
		return len(pending) == 1 && pending[0].Attempt > 1 && pending[0].LastFailure.GetMessage() != ""
	})
	require.NoError(s, s.client.TerminateWorkflow(s.context(), run.GetID(), "", "described"))
	description, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), "")
	require.NoError(s, err)
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, description.WorkflowExecutionInfo.Status)
	require.Len(s, description.PendingActivities, 1, "what was pending at the close stays to be seen")
}

// delayedUpdateCase: an update does not wait for a delayed start; a rejected one leaves the start delayed.
func delayedUpdateCase(s goSuite) {
	options := s.options()
	options.StartDelay = time.Hour
	run := s.startWith(options, counterWorkflow, 1)
	rejected, err := s.add(run.GetID(), 0, client.WorkflowUpdateStageCompleted)
	require.NoError(s, err)
	require.ErrorContains(s, rejected.Get(s.context(), nil), "delta must be positive")
	require.Len(s, s.history(run).Events, 1)
	var value int
	completed, err := s.add(run.GetID(), 2, client.WorkflowUpdateStageCompleted)
	require.NoError(s, err)
	require.NoError(s, completed.Get(s.context(), &value))
	require.Equal(s, 3, value)
	s.finish(run)
	requireResult(s, run, 3)
}

// priorityCase: activities and children have what their own priority says, and the rest from their run.
func priorityCase(s goSuite) {
	options := s.options()
	options.Priority = temporal.Priority{PriorityKey: 1, FairnessKey: "run", FairnessWeight: 2}
	requireResult(s, s.startWith(options, priorityWorkflow), []temporal.Priority{
		{PriorityKey: 1, FairnessKey: "own", FairnessWeight: 2}, {PriorityKey: 4, FairnessKey: "run", FairnessWeight: 2},
	})
}

func showCase(s goSuite) {
	run := s.start(timerWorkflow)
	long := s.client.GetWorkflowHistory(s.context(), run.GetID(), run.GetRunID(), true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	last := int64(0)
	var kind enumspb.EventType
	for long.HasNext() {
		event, err := long.Next()
		require.NoError(s, err)
		require.Equal(s, last+1, event.EventId, "events are numbered without gaps")
		last, kind = event.EventId, event.EventType
	}
	require.Equal(s, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, kind, "a long poll ends with the closing event")
	require.Len(s, s.history(run).Events, int(last))
}
