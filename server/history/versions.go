package history

import (
	"perdure/server/deployment"
	"perdure/server/execution"
	"perdure/server/match"

	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
)

// routes is how the queues of a namespace are divided among versions of workers; nil: they are not.
func (e *Engine) routes(namespaceID string) *deployment.Table {
	if e.cfg.Deployments == nil {
		return nil
	}
	return e.cfg.Deployments.Table(namespaceID)
}

// pinnedByHand tells the deployments of a version that an override pins runs
// to: one that nobody used may be in use again.
func (e *Engine) pinnedByHand(namespaceID string, o *workflowpb.VersioningOverride) {
	version := execution.Overridden(o)
	if e.cfg.Deployments == nil || version == (match.Version{}) {
		return
	}
	e.cfg.Deployments.NotePinned(namespaceID, version)
}

// inherited is what a child gets of its parent's versioning. False: the version
// that the command names for it does not serve the child's queue.
func (e *Engine) inherited(parent *execution.State, child *historypb.StartChildWorkflowExecutionInitiatedEventAttributes) (execution.Inheritance, bool) {
	routes := e.routes(parent.NamespaceID)
	version := execution.Overridden(child.VersioningOverride)
	if version != (match.Version{}) && !routes.Member(deployment.WorkflowQueue(child.TaskQueue.GetName()), version) {
		return execution.Inheritance{}, false
	}
	return parent.ChildInheritance(routes, child), true
}

// workerOf tells which tasks the worker that polls gets.
func workerOf(poll interface {
	GetDeploymentOptions() *deploymentpb.WorkerDeploymentOptions
	GetWorkerVersionCapabilities() *commonpb.WorkerVersionCapabilities
},
) match.Version {
	return match.RoutedVersion(poll.GetDeploymentOptions(), poll.GetWorkerVersionCapabilities())
}

// errNoPoller tells of the workers that could have answered a query.
func errNoPoller(version match.Version) error {
	if version == (match.Version{}) {
		return serviceerror.NewFailedPrecondition("no poller seen for task queue recently, worker may be down")
	}
	return serviceerror.NewFailedPreconditionf("no poller seen for version %s of task queue recently, worker may be down", version)
}
