package clients

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
)

// goSuite is what a case of the Go suite works with.
type goSuite struct {
	*testing.T
	client    client.Client
	taskQueue string
	async     chan activity.Info
}

func TestGoSDK(t *testing.T) {
	cases := map[string]func(goSuite){
		"start": startCase, "execute": executeCase, "signal": signalCase, "signal-with-start": signalWithStartCase,
		"query": queryCase, "update": updateCase, "update-with-start": updateWithStartCase, "cancel": cancelCase,
		"terminate": terminateCase, "child": childCase, "continue-as-new": continueAsNewCase, "cron": cronCase,
		"retry": retryCase, "heartbeat": heartbeatCase, "heartbeat-timeout": heartbeatTimeoutCase,
		"async-completion": asyncCompletionCase, "local-activity": localActivityCase, "timers": timersCase, "list": listCase,
		"count": countCase, "describe": describeCase, "show": showCase, "child-policies": childPoliciesCase,
		"child-failure": childFailureCase, "external-signal-and-cancel": externalCase, "workflow-retry": workflowRetryCase,
		"failure": failureCase, "activity-timeout": activityTimeoutCase, "run-timeout": runTimeoutCase, "memo": memoCase,
		"side-effect-replay": sideEffectCase, "id-policies": idPoliciesCase, "parallel-activities": parallelCase,
		"start-delay": startDelayCase, "eager-start": eagerStartCase,
		"update-before-delayed-start": delayedUpdateCase, "priority": priorityCase, "pause": pauseCase, "delete-namespace": deleteNamespaceCase,
	}
	names := map[string]bool{}
	for name := range cases {
		names[name] = true
	}
	requireFeatures(t, names)
	eachTarget(t, func(t *testing.T, server target) {
		suite := newGoSuite(t, server)
		for name, run := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				run(goSuite{T: t, client: suite.client, taskQueue: suite.taskQueue, async: suite.async})
			})
		}
	}, "--dynamic-config-value", "frontend.WorkflowPauseEnabled=true")
}

func newGoSuite(t *testing.T, server target) goSuite {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: server.address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	suite := goSuite{T: t, client: c, taskQueue: "go-" + uuid.NewString(), async: make(chan activity.Info, 1)}
	w := worker.New(c, suite.taskQueue, worker.Options{})
	registerSuite(w, &suiteActivities{started: suite.async})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return suite
}

func (s goSuite) context() context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), caseTimeout)
	s.Cleanup(cancel)
	return ctx
}

func (s goSuite) options() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: "go-" + uuid.NewString(), TaskQueue: s.taskQueue}
}

func (s goSuite) start(workflow any, arguments ...any) client.WorkflowRun {
	s.Helper()
	return s.startWith(s.options(), workflow, arguments...)
}

func (s goSuite) startWith(options client.StartWorkflowOptions, workflow any, arguments ...any) client.WorkflowRun {
	s.Helper()
	run, err := s.client.ExecuteWorkflow(s.context(), options, workflow, arguments...)
	require.NoError(s, err)
	return run
}

// requireResult waits for the run and compares its result.
func requireResult[Result any](s goSuite, run client.WorkflowRun, want Result) {
	s.Helper()
	var got Result
	require.NoError(s, run.Get(s.context(), &got))
	require.Equal(s, want, got)
}

func (s goSuite) history(run client.WorkflowRun) *historypb.History {
	s.Helper()
	events := s.client.GetWorkflowHistory(s.context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	history := &historypb.History{}
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(s, err)
		history.Events = append(history.Events, event)
	}
	return history
}

func countEvents(history *historypb.History, kind enumspb.EventType) int {
	count := 0
	for _, event := range history.Events {
		if event.EventType == kind {
			count++
		}
	}
	return count
}

func (s goSuite) status(workflowID string) enumspb.WorkflowExecutionStatus {
	s.Helper()
	description, err := s.client.DescribeWorkflowExecution(s.context(), workflowID, "")
	require.NoError(s, err)
	return description.WorkflowExecutionInfo.Status
}

func startCase(s goSuite) {
	run := s.start(echoWorkflow, "hello")
	require.NotEmpty(s, run.GetRunID())
	requireResult(s, run, "echo hello")
}

func executeCase(s goSuite) {
	run := s.start(activityWorkflow, 1)
	requireResult(s, run, "succeeded at attempt 1")
	history := s.history(run)
	require.Equal(s, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, history.Events[len(history.Events)-1].EventType)
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflow(activityWorkflow)
	require.NoError(s, replayer.ReplayWorkflowHistory(nil, history))
}

func signalCase(s goSuite) {
	run := s.start(signalWorkflow, 3)
	for _, text := range []string{"a", "b", "c"} {
		require.NoError(s, s.client.SignalWorkflow(s.context(), run.GetID(), "", "text", text))
	}
	requireResult(s, run, []string{"a", "b", "c"})
	missing := s.client.SignalWorkflow(s.context(), run.GetID()+"-missing", "", "text", "a")
	require.ErrorContains(s, missing, "not found")
}

