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
			_, err := w.exec("INSERT INTO queue_task (slot, namespace_id, name, type, partition, lane, id, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
				int64(key.Slot), key.NamespaceID, key.Name, int64(key.Type), int64(key.Partition), key.Lane, task.ID, blob(task.Data))
			if err != nil {
				return fmt.Errorf("append task %d of queue %q: %w", task.ID, key.Name, err)
			}
		}
		return nil
	})
}

const whereLane = " WHERE slot = ? AND namespace_id = ? AND name = ? AND type = ? AND partition = ? AND lane = ? "

// ReadTasks reads lanes in order.
func (s *Store) ReadTasks(ctx context.Context, reads []store.QueueRead) ([]store.QueueTask, error) {
	var tasks []store.QueueTask
	for _, read := range reads {
		page, err := s.readLane(ctx, read)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, page...)
	}
	return tasks, nil
}

func (s *Store) readLane(ctx context.Context, read store.QueueRead) ([]store.QueueTask, error) {
	queue := read.Queue
	scan := func(rows *sql.Rows, into *store.QueueTask) error {
		into.Queue = queue
		return rows.Scan(&into.ID, &into.Data)
	}
	return collect(ctx, s, scan, "SELECT id, data FROM queue_task"+whereLane+"AND id > ? ORDER BY id LIMIT ?",
		queue.Slot, queue.NamespaceID, queue.Name, queue.Type, queue.Partition, queue.Lane, read.After, read.Limit)
}

// DeleteTasks removes tasks.
func (s *Store) DeleteTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTaskKey) error {
	return s.writer.fenced(ctx, lease, func(w *writer) error {
		for _, task := range tasks {
			key := task.Queue
			_, err := w.exec("DELETE FROM queue_task"+whereLane+"AND id = ?",
				int64(key.Slot), key.NamespaceID, key.Name, int64(key.Type), int64(key.Partition), key.Lane, task.ID)
			if err != nil {
				return fmt.Errorf("delete task %d of queue %q: %w", task.ID, key.Name, err)
			}
		}
		return nil
	})
}

// Queues lists the lanes of a shard that have a backlog.
func (s *Store) Queues(ctx context.Context, shard int32) ([]store.QueueBacklog, error) {
	return collect(ctx, s, scanQueue, `SELECT slot, namespace_id, name, type, partition, lane, count(*), min(id), max(id) FROM queue_task
		WHERE slot BETWEEN (SELECT first_slot FROM shard WHERE shard_id = ?1) AND (SELECT last_slot FROM shard WHERE shard_id = ?1)
		GROUP BY slot, namespace_id, name, type, partition, lane`, shard)
}

func scanQueue(rows *sql.Rows, into *store.QueueBacklog) error {
	key := &into.Queue
	return rows.Scan(&key.Slot, &key.NamespaceID, &key.Name, &key.Type, &key.Partition, &key.Lane, &into.Count, &into.FirstID, &into.LastID)
}
