// Package store is the narrow seam between Perdure and a database.
//
// A backend keeps rows that are exact at commit and, for each shard, an
// ordered log of what follows from them. Everything that waits on a shard
// reaches the backend together as a [Group]: one transaction, fenced by the
// epoch of every lease it names. The shared suite in storetest is the
// specification of a backend.
package store

import (
	"context"
	"time"
)

// SlotCount is the fixed number of slots a workflow id or task queue name can
// hash to. A shard owns a contiguous range of slots, so shards can be split and
// merged while the rows, which carry only the slot, stay where they are.
const SlotCount = 4096

// Store is what a backend provides. All methods are safe for concurrent use.
// Errors are wrapped sentinels of this package (see errors.go) or the
// driver's own, which callers treat as transient. A method that writes may
// return ErrUnknownOutcome whenever its answer was lost.
//
// Byte slices in arguments are the caller's again when the call returns;
// returned ones must not be modified. Nil and empty opaque data are the same
// but in PutMeta. Texts are compared byte by byte, and any Go string is kept
// exactly. Times have microsecond precision.
type Store interface {
	// Shards returns every shard row in order of id. A new store is created
	// with its shards, epoch 0 and without owner, by the backend's Open.
	Shards(ctx context.Context) ([]Shard, error)
	// Acquire raises the epoch of a shard from epoch to epoch+1 and makes owner
	// its owner. It waits for commits of the former owner that are in flight.
	// ErrLeaseLost when the stored epoch is not epoch any more.
	Acquire(ctx context.Context, shard int32, epoch int64, owner string) (Acquired, error)
	// Renew tells that the leases are still held. It returns those that are
	// not. One statement however many leases.
	Renew(ctx context.Context, leases []Lease) (lost []Lease, err error)
	// Release gives the leases up: the owner becomes empty, so that another
	// node may acquire at once. Leases already lost are ignored.
	Release(ctx context.Context, leases []Lease) error

	// Commit makes a group durable, all of it or nothing. ErrLeaseLost when an
	// epoch is not the stored one, ErrConflict when a row's version is not the
	// expected one, or when a batch or log row is there already. ErrUnknownOutcome when the connection broke in between:
	// the group may or may not be there.
	Commit(ctx context.Context, group Group) error
	// Current finds the newest run, open or closed, of each workflow. The
	// result has the length of keys; nil where there is no run. One round trip.
	Current(ctx context.Context, keys []WorkflowKey) ([]*Execution, error)
	// Run finds one run by its run id. ErrNotFound when there is none.
	Run(ctx context.Context, key WorkflowKey, runID string) (*Execution, error)
	// Load reads one run by its key. ErrNotFound when there is none.
	Load(ctx context.Context, key ExecutionKey) (*Execution, error)
	// LoadAll reads runs by their keys, each with the batch its history begins
	// with. The result has the length of keys; a nil Execution where there is
	// none. One round trip.
	LoadAll(ctx context.Context, keys []ExecutionKey) ([]Loaded, error)
	// History reads batches in order of FirstEvent, starting with the batch
	// that contains event from (or the first after it), up to and without
	// event to, stopping after limit batches. No batch: an empty slice.
	History(ctx context.Context, key ExecutionKey, from, to int64, limit int) ([]Batch, error)
	// DeleteExecutions removes rows, history and parked wake-ups of runs, fenced.
	// Missing ones are ignored.
	DeleteExecutions(ctx context.Context, lease Lease, keys []ExecutionKey) error
	// Closed pages through closed runs of a namespace whose ClosedAt is before
	// the given time, oldest first: in order of (Exec, Slot), starting behind after.
	Closed(ctx context.Context, namespaceID string, before time.Time, after ExecutionKey, limit int) ([]*Execution, error)
	// Executions pages through all runs, open and closed, oldest first: in order
	// of (Exec, Slot), starting behind after. For tools that look at a whole store.
	Executions(ctx context.Context, after ExecutionKey, limit int) ([]*Execution, error)

	// ReadLog reads rows of a shard's log with Seq > after in order, at most limit.
	ReadLog(ctx context.Context, shard int32, after int64, limit int) ([]LogRow, error)
	// Checkpoint stores what is needed to do without the head of the log, and
	// then trims it, in one fenced transaction. ErrLeaseLost as in Commit.
	Checkpoint(ctx context.Context, lease Lease, c Checkpoint) error
	// Wakes pages through parked wake-ups of a shard's slots with WakeAt before
	// the given time, ordered by (WakeAt, Slot, Exec), starting behind after
	// (the zero Wake starts at the beginning).
	Wakes(ctx context.Context, shard int32, before time.Time, after Wake, limit int) ([]Wake, error)

	// AppendTasks adds tasks to the durable backlog of task queues. Ids grow
	// within a lane; the same (lane, id) twice is ErrConflict.
	AppendTasks(ctx context.Context, lease Lease, tasks []QueueTask) error
	// ReadTasks reads from any number of lanes in one round trip. The tasks
	// come in the order of reads, those of one lane in order of id.
	ReadTasks(ctx context.Context, reads []QueueRead) ([]QueueTask, error)
	// DeleteTasks removes tasks. Missing ones are ignored.
	DeleteTasks(ctx context.Context, lease Lease, tasks []QueueTaskKey) error
	// Queues lists the lanes of a shard's slots that have a backlog.
	Queues(ctx context.Context, shard int32) ([]QueueBacklog, error)

	// Meta reads one metadata record. ErrNotFound when there is none.
	Meta(ctx context.Context, kind, key string) (Meta, error)
	// ListMeta reads all records of a kind in order of key.
	ListMeta(ctx context.Context, kind string) ([]Meta, error)
	// PutMeta writes a record whose stored version is m.Version-1 (a new record
	// has version 1). Nil Data deletes; a later record starts at version 1 again.
	// ErrConflict when the stored version differs or there is nothing to delete.
	PutMeta(ctx context.Context, m Meta) error

	// Close waits for running calls and frees the backend's resources. Closing
	// twice does nothing; every other call after Close fails.
	Close() error
}

