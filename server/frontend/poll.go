package frontend

import (
	"cmp"
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/config"
	"perdure/server/deployment"
	"perdure/server/match"
)

// PollWorkflowTaskQueue waits for a workflow task or a query.
func (f *Frontend) PollWorkflowTaskQueue(ctx context.Context, req *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	ns := namespaceOf(ctx)
	if err := f.checkPoll(ctx, ns, req); err != nil {
		return nil, err
	}
	if err := f.register(ctx, ns, req, enumspb.TASK_QUEUE_TYPE_WORKFLOW); err != nil {
		return nil, err
	}
	return emptyAtDrain(f, ctx, &workflowservice.PollWorkflowTaskQueueResponse{}, func(ctx context.Context) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
		return f.matching.PollWorkflowTaskQueue(ctx, ns, req)
	})
}

// PollActivityTaskQueue waits for an activity task.
func (f *Frontend) PollActivityTaskQueue(ctx context.Context, req *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	ns := namespaceOf(ctx)
	if err := f.checkPoll(ctx, ns, req); err != nil {
		return nil, err
	}
	if err := f.register(ctx, ns, req, enumspb.TASK_QUEUE_TYPE_ACTIVITY); err != nil {
		return nil, err
	}
	return emptyAtDrain(f, ctx, &workflowservice.PollActivityTaskQueueResponse{}, func(ctx context.Context) (*workflowservice.PollActivityTaskQueueResponse, error) {
		return f.matching.PollActivityTaskQueue(ctx, ns, req)
	})
}

// emptyAtDrain runs a poll. At a stop of the server the poll is answered
// empty, which workers take as a reason to poll again.
func emptyAtDrain[T any](f *Frontend, ctx context.Context, empty *T, poll func(context.Context) (*T, error)) (*T, error) {
	resp, err := waitUntilDrain(f, ctx, poll)
	if err != nil && f.draining.Err() != nil && ctx.Err() == nil {
		return empty, nil
	}
	if errors.Is(err, context.DeadlineExceeded) || (err == nil && resp == nil) {
		return empty, nil
	}
	return resp, err
}

// pollRequest is what both polls have.
type pollRequest interface {
	taskQueuer
	GetIdentity() string
	GetWorkerVersionCapabilities() *commonpb.WorkerVersionCapabilities
	GetDeploymentOptions() *deploymentpb.WorkerDeploymentOptions
}

func (f *Frontend) checkPoll(ctx context.Context, ns *cluster.Namespace, req pollRequest) error {
	if err := f.checkPollTimeout(ctx); err != nil {
		return err
	}
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return err
	}
	if err := f.checkTaskQueue(req.GetTaskQueue()); err != nil {
		return err
	}
	if err := f.checkBuild(req.GetWorkerVersionCapabilities()); err != nil {
		return err
	}
	if err := checkDeployment(req.GetDeploymentOptions()); err != nil {
		return err
	}
	if err := checkNormalName(req); err != nil {
		return err
	}
	if err := f.checkNewest(ns, req); err != nil {
		return err
	}
	old, ok := req.(interface{ GetBinaryChecksum() string })
	if ok && ns.BadBinaries[old.GetBinaryChecksum()] != nil {
		return apierr.InvalidArgument("Binary %s already marked as bad deployment.", old.GetBinaryChecksum())
	}
	return nil
}

func (f *Frontend) checkPollTimeout(ctx context.Context) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return apierr.InvalidArgument("Context timeout is not set.")
	}
	if deadline.Sub(f.clock.Now()) < config.PollMin {
		return serviceerror.NewFailedPrecondition("Context timeout is too short.")
	}
	return nil
}

func (f *Frontend) checkBuild(c *commonpb.WorkerVersionCapabilities) error {
	switch {
	case len(c.GetBuildId()) > f.limits.BuildIDBytesMax:
		return apierr.InvalidArgument("Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.")
	case c.GetUseVersioning() && c.GetBuildId() == "":
		return apierr.InvalidArgument("WorkerVersionStamp must be present if UseVersioning is true.")
	}
	return nil
}

// checkNormalName wants a versioned worker to tell to which queue its sticky queue belongs.
func checkNormalName(req pollRequest) error {
	versioned := req.GetWorkerVersionCapabilities().GetUseVersioning() || req.GetDeploymentOptions() != nil
	if versioned && req.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_STICKY && req.GetTaskQueue().GetNormalName() == "" {
		return apierr.InvalidArgument("NormalName must be set on sticky queue when UseVersioning is true or DeploymentOptions are set.")
	}
	return nil
}

// checkNewest refuses a worker whose tasks another build goes on with, by the
// older worker versioning: so the other gets them.
func (f *Frontend) checkNewest(ns *cluster.Namespace, req pollRequest) error {
	version := match.RoutedVersion(req.GetDeploymentOptions(), req.GetWorkerVersionCapabilities())
	if version.Deployment != "" || version.BuildID == "" {
		return nil
	}
	data := f.buildIDs.Of(ns.ID, cmp.Or(req.GetTaskQueue().GetNormalName(), req.GetTaskQueue().GetName()))
	if newest := data.Newest(version.BuildID); newest != version.BuildID {
		return serviceerror.NewNewerBuildExists(newest)
	}
	return nil
}

// register makes the version of a worker known that polls for the first time.
func (f *Frontend) register(ctx context.Context, ns *cluster.Namespace, req pollRequest, kind enumspb.TaskQueueType) error {
	v := match.WorkerVersion(req.GetDeploymentOptions())
	if v == (match.Version{}) || req.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_STICKY {
		return nil
	}
	return f.deployments.Register(ctx, ns.ID, v, deployment.Queue{Name: req.GetTaskQueue().GetName(), Type: kind})
}

func checkDeployment(o *deploymentpb.WorkerDeploymentOptions) error {
	if o.GetWorkerVersioningMode() != enumspb.WORKER_VERSIONING_MODE_VERSIONED {
		return nil
	}
	if o.GetDeploymentName() == "" || o.GetBuildId() == "" {
		return apierr.InvalidArgument("Deployment name and build id must be set together.")
	}
	return checkVersionNames(match.WorkerVersion(o))
}
