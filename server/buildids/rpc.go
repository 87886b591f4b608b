package buildids

import (
	"context"
	"encoding/binary"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/versioning"
)

// UpdateWorkerBuildIdCompatibility changes the sets of a queue. See cluster.BuildIDs.
func (b *Book) UpdateWorkerBuildIdCompatibility(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UpdateWorkerBuildIdCompatibilityRequest) (*workflowservice.UpdateWorkerBuildIdCompatibilityResponse, error) {
	if err := versioning.CheckSets(req, b.limits); err != nil {
		return nil, err
	}
	_, err := b.change(ctx, queueKey{ns.ID, req.GetTaskQueue()}, func(e entry) (versioning.Data, error) {
		next, err := e.data.UpdateSets(req, b.limits)
		if build := e.data.NewBuild(req); err == nil && build != "" {
			err = b.checkQueues(ctx, ns.ID, build)
		}
		return next, err
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.UpdateWorkerBuildIdCompatibilityResponse{}, nil
}

// checkQueues refuses one task queue too many for a build id. Two at the same
// time may both get in.
func (b *Book) checkQueues(ctx context.Context, namespaceID, build string) error {
	queues, err := b.QueuesOf(ctx, namespaceID, build)
	if err == nil && len(queues) >= b.limits.Queues {
		err = serviceerror.NewFailedPreconditionf("Exceeded max task queues allowed to be mapped to a single build ID: %d", b.limits.Queues)
	}
	return err
}

// GetWorkerBuildIdCompatibility shows the sets of a queue. See cluster.BuildIDs.
func (b *Book) GetWorkerBuildIdCompatibility(ctx context.Context, ns *cluster.Namespace, req *workflowservice.GetWorkerBuildIdCompatibilityRequest) (*workflowservice.GetWorkerBuildIdCompatibilityResponse, error) {
	e, err := b.read(ctx, queueKey{ns.ID, req.GetTaskQueue()})
	if err != nil {
		return nil, err
	}
	return &workflowservice.GetWorkerBuildIdCompatibilityResponse{MajorVersionSets: e.data.ShowSets(int(req.GetMaxSets()))}, nil
}

// UpdateWorkerVersioningRules changes the rules of a queue. See cluster.BuildIDs.
func (b *Book) UpdateWorkerVersioningRules(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UpdateWorkerVersioningRulesRequest) (*workflowservice.UpdateWorkerVersioningRulesResponse, error) {
	key := queueKey{ns.ID, req.GetTaskQueue()}
	e, err := b.change(ctx, key, func(e entry) (versioning.Data, error) {
		if token := e.token(); string(token) != string(req.GetConflictToken()) {
			return *e.data, serviceerror.NewFailedPreconditionf("provided conflict token '%v' does not match existing one '%v'", req.GetConflictToken(), token)
		}
		return e.data.UpdateRules(versioning.RulesUpdate{
			Request: req, Now: b.clock.Now().UTC(), Limits: b.limits,
			Polled: func(build string) bool { return b.polledLately(key, build) },
		})
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.UpdateWorkerVersioningRulesResponse{
		AssignmentRules: e.data.ShowAssignments(), CompatibleRedirectRules: e.data.ShowRedirects(), ConflictToken: e.token(),
	}, nil
}

// GetWorkerVersioningRules shows the rules of a queue. See cluster.BuildIDs.
func (b *Book) GetWorkerVersioningRules(ctx context.Context, ns *cluster.Namespace, req *workflowservice.GetWorkerVersioningRulesRequest) (*workflowservice.GetWorkerVersioningRulesResponse, error) {
	e, err := b.read(ctx, queueKey{ns.ID, req.GetTaskQueue()})
	if err != nil {
		return nil, err
	}
	return &workflowservice.GetWorkerVersioningRulesResponse{
		AssignmentRules: e.data.ShowAssignments(), CompatibleRedirectRules: e.data.ShowRedirects(), ConflictToken: e.token(),
	}, nil
}

// token changes with each change of the record. It is never empty.
func (e entry) token() []byte { return binary.BigEndian.AppendUint64(nil, uint64(e.version)) }

// polledWithin is how lately a build id must have been polled for to be worth
// all tasks: as long as a poll may last and a little more.
const polledWithin = 70 * time.Second

// polledLately tells whether a versioned worker of a build id polled the queue.
func (b *Book) polledLately(key queueKey, build string) bool {
	since := b.clock.Now().Add(-polledWithin)
	for _, kind := range []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY} {
		queue := cluster.TaskQueue{NamespaceID: key.namespaceID, Name: key.name, Type: kind, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
		for _, p := range b.config.Pollers.RecentPollers(queue) {
			c := p.GetWorkerVersionCapabilities()
			if c.GetUseVersioning() && c.GetBuildId() == build && p.GetLastAccessTime().AsTime().After(since) {
				return true
			}
		}
	}
	return false
}