// Shard is one row of the shard table: the lease and the fence.
type Shard struct {
	ID                  int32
	FirstSlot, LastSlot int32 // inclusive
	Epoch               int64
	Owner               string    // empty: nobody
	RenewedAt           time.Time // by the store's clock; zero: never held
}

// Lease is the right to write to a shard as long as Epoch is the stored one.
type Lease struct {
	Shard int32
	Epoch int64
}

// Acquired is what a new owner starts from.
type Acquired struct {
	Lease               Lease
	FirstSlot, LastSlot int32
	// Cursors is the value of the last Checkpoint, nil at first.
	Cursors []byte
	// LastSeq is the highest sequence number in the log or ever trimmed, 0 at first.
	LastSeq int64
}

// WorkflowKey names a workflow: all its runs.
type WorkflowKey struct {
	Slot        int32
	Hash        int64 // 64-bit hash of namespace id and workflow id; texts are compared too
	NamespaceID string
	WorkflowID  string
}

// ExecutionKey names one run. Exec grows with each new run of a slot, so the
// current run of a workflow is the one with the highest Exec. An owner takes it
// from one counter a shard: backends index by Exec first, which then lets every
// insert go to the same few pages.
type ExecutionKey struct {
	Slot int32
	Exec int64
}

// Execution is the row of one run.
type Execution struct {
	Key       ExecutionKey
	Workflow  WorkflowKey
	RunID     string
	RequestID string
	Status    int16 // temporal.api.enums.v1.WorkflowExecutionStatus
	NextEvent int64
	Version   int64     // raised by one or more with every commit that changes the row
	ClosedAt  time.Time // zero while open
	State     []byte    // opaque: server/execution's codec
}

// ExecutionWrite inserts a run (PrevVersion 0) or replaces its mutable columns.
// For an update only Key, Status, NextEvent, Version, ClosedAt and State are used.
type ExecutionWrite struct {
	Execution
	PrevVersion int64 // the version that must be stored now; 0 inserts
}

// Batch is the events of one or more transitions, appended and never updated.
type Batch struct {
	Key        ExecutionKey
	FirstEvent int64
	NextEvent  int64  // id behind the last event of the batch
	Data       []byte // opaque: encoded events
}

// Loaded is a run with the batch its history begins with.
type Loaded struct {
	Execution *Execution
	First     Batch // zero when the run or its history is not there
}

// LogRow is what follows from one group for one shard: all its tasks in order.
type LogRow struct {
	Seq  int64
	Data []byte
}

// ShardGroup is the part of a group that belongs to one shard.
type ShardGroup struct {
	Lease      Lease
	Executions []ExecutionWrite // a run appears at most once
	History    []Batch
	Log        *LogRow // nil: nothing follows
}

// Group is one commit.
type Group struct {
	Shards []ShardGroup
}

// Wake is the earliest time at which a run needs attention.
type Wake struct {
	WakeAt time.Time // microsecond precision; the Unix epoch means at once
	Key    ExecutionKey
}

// Checkpoint replaces the wake-ups of the named runs, stores the cursors and
// trims the log.
type Checkpoint struct {
	Set     []Wake         // insert or replace by Key
	Clear   []ExecutionKey // remove; missing ones are ignored
	Cursors []byte         // replaces the stored value
	Trim    int64          // delete log rows with Seq <= Trim; 0 trims nothing
}

// QueueKey names one lane of the durable backlog of a task queue partition:
// each is read on its own, so that none waits behind another.
type QueueKey struct {
	Slot        int32
	NamespaceID string
	Name        string
	Type        int16 // temporal.api.enums.v1.TaskQueueType
	Partition   int32
	Lane        int64 // opaque: server/match's LaneID
}

// QueueTaskKey names one task in the backlog.
type QueueTaskKey struct {
	Queue QueueKey
	ID    int64
}

// QueueTask is one task in the backlog.
type QueueTask struct {
	Queue QueueKey
	ID    int64
	Data  []byte
}

// QueueRead asks for the tasks of one lane with ID > After, in order, at most Limit.
type QueueRead struct {
	Queue QueueKey
	After int64
	Limit int
}

// QueueBacklog tells that a lane has tasks in its backlog.
type QueueBacklog struct {
	Queue   QueueKey
	Count   int64
	FirstID int64
	LastID  int64
}

// Meta is a small versioned record: namespaces, cluster facts, search attributes.
type Meta struct {
	Kind    string
	Key     string
	Version int64
	Data    []byte
}
