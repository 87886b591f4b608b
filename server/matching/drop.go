package matching

import (
	"context"
	"fmt"

	"perdure/server/cluster"
	"perdure/server/store"
)

// dropTasksAtOnce is how many stored tasks are removed by one statement.
const dropTasksAtOnce = 1000

var _ cluster.QueueHousekeeping = (*Engine)(nil)

// DropQueues removes the task queues of a namespace whose runs are gone, with
// all tasks, from memory and from the shards that are held here.
func (e *Engine) DropQueues(ctx context.Context, namespaceID string) error {
	for _, q := range e.loaded() {
		if q.key.namespaceID == namespaceID {
			q.drop()
		}
	}
	for _, shard := range e.shards.held() {
		backlogs, err := e.config.Store.Queues(ctx, shard)
		if err != nil {
			return fmt.Errorf("list task queues: %w", err)
		}
		for _, b := range backlogs {
			if b.Queue.NamespaceID != namespaceID {
				continue
			}
			if err := e.dropLane(ctx, b.Queue); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop lets go of all tasks and polls and leaves memory.
func (q *queue) drop() {
	q.mu.Lock()
	shard := q.shard
	q.mu.Unlock()
	if shard != noShard {
		q.lost(shard)
	}
	q.close()
}

func (e *Engine) dropLane(ctx context.Context, lane store.QueueKey) error {
	for {
		lease, held := e.config.Leases.Lease(lane.Slot)
		if !held {
			return nil // its new owner's now
		}
		tasks, err := e.config.Store.ReadTasks(ctx, []store.QueueRead{{Queue: lane, Limit: dropTasksAtOnce}})
		if err != nil {
			return fmt.Errorf("read a task queue to drop: %w", err)
		}
		if len(tasks) == 0 {
			return nil
		}
		keys := make([]store.QueueTaskKey, len(tasks))
		for i, task := range tasks {
			keys[i] = store.QueueTaskKey{Queue: task.Queue, ID: task.ID}
		}
		if err := e.config.Store.DeleteTasks(ctx, lease, keys); err != nil {
			return fmt.Errorf("drop a task queue: %w", err)
		}
	}
}
