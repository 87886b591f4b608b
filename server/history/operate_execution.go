package history

import (
	"context"

	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
)

func runNamed(workflowID, runID string) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID}
}

func (e *Engine) PauseWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.PauseWorkflowExecutionRequest) (*workflowservice.PauseWorkflowExecutionResponse, error) {
	_, _, err := e.on(ctx, ns, runNamed(req.WorkflowId, req.RunId), execution.PauseRun{Identity: req.Identity, Reason: req.Reason, RequestID: req.RequestId})
	if err != nil {
		return nil, err
	}
	return &workflowservice.PauseWorkflowExecutionResponse{}, nil
}

func (e *Engine) UnpauseWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UnpauseWorkflowExecutionRequest) (*workflowservice.UnpauseWorkflowExecutionResponse, error) {
	_, _, err := e.on(ctx, ns, runNamed(req.WorkflowId, req.RunId), execution.UnpauseRun{Identity: req.Identity, Reason: req.Reason, RequestID: req.RequestId})
	if err != nil {
		return nil, err
	}
	return &workflowservice.UnpauseWorkflowExecutionResponse{}, nil
}

func (e *Engine) PauseActivityExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.PauseActivityExecutionRequest) (*workflowservice.PauseActivityExecutionResponse, error) {
	_, _, err := e.on(ctx, ns, runNamed(req.WorkflowId, req.RunId), execution.PauseActivity{
		Select: execution.ActivitySelector{ID: req.ActivityId}, Identity: req.Identity, Reason: req.Reason, RequestID: req.RequestId, Once: true,
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.PauseActivityExecutionResponse{}, nil
}

func (e *Engine) UnpauseActivityExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UnpauseActivityExecutionRequest) (*workflowservice.UnpauseActivityExecutionResponse, error) {
	_, _, err := e.on(ctx, ns, runNamed(req.WorkflowId, req.RunId), execution.UnpauseActivity{
		Select: execution.ActivitySelector{ID: req.ActivityId}, Delay: jittered(req.Jitter),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.UnpauseActivityExecutionResponse{}, nil
}

func (e *Engine) ResetActivityExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.ResetActivityExecutionRequest) (*workflowservice.ResetActivityExecutionResponse, error) {
	_, _, err := e.on(ctx, ns, runNamed(req.WorkflowId, req.RunId), execution.ResetActivity{
		Select: execution.ActivitySelector{ID: req.ActivityId}, ResetHeartbeat: req.ResetHeartbeat,
		KeepPaused: req.KeepPaused, RestoreOriginal: req.RestoreOriginalOptions, Delay: jittered(req.Jitter),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.ResetActivityExecutionResponse{}, nil
}

func (e *Engine) UpdateActivityExecutionOptions(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UpdateActivityExecutionOptionsRequest) (*workflowservice.UpdateActivityExecutionOptionsResponse, error) {
	d, _, err := e.on(ctx, ns, runNamed(req.WorkflowId, req.RunId), execution.UpdateActivityOptions{
		Select: execution.ActivitySelector{ID: req.ActivityId}, Options: req.ActivityOptions,
		Mask: req.UpdateMask.GetPaths(), RestoreOriginal: req.RestoreOriginal,
	})
	if err != nil {
		return nil, err
	}
	options, _ := d.Reply.(*activitypb.ActivityOptions)
	return &workflowservice.UpdateActivityExecutionOptionsResponse{ActivityOptions: options}, nil
}
