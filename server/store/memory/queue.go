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

type taskKey struct {
	queue store.QueueKey
	id    int64
}

func (d *Data) checkTasks(tasks []store.QueueTask) error {
	seen := map[taskKey]bool{}
	for _, task := range tasks {
		key := taskKey{task.Queue, task.ID}
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

// ReadTasks reads one queue's backlog in order.
func (s *Store) ReadTasks(ctx context.Context, queue store.QueueKey, after int64, limit int) (tasks []store.QueueTask, err error) {
	err = s.read(ctx, func(d *Data) error {
		all := d.backlog[queue]
		tasks = head(all[behind(all, idOf, after):], limit)
		return nil
	})
	return tasks, err
}

// DeleteTasks removes tasks from one queue's backlog.
func (s *Store) DeleteTasks(ctx context.Context, lease store.Lease, queue store.QueueKey, ids []int64) error {
	return s.fenced(ctx, lease, func(d *Data, _ *shard) error {
		gone := make(map[int64]bool, len(ids))
		for _, id := range ids {
			gone[id] = true
		}
		left := slices.DeleteFunc(d.backlog[queue], func(task store.QueueTask) bool { return gone[task.ID] })
		d.backlog[queue] = left
		if len(left) == 0 {
			delete(d.backlog, queue)
		}
		return nil
	})
}

// Queues lists the queues of a shard that have a backlog.
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
	)
}
