package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"perdure/server/store"
)

// AppendTasks adds to the backlog.
func (s *Store) AppendTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTask) error {
	var (
		slots, partitions = make([]int32, len(tasks)), make([]int32, len(tasks))
		namespaces, names = make([]string, len(tasks)), make([]string, len(tasks))
		types             = make([]int16, len(tasks))
		ids               = make([]int64, len(tasks))
		data              = make([][]byte, len(tasks))
	)
	for i := range tasks {
		key := &tasks[i].Queue
		slots[i], partitions[i], types[i] = key.Slot, key.Partition, key.Type
		namespaces[i], names[i] = escape(key.NamespaceID), escape(key.Name)
		ids[i], data[i] = tasks[i].ID, notNil(tasks[i].Data)
	}
	err := s.fenced(ctx, lease, func(batch *pgx.Batch) {
		batch.Queue(`INSERT INTO queue_task (slot, namespace_id, name, type, partition, id, data)
			SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::smallint[], $5::int[], $6::bigint[], $7::bytea[])`,
			slots, namespaces, names, types, partitions, ids, data)
	})
	if err != nil {
		return fmt.Errorf("append tasks: %w", err)
	}
	return nil
}

const whereQueue = " WHERE slot = $1 AND namespace_id = $2 AND name = $3 AND type = $4 AND partition = $5 "

// ReadTasks reads one queue's backlog in order.
func (s *Store) ReadTasks(ctx context.Context, queue store.QueueKey, after int64, limit int) ([]store.QueueTask, error) {
	scan := func(row pgx.CollectableRow) (store.QueueTask, error) {
		task := store.QueueTask{Queue: queue}
		err := row.Scan(&task.ID, &task.Data)
		return task, err
	}
	return collect(ctx, s, scan, "SELECT id, data FROM queue_task"+whereQueue+"AND id > $6 ORDER BY id LIMIT $7",
		queue.Slot, escape(queue.NamespaceID), escape(queue.Name), queue.Type, queue.Partition, after, limit)
}

// DeleteTasks removes tasks from one queue's backlog.
func (s *Store) DeleteTasks(ctx context.Context, lease store.Lease, queue store.QueueKey, ids []int64) error {
	err := s.fenced(ctx, lease, func(batch *pgx.Batch) {
		batch.Queue("DELETE FROM queue_task"+whereQueue+"AND id = ANY($6::bigint[])",
			queue.Slot, escape(queue.NamespaceID), escape(queue.Name), queue.Type, queue.Partition, ids)
	})
	if err != nil {
		return fmt.Errorf("delete tasks of queue %q: %w", queue.Name, err)
	}
	return nil
}

// Queues lists the queues of a shard that have a backlog.
func (s *Store) Queues(ctx context.Context, shard int32) ([]store.QueueBacklog, error) {
	return collect(ctx, s, scanQueue, `SELECT slot, namespace_id, name, type, partition, count(*), min(id), max(id) FROM queue_task
		WHERE slot BETWEEN (SELECT first_slot FROM shard WHERE shard_id = $1) AND (SELECT last_slot FROM shard WHERE shard_id = $1)
		GROUP BY slot, namespace_id, name, type, partition`, shard)
}

func scanQueue(row pgx.CollectableRow) (backlog store.QueueBacklog, err error) {
	key := &backlog.Queue
	err = row.Scan(&key.Slot, &key.NamespaceID, &key.Name, &key.Type, &key.Partition, &backlog.Count, &backlog.FirstID, &backlog.LastID)
	key.NamespaceID, key.Name = unescape(key.NamespaceID), unescape(key.Name)
	return backlog, err
}
