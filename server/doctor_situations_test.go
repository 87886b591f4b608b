package server

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	querypb "go.temporal.io/api/query/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/diagnosis"
	"perdure/server/doctorpb"
)

// situation is a run w that does not come on, made up on a whole server in
// virtual time, and what must be named first.
type situation struct {
	code diagnosis.Code
	of   string // which of those with the code
	make func(s *trial)
	with map[string]string // limits to be moved
	// evidence must be among that of the first cause.
	evidence map[string]string
}

func TestSituationsAreNamed(t *testing.T) {
	for _, c := range situations {
		t.Run(string(c.code)+c.of, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTrial(t, c.with)
				defer s.stop()
				c.make(s)
				synctest.Wait()
				report := s.diagnose("w")
				require.NotEmpty(t, report.Causes, "%v", report)
				first := report.Causes[0]
				require.Equal(t, string(c.code), first.Code, "%s\n%v", first.Sentence, report)
				told := map[string]string{}
				for _, e := range first.Evidence {
					told[e.Name] = e.Value
				}
				for name, value := range c.evidence {
					require.Equal(t, value, told[name], "%s: %v", name, told)
				}
			})
		})
	}
}

// diagnose asks as a client does.
func (s *trial) diagnose(id string) *doctorpb.Report {
	s.t.Helper()
	r, err := doctorpb.NewDoctorServiceClient(s.services.frontend.LocalConn()).Diagnose(s.t.Context(), &doctorpb.DiagnoseRequest{Namespace: "default", WorkflowId: id})
	require.NoError(s.t, err)
	return r.Report
}

// aside does something until the trial ends.
func (s *trial) aside(call func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		call(ctx)
	}()
	s.ending = append(s.ending, func() { cancel(); <-done })
}

// polling keeps a poll of the queue open that a worker with these traits makes.
func (s *trial) polling(change ...func(*workflowservice.PollWorkflowTaskQueueRequest)) {
	req := &workflowservice.PollWorkflowTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed("q"), Identity: "worker"}
	for _, c := range change {
		c(req)
	}
	s.aside(func(ctx context.Context) {
		for ctx.Err() == nil {
			once, end := context.WithTimeout(ctx, time.Minute)
			r, err := s.PollWorkflowTaskQueue(once, req)
			end()
			if err != nil || len(r.TaskToken) > 0 {
				return
			}
		}
	})
	synctest.Wait()
}

// pollingActivities is polling for activities.
func (s *trial) pollingActivities(queue string) {
	s.aside(func(ctx context.Context) {
		for ctx.Err() == nil {
			once, end := context.WithTimeout(ctx, time.Minute)
			r, err := s.PollActivityTaskQueue(once, &workflowservice.PollActivityTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed(queue), Identity: "activities"})
			end()
			if err != nil || len(r.TaskToken) > 0 {
				return
			}
		}
	})
	synctest.Wait()
}

func ofVersion(build string) func(*workflowservice.PollWorkflowTaskQueueRequest) {
	return func(r *workflowservice.PollWorkflowTaskQueueRequest) {
		r.DeploymentOptions = &deploymentpb.WorkerDeploymentOptions{DeploymentName: "d", BuildId: build, WorkerVersioningMode: enumspb.WORKER_VERSIONING_MODE_VERSIONED}
	}
}

func ofBuild(build string) func(*workflowservice.PollWorkflowTaskQueueRequest) {
	return func(r *workflowservice.PollWorkflowTaskQueueRequest) {
		r.WorkerVersionCapabilities = &commonpb.WorkerVersionCapabilities{BuildId: build, UseVersioning: true} //nolint:staticcheck // the older versioning
	}
}

func onSticky(r *workflowservice.PollWorkflowTaskQueueRequest) {
	r.TaskQueue = &taskqueuepb.TaskQueue{Name: "own", Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: "q"}
}

