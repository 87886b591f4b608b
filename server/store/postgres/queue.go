package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"perdure/server/store"
)

// laneColumns are lanes as arrays, one for each column.
type laneColumns struct {
	slots, partitions []int32
	namespaces, names []string
	types             []int16
	lanes, ids        []int64
}

func (c *laneColumns) add(key *store.QueueKey, id int64) {
	c.slots, c.partitions = append(c.slots, key.Slot), append(c.partitions, key.Partition)
	c.namespaces, c.names = append(c.namespaces, escape(key.NamespaceID)), append(c.names, escape(key.Name))
	c.types = append(c.types, key.Type)
	c.lanes, c.ids = append(c.lanes, key.Lane), append(c.ids, id)
}

func (c *laneColumns) arguments() []any {
	return []any{c.slots, c.namespaces, c.names, c.types, c.partitions, c.lanes, c.ids}
}

const (
	laneArrays = "$1::int[], $2::text[], $3::text[], $4::smallint[], $5::int[], $6::bigint[], $7::bigint[]"

	sameLane = `queue_task.slot = o.slot AND queue_task.namespace_id = o.namespace_id AND queue_task.name = o.name
		AND queue_task.type = o.type AND queue_task.partition = o.partition AND queue_task.lane = o.lane`

	appendTasksSQL = `INSERT INTO queue_task (slot, namespace_id, name, type, partition, lane, id, data)
		SELECT * FROM unnest(` + laneArrays + `, $8::bytea[])`

	readTasksSQL = `SELECT o.number, task.id, task.data
		FROM unnest(` + laneArrays + `, $8::bigint[]) WITH ORDINALITY
			AS o (slot, namespace_id, name, type, partition, lane, id, most, number)
		CROSS JOIN LATERAL (SELECT queue_task.id, queue_task.data FROM queue_task
			WHERE ` + sameLane + ` AND queue_task.id > o.id ORDER BY queue_task.id LIMIT o.most) AS task
		ORDER BY o.number, task.id`

	deleteTasksSQL = `DELETE FROM queue_task USING unnest(` + laneArrays + `) AS o (slot, namespace_id, name, type, partition, lane, id)
		WHERE ` + sameLane + ` AND queue_task.id = o.id`
)

// AppendTasks adds to the backlog.
func (s *Store) AppendTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTask) error {
	var columns laneColumns
	data := make([][]byte, len(tasks))
	for i := range tasks {
		columns.add(&tasks[i].Queue, tasks[i].ID)
		data[i] = notNil(tasks[i].Data)
	}
	err := s.fenced(ctx, lease, func(batch *pgx.Batch) {
		batch.Queue(appendTasksSQL, append(columns.arguments(), data)...)
	})
	if err != nil {
		return fmt.Errorf("append tasks: %w", err)
	}
	return nil
}

// ReadTasks reads lanes in order.
func (s *Store) ReadTasks(ctx context.Context, reads []store.QueueRead) ([]store.QueueTask, error) {
	var columns laneColumns
	most := make([]int64, len(reads))
	for i := range reads {
		columns.add(&reads[i].Queue, reads[i].After)
		most[i] = int64(reads[i].Limit)
	}
	scan := func(row pgx.CollectableRow) (task store.QueueTask, err error) {
		number := 0
		err = row.Scan(&number, &task.ID, &task.Data)
		if err == nil {
			task.Queue = reads[number-1].Queue
		}
		return task, err
	}
	return collect(ctx, s, scan, readTasksSQL, append(columns.arguments(), most)...)
}

// DeleteTasks removes tasks.
func (s *Store) DeleteTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTaskKey) error {
	var columns laneColumns
	for i := range tasks {
		columns.add(&tasks[i].Queue, tasks[i].ID)
	}
	err := s.fenced(ctx, lease, func(batch *pgx.Batch) { batch.Queue(deleteTasksSQL, columns.arguments()...) })
	if err != nil {
		return fmt.Errorf("delete tasks: %w", err)
	}
	return nil
}

// Queues lists the lanes of a shard that have a backlog.
func (s *Store) Queues(ctx context.Context, shard int32) ([]store.QueueBacklog, error) {
	return collect(ctx, s, scanQueue, `SELECT slot, namespace_id, name, type, partition, lane, count(*), min(id), max(id) FROM queue_task
		WHERE slot BETWEEN (SELECT first_slot FROM shard WHERE shard_id = $1) AND (SELECT last_slot FROM shard WHERE shard_id = $1)
		GROUP BY slot, namespace_id, name, type, partition, lane`, shard)
}

func scanQueue(row pgx.CollectableRow) (backlog store.QueueBacklog, err error) {
	key := &backlog.Queue
	err = row.Scan(&key.Slot, &key.NamespaceID, &key.Name, &key.Type, &key.Partition, &key.Lane, &backlog.Count, &backlog.FirstID, &backlog.LastID)
	key.NamespaceID, key.Name = unescape(key.NamespaceID), unescape(key.Name)
	return backlog, err
}
