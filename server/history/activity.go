package history

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/store"
	"perdure/server/tasktoken"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
)

func (e *Engine) StartActivityTask(ctx context.Context, task *cluster.Task, poll *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	d, en, err := e.onTask(ctx, task, execution.StartActivity{
		ScheduledEventID: task.ScheduledEventID, Stamp: task.Stamp, Identity: poll.Identity, RequestID: uuid.NewString(),
		Worker: workerOf(poll),
	})
	if err != nil {
		return nil, err
	}
	ns, err := e.cfg.Namespaces.ByID(ctx, task.Execution.NamespaceID)
	if err != nil {
		return nil, err
	}
	return activityResponse(ns, en, d.State, d.Reply.(*execution.ActivityTask)), nil
}

// onTask decides a command on the run of an offered task. ErrStaleTask when the run does not want it.
func (e *Engine) onTask(ctx context.Context, task *cluster.Task, c execution.Command) (execution.Decision, *entry, error) {
	s, err := e.shardOf(task.Execution.Slot)
	if err != nil {
		return execution.Decision{}, nil, err
	}
	var d execution.Decision
	var found *entry
	err = e.onEntry(ctx, s, store.ExecutionKey{Slot: task.Execution.Slot, Exec: task.Execution.Exec}, func(en *entry) error {
		found = en
		d, err = e.doTask(ctx, en, c, task)
		return err
	})
	if errors.Is(err, execution.ErrStale) || errors.Is(err, store.ErrNotFound) {
		err = cluster.ErrStaleTask
	}
	return d, found, err
}

func activityResponse(ns *cluster.Namespace, en *entry, s *execution.State, t *execution.ActivityTask) *workflowservice.PollActivityTaskQueueResponse {
	scheduled := t.Scheduled
	token := tasktoken.Token{
		NamespaceID: ns.ID, WorkflowID: s.WorkflowID, RunID: s.RunID, Slot: en.key.Slot, Exec: en.key.Exec,
		ScheduledEventID: t.ScheduledEventID, Stamp: t.Stamp, Attempt: t.Attempt, ActivityID: t.ActivityID,
	}
	return &workflowservice.PollActivityTaskQueueResponse{
		TaskToken: token.Encode(), WorkflowNamespace: ns.Name, WorkflowType: s.StartedAttributes().GetWorkflowType(), WorkflowExecution: s.Execution(),
		ActivityType: scheduled.ActivityType, ActivityId: t.ActivityID, Header: scheduled.Header, Input: scheduled.Input,
		HeartbeatDetails: t.HeartbeatDetails, ScheduledTime: timestamppb.New(t.ScheduledTime), CurrentAttemptScheduledTime: timestamppb.New(t.AttemptTime),
		StartedTime: timestamppb.New(t.StartedTime), Attempt: t.Attempt, ScheduleToCloseTimeout: scheduled.ScheduleToCloseTimeout,
		StartToCloseTimeout: scheduled.StartToCloseTimeout, HeartbeatTimeout: scheduled.HeartbeatTimeout, RetryPolicy: scheduled.RetryPolicy,
		Priority: s.PriorityOf(scheduled.Priority),
	}
}

// onToken decides a command about the activity that a token names.
func (e *Engine) onToken(ctx context.Context, ns *cluster.Namespace, raw []byte, c func(execution.ActivityRef) execution.Command) (execution.Decision, error) {
	token, err := tasktoken.Decode(raw)
	if err != nil {
		return execution.Decision{}, serviceerror.NewInvalidArgument("Error deserializing task token.")
	}
	ref := execution.ActivityRef{ScheduledEventID: token.ScheduledEventID, Stamp: token.Stamp}
	d, _, err := e.onRun(ctx, ns, token.WorkflowID, token.RunID, c(ref))
	return d, err
}

// onID decides a command about the activity with an id.
func (e *Engine) onID(ctx context.Context, ns *cluster.Namespace, workflowID, runID, activityID string, c func(execution.ActivityRef) execution.Command) (execution.Decision, error) {
	d, _, err := e.onRun(ctx, ns, workflowID, runID, c(execution.ActivityRef{ActivityID: activityID}))
	return d, err
}

func heartbeat(details *commonpb.Payloads, identity string) func(execution.ActivityRef) execution.Command {
	return func(ref execution.ActivityRef) execution.Command {
		return execution.HeartbeatActivity{Activity: ref, Details: details, Identity: identity}
	}
}