// completeSticky completes a task as a worker that keeps the run in its cache.
func (t *task) completeSticky() {
	require.NoError(t.s.t, t.respond(&workflowservice.RespondWorkflowTaskCompletedRequest{StickyAttributes: &taskqueuepb.StickyExecutionAttributes{
		WorkerTaskQueue: &taskqueuepb.TaskQueue{Name: "own", Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: "q"}, ScheduleToStartTimeout: durationpb.New(time.Minute),
	}}))
}

// limited is a run with activities in a queue with rates, of all of it and of each key; below zero none. Workers wait for more of them.
func (s *trial) limited(all, key float32) {
	req := &workflowservice.UpdateTaskQueueConfigRequest{Namespace: "default", TaskQueue: "a", TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY}
	if all >= 0 {
		req.UpdateQueueRateLimit = &workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate{RateLimit: &taskqueuepb.RateLimit{RequestsPerSecond: all}}
	}
	if key >= 0 {
		req.UpdateFairnessKeyRateLimitDefault = &workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate{RateLimit: &taskqueuepb.RateLimit{RequestsPerSecond: key}}
	}
	_, err := s.UpdateTaskQueueConfig(s.t.Context(), req)
	require.NoError(s.t, err)
	require.NoError(s.t, s.begin(func(r *workflowservice.StartWorkflowExecutionRequest) {
		r.Priority = &commonpb.Priority{FairnessKey: "tenant"}
	}).
		complete(activityNamed("1"), activityNamed("2"), activityNamed("3"), activityNamed("4")))
	for range 5 {
		s.pollingActivities("a")
	}
	rest(seconds(15))
}

// failTimes lets a worker fail the run's task so often.
func failTimes(n int, cause enumspb.WorkflowTaskFailedCause, message string) func(s *trial) {
	return func(s *trial) {
		require.NoError(s.t, s.start("w"))
		for range n {
			_, err := s.RespondWorkflowTaskFailed(s.t.Context(), &workflowservice.RespondWorkflowTaskFailedRequest{
				Namespace: "default", TaskToken: s.takeSoon().TaskToken, Cause: cause, Failure: &failurepb.Failure{Message: message},
			})
			require.NoError(s.t, err)
		}
		s.polling()
	}
}

// takeSoon takes the next workflow task, which may have to wait for its retry.
func (s *trial) takeSoon() *task {
	s.t.Helper()
	for range 60 {
		if t := s.poll(queueNamed("q")); t != nil {
			return t
		}
	}
	require.Fail(s.t, "no task is offered")
	return nil
}

// does begins a run whose workflow then waits for an activity on the queue a.
func (s *trial) does(change ...func(*commandpb.ScheduleActivityTaskCommandAttributes)) {
	require.NoError(s.t, s.begin().complete(activityNamed("charge", change...)))
}

func (s *trial) takeActivity() *workflowservice.PollActivityTaskQueueResponse {
	s.t.Helper()
	for range 60 {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		r, err := s.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed("a"), Identity: "worker"})
		cancel()
		require.NoError(s.t, err)
		if len(r.TaskToken) > 0 {
			return r
		}
	}
	require.Fail(s.t, "no activity is offered")
	return nil
}

// dropTimes lets a worker take the activity so often and say no more.
func (s *trial) dropTimes(n int) {
	for range n {
		s.takeActivity()
	}
	s.pollingActivities("a")
}

func startToClose(d time.Duration) func(*commandpb.ScheduleActivityTaskCommandAttributes) {
	return func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.StartToCloseTimeout = durationpb.New(d) }
}

func heartbeatTimeout(d time.Duration) func(*commandpb.ScheduleActivityTaskCommandAttributes) {
	return func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.HeartbeatTimeout = durationpb.New(d) }
}

// asks sends a query that nobody answers.
func (s *trial) asks() {
	s.aside(func(ctx context.Context) {
		_, _ = s.QueryWorkflow(ctx, &workflowservice.QueryWorkflowRequest{Namespace: "default", Execution: runOf("w"), Query: &querypb.WorkflowQuery{QueryType: "state"}})
	})
	synctest.Wait()
}

