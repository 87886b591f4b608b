package cluster

import (
	"context"
	"time"
)

// Position is a place in the order of all runs of the store; the zero value is before the first.
type Position struct {
	Slot int32
	Exec int64
}

// DeletedRuns tells what one page of a deletion did.
type DeletedRuns struct {
	Seen    int // runs that should go
	Deleted int // runs that are gone; the others are held elsewhere or still have something to tell
	Next    Position
	More    bool // there may be runs behind Next
}

// Housekeeping is what the worker service needs of history. Both methods look at
// one page of at most limit runs behind a position, and delete those of shards
// that are held here.
type Housekeeping interface {
	// DeleteClosed removes runs of a namespace that closed before a time.
	DeleteClosed(ctx context.Context, ns *Namespace, before time.Time, behind Position, limit int) (DeletedRuns, error)
	// DeleteRuns ends and removes all runs of a namespace.
	DeleteRuns(ctx context.Context, ns *Namespace, behind Position, limit int) (DeletedRuns, error)
}

// QueueHousekeeping is what the worker service needs of matching.
type QueueHousekeeping interface {
	// DropQueues removes the task queues of a namespace whose runs are gone.
	DropQueues(ctx context.Context, namespaceID string) error
}

// BuildIDHousekeeping is what the worker service needs of the older versioning.
type BuildIDHousekeeping interface {
	// DropBuildIDs removes what task queues of a namespace know whose runs are gone.
	DropBuildIDs(ctx context.Context, namespaceID string) error
}

// DeploymentHousekeeping is what the worker service needs of the worker deployments.
type DeploymentHousekeeping interface {
	// DropDeployments removes the worker deployments of a namespace whose runs are gone.
	DropDeployments(ctx context.Context, namespaceID string) error
}
