package store

import (
	"context"
	"time"
)

// Observe is told of every finished call: the method's name, its duration and its error.
type Observe func(method string, seconds float64, err error)

// Instrument returns a store that reports every call on inner but Close to observe.
func Instrument(inner Store, observe Observe) Store {
	return &instrumented{Store: inner, observe: observe}
}

type instrumented struct {
	Store   // Close passes through
	observe Observe
}

func (s *instrumented) done(method string, start time.Time, err error) {
	s.observe(method, time.Since(start).Seconds(), err)
}

func (s *instrumented) Shards(ctx context.Context) (shards []Shard, err error) {
	defer func(start time.Time) { s.done("Shards", start, err) }(time.Now())
	return s.Store.Shards(ctx)
}

func (s *instrumented) Acquire(ctx context.Context, shard int32, epoch int64, owner string) (acquired Acquired, err error) {
	defer func(start time.Time) { s.done("Acquire", start, err) }(time.Now())
	return s.Store.Acquire(ctx, shard, epoch, owner)
}

func (s *instrumented) Renew(ctx context.Context, leases []Lease) (lost []Lease, err error) {
	defer func(start time.Time) { s.done("Renew", start, err) }(time.Now())
	return s.Store.Renew(ctx, leases)
}

func (s *instrumented) Release(ctx context.Context, leases []Lease) (err error) {
	defer func(start time.Time) { s.done("Release", start, err) }(time.Now())
	return s.Store.Release(ctx, leases)
}

func (s *instrumented) Commit(ctx context.Context, group Group) (err error) {
	defer func(start time.Time) { s.done("Commit", start, err) }(time.Now())
	return s.Store.Commit(ctx, group)
}

func (s *instrumented) Current(ctx context.Context, keys []WorkflowKey) (runs []*Execution, err error) {
	defer func(start time.Time) { s.done("Current", start, err) }(time.Now())
	return s.Store.Current(ctx, keys)
}

func (s *instrumented) Run(ctx context.Context, key WorkflowKey, runID string) (run *Execution, err error) {
	defer func(start time.Time) { s.done("Run", start, err) }(time.Now())
	return s.Store.Run(ctx, key, runID)
}

func (s *instrumented) LoadAll(ctx context.Context, keys []ExecutionKey) (runs []Loaded, err error) {
	defer func(start time.Time) { s.done("LoadAll", start, err) }(time.Now())
	return s.Store.LoadAll(ctx, keys)
}

func (s *instrumented) Load(ctx context.Context, key ExecutionKey) (run *Execution, err error) {
	defer func(start time.Time) { s.done("Load", start, err) }(time.Now())
	return s.Store.Load(ctx, key)
}

func (s *instrumented) History(ctx context.Context, key ExecutionKey, from, to int64, limit int) (batches []Batch, err error) {
	defer func(start time.Time) { s.done("History", start, err) }(time.Now())
	return s.Store.History(ctx, key, from, to, limit)
}

func (s *instrumented) DeleteExecutions(ctx context.Context, lease Lease, keys []ExecutionKey) (err error) {
	defer func(start time.Time) { s.done("DeleteExecutions", start, err) }(time.Now())
	return s.Store.DeleteExecutions(ctx, lease, keys)
}

func (s *instrumented) Closed(ctx context.Context, namespaceID string, before time.Time, after ExecutionKey, limit int) (runs []*Execution, err error) {
	defer func(start time.Time) { s.done("Closed", start, err) }(time.Now())
	return s.Store.Closed(ctx, namespaceID, before, after, limit)
}

func (s *instrumented) Executions(ctx context.Context, after ExecutionKey, limit int) (runs []*Execution, err error) {
	defer func(start time.Time) { s.done("Executions", start, err) }(time.Now())
	return s.Store.Executions(ctx, after, limit)
}

func (s *instrumented) ReadLog(ctx context.Context, shard int32, after int64, limit int) (rows []LogRow, err error) {
	defer func(start time.Time) { s.done("ReadLog", start, err) }(time.Now())
	return s.Store.ReadLog(ctx, shard, after, limit)
}

func (s *instrumented) Checkpoint(ctx context.Context, lease Lease, c Checkpoint) (err error) {
	defer func(start time.Time) { s.done("Checkpoint", start, err) }(time.Now())
	return s.Store.Checkpoint(ctx, lease, c)
}

func (s *instrumented) Wakes(ctx context.Context, shard int32, before time.Time, after Wake, limit int) (wakes []Wake, err error) {
	defer func(start time.Time) { s.done("Wakes", start, err) }(time.Now())
	return s.Store.Wakes(ctx, shard, before, after, limit)
}

func (s *instrumented) AppendTasks(ctx context.Context, lease Lease, tasks []QueueTask) (err error) {
	defer func(start time.Time) { s.done("AppendTasks", start, err) }(time.Now())
	return s.Store.AppendTasks(ctx, lease, tasks)
}

func (s *instrumented) ReadTasks(ctx context.Context, reads []QueueRead) (tasks []QueueTask, err error) {
	defer func(start time.Time) { s.done("ReadTasks", start, err) }(time.Now())
	return s.Store.ReadTasks(ctx, reads)
}

func (s *instrumented) DeleteTasks(ctx context.Context, lease Lease, tasks []QueueTaskKey) (err error) {
	defer func(start time.Time) { s.done("DeleteTasks", start, err) }(time.Now())
	return s.Store.DeleteTasks(ctx, lease, tasks)
}

func (s *instrumented) Queues(ctx context.Context, shard int32) (queues []QueueBacklog, err error) {
	defer func(start time.Time) { s.done("Queues", start, err) }(time.Now())
	return s.Store.Queues(ctx, shard)
}

func (s *instrumented) Meta(ctx context.Context, kind, key string) (meta Meta, err error) {
	defer func(start time.Time) { s.done("Meta", start, err) }(time.Now())
	return s.Store.Meta(ctx, kind, key)
}

func (s *instrumented) ListMeta(ctx context.Context, kind string) (metas []Meta, err error) {
	defer func(start time.Time) { s.done("ListMeta", start, err) }(time.Now())
	return s.Store.ListMeta(ctx, kind)
}

func (s *instrumented) PutMeta(ctx context.Context, m Meta) (err error) {
	defer func(start time.Time) { s.done("PutMeta", start, err) }(time.Now())
	return s.Store.PutMeta(ctx, m)
}
