package frontend

import (
	"cmp"
	"context"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"
)

// RequestCancelWorkflowExecution asks a run to cancel itself.
func (f *Frontend) RequestCancelWorkflowExecution(ctx context.Context, req *workflowservice.RequestCancelWorkflowExecutionRequest) (*workflowservice.RequestCancelWorkflowExecutionResponse, error) {
	if err := checkExecution(req.GetWorkflowExecution()); err != nil {
		return nil, err
	}
	if err := f.checkLinks(req.GetLinks()); err != nil {
		return nil, err
	}
	if req.GetRequestId() == "" {
		req.RequestId = uuid.NewString()
	}
	return f.history.RequestCancelWorkflowExecution(ctx, namespaceOf(ctx), req)
}

// TerminateWorkflowExecution closes a run without asking it.
func (f *Frontend) TerminateWorkflowExecution(ctx context.Context, req *workflowservice.TerminateWorkflowExecutionRequest) (*workflowservice.TerminateWorkflowExecutionResponse, error) {
	if err := checkExecution(req.GetWorkflowExecution()); err != nil {
		return nil, err
	}
	if err := f.checkLinks(req.GetLinks()); err != nil {
		return nil, err
	}
	req.Reason = cmp.Or(req.GetReason(), "terminated by user via frontend")
	req.Identity = cmp.Or(req.GetIdentity(), "frontend-service")
	return f.history.TerminateWorkflowExecution(ctx, namespaceOf(ctx), req)
}

// ResetStickyTaskQueue makes the next workflow task go to the normal queue.
func (f *Frontend) ResetStickyTaskQueue(ctx context.Context, req *workflowservice.ResetStickyTaskQueueRequest) (*workflowservice.ResetStickyTaskQueueResponse, error) {
	if err := checkExecution(req.GetExecution()); err != nil {
		return nil, err
	}
	return f.history.ResetStickyTaskQueue(ctx, namespaceOf(ctx), req)
}