// updates sends an update and waits for it aside.
func (s *trial) updates() {
	s.aside(func(ctx context.Context) {
		_, _ = s.UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: runOf("w"), Request: updateOf("u", nil),
			WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
		})
	})
	synctest.Wait()
}

// makeCurrent makes a version current, which a worker has polled for.
func (s *trial) makeCurrent(build string) {
	require.Equal(s.t, "ok", s.pollVersion("q", "d", build))
	_, err := s.SetWorkerDeploymentCurrentVersion(s.t.Context(), &workflowservice.SetWorkerDeploymentCurrentVersionRequest{
		Namespace: "default", DeploymentName: "d", BuildId: build, Identity: "me",
	})
	require.NoError(s.t, err)
}

func pinnedTo(build string) func(*workflowservice.StartWorkflowExecutionRequest) {
	return func(r *workflowservice.StartWorkflowExecutionRequest) {
		r.VersioningOverride = &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_Pinned{Pinned: &workflowpb.VersioningOverride_PinnedOverride{
			Behavior: workflowpb.VersioningOverride_PINNED_OVERRIDE_BEHAVIOR_PINNED, Version: &deploymentpb.WorkerDeploymentVersion{DeploymentName: "d", BuildId: build},
		}}}
	}
}

func assignTo(build string) *workflowservice.UpdateWorkerVersioningRulesRequest {
	return &workflowservice.UpdateWorkerVersioningRulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertAssignmentRule{
		InsertAssignmentRule: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertBuildIdAssignmentRule{
			Rule: &taskqueuepb.BuildIdAssignmentRule{TargetBuildId: build},
		},
	}}
}

// gone is longer than pollers are remembered.
const gone = 6 * 60