func signalWithStartCase(s goSuite) {
	options := s.options()
	var runID string
	for i, text := range []string{"first", "second"} {
		run, err := s.client.SignalWithStartWorkflow(s.context(), options.ID, "text", text, options, signalWorkflow, 2)
		require.NoError(s, err)
		require.True(s, i == 0 || run.GetRunID() == runID, "the second call must reach the run of the first")
		runID = run.GetRunID()
	}
	requireResult(s, s.client.GetWorkflow(s.context(), options.ID, runID), []string{"first", "second"})
}

func (s goSuite) queryValue(workflowID string) int {
	s.Helper()
	answer, err := s.client.QueryWorkflow(s.context(), workflowID, "", "value")
	require.NoError(s, err)
	var value int
	require.NoError(s, answer.Get(&value))
	return value
}

func (s goSuite) finish(run client.WorkflowRun) {
	s.Helper()
	require.NoError(s, s.client.SignalWorkflow(s.context(), run.GetID(), run.GetRunID(), "finish", nil))
}

func queryCase(s goSuite) {
	run := s.start(counterWorkflow, 5)
	require.Equal(s, 5, s.queryValue(run.GetID()))
	_, err := s.client.QueryWorkflow(s.context(), run.GetID(), "", "unknown")
	require.ErrorContains(s, err, "unknown")
	s.finish(run)
	requireResult(s, run, 5)
	require.Equal(s, 5, s.queryValue(run.GetID()), "a closed run must still answer")
	_, err = s.client.QueryWorkflowWithOptions(s.context(), &client.QueryWorkflowWithOptionsRequest{
		WorkflowID: run.GetID(), QueryType: "value", QueryRejectCondition: enumspb.QUERY_REJECT_CONDITION_NOT_OPEN,
	})
	require.NoError(s, err)
}

func (s goSuite) add(workflowID string, delta int, stage client.WorkflowUpdateStage) (client.WorkflowUpdateHandle, error) {
	return s.client.UpdateWorkflow(s.context(), client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateName: "add", Args: []any{delta}, WaitForStage: stage,
	})
}

func updateCase(s goSuite) {
	run := s.start(counterWorkflow, 1)
	var value int
	completed, err := s.add(run.GetID(), 2, client.WorkflowUpdateStageCompleted)
	require.NoError(s, err)
	require.NoError(s, completed.Get(s.context(), &value))
	require.Equal(s, 3, value)
	accepted, err := s.add(run.GetID(), 4, client.WorkflowUpdateStageAccepted)
	require.NoError(s, err)
	again := s.client.GetWorkflowUpdateHandle(client.GetWorkflowUpdateHandleOptions{
		WorkflowID: run.GetID(), RunID: accepted.RunID(), UpdateID: accepted.UpdateID(),
	})
	require.NoError(s, again.Get(s.context(), &value))
	require.Equal(s, 7, value)
	rejected, err := s.add(run.GetID(), 0, client.WorkflowUpdateStageCompleted)
	require.NoError(s, err)
	require.ErrorContains(s, rejected.Get(s.context(), nil), "delta must be positive")
	s.finish(run)
	requireResult(s, run, 7)
	history := s.history(run)
	require.Equal(s, 2, countEvents(history, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED), "a rejected update leaves no event")
	require.Equal(s, 2, countEvents(history, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED))
}

func updateWithStartCase(s goSuite) {
	options := s.options()
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	for i, want := range []int{12, 14} {
		start := s.client.NewWithStartWorkflowOperation(options, counterWorkflow, 10)
		handle, err := s.client.UpdateWithStartWorkflow(s.context(), client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: start,
			UpdateOptions: client.UpdateWorkflowOptions{
				UpdateName: "add", Args: []any{2}, WaitForStage: client.WorkflowUpdateStageCompleted,
			},
		})
		require.NoError(s, err)
		var value int
		require.NoError(s, handle.Get(s.context(), &value))
		require.Equal(s, want, value, "call %d", i)
	}
	run := s.client.GetWorkflow(s.context(), options.ID, "")
	s.finish(run)
	requireResult(s, run, 14)
}

func cancelCase(s goSuite) {
	run := s.start(cleanupWorkflow)
	eventually(s.T, "the timer starts", func() bool {
		return countEvents(s.history(run), enumspb.EVENT_TYPE_TIMER_STARTED) == 1
	})
	require.NoError(s, s.client.CancelWorkflow(s.context(), run.GetID(), ""))
	err := run.Get(s.context(), nil)
	var cancelled *temporal.CanceledError
	require.ErrorAs(s, err, &cancelled)
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.status(run.GetID()))
	require.Equal(s, 1, countEvents(s.history(run), enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED), "the clean-up ran")
}

