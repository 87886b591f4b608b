package differential

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// heldActivity is a task that the worker took and has not ended.
type heldActivity struct {
	workflow int
	task     *workflowservice.PollActivityTaskQueueResponse
}

// pollWorkflow takes the workflow task of w, of which there must be one.
func (p *player) pollWorkflow(ctx context.Context, w int, random *rand.Rand) *called {
	r := p.current(w)
	if r == nil || !r.isOpen() || r.workflowTaskIsStarted() || p.tasks[w] != nil {
		return nil
	}
	if r.description.GetPendingWorkflowTask() == nil && !p.hasAdmittedUpdates(w) {
		return nil
	}
	call := invoke(ctx, "PollWorkflowTaskQueue", p.service.PollWorkflowTaskQueue, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: namespace, TaskQueue: p.workflowQueue(w), Identity: "worker", BinaryChecksum: pick(random, "", "", "sum"),
	})
	if task := call.answer.(*workflowservice.PollWorkflowTaskQueueResponse); len(task.GetTaskToken()) > 0 {
		p.inOrder(r, task)
		p.tasks[w] = task
	}
	return call
}

func (p *player) failWorkflow(ctx context.Context, w int, random *rand.Rand) *called {
	task := p.tasks[w]
	if task == nil {
		return nil
	}
	delete(p.tasks, w)
	return invoke(ctx, "RespondWorkflowTaskFailed", p.service.RespondWorkflowTaskFailed, &workflowservice.RespondWorkflowTaskFailedRequest{
		Namespace: namespace, TaskToken: task.GetTaskToken(), Identity: "worker", Failure: failure(random),
		Cause: pick(random, enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE, enumspb.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
			enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNSPECIFIED),
	})
}

// completeWorkflow replies to the held workflow task with what decide draws.
func (p *player) completeWorkflow(ctx context.Context, w int, random *rand.Rand) *called {
	task := p.tasks[w]
	if task == nil {
		return nil
	}
	d := p.decide(w, task, random)
	delete(p.tasks, w)
	request := &workflowservice.RespondWorkflowTaskCompletedRequest{
		Namespace: namespace, TaskToken: task.GetTaskToken(), Identity: "worker", Commands: d.commands, Messages: d.messages,
		// A worker that has the next task at once hides what comes of the reply by itself.
		ReturnNewWorkflowTask: random.IntN(8) == 0 && !d.hasSoon(), ForceCreateNewWorkflowTask: random.IntN(10) == 0,
	}
	addWorkerFacts(request, random)
	call := invoke(ctx, "RespondWorkflowTaskCompleted", p.service.RespondWorkflowTaskCompleted, request)
	if call.err != nil {
		return call
	}
	d.confirm()
	answer := call.answer.(*workflowservice.RespondWorkflowTaskCompletedResponse)
	for _, task := range answer.GetActivityTasks() {
		p.activities = append(p.activities, &heldActivity{workflow: w, task: task})
	}
	if next := answer.GetWorkflowTask(); len(next.GetTaskToken()) > 0 {
		p.inOrder(p.current(w), next)
		p.tasks[w] = next
	}
	return call
}

// addWorkerFacts says what workers say of themselves.
func addWorkerFacts(request *workflowservice.RespondWorkflowTaskCompletedRequest, random *rand.Rand) {
	if random.IntN(5) == 0 {
		request.WorkerVersionStamp = &commonpb.WorkerVersionStamp{BuildId: pick(random, "build-1", "build-2")}
	}
	if request.WorkerVersionStamp == nil && random.IntN(8) == 0 { // not with a build: see docs/compatibility.md
		request.BinaryChecksum = pick(random, "sum", "other")
	}
	if random.IntN(4) == 0 {
		request.SdkMetadata = &sdkpb.WorkflowTaskCompletedMetadata{CoreUsedFlags: []uint32{1}, LangUsedFlags: []uint32{2, 3}, SdkName: "sdk", SdkVersion: "1.2.3"}
		request.MeteringMetadata = &commonpb.MeteringMetadata{NonfirstLocalActivityExecutionAttempts: 3}
	}
	if random.IntN(2) == 0 {
		request.Capabilities = &workflowservice.RespondWorkflowTaskCompletedRequest_Capabilities{DiscardSpeculativeWorkflowTaskWithEvents: true}
	}
}

// pollActivity takes one of the offered activities of w's current run, by the order of their ids.
func (p *player) pollActivity(ctx context.Context, w int, random *rand.Rand) *called {
	r := p.current(w)
	if r == nil || !r.isOpen() {
		return nil
	}
	var offered []*workflowpb.PendingActivityInfo
	for _, activity := range r.description.GetPendingActivities() {
		if activity.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && time.Until(activity.GetNextAttemptScheduleTime().AsTime()) < soon {
			offered = append(offered, activity)
		}
	}
	if len(offered) == 0 {
		return nil
	}
	slices.SortFunc(offered, func(a, b *workflowpb.PendingActivityInfo) int {
		return strings.Compare(a.GetActivityId(), b.GetActivityId())
	})
	id := pick(random, offered...).GetActivityId()
	call := invoke(ctx, "PollActivityTaskQueue", p.service.PollActivityTaskQueue, &workflowservice.PollActivityTaskQueueRequest{
		Namespace: namespace, TaskQueue: p.activityQueue(w, id), Identity: "worker",
	})
	if task := call.answer.(*workflowservice.PollActivityTaskQueueResponse); len(task.GetTaskToken()) > 0 {
		p.activities = append(p.activities, &heldActivity{workflow: w, task: task})
	}
	return call
}

