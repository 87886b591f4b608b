package history

import (
	"context"
	"math/rand/v2"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	activitypb "go.temporal.io/api/activity/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
)

// jittered is a random part of the asked jitter.
func jittered(d *durationpb.Duration) time.Duration {
	if most := d.AsDuration(); most > 0 {
		return rand.N(most)
	}
	return 0
}

func (e *Engine) PauseActivity(ctx context.Context, ns *cluster.Namespace, req *workflowservice.PauseActivityRequest) (*workflowservice.PauseActivityResponse, error) {
	_, _, err := e.on(ctx, ns, req.Execution, execution.PauseActivity{
		Select: execution.ActivitySelector{ID: req.GetId(), Type: req.GetType()}, Identity: req.Identity, Reason: req.Reason,
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.PauseActivityResponse{}, nil
}

func (e *Engine) UnpauseActivity(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UnpauseActivityRequest) (*workflowservice.UnpauseActivityResponse, error) {
	_, _, err := e.on(ctx, ns, req.Execution, execution.UnpauseActivity{
		Select:        execution.ActivitySelector{ID: req.GetId(), Type: req.GetType(), All: req.GetUnpauseAll()},
		ResetAttempts: req.ResetAttempts, ResetHeartbeat: req.ResetHeartbeat, Delay: jittered(req.Jitter),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.UnpauseActivityResponse{}, nil
}

func (e *Engine) ResetActivity(ctx context.Context, ns *cluster.Namespace, req *workflowservice.ResetActivityRequest) (*workflowservice.ResetActivityResponse, error) {
	_, _, err := e.on(ctx, ns, req.Execution, execution.ResetActivity{
		Select:         execution.ActivitySelector{ID: req.GetId(), Type: req.GetType(), All: req.GetMatchAll()},
		ResetHeartbeat: req.ResetHeartbeat, KeepPaused: req.KeepPaused, RestoreOriginal: req.RestoreOriginalOptions, Delay: jittered(req.Jitter),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.ResetActivityResponse{}, nil
}

func (e *Engine) UpdateActivityOptions(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UpdateActivityOptionsRequest) (*workflowservice.UpdateActivityOptionsResponse, error) {
	d, _, err := e.on(ctx, ns, req.Execution, execution.UpdateActivityOptions{
		Select:  execution.ActivitySelector{ID: req.GetId(), Type: req.GetType(), All: req.GetMatchAll()},
		Options: req.ActivityOptions, Mask: req.UpdateMask.GetPaths(), RestoreOriginal: req.RestoreOriginal,
	})
	if err != nil {
		return nil, err
	}
	options, _ := d.Reply.(*activitypb.ActivityOptions)
	return &workflowservice.UpdateActivityOptionsResponse{ActivityOptions: options}, nil
}

func (e *Engine) UpdateWorkflowExecutionOptions(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UpdateWorkflowExecutionOptionsRequest) (*workflowservice.UpdateWorkflowExecutionOptionsResponse, error) {
	d, _, err := e.on(ctx, ns, req.WorkflowExecution, execution.UpdateOptions{
		Options: req.WorkflowExecutionOptions, Mask: req.UpdateMask.GetPaths(), Identity: req.Identity,
	})
	if err != nil {
		return nil, err
	}
	options, _ := d.Reply.(*workflowpb.WorkflowExecutionOptions)
	e.pinnedByHand(ns.ID, options.GetVersioningOverride())
	return &workflowservice.UpdateWorkflowExecutionOptionsResponse{WorkflowExecutionOptions: options}, nil
}
