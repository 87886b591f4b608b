package frontend

import (
	"context"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
)

// pauseRequest is what PauseWorkflowExecution and UnpauseWorkflowExecution have in common.
type pauseRequest interface {
	GetWorkflowId() string
	GetRunId() string
	GetIdentity() string
	GetReason() string
	GetRequestId() string
}

func (f *Frontend) checkPause(ctx context.Context, req pauseRequest) error {
	switch {
	case !f.features.WorkflowPause:
		return serviceerror.NewUnimplementedf("workflow pause is not enabled for namespace: %s", namespaceOf(ctx).Name)
	case req.GetWorkflowId() == "":
		return apierr.InvalidArgument("WorkflowId is not set on request.")
	case req.GetRunId() != "" && !isUUID(req.GetRunId()):
		return apierr.InvalidArgument("RunId is not valid UUID.")
	case f.tooLong(req.GetIdentity()):
		return apierr.InvalidArgument("identity is too long.")
	case f.tooLong(req.GetReason()):
		return apierr.InvalidArgument("reason is too long.")
	case f.tooLong(req.GetRequestId()):
		return apierr.InvalidArgument("request id is too long.")
	}
	return nil
}

// PauseWorkflowExecution holds an open run: nothing of it is given to workers.
func (f *Frontend) PauseWorkflowExecution(ctx context.Context, req *workflowservice.PauseWorkflowExecutionRequest) (*workflowservice.PauseWorkflowExecutionResponse, error) {
	if err := f.checkPause(ctx, req); err != nil {
		return nil, err
	}
	return f.history.PauseWorkflowExecution(ctx, namespaceOf(ctx), req)
}

// UnpauseWorkflowExecution lets a held run go on.
func (f *Frontend) UnpauseWorkflowExecution(ctx context.Context, req *workflowservice.UnpauseWorkflowExecutionRequest) (*workflowservice.UnpauseWorkflowExecutionResponse, error) {
	if err := f.checkPause(ctx, req); err != nil {
		return nil, err
	}
	return f.history.UnpauseWorkflowExecution(ctx, namespaceOf(ctx), req)
}

// activityRequest is what the calls about one activity have in common.
type activityRequest interface {
	GetWorkflowId() string
	GetActivityId() string
	GetRunId() string
	GetIdentity() string
	GetRequestId() string
}

// checkActivityNamed checks the reference to an activity. One without a
// workflow is a standalone activity, of which there are none.
func (f *Frontend) checkActivityNamed(req activityRequest) error {
	if req.GetActivityId() == "" {
		return apierr.InvalidArgument("activity ID is required")
	}
	for _, named := range []struct{ what, value string }{
		{"activity ID", req.GetActivityId()}, {"request ID", req.GetRequestId()}, {"identity", req.GetIdentity()}, {"workflow ID", req.GetWorkflowId()},
	} {
		if f.tooLong(named.value) {
			return apierr.InvalidArgument("%s exceeds length limit. Length=%d Limit=%d", named.what, len(named.value), f.limits.IDBytesMax)
		}
	}
	switch {
	case req.GetRunId() != "" && !isUUID(req.GetRunId()):
		return apierr.InvalidArgument("invalid run id: must be a valid UUID")
	case req.GetWorkflowId() == "":
		return serviceerror.NewNotFoundf("activity not found for ID: %s", req.GetActivityId())
	}
	return nil
}

// PauseActivityExecution keeps one pending activity from being started.
func (f *Frontend) PauseActivityExecution(ctx context.Context, req *workflowservice.PauseActivityExecutionRequest) (*workflowservice.PauseActivityExecutionResponse, error) {
	if err := f.checkActivityNamed(req); err != nil {
		return nil, err
	}
	return f.history.PauseActivityExecution(ctx, namespaceOf(ctx), req)
}

// UnpauseActivityExecution lets one paused activity go on.
func (f *Frontend) UnpauseActivityExecution(ctx context.Context, req *workflowservice.UnpauseActivityExecutionRequest) (*workflowservice.UnpauseActivityExecutionResponse, error) {
	if err := f.checkActivityNamed(req); err != nil {
		return nil, err
	}
	return f.history.UnpauseActivityExecution(ctx, namespaceOf(ctx), req)
}

// ResetActivityExecution begins the attempts of one activity anew.
func (f *Frontend) ResetActivityExecution(ctx context.Context, req *workflowservice.ResetActivityExecutionRequest) (*workflowservice.ResetActivityExecutionResponse, error) {
	if err := f.checkActivityNamed(req); err != nil {
		return nil, err
	}
	return f.history.ResetActivityExecution(ctx, namespaceOf(ctx), req)
}

// UpdateActivityExecutionOptions changes options of one pending activity.
func (f *Frontend) UpdateActivityExecutionOptions(ctx context.Context, req *workflowservice.UpdateActivityExecutionOptionsRequest) (*workflowservice.UpdateActivityExecutionOptionsResponse, error) {
	if err := f.checkActivityNamed(req); err != nil {
		return nil, err
	}
	if err := checkActivityOptions(req, "Both UpdateMask and RestoreOriginal are provided"); err != nil {
		return nil, err
	}
	return f.history.UpdateActivityExecutionOptions(ctx, namespaceOf(ctx), req)
}
