package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"perdure/server/store"
)

// AppendTasks adds to the backlog.
func (s *Store) AppendTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTask) error {
	return s.fenced(ctx, lease, func(d *Data, _ *shard) error {
		if err := d.checkTasks(tasks); err != nil {
			return err
		}
		for _, task := range tasks {
			task.Data = bytes.Clone(task.Data)
			queue := d.backlog[task.Queue]
			d.backlog[task.Queue] = slices.Insert(queue, behind(queue, idOf, task.ID), task)
		}
		return nil
	})
}

func (d *Data) checkTasks(tasks []store.QueueTask) error {
	seen := map[store.QueueTaskKey]bool{}
	for _, task := range tasks {
		key := store.QueueTaskKey{Queue: task.Queue, ID: task.ID}
		queue := d.backlog[task.Queue]
		at := behind(queue, idOf, task.ID-1)
		if seen[key] || at < len(queue) && queue[at].ID == task.ID {
			return fmt.Errorf("task %d of queue %q: %w", task.ID, task.Queue.Name, store.ErrConflict)
		}
		seen[key] = true
	}
	return nil
}

func idOf(task store.QueueTask) int64 { return task.ID }

// ReadTasks reads lanes in order.
func (s *Store) ReadTasks(ctx context.Context, reads []store.QueueRead) (tasks []store.QueueTask, err error) {
	err = s.read(ctx, func(d *Data) error {
		for _, read := range reads {
			all := d.backlog[read.Queue]
			tasks = append(tasks, head(all[behind(all, idOf, read.After):], read.Limit)...)
		}
		return nil
	})
	return tasks, err
}

// DeleteTasks removes tasks.
func (s *Store) DeleteTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTaskKey) error {
	return s.fenced(ctx, lease, func(d *Data, _ *shard) error {
		for _, task := range tasks {
			d.deleteTask(task)
		}
		return nil
	})
}

// deleteTask is quick at both ends of a lane: tasks go in about the order in which they came.
func (d *Data) deleteTask(task store.QueueTaskKey) {
	queue := d.backlog[task.Queue]
	at := behind(queue, idOf, task.ID-1)
	switch {
	case at == len(queue) || queue[at].ID != task.ID:
		return
	case len(queue) == 1:
		delete(d.backlog, task.Queue)
		return
	case at < len(queue)/2:
		copy(queue[1:], queue[:at])
		queue[0] = store.QueueTask{}
		queue = queue[1:]
	default:
		queue = slices.Delete(queue, at, at+1)
	}
	d.backlog[task.Queue] = queue
}

// Queues lists the lanes of a shard that have a backlog.
func (s *Store) Queues(ctx context.Context, id int32) (queues []store.QueueBacklog, err error) {
	err = s.read(ctx, func(d *Data) error {
		row, err := d.shard(id)
		if err != nil {
			return nil
		}
		for key, tasks := range d.backlog {
			if key.Slot >= row.FirstSlot && key.Slot <= row.LastSlot {
				queues = append(queues, store.QueueBacklog{
					Queue: key, Count: int64(len(tasks)), FirstID: tasks[0].ID, LastID: tasks[len(tasks)-1].ID,
				})
			}
		}
		slices.SortFunc(queues, func(a, b store.QueueBacklog) int { return compareQueues(a.Queue, b.Queue) })
		return nil
	})
	return queues, err
}

func compareQueues(a, b store.QueueKey) int {
	return cmp.Or(
		cmp.Compare(a.Slot, b.Slot),
		strings.Compare(a.NamespaceID, b.NamespaceID),
		strings.Compare(a.Name, b.Name),
		cmp.Compare(a.Type, b.Type),
		cmp.Compare(a.Partition, b.Partition),
		cmp.Compare(a.Lane, b.Lane),
	)
}