// heldActivity picks one of w's; ended ones stay held now and then, so that a late reply happens too.
func (p *player) heldActivity(w int, random *rand.Rand) *heldActivity {
	var held []*heldActivity
	for _, activity := range p.activities {
		if activity.workflow == w {
			held = append(held, activity)
		}
	}
	if len(held) == 0 {
		return nil
	}
	chosen := pick(random, held...)
	if random.IntN(4) > 0 {
		p.activities = slices.DeleteFunc(p.activities, func(a *heldActivity) bool { return a == chosen })
	}
	return chosen
}

func (p *player) completeActivity(ctx context.Context, w int, random *rand.Rand) *called {
	held := p.heldActivity(w, random)
	if held == nil {
		return nil
	}
	return invoke(ctx, "RespondActivityTaskCompleted", p.service.RespondActivityTaskCompleted, &workflowservice.RespondActivityTaskCompletedRequest{
		Namespace: namespace, TaskToken: held.task.GetTaskToken(), Identity: "worker", Result: payloads("result"),
	})
}

func (p *player) failActivity(ctx context.Context, w int, random *rand.Rand) *called {
	if p.current(w).isPaused() {
		return nil // its retry would wait here: see docs/compatibility.md
	}
	held := p.heldActivity(w, random)
	if held == nil {
		return nil
	}
	reason := failure(random)
	if random.IntN(10) == 0 {
		reason.GetApplicationFailureInfo().NextRetryDelay = durationpb.New(time.Hour)
	}
	return invoke(ctx, "RespondActivityTaskFailed", p.service.RespondActivityTaskFailed, &workflowservice.RespondActivityTaskFailedRequest{
		Namespace: namespace, TaskToken: held.task.GetTaskToken(), Identity: "worker", Failure: reason,
		LastHeartbeatDetails: pick(random, nil, payloads("progress")),
	})
}

func (p *player) cancelActivity(ctx context.Context, w int, random *rand.Rand) *called {
	held := p.heldActivity(w, random)
	if held == nil {
		return nil
	}
	return invoke(ctx, "RespondActivityTaskCanceled", p.service.RespondActivityTaskCanceled, &workflowservice.RespondActivityTaskCanceledRequest{
		Namespace: namespace, TaskToken: held.task.GetTaskToken(), Identity: "worker", Details: payloads("canceled"),
	})
}

func (p *player) heartbeatActivity(ctx context.Context, w int, random *rand.Rand) *called {
	held := p.heldActivity(w, random)
	if held == nil {
		return nil
	}
	if !slices.Contains(p.activities, held) {
		p.activities = append(p.activities, held) // a heartbeat ends nothing
	}
	return invoke(ctx, "RecordActivityTaskHeartbeat", p.service.RecordActivityTaskHeartbeat, &workflowservice.RecordActivityTaskHeartbeatRequest{
		Namespace: namespace, TaskToken: held.task.GetTaskToken(), Identity: "worker", Details: payloads("progress"),
	})
}

// activityByID ends or heartbeats an activity that may be held, offered or gone.
func (p *player) activityByID(ctx context.Context, w int, random *rand.Rand) *called {
	id, workflowID := anyActivity(random), p.workflowID(w)
	switch random.IntN(4) {
	case 0:
		return invoke(ctx, "RespondActivityTaskCompletedById", p.service.RespondActivityTaskCompletedById,
			&workflowservice.RespondActivityTaskCompletedByIdRequest{
				Namespace: namespace, WorkflowId: workflowID, ActivityId: id, Identity: "worker", Result: payloads("result"),
			})
	case 1:
		if p.current(w).isPaused() {
			return nil // its retry would wait here: see docs/compatibility.md
		}
		return invoke(ctx, "RespondActivityTaskFailedById", p.service.RespondActivityTaskFailedById,
			&workflowservice.RespondActivityTaskFailedByIdRequest{
				Namespace: namespace, WorkflowId: workflowID, ActivityId: id, Identity: "worker", Failure: failure(random),
			})
	case 2:
		return invoke(ctx, "RespondActivityTaskCanceledById", p.service.RespondActivityTaskCanceledById,
			&workflowservice.RespondActivityTaskCanceledByIdRequest{
				Namespace: namespace, WorkflowId: workflowID, ActivityId: id, Identity: "worker", Details: payloads("canceled"),
			})
	}
	return invoke(ctx, "RecordActivityTaskHeartbeatById", p.service.RecordActivityTaskHeartbeatById,
		&workflowservice.RecordActivityTaskHeartbeatByIdRequest{
			Namespace: namespace, WorkflowId: workflowID, ActivityId: id, Identity: "worker", Details: payloads("progress"),
		})
}

func failure(random *rand.Rand) *failurepb.Failure {
	kind := pick(random, "usual", "usual", "fatal")
	f := &failurepb.Failure{
		Message: "it failed", Source: "worker", StackTrace: "line 1",
		FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{
			Type: kind, NonRetryable: random.IntN(4) == 0, Details: payloads("details"),
		}},
		Cause: &failurepb.Failure{Message: "the reason", FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
			ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "cause"},
		}},
	}
	if random.IntN(8) == 0 {
		f.GetApplicationFailureInfo().NextRetryDelay = durationpb.New(30 * time.Millisecond)
	}
	return f
}

// execution names a workflow's current run.
func (p *player) execution(w int) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: p.workflowID(w)}
}
