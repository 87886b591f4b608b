package cluster

import (
	"context"

	taskqueuepb "go.temporal.io/api/taskqueue/v1"

	"perdure/server/deployment"
	"perdure/server/match"
)

// Routes tells how task queues are divided among versions of workers.
type Routes interface {
	// Table is what is known of a namespace, from memory. It never blocks; nil
	// is a namespace without versions.
	Table(namespaceID string) *deployment.Table
}

// Deployments keeps the worker deployments of all namespaces. Errors are
// go.temporal.io/api/serviceerror values.
type Deployments interface {
	Routes
	// Register notes that a worker of a version polls a queue. When that is known
	// nothing is read or written.
	Register(ctx context.Context, namespaceID string, v match.Version, q deployment.Queue) error
	// NotePinned notes, in the background, that a run was pinned to a version by hand.
	NotePinned(namespaceID string, v match.Version)
	// Find reads one deployment from the store; nil when there is none.
	Find(ctx context.Context, namespaceID, name string) (*deployment.State, error)
	// List reads all deployments of a namespace from the store, in order of name.
	List(ctx context.Context, namespaceID string) ([]*deployment.State, error)
	// Do carries out a command. What it decided is durable and known to this node
	// when it returns; other nodes follow within seconds.
	Do(ctx context.Context, namespaceID, name string, c deployment.Command) (deployment.Decision, error)
}

// QueueFacts tells how task queues are used; matching implements it.
type QueueFacts interface {
	// Polled tells whether workers of the version poll the queue, or did within
	// the time that pollers are remembered.
	Polled(queue TaskQueue, v match.Version) bool
	// Busy tells whether the queue has tasks, or got some lately.
	Busy(queue TaskQueue) bool
}

// VersionStats tells what waits for workers of one version; matching implements it.
type VersionStats interface {
	VersionStats(ctx context.Context, queue TaskQueue, v match.Version) (*taskqueuepb.TaskQueueStats, map[int32]*taskqueuepb.TaskQueueStats)
}
