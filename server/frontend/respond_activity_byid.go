package frontend

import (
	"context"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
)

// activityByID is what all calls have that name an activity by ids.
type activityByID interface {
	GetNamespace() string
	GetWorkflowId() string
	GetRunId() string
	GetActivityId() string
	GetIdentity() string
}

func (f *Frontend) checkByID(req activityByID) error {
	switch {
	case req.GetActivityId() == "":
		return apierr.InvalidArgument("ActivityId is not set on request.")
	case req.GetRunId() != "" && !isUUID(req.GetRunId()):
		return apierr.InvalidArgument(runIDNotUUID)
	}
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return err
	}
	if req.GetWorkflowId() == "" { // an activity without a workflow: there are none yet
		return serviceerror.NewNotFoundf("activity not found for ID: %s", req.GetActivityId())
	}
	return nil
}

// failByID is the call that fails the activity which req names.
func failByID(req activityByID, message string) *workflowservice.RespondActivityTaskFailedByIdRequest {
	return &workflowservice.RespondActivityTaskFailedByIdRequest{
		Namespace: req.GetNamespace(), WorkflowId: req.GetWorkflowId(), RunId: req.GetRunId(),
		ActivityId: req.GetActivityId(), Identity: req.GetIdentity(), Failure: serverFailure(message),
	}
}

// RecordActivityTaskHeartbeatById tells that an activity is alive.
func (f *Frontend) RecordActivityTaskHeartbeatById(ctx context.Context, req *workflowservice.RecordActivityTaskHeartbeatByIdRequest) (*workflowservice.RecordActivityTaskHeartbeatByIdResponse, error) {
	if err := f.checkByID(req); err != nil {
		return nil, err
	}
	ns := namespaceOf(ctx)
	if !f.oversized(ctx, req.GetDetails()) {
		return f.history.RecordActivityTaskHeartbeatById(ctx, ns, req)
	}
	if _, err := f.history.RespondActivityTaskFailedById(ctx, ns, failByID(req, heartbeatTooLarge)); err != nil {
		return nil, err
	}
	return &workflowservice.RecordActivityTaskHeartbeatByIdResponse{CancelRequested: true}, nil
}

// RespondActivityTaskCompletedById brings the result of an activity.
func (f *Frontend) RespondActivityTaskCompletedById(ctx context.Context, req *workflowservice.RespondActivityTaskCompletedByIdRequest) (*workflowservice.RespondActivityTaskCompletedByIdResponse, error) {
	if err := f.checkByID(req); err != nil {
		return nil, err
	}
	ns := namespaceOf(ctx)
	if !f.oversized(ctx, req.GetResult()) {
		return f.history.RespondActivityTaskCompletedById(ctx, ns, req)
	}
	if _, err := f.history.RespondActivityTaskFailedById(ctx, ns, failByID(req, resultTooLarge)); err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskCompletedByIdResponse{}, nil
}

// RespondActivityTaskFailedById brings the failure of an activity.
func (f *Frontend) RespondActivityTaskFailedById(ctx context.Context, req *workflowservice.RespondActivityTaskFailedByIdRequest) (*workflowservice.RespondActivityTaskFailedByIdResponse, error) {
	if err := f.checkByID(req); err != nil {
		return nil, err
	}
	failure, details, cut := f.limitActivityFailure(ctx, req.GetFailure(), req.GetLastHeartbeatDetails())
	req.Failure, req.LastHeartbeatDetails = failure, details
	resp, err := f.history.RespondActivityTaskFailedById(ctx, namespaceOf(ctx), req)
	if err != nil {
		return nil, err
	}
	resp.Failures = append(resp.GetFailures(), cut...)
	return resp, nil
}

// RespondActivityTaskCanceledById tells that an activity cancelled itself.
func (f *Frontend) RespondActivityTaskCanceledById(ctx context.Context, req *workflowservice.RespondActivityTaskCanceledByIdRequest) (*workflowservice.RespondActivityTaskCanceledByIdResponse, error) {
	if err := f.checkByID(req); err != nil {
		return nil, err
	}
	ns := namespaceOf(ctx)
	if !f.oversized(ctx, req.GetDetails()) {
		return f.history.RespondActivityTaskCanceledById(ctx, ns, req)
	}
	if _, err := f.history.RespondActivityTaskFailedById(ctx, ns, failByID(req, cancelTooLarge)); err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskCanceledByIdResponse{}, nil
}

// limitActivityFailure returns a failure and last heartbeat details that are
// small enough to keep, and what stands for those that were not.
func (f *Frontend) limitActivityFailure(ctx context.Context, failure *failurepb.Failure, details *commonpb.Payloads) (*failurepb.Failure, *commonpb.Payloads, []*failurepb.Failure) {
	var cut []*failurepb.Failure
	if f.oversized(ctx, details) {
		details = nil
		cut = append(cut, serverFailure(heartbeatTooLarge))
	}
	limited, replaced := f.limitFailure(ctx, failure)
	if replaced {
		cut = append(cut, limited)
	}
	return limited, details, cut
}
