package differential

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	querypb "go.temporal.io/api/query/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// operateActivity does what operators do with a pending activity, or with one that is not there.
func (p *player) operateActivity(ctx context.Context, w int, random *rand.Rand) *called {
	id, kind, execution := anyActivity(random), pick(random, "work", "toil"), p.execution(w)
	switch random.IntN(4) {
	case 0:
		request := &workflowservice.PauseActivityRequest{
			Namespace: namespace, Execution: execution, Identity: "operator", Reason: "hold", RequestId: pick(random, p.requestID(), "again"),
			Activity: &workflowservice.PauseActivityRequest_Id{Id: id},
		}
		if random.IntN(3) == 0 {
			request.Activity = &workflowservice.PauseActivityRequest_Type{Type: kind}
		}
		return invoke(ctx, "PauseActivity", p.service.PauseActivity, request)
	case 1:
		request := &workflowservice.UnpauseActivityRequest{
			Namespace: namespace, Execution: execution, Identity: "operator", Activity: &workflowservice.UnpauseActivityRequest_Id{Id: id},
			ResetAttempts: random.IntN(2) == 0, ResetHeartbeat: random.IntN(2) == 0,
		}
		switch random.IntN(4) {
		case 0:
			request.Activity = &workflowservice.UnpauseActivityRequest_Type{Type: kind}
		case 1:
			request.Activity = &workflowservice.UnpauseActivityRequest_UnpauseAll{UnpauseAll: true}
		}
		return invoke(ctx, "UnpauseActivity", p.service.UnpauseActivity, request)
	case 2:
		return p.updateActivityOptions(ctx, w, id, random)
	}
	return p.resetActivity(ctx, w, id, kind, random)
}

func (p *player) resetActivity(ctx context.Context, w int, id, kind string, random *rand.Rand) *called {
	request := &workflowservice.ResetActivityRequest{
		Namespace: namespace, Execution: p.execution(w), Identity: "operator", Activity: &workflowservice.ResetActivityRequest_Id{Id: id},
		ResetHeartbeat: random.IntN(2) == 0, KeepPaused: random.IntN(2) == 0, RestoreOriginalOptions: random.IntN(3) == 0,
	}
	switch random.IntN(4) {
	case 0:
		request.Activity = &workflowservice.ResetActivityRequest_Type{Type: kind}
	case 1:
		request.Activity = &workflowservice.ResetActivityRequest_MatchAll{MatchAll: true}
	}
	for _, a := range p.current(w).pending() {
		chosen := request.GetMatchAll() || a.GetActivityId() == request.GetId() || a.GetActivityType().GetName() == request.GetType()
		if chosen && a.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && a.GetAttempt() > 1 {
			return nil // ours is offered again at once: see docs/compatibility.md
		}
	}
	return invoke(ctx, "ResetActivity", p.service.ResetActivity, request)
}

func (p *player) updateActivityOptions(ctx context.Context, w int, id string, random *rand.Rand) *called {
	request := &workflowservice.UpdateActivityOptionsRequest{
		Namespace: namespace, Execution: p.execution(w), Identity: "operator", Activity: &workflowservice.UpdateActivityOptionsRequest_Id{Id: id},
	}
	switch random.IntN(6) {
	case 0:
		request.Activity = &workflowservice.UpdateActivityOptionsRequest_Type{Type: pick(random, "work", "toil")}
	case 1:
		request.Activity = &workflowservice.UpdateActivityOptionsRequest_MatchAll{MatchAll: true}
	}
	if r := p.current(w); random.IntN(5) == 0 && r != nil && r.isOpen() { // see docs/compatibility.md
		request.RestoreOriginal = true
		return invoke(ctx, "UpdateActivityOptions", p.service.UpdateActivityOptions, request)
	}
	request.ActivityOptions = &activitypb.ActivityOptions{
		StartToCloseTimeout: durationpb.New(30 * time.Minute), HeartbeatTimeout: durationpb.New(5 * time.Minute),
		ScheduleToCloseTimeout: durationpb.New(pick(random, 2*time.Hour, -time.Second)), ScheduleToStartTimeout: durationpb.New(2 * time.Hour),
		RetryPolicy: &commonpb.RetryPolicy{MaximumAttempts: 5, InitialInterval: durationpb.New(20 * time.Millisecond)}, Priority: priority(random),
	}
	paths := []string{
		"start_to_close_timeout", "heartbeat_timeout", "retry_policy.maximum_attempts", "retry_policy.initial_interval", "retry_policy",
		"schedule_to_close_timeout", "schedule_to_start_timeout", "priority",
	}
	request.UpdateMask = &fieldmaskpb.FieldMask{Paths: []string{pick(random, paths...), pick(random, paths...)}}
	return invoke(ctx, "UpdateActivityOptions", p.service.UpdateActivityOptions, request)
}

func (r *run) pending() []*workflowpb.PendingActivityInfo {
	if r == nil {
		return nil
	}
	return r.description.GetPendingActivities()
}

