package frontend

import (
	"context"

	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
)

// Messages of the failures that stand for what was too large.
const (
	heartbeatTooLarge = "Heartbeat details exceed size limit."
	resultTooLarge    = "Complete result exceeds size limit."
	cancelTooLarge    = "Cancel details exceed size limit."
)

// RecordActivityTaskHeartbeat tells that an activity is alive. Details too
// large to keep fail the activity, and the worker is told to cancel it.
func (f *Frontend) RecordActivityTaskHeartbeat(ctx context.Context, req *workflowservice.RecordActivityTaskHeartbeatRequest) (*workflowservice.RecordActivityTaskHeartbeatResponse, error) {
	ns := namespaceOf(ctx)
	if !f.oversized(ctx, req.GetDetails()) {
		return f.history.RecordActivityTaskHeartbeat(ctx, ns, req)
	}
	_, err := f.history.RespondActivityTaskFailed(ctx, ns, &workflowservice.RespondActivityTaskFailedRequest{
		Namespace: req.GetNamespace(), TaskToken: req.GetTaskToken(), Identity: req.GetIdentity(),
		Failure: serverFailure(heartbeatTooLarge),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.RecordActivityTaskHeartbeatResponse{CancelRequested: true}, nil
}

// RespondActivityTaskCompleted brings the result of an activity. One too large fails it.
func (f *Frontend) RespondActivityTaskCompleted(ctx context.Context, req *workflowservice.RespondActivityTaskCompletedRequest) (*workflowservice.RespondActivityTaskCompletedResponse, error) {
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	ns := namespaceOf(ctx)
	if !f.oversized(ctx, req.GetResult()) {
		return f.history.RespondActivityTaskCompleted(ctx, ns, req)
	}
	_, err := f.history.RespondActivityTaskFailed(ctx, ns, &workflowservice.RespondActivityTaskFailedRequest{
		Namespace: req.GetNamespace(), TaskToken: req.GetTaskToken(), Identity: req.GetIdentity(),
		Failure: serverFailure(resultTooLarge),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskCompletedResponse{}, nil
}

// RespondActivityTaskFailed brings the failure of an activity. The response
// says what was too large to keep.
func (f *Frontend) RespondActivityTaskFailed(ctx context.Context, req *workflowservice.RespondActivityTaskFailedRequest) (*workflowservice.RespondActivityTaskFailedResponse, error) {
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	if req.GetFailure() != nil && req.GetFailure().GetApplicationFailureInfo() == nil {
		return nil, apierr.InvalidArgument("Failure must have ApplicationFailureInfo.")
	}
	failure, details, cut := f.limitActivityFailure(ctx, req.GetFailure(), req.GetLastHeartbeatDetails())
	req.Failure, req.LastHeartbeatDetails = failure, details
	resp, err := f.history.RespondActivityTaskFailed(ctx, namespaceOf(ctx), req)
	if err != nil {
		return nil, err
	}
	resp.Failures = append(resp.GetFailures(), cut...)
	return resp, nil
}

// RespondActivityTaskCanceled tells that an activity cancelled itself. Details too large fail it.
func (f *Frontend) RespondActivityTaskCanceled(ctx context.Context, req *workflowservice.RespondActivityTaskCanceledRequest) (*workflowservice.RespondActivityTaskCanceledResponse, error) {
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	ns := namespaceOf(ctx)
	if !f.oversized(ctx, req.GetDetails()) {
		return f.history.RespondActivityTaskCanceled(ctx, ns, req)
	}
	_, err := f.history.RespondActivityTaskFailed(ctx, ns, &workflowservice.RespondActivityTaskFailedRequest{
		Namespace: req.GetNamespace(), TaskToken: req.GetTaskToken(), Identity: req.GetIdentity(),
		Failure: serverFailure(cancelTooLarge),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.RespondActivityTaskCanceledResponse{}, nil
}
