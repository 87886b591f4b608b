package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"perdure/server/store"
)

// AppendTasks adds to the backlog.
func (s *Store) AppendTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTask) error {
	return s.writer.fenced(ctx, lease, func(w *writer) error {
		for i := range tasks {
			task, key := &tasks[i], &tasks[i].Queue
			_, err := w.exec("INSERT INTO queue_task (slot, namespace_id, name, type, partition, id, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
				int64(key.Slot), key.NamespaceID, key.Name, int64(key.Type), int64(key.Partition), task.ID, blob(task.Data))
			if err != nil {
				return fmt.Errorf("append task %d of queue %q: %w", task.ID, key.Name, err)
			}
		}
		return nil
	})
}

const whereQueue = " WHERE slot = ? AND namespace_id = ? AND name = ? AND type = ? AND partition = ? "

// ReadTasks reads one queue's backlog in order.
func (s *Store) ReadTasks(ctx context.Context, queue store.QueueKey, after int64, limit int) ([]store.QueueTask, error) {
	scan := func(rows *sql.Rows, into *store.QueueTask) error {
		into.Queue = queue
		return rows.Scan(&into.ID, &into.Data)
	}
	return collect(ctx, s, scan, "SELECT id, data FROM queue_task"+whereQueue+"AND id > ? ORDER BY id LIMIT ?",
		queue.Slot, queue.NamespaceID, queue.Name, queue.Type, queue.Partition, after, limit)
}

// DeleteTasks removes tasks from one queue's backlog.
func (s *Store) DeleteTasks(ctx context.Context, lease store.Lease, queue store.QueueKey, ids []int64) error {
	return s.writer.fenced(ctx, lease, func(w *writer) error {
		for _, id := range ids {
			_, err := w.exec("DELETE FROM queue_task"+whereQueue+"AND id = ?",
				int64(queue.Slot), queue.NamespaceID, queue.Name, int64(queue.Type), int64(queue.Partition), id)
			if err != nil {
				return fmt.Errorf("delete task %d of queue %q: %w", id, queue.Name, err)
			}
		}
		return nil
	})
}

// Queues lists the queues of a shard that have a backlog.
func (s *Store) Queues(ctx context.Context, shard int32) ([]store.QueueBacklog, error) {
	return collect(ctx, s, scanQueue, `SELECT slot, namespace_id, name, type, partition, count(*), min(id), max(id) FROM queue_task
		WHERE slot BETWEEN (SELECT first_slot FROM shard WHERE shard_id = ?1) AND (SELECT last_slot FROM shard WHERE shard_id = ?1)
		GROUP BY slot, namespace_id, name, type, partition`, shard)
}

func scanQueue(rows *sql.Rows, into *store.QueueBacklog) error {
	key := &into.Queue
	return rows.Scan(&key.Slot, &key.NamespaceID, &key.Name, &key.Type, &key.Partition, &into.Count, &into.FirstID, &into.LastID)
}