func completeActivity(result *commonpb.Payloads, identity string) func(execution.ActivityRef) execution.Command {
	return func(ref execution.ActivityRef) execution.Command {
		return execution.CompleteActivity{Activity: ref, Result: result, Identity: identity}
	}
}

func failActivity(failure *failurepb.Failure, details *commonpb.Payloads, identity string) func(execution.ActivityRef) execution.Command {
	return func(ref execution.ActivityRef) execution.Command {
		return execution.FailActivity{Activity: ref, Failure: failure, HeartbeatDetails: details, Identity: identity}
	}
}

func cancelActivity(details *commonpb.Payloads, identity string) func(execution.ActivityRef) execution.Command {
	return func(ref execution.ActivityRef) execution.Command {
		return execution.CancelActivity{Activity: ref, Details: details, Identity: identity}
	}
}

func heartbeatReply(d execution.Decision) execution.HeartbeatReply {
	if reply, ok := d.Reply.(*execution.HeartbeatReply); ok {
		return *reply
	}
	return execution.HeartbeatReply{}
}

func (e *Engine) RecordActivityTaskHeartbeat(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RecordActivityTaskHeartbeatRequest) (*workflowservice.RecordActivityTaskHeartbeatResponse, error) {
	d, err := e.onToken(ctx, ns, req.TaskToken, heartbeat(req.Details, req.Identity))
	if err != nil {
		return nil, err
	}
	reply := heartbeatReply(d)
	return &workflowservice.RecordActivityTaskHeartbeatResponse{
		CancelRequested: reply.CancelRequested, ActivityPaused: reply.Paused, ActivityReset: reply.Reset,
	}, nil
}

func (e *Engine) RecordActivityTaskHeartbeatById(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RecordActivityTaskHeartbeatByIdRequest) (*workflowservice.RecordActivityTaskHeartbeatByIdResponse, error) {
	d, err := e.onID(ctx, ns, req.WorkflowId, req.RunId, req.ActivityId, heartbeat(req.Details, req.Identity))
	if err != nil {
		return nil, err
	}
	reply := heartbeatReply(d)
	return &workflowservice.RecordActivityTaskHeartbeatByIdResponse{
		CancelRequested: reply.CancelRequested, ActivityPaused: reply.Paused, ActivityReset: reply.Reset,
	}, nil
}

func (e *Engine) RespondActivityTaskCompleted(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RespondActivityTaskCompletedRequest) (*workflowservice.RespondActivityTaskCompletedResponse, error) {
	if _, err := e.onToken(ctx, ns, req.TaskToken, completeActivity(req.Result, req.Identity)); err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskCompletedResponse{}, nil
}

func (e *Engine) RespondActivityTaskCompletedById(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RespondActivityTaskCompletedByIdRequest) (*workflowservice.RespondActivityTaskCompletedByIdResponse, error) {
	if _, err := e.onID(ctx, ns, req.WorkflowId, req.RunId, req.ActivityId, completeActivity(req.Result, req.Identity)); err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskCompletedByIdResponse{}, nil
}

func (e *Engine) RespondActivityTaskFailed(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RespondActivityTaskFailedRequest) (*workflowservice.RespondActivityTaskFailedResponse, error) {
	if _, err := e.onToken(ctx, ns, req.TaskToken, failActivity(req.Failure, req.LastHeartbeatDetails, req.Identity)); err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskFailedResponse{}, nil
}

func (e *Engine) RespondActivityTaskFailedById(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RespondActivityTaskFailedByIdRequest) (*workflowservice.RespondActivityTaskFailedByIdResponse, error) {
	if _, err := e.onID(ctx, ns, req.WorkflowId, req.RunId, req.ActivityId, failActivity(req.Failure, req.LastHeartbeatDetails, req.Identity)); err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskFailedByIdResponse{}, nil
}

func (e *Engine) RespondActivityTaskCanceled(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RespondActivityTaskCanceledRequest) (*workflowservice.RespondActivityTaskCanceledResponse, error) {
	if _, err := e.onToken(ctx, ns, req.TaskToken, cancelActivity(req.Details, req.Identity)); err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskCanceledResponse{}, nil
}

func (e *Engine) RespondActivityTaskCanceledById(ctx context.Context, ns *cluster.Namespace, req *workflowservice.RespondActivityTaskCanceledByIdRequest) (*workflowservice.RespondActivityTaskCanceledByIdResponse, error) {
	if _, err := e.onID(ctx, ns, req.WorkflowId, req.RunId, req.ActivityId, cancelActivity(req.Details, req.Identity)); err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskCanceledByIdResponse{}, nil
}