func terminateCase(s goSuite) {
	run := s.start(blockedWorkflow)
	require.NoError(s, s.client.TerminateWorkflow(s.context(), run.GetID(), "", "enough", "detail"))
	var terminated *temporal.TerminatedError
	require.ErrorAs(s, run.Get(s.context(), nil), &terminated)
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, s.status(run.GetID()))
	require.Error(s, s.client.TerminateWorkflow(s.context(), run.GetID(), run.GetRunID(), "again"))
}

func childCase(s goSuite) {
	requireResult(s, s.start(parentWorkflow, "child"), "parent of echo child")
}

func continueAsNewCase(s goSuite) {
	run := s.start(continuedWorkflow, 2, 0)
	first := run.GetRunID()
	requireResult(s, run, 2)
	description, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), "")
	require.NoError(s, err)
	require.NotEqual(s, first, description.WorkflowExecutionInfo.Execution.RunId)
	require.Equal(s, first, description.WorkflowExecutionInfo.FirstRunId)
	old, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), first)
	require.NoError(s, err)
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, old.WorkflowExecutionInfo.Status)
}

func cronCase(s goSuite) {
	options := s.options()
	options.CronSchedule = "@every 1s"
	run := s.startWith(options, cronWorkflow)
	first := s.client.GetWorkflow(s.context(), run.GetID(), run.GetRunID())
	eventually(s.T, "the second run begins", func() bool {
		description, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), "")
		require.NoError(s, err)
		next := description.WorkflowExecutionInfo.Execution.RunId
		if next == first.GetRunID() {
			return false
		}
		started := s.history(s.client.GetWorkflow(s.context(), run.GetID(), next)).Events[0].GetWorkflowExecutionStartedEventAttributes()
		require.Equal(s, enumspb.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE, started.Initiator)
		require.Equal(s, "1", string(started.LastCompletionResult.Payloads[0].Data))
		require.Equal(s, first.GetRunID(), started.ContinuedExecutionRunId)
		return true
	})
	require.NoError(s, s.client.TerminateWorkflow(s.context(), run.GetID(), "", "seen enough"))
}

func retryCase(s goSuite) {
	run := s.start(activityWorkflow, 3)
	requireResult(s, run, "succeeded at attempt 3")
	for _, event := range s.history(run).Events {
		if started := event.GetActivityTaskStartedEventAttributes(); started != nil {
			require.EqualValues(s, 3, started.Attempt)
			require.Equal(s, "attempt 2 fails", started.LastFailure.Message)
		}
	}
}

func heartbeatCase(s goSuite) { requireResult(s, s.start(heartbeatWorkflow), 7) }

func heartbeatTimeoutCase(s goSuite) {
	requireResult(s, s.start(heartbeatTimeoutWorkflow), "Heartbeat after one beat")
}

func asyncCompletionCase(s goSuite) {
	run := s.start(asyncWorkflow)
	info := <-s.async
	require.Equal(s, run.GetID(), info.WorkflowExecution.ID)
	require.NoError(s, s.client.RecordActivityHeartbeatByID(s.context(), "default", run.GetID(), "", "outside", "alive"))
	require.NoError(s, s.client.CompleteActivityByID(s.context(), "default", run.GetID(), "", "outside", "by id", nil))
	requireResult(s, run, "by id")
	run = s.start(asyncWorkflow)
	info = <-s.async
	require.NoError(s, s.client.CompleteActivity(s.context(), info.TaskToken, "by token", nil))
	requireResult(s, run, "by token")
	require.Error(s, s.client.CompleteActivity(s.context(), info.TaskToken, "twice", nil))
}

func localActivityCase(s goSuite) {
	run := s.start(localActivityWorkflow)
	requireResult(s, run, "succeeded at attempt 2")
	require.Equal(s, 1, countEvents(s.history(run), enumspb.EVENT_TYPE_MARKER_RECORDED))
}

func timersCase(s goSuite) {
	run := s.start(timerWorkflow)
	requireResult(s, run, "fired and cancelled")
	history := s.history(run)
	require.Equal(s, 2, countEvents(history, enumspb.EVENT_TYPE_TIMER_STARTED))
	require.Equal(s, 1, countEvents(history, enumspb.EVENT_TYPE_TIMER_FIRED))
	require.Equal(s, 1, countEvents(history, enumspb.EVENT_TYPE_TIMER_CANCELED))
}

func startDelayCase(s goSuite) {
	options := s.options()
	options.StartDelay = 300 * time.Millisecond
	run := s.startWith(options, echoWorkflow, "later")
	requireResult(s, run, "echo later")
	events := s.history(run).Events
	require.GreaterOrEqual(s, events[1].EventTime.AsTime().Sub(events[0].EventTime.AsTime()), options.StartDelay)
}
