package frontend

import (
	"context"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
)

// Both kinds of the older worker versioning are off unless switched on.
var (
	errSetsOff  = serviceerror.NewPermissionDenied("Worker versioning v0.1 (Version Set-based, deprecated) is disabled on this namespace.", "")
	errRulesOff = serviceerror.NewPermissionDenied("Worker versioning v0.2 (Rules-based, deprecated) is disabled on this namespace.", "")
)

// UpdateWorkerBuildIdCompatibility changes the sets of compatible build ids of a task queue.
//
//nolint:staticcheck // old clients call it
func (f *Frontend) UpdateWorkerBuildIdCompatibility(ctx context.Context, req *workflowservice.UpdateWorkerBuildIdCompatibilityRequest) (*workflowservice.UpdateWorkerBuildIdCompatibilityResponse, error) {
	if !f.features.BuildIDSets {
		return nil, errSetsOff
	}
	if err := f.checkQueueName(req.GetTaskQueue()); err != nil {
		return nil, err
	}
	return f.buildIDs.UpdateWorkerBuildIdCompatibility(ctx, namespaceOf(ctx), req)
}

// GetWorkerBuildIdCompatibility shows the sets of compatible build ids of a task queue.
//
//nolint:staticcheck // old clients call it
func (f *Frontend) GetWorkerBuildIdCompatibility(ctx context.Context, req *workflowservice.GetWorkerBuildIdCompatibilityRequest) (*workflowservice.GetWorkerBuildIdCompatibilityResponse, error) {
	if !f.features.BuildIDSets {
		return nil, errSetsOff
	}
	if err := f.checkQueueName(req.GetTaskQueue()); err != nil {
		return nil, err
	}
	return f.buildIDs.GetWorkerBuildIdCompatibility(ctx, namespaceOf(ctx), req)
}

// UpdateWorkerVersioningRules changes the rules that give executions of a task queue their build ids.
func (f *Frontend) UpdateWorkerVersioningRules(ctx context.Context, req *workflowservice.UpdateWorkerVersioningRulesRequest) (*workflowservice.UpdateWorkerVersioningRulesResponse, error) {
	if !f.features.BuildIDRules {
		return nil, errRulesOff
	}
	if err := f.checkQueueName(req.GetTaskQueue()); err != nil {
		return nil, err
	}
	return f.buildIDs.UpdateWorkerVersioningRules(ctx, namespaceOf(ctx), req)
}

// GetWorkerVersioningRules shows the rules that give executions of a task queue their build ids.
func (f *Frontend) GetWorkerVersioningRules(ctx context.Context, req *workflowservice.GetWorkerVersioningRulesRequest) (*workflowservice.GetWorkerVersioningRulesResponse, error) {
	if !f.features.BuildIDRules {
		return nil, errRulesOff
	}
	if err := f.checkQueueName(req.GetTaskQueue()); err != nil {
		return nil, err
	}
	return f.buildIDs.GetWorkerVersioningRules(ctx, namespaceOf(ctx), req)
}
