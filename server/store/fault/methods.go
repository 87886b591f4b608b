package fault

import (
	"context"
	"time"

	"perdure/server/store"
)

// Shards may fail.
func (s *Store) Shards(ctx context.Context) ([]store.Shard, error) {
	return read(ctx, s, "Shards", func() ([]store.Shard, error) { return s.inner.Shards(ctx) })
}

// Acquire may fail or lose its answer.
func (s *Store) Acquire(ctx context.Context, shard int32, epoch int64, owner string) (acquired store.Acquired, err error) {
	err = s.write(ctx, "Acquire", func() error {
		acquired, err = s.inner.Acquire(ctx, shard, epoch, owner)
		return err
	})
	if err != nil {
		return store.Acquired{}, err
	}
	return acquired, nil
}

// Renew may fail or lose its answer.
func (s *Store) Renew(ctx context.Context, leases []store.Lease) (lost []store.Lease, err error) {
	err = s.write(ctx, "Renew", func() error {
		lost, err = s.inner.Renew(ctx, leases)
		return err
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// Release may fail or lose its answer.
func (s *Store) Release(ctx context.Context, leases []store.Lease) error {
	return s.write(ctx, "Release", func() error { return s.inner.Release(ctx, leases) })
}

// Commit may fail or lose its answer.
func (s *Store) Commit(ctx context.Context, group store.Group) error {
	return s.write(ctx, "Commit", func() error { return s.inner.Commit(ctx, group) })
}

// Current may fail.
func (s *Store) Current(ctx context.Context, keys []store.WorkflowKey) ([]*store.Execution, error) {
	return read(ctx, s, "Current", func() ([]*store.Execution, error) { return s.inner.Current(ctx, keys) })
}

// Run may fail.
func (s *Store) Run(ctx context.Context, key store.WorkflowKey, runID string) (*store.Execution, error) {
	return read(ctx, s, "Run", func() (*store.Execution, error) { return s.inner.Run(ctx, key, runID) })
}

// LoadAll may fail.
func (s *Store) LoadAll(ctx context.Context, keys []store.ExecutionKey) ([]store.Loaded, error) {
	return read(ctx, s, "LoadAll", func() ([]store.Loaded, error) { return s.inner.LoadAll(ctx, keys) })
}

// Load may fail.
func (s *Store) Load(ctx context.Context, key store.ExecutionKey) (*store.Execution, error) {
	return read(ctx, s, "Load", func() (*store.Execution, error) { return s.inner.Load(ctx, key) })
}

// History may fail.
func (s *Store) History(ctx context.Context, key store.ExecutionKey, from, to int64, limit int) ([]store.Batch, error) {
	return read(ctx, s, "History", func() ([]store.Batch, error) { return s.inner.History(ctx, key, from, to, limit) })
}

// DeleteExecutions may fail or lose its answer.
func (s *Store) DeleteExecutions(ctx context.Context, lease store.Lease, keys []store.ExecutionKey) error {
	return s.write(ctx, "DeleteExecutions", func() error { return s.inner.DeleteExecutions(ctx, lease, keys) })
}

// Closed may fail.
func (s *Store) Closed(ctx context.Context, namespaceID string, before time.Time, after store.ExecutionKey, limit int) ([]*store.Execution, error) {
	return read(ctx, s, "Closed", func() ([]*store.Execution, error) {
		return s.inner.Closed(ctx, namespaceID, before, after, limit)
	})
}

// Executions may fail.
func (s *Store) Executions(ctx context.Context, after store.ExecutionKey, limit int) ([]*store.Execution, error) {
	return read(ctx, s, "Executions", func() ([]*store.Execution, error) { return s.inner.Executions(ctx, after, limit) })
}

// ReadLog may fail.
func (s *Store) ReadLog(ctx context.Context, shard int32, after int64, limit int) ([]store.LogRow, error) {
	return read(ctx, s, "ReadLog", func() ([]store.LogRow, error) { return s.inner.ReadLog(ctx, shard, after, limit) })
}

// Checkpoint may fail or lose its answer.
func (s *Store) Checkpoint(ctx context.Context, lease store.Lease, c store.Checkpoint) error {
	return s.write(ctx, "Checkpoint", func() error { return s.inner.Checkpoint(ctx, lease, c) })
}

// Wakes may fail.
func (s *Store) Wakes(ctx context.Context, shard int32, before time.Time, after store.Wake, limit int) ([]store.Wake, error) {
	return read(ctx, s, "Wakes", func() ([]store.Wake, error) { return s.inner.Wakes(ctx, shard, before, after, limit) })
}

// AppendTasks may fail or lose its answer.
func (s *Store) AppendTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTask) error {
	return s.write(ctx, "AppendTasks", func() error { return s.inner.AppendTasks(ctx, lease, tasks) })
}

// ReadTasks may fail.
func (s *Store) ReadTasks(ctx context.Context, reads []store.QueueRead) ([]store.QueueTask, error) {
	return read(ctx, s, "ReadTasks", func() ([]store.QueueTask, error) { return s.inner.ReadTasks(ctx, reads) })
}

// DeleteTasks may fail or lose its answer.
func (s *Store) DeleteTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTaskKey) error {
	return s.write(ctx, "DeleteTasks", func() error { return s.inner.DeleteTasks(ctx, lease, tasks) })
}

// Queues may fail.
func (s *Store) Queues(ctx context.Context, shard int32) ([]store.QueueBacklog, error) {
	return read(ctx, s, "Queues", func() ([]store.QueueBacklog, error) { return s.inner.Queues(ctx, shard) })
}

// Meta may fail.
func (s *Store) Meta(ctx context.Context, kind, key string) (store.Meta, error) {
	return read(ctx, s, "Meta", func() (store.Meta, error) { return s.inner.Meta(ctx, kind, key) })
}

// ListMeta may fail.
func (s *Store) ListMeta(ctx context.Context, kind string) ([]store.Meta, error) {
	return read(ctx, s, "ListMeta", func() ([]store.Meta, error) { return s.inner.ListMeta(ctx, kind) })
}

// PutMeta may fail or lose its answer.
func (s *Store) PutMeta(ctx context.Context, m store.Meta) error {
	return s.write(ctx, "PutMeta", func() error { return s.inner.PutMeta(ctx, m) })
}

// Close closes the inner store and never fails by injection.
func (s *Store) Close() error { return s.inner.Close() }