var situations = []situation{
	{code: diagnosis.NoPoller, evidence: map[string]string{"queue": "q", "kind": "workflow"}, make: func(s *trial) {
		require.NoError(s.t, s.start("w"))
		rest(seconds(5))
	}},
	{code: diagnosis.NoPoller, of: " of an activity", evidence: map[string]string{"queue": "a", "kind": "activity"}, make: func(s *trial) {
		s.does()
		rest(seconds(5))
	}},
	{code: diagnosis.NoPoller, of: " any more", make: func(s *trial) {
		require.NoError(s.t, s.begin().complete())
		rest(seconds(gone))
		require.NoError(s.t, s.signal("w", 0))
		rest(seconds(5))
	}},
	{code: diagnosis.OtherPollersOnly, evidence: map[string]string{"other": "activity", "identity": "activities"}, make: func(s *trial) {
		s.pollingActivities("q")
		require.NoError(s.t, s.start("w"))
		rest(seconds(5))
	}},
	{code: diagnosis.OtherPollersOnly, of: " of an activity", evidence: map[string]string{"other": "workflow"}, make: func(s *trial) {
		s.polling(func(r *workflowservice.PollWorkflowTaskQueueRequest) { r.TaskQueue = queueNamed("a") })
		s.does()
		rest(seconds(5))
	}},
	{code: diagnosis.StickyPollersOnly, evidence: map[string]string{"queue": "q"}, make: func(s *trial) {
		s.begin().completeSticky()
		rest(seconds(gone)) // nobody polls at all
		require.NoError(s.t, s.signal("w", 0))
		s.polling(onSticky)
		rest(seconds(5))
	}},
	{code: diagnosis.PollersSilent, evidence: map[string]string{"queue": "q"}, make: func(s *trial) {
		require.Nil(s.t, s.poll(queueNamed("q")))
		rest(seconds(30))
		require.NoError(s.t, s.start("w"))
		rest(seconds(15))
	}},
	{code: diagnosis.StickyStale, make: func(s *trial) {
		s.begin().completeSticky()
		sticky := &workflowservice.PollWorkflowTaskQueueRequest{}
		onSticky(sticky)
		require.Nil(s.t, s.poll(sticky.TaskQueue))
		require.NoError(s.t, s.signal("w", 0))
		rest(seconds(5))
	}},
	{code: diagnosis.PinnedVersionUnserved, evidence: map[string]string{"version": "d:1"}, make: func(s *trial) {
		require.Equal(s.t, "ok", s.pollVersion("q", "d", "1"))
		rest(seconds(gone))
		s.polling()
		require.NoError(s.t, s.start("w", pinnedTo("1")))
		rest(seconds(5))
	}},
	{code: diagnosis.VersionUnserved, evidence: map[string]string{"version": "d:1"}, make: func(s *trial) {
		s.makeCurrent("1")
		rest(seconds(gone))
		s.polling(ofVersion("2"))
		require.NoError(s.t, s.start("w"))
		rest(seconds(5))
	}},
	{code: diagnosis.VersionNotCurrent, evidence: map[string]string{"served": "d:1"}, make: func(s *trial) {
		s.polling(ofVersion("1"))
		require.NoError(s.t, s.start("w"))
		rest(seconds(5))
	}},
	{code: diagnosis.BuildUnserved, evidence: map[string]string{"version": "b1"}, make: func(s *trial) {
		require.Equal(s.t, "ok", s.rule(assignTo("b1")))
		s.polling(ofBuild("b2"))
		require.NoError(s.t, s.start("w"))
		rest(seconds(5))
	}},
	{code: diagnosis.BuildWithoutRule, evidence: map[string]string{"served": "b1"}, make: func(s *trial) {
		s.polling(ofBuild("b1"))
		require.NoError(s.t, s.start("w"))
		rest(seconds(5))
	}},
	{code: diagnosis.QueuePaused, evidence: map[string]string{"queue": "a", "kind": "activity"}, make: func(s *trial) { s.limited(0, -1) }},
	{code: diagnosis.QueueRateLimited, evidence: map[string]string{"rate": "0.001"}, make: func(s *trial) { s.limited(0.001, -1) }},
	{code: diagnosis.KeyRateLimited, evidence: map[string]string{"key": "tenant"}, make: func(s *trial) { s.limited(-1, 0.001) }},
	{code: diagnosis.BacklogOld, make: func(s *trial) {
		s.startMany(9)
		require.NoError(s.t, s.start("w"))
		for range 7 { // a worker that takes two seconds for each
			require.NoError(s.t, s.take().complete())
			rest(seconds(2))
		}
	}},
	{code: diagnosis.WorkflowNonDeterminism, make: failTimes(3, enumspb.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR, "[TMPRL1100] nondeterministic"), evidence: map[string]string{"message": "[TMPRL1100] nondeterministic"}},
	{code: diagnosis.WorkflowPanic, make: failTimes(3, enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE, "nil map"), evidence: map[string]string{"failures": "3"}},
	{code: diagnosis.WorkflowBadBinary, make: failTimes(3, enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_BINARY, "rolled back")},
	{code: diagnosis.WorkflowTaskFailing, make: failTimes(3, enumspb.WORKFLOW_TASK_FAILED_CAUSE_FEATURE_DISABLED, "no such feature")},
	{code: diagnosis.WorkflowCommandRefused, make: func(s *trial) {
		require.NoError(s.t, s.start("w"))
		for range 3 {
			require.Error(s.t, s.takeSoon().complete(activityNamed("")))
		}
		s.polling()
	}},
	{code: diagnosis.WorkflowTaskTimingOut, make: func(s *trial) {
		require.NoError(s.t, s.start("w"))
		for range 3 {
			s.takeSoon()
			rest(seconds(11))
		}
	}},
	{code: diagnosis.WorkflowTaskUnanswered, evidence: map[string]string{"identity": "worker"}, make: func(s *trial) {
		s.begin()
		rest(seconds(7))
	}},
	{code: diagnosis.BufferedEventsFull, with: map[string]string{"buffered_events_max": "5"}, evidence: map[string]string{"used": "4", "max": "5"}, make: func(s *trial) {
		s.begin()
		for range 4 {
			require.NoError(s.t, s.signal("w", 0))
		}
	}},
	{code: diagnosis.WorkflowPaused, evidence: map[string]string{"identity": "anna", "reason": "audit"}, make: func(s *trial) {
		s.does()
		_, err := s.PauseWorkflowExecution(s.t.Context(), &workflowservice.PauseWorkflowExecutionRequest{Namespace: "default", WorkflowId: "w", Identity: "anna", Reason: "audit"})
		require.NoError(s.t, err)
	}},
	{code: diagnosis.UpdateWithoutWorker, evidence: map[string]string{"updates": "1"}, make: func(s *trial) {
		require.NoError(s.t, s.begin().complete())
		rest(seconds(gone))
		s.updates()
		rest(seconds(4))
	}},
	{code: diagnosis.QueryUnanswered, of: " with a task", evidence: map[string]string{"query": "state"}, make: func(s *trial) {
		s.begin()
		s.asks()
		rest(seconds(1))
	}},
	{code: diagnosis.QueryUnanswered, evidence: map[string]string{"query": "state", "sent": "true"}, make: func(s *trial) {
		require.NoError(s.t, s.begin().complete())
		s.polling()
		s.asks()
		rest(seconds(1))
	}},
	{code: diagnosis.ActivityPaused, evidence: map[string]string{"activity": "charge", "identity": "anna"}, make: func(s *trial) {
		s.does()
		_, err := s.PauseActivity(s.t.Context(), &workflowservice.PauseActivityRequest{ //nolint:staticcheck // older clients call it
			Namespace: "default", Execution: runOf("w"), Identity: "anna", Activity: &workflowservice.PauseActivityRequest_Id{Id: "charge"},
		})
		require.NoError(s.t, err)
	}},
	{code: diagnosis.ActivityFailing, evidence: map[string]string{"activity": "charge", "attempt": "4", "failure": "Application"}, make: func(s *trial) {
		s.does()
		for range 3 {
			require.NoError(s.t, s.failActivity(s.takeActivity().TaskToken, 50))
		}
	}},
	{code: diagnosis.ActivityTimingOut, evidence: map[string]string{"timedout": "StartToClose"}, make: func(s *trial) {
		s.does(startToClose(2 * time.Second))
		s.dropTimes(3)
		rest(seconds(1))
	}},
	{code: diagnosis.ActivityHeartbeatLost, evidence: map[string]string{"timeout": "2s"}, make: func(s *trial) {
		s.does(heartbeatTimeout(2 * time.Second))
		s.dropTimes(3)
	}},
	{code: diagnosis.ActivityHeartbeatLate, evidence: map[string]string{"timeout": "1m"}, make: func(s *trial) {
		s.does(heartbeatTimeout(time.Minute))
		s.takeActivity()
		rest(seconds(57))
	}},
	{code: diagnosis.ActivitySilent, make: func(s *trial) {
		s.does()
		s.takeActivity()
		rest(seconds(15 * 60))
	}},
	{code: diagnosis.ChildStuck, evidence: map[string]string{"child": "c", "cause": "no-poller"}, make: func(s *trial) {
		s.polling()
		require.NoError(s.t, s.start("w"))
		require.NoError(s.t, s.takeSoon().complete(childNamed("c")))
		rest(seconds(1))
		require.NoError(s.t, s.takeSoon().complete()) // that the child has started
		rest(seconds(5))
	}},
	{code: diagnosis.NamespaceThrottled, with: map[string]string{"namespace_per_second": "1"}, make: func(s *trial) {
		require.NoError(s.t, s.start("w"))
		for range 5 {
			_, _ = s.PollWorkflowTaskQueue(s.t.Context(), &workflowservice.PollWorkflowTaskQueueRequest{Namespace: "default", TaskQueue: queueNamed("other")})
		}
		rest(seconds(5))
	}},
	{code: diagnosis.HistoryNearLimit, with: map[string]string{"history_events_max": "10"}, evidence: map[string]string{"used": "8", "max": "10"}, make: func(s *trial) {
		require.NoError(s.t, s.begin().complete())
		require.NoError(s.t, s.signal("w", 0))
		require.NoError(s.t, s.take().complete())
	}},
	{code: diagnosis.RunNearLimit, with: map[string]string{"signals_max": "5"}, evidence: map[string]string{"used": "4", "limit": "signals_max"}, make: func(s *trial) {
		require.NoError(s.t, s.start("w"))
		for range 4 {
			require.NoError(s.t, s.signal("w", 0))
		}
	}},
	{code: diagnosis.CancelUnheeded, make: func(s *trial) {
		require.NoError(s.t, s.begin().complete(timerNamed("t")))
		_, err := s.RequestCancelWorkflowExecution(s.t.Context(), &workflowservice.RequestCancelWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: runOf("w")})
		require.NoError(s.t, err)
		require.NoError(s.t, s.take().complete())
	}},
	{code: diagnosis.StartDelay, evidence: map[string]string{"delay": "start delay"}, make: func(s *trial) {
		require.NoError(s.t, s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) {
			r.WorkflowStartDelay = durationpb.New(time.Hour)
		}))
		rest(seconds(60))
	}},
	{code: diagnosis.StartDelay, of: " of a cron schedule", evidence: map[string]string{"delay": "cron schedule"}, make: func(s *trial) {
		require.NoError(s.t, s.start("w", func(r *workflowservice.StartWorkflowExecutionRequest) { r.CronSchedule = "0 12 1 1 *" }))
		rest(seconds(60))
	}},
	{code: diagnosis.TimerRunning, evidence: map[string]string{"timer": "t"}, make: func(s *trial) {
		require.NoError(s.t, s.begin().complete(timerNamed("t")))
		rest(seconds(60))
	}},
	{code: diagnosis.SignalAwaited, make: func(s *trial) {
		require.NoError(s.t, s.begin().complete())
		rest(seconds(gone))
	}},
	{code: diagnosis.ActivityRunning, evidence: map[string]string{"identity": "worker"}, make: func(s *trial) {
		s.does()
		s.takeActivity()
		rest(seconds(60))
	}},
	{code: diagnosis.ActivityBackoff, evidence: map[string]string{"attempt": "2"}, make: func(s *trial) {
		s.does(func(a *commandpb.ScheduleActivityTaskCommandAttributes) {
			a.RetryPolicy = &commonpb.RetryPolicy{InitialInterval: durationpb.New(time.Hour)}
		})
		require.NoError(s.t, s.failActivity(s.takeActivity().TaskToken, 50))
	}},
	{code: diagnosis.ChildRunning, evidence: map[string]string{"children": "1", "child": "c", "verdict": "is waiting by design"}, make: func(s *trial) {
		require.NoError(s.t, s.begin().complete(childNamed("c", func(a *commandpb.StartChildWorkflowExecutionCommandAttributes) { a.TaskQueue = queueNamed("q") })))
		require.NoError(s.t, s.takeSoon().complete(timerNamed("t")))
		require.NoError(s.t, s.takeSoon().complete())
		rest(seconds(60))
	}},
}

// TestSituationsAreMany: the table is the promise of docs/doctor.md.
func TestSituationsAreMany(t *testing.T) {
	codes := map[diagnosis.Code]bool{}
	for _, c := range situations {
		codes[c.code] = true
	}
	require.GreaterOrEqual(t, len(codes), 20, fmt.Sprint(codes))
}