// updateOptions sets the priority of a run. While a task is offered some servers lose sight of updates then.
func (p *player) updateOptions(ctx context.Context, w int, random *rand.Rand) *called {
	if r := p.current(w); r != nil && r.isOpen() && (r.description.GetPendingWorkflowTask() != nil && !r.workflowTaskIsStarted() || p.hasOpenUpdates(w)) {
		return nil
	}
	mask := pick(random, []string{"priority"}, []string{"priority"}, []string{"versioning_override"}, []string{"priority", "versioning_override"}, nil)
	execution := p.anyExecution(w, random)
	if r := p.current(w); mask == nil && (r == nil || !r.isOpen() || execution.GetRunId() != "") {
		return nil // which of two mistakes is told is open
	}
	return invoke(ctx, "UpdateWorkflowExecutionOptions", p.service.UpdateWorkflowExecutionOptions,
		&workflowservice.UpdateWorkflowExecutionOptionsRequest{
			Namespace: namespace, WorkflowExecution: execution, Identity: "operator",
			WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{
				Priority: pick(random, nil, priority(random), priority(random)), VersioningOverride: pick(random, nil, override(random)),
			},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: mask},
		})
}

func (p *player) resetSticky(ctx context.Context, w int, random *rand.Rand) *called {
	return invoke(ctx, "ResetStickyTaskQueue", p.service.ResetStickyTaskQueue, &workflowservice.ResetStickyTaskQueueRequest{
		Namespace: namespace, Execution: p.anyExecution(w, random),
	})
}

// pollUpdate asks how far an accepted update is.
func (p *player) pollUpdate(ctx context.Context, w int, random *rand.Rand) *called {
	var accepted []*updateCall
	for _, u := range p.updates {
		if u.workflow == w && u.accepted && !u.lost {
			accepted = append(accepted, u)
		}
	}
	if len(accepted) == 0 {
		return nil
	}
	u := pick(random, accepted...)
	waitPolicy := pick(random, nil, &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED})
	if u.ended && random.IntN(2) == 0 {
		waitPolicy = &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED}
	}
	return invoke(ctx, "PollWorkflowExecutionUpdate", p.service.PollWorkflowExecutionUpdate, &workflowservice.PollWorkflowExecutionUpdateRequest{
		Namespace: namespace, Identity: "client", UpdateRef: &updatepb.UpdateRef{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: p.workflowID(w), RunId: u.runID}, UpdateId: u.id,
		},
		WaitPolicy: waitPolicy,
	})
}

// query asks a worker by a task of its own, so only while no workflow task is pending.
func (p *player) query(ctx context.Context, w int, random *rand.Rand) *called {
	r := p.current(w)
	if r == nil || r.disturbed || r.isOpen() && (r.description.GetPendingWorkflowTask() != nil || p.hasAdmittedUpdates(w)) {
		return nil
	}
	request := &workflowservice.QueryWorkflowRequest{
		Namespace: namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: p.workflowID(w), RunId: r.id},
		Query: &querypb.WorkflowQuery{QueryType: "state", QueryArgs: payloads("argument")},
		QueryRejectCondition: pick(random, enumspb.QUERY_REJECT_CONDITION_NONE, enumspb.QUERY_REJECT_CONDITION_NOT_OPEN,
			enumspb.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY),
	}
	answered := make(chan *called, 1)
	go func() { answered <- invoke(ctx, "QueryWorkflow", p.service.QueryWorkflow, request) }()
	if !r.answersQueries(request.QueryRejectCondition) {
		return <-answered
	}
	poll := invoke(ctx, "PollWorkflowTaskQueue", p.service.PollWorkflowTaskQueue, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: namespace, TaskQueue: p.workflowQueue(w), Identity: "worker",
	})
	task := poll.answer.(*workflowservice.PollWorkflowTaskQueueResponse)
	if len(task.GetTaskToken()) > 0 {
		poll.err = p.answerQuery(ctx, task, random)
	}
	call := <-answered
	call.before = poll
	return call
}

// answersQueries tells whether a query of the run comes to a worker.
func (r *run) answersQueries(condition enumspb.QueryRejectCondition) bool {
	status := r.description.GetWorkflowExecutionInfo().GetStatus()
	switch {
	case len(workflowTaskEnds(r)) == 0, condition == enumspb.QUERY_REJECT_CONDITION_NOT_OPEN && !r.isOpen(),
		condition == enumspb.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY && !r.isOpen() && status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return false
	}
	return slices.ContainsFunc(r.history, isTaskCompleted)
}

func (p *player) answerQuery(ctx context.Context, task *workflowservice.PollWorkflowTaskQueueResponse, random *rand.Rand) error {
	answer := &workflowservice.RespondQueryTaskCompletedRequest{
		Namespace: namespace, TaskToken: task.GetTaskToken(), CompletedType: enumspb.QUERY_RESULT_TYPE_ANSWERED, QueryResult: payloads("result"),
	}
	if random.IntN(3) == 0 {
		answer.CompletedType, answer.QueryResult, answer.ErrorMessage = enumspb.QUERY_RESULT_TYPE_FAILED, nil, "it failed"
		answer.Failure = failure(random)
	}
	return invoke(ctx, "RespondQueryTaskCompleted", p.service.RespondQueryTaskCompleted, answer).err
}
