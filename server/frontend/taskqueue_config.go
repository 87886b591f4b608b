package frontend

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
	"perdure/server/match"
)

// UpdateTaskQueueConfig changes what people have set for a task queue of one type.
func (f *Frontend) UpdateTaskQueueConfig(ctx context.Context, req *workflowservice.UpdateTaskQueueConfigRequest) (*workflowservice.UpdateTaskQueueConfigResponse, error) {
	for _, check := range []func() error{
		func() error { return f.checkConfigQueue(req) },
		func() error { return f.checkRates(req) },
		func() error { return f.checkWeights(req) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	if req.GetTaskQueue() == "" {
		return &workflowservice.UpdateTaskQueueConfigResponse{Config: &taskqueuepb.TaskQueueConfig{}}, nil
	}
	return f.matching.UpdateTaskQueueConfig(ctx, namespaceOf(ctx), req)
}

// checkConfigQueue refuses a change of something that is no queue. Who changes
// nothing may leave out what he likes.
func (f *Frontend) checkConfigQueue(req *workflowservice.UpdateTaskQueueConfigRequest) error {
	if f.tooLong(req.GetIdentity()) {
		return apierr.InvalidArgument("Identity field too long (max %d characters).", f.limits.IDBytesMax)
	}
	changes := req.GetUpdateQueueRateLimit() != nil || req.GetUpdateFairnessKeyRateLimitDefault() != nil ||
		len(req.GetSetFairnessWeightOverrides())+len(req.GetUnsetFairnessWeightOverrides()) > 0
	if !changes && req.GetTaskQueue() == "" {
		return nil
	}
	if err := f.checkTaskQueue(&taskqueuepb.TaskQueue{Name: req.GetTaskQueue()}); err != nil {
		return err
	}
	switch req.GetTaskQueueType() {
	case enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY, enumspb.TASK_QUEUE_TYPE_NEXUS:
		return nil
	}
	if changes {
		return apierr.InvalidArgument("TaskQueueType is not set or unknown.")
	}
	return nil
}

func (f *Frontend) checkRates(req *workflowservice.UpdateTaskQueueConfigRequest) error {
	for _, update := range []struct {
		field, what string
		set         *workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate
	}{
		{"UpdateQueueRateLimit", "rate limit", req.GetUpdateQueueRateLimit()},
		{"UpdateFairnessKeyRateLimitDefault", "fairness key rate limit", req.GetUpdateFairnessKeyRateLimitDefault()},
	} {
		perSecond := update.set.GetRateLimit().GetRequestsPerSecond()
		switch {
		case update.set == nil:
		case req.GetTaskQueueType() == enumspb.TASK_QUEUE_TYPE_WORKFLOW: // it would only make workflows slow
			return apierr.InvalidArgument("Setting %s on workflow task queues is not allowed.", update.what)
		case len(update.set.GetReason()) > f.limits.ReasonBytesMax:
			return apierr.InvalidArgument("%s.Reason field too long (max %d characters).", update.field, f.limits.ReasonBytesMax)
		case !(perSecond >= 0): // or not a number
			return apierr.InvalidArgument("RequestsPerSecond for %s rate limit must be non-negative.", update.field)
		}
	}
	return nil
}

func (f *Frontend) checkWeights(req *workflowservice.UpdateTaskQueueConfigRequest) error {
	set, unset := req.GetSetFairnessWeightOverrides(), req.GetUnsetFairnessWeightOverrides()
	if count := max(len(set), len(unset)); count > f.limits.WeightOverridesMax {
		return apierr.InvalidArgument("too many fairness weight overrides in request: got %d, maximum %d", count, f.limits.WeightOverridesMax)
	}
	for key, weight := range set {
		switch {
		case key == "":
			return apierr.InvalidArgument("fairness weight override key must not be empty")
		case len(key) > match.FairnessKeyBytesMax:
			return apierr.InvalidArgument("fairness key length exceeds limit")
		case !(weight > 0):
			return apierr.InvalidArgument("invalid fairness weight for key %q: must be greater than zero", key)
		}
	}
	for _, key := range unset {
		if len(key) > match.FairnessKeyBytesMax {
			return apierr.InvalidArgument("fairness key length exceeds limit")
		}
		if _, both := set[key]; both {
			return apierr.InvalidArgument("fairness weight override key %q present in both set and unset lists", key)
		}
	}
	return nil
}
