package memory

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"perdure/server/store"
)

// Commit checks the whole group before it writes the first row.
func (s *Store) Commit(ctx context.Context, group store.Group) error {
	return s.write(ctx, func(d *Data) error {
		for i := range group.Shards {
			if _, err := d.held(group.Shards[i].Lease); err != nil {
				return err
			}
		}
		if err := d.check(&group); err != nil {
			return err
		}
		for i := range group.Shards {
			d.apply(&group.Shards[i])
		}
		s.counters.Commit(&group)
		return nil
	})
}

// check refuses a group with a row that is not in the expected version.
func (d *Data) check(group *store.Group) error {
	runs := map[store.ExecutionKey]bool{}
	batches := map[batchKey]bool{}
	logs := map[logKey]bool{}
	for i := range group.Shards {
		part := &group.Shards[i]
		for j := range part.Executions {
			write := &part.Executions[j]
			if runs[write.Key] || d.version(write.Key) != write.PrevVersion {
				return fmt.Errorf("run %v, version %d: %w", write.Key, write.PrevVersion, store.ErrConflict)
			}
			runs[write.Key] = true
		}
		for j := range part.History {
			key := batchKey{part.History[j].Key, part.History[j].FirstEvent}
			if _, found := d.findBatch(key); found || batches[key] {
				return fmt.Errorf("batch %v: %w", key, store.ErrConflict)
			}
			batches[key] = true
		}
		if part.Log != nil {
			key := logKey{part.Lease.Shard, part.Log.Seq}
			log := d.shards[key.shard-1].log
			at := behind(log, seqOf, key.seq-1)
			if logs[key] || at < len(log) && log[at].Seq == key.seq {
				return fmt.Errorf("log row %v: %w", key, store.ErrConflict)
			}
			logs[key] = true
		}
	}
	return nil
}

type batchKey struct {
	key        store.ExecutionKey
	firstEvent int64
}

type logKey struct {
	shard int32
	seq   int64
}

// version is 0 for a run that is not there, as PrevVersion is for an insert.
func (d *Data) version(key store.ExecutionKey) int64 {
	if run := d.executions[key]; run != nil {
		return run.Version
	}
	return 0
}

func (d *Data) findBatch(key batchKey) (int, bool) {
	return slices.BinarySearchFunc(d.history[key.key], key.firstEvent, func(b store.Batch, first int64) int {
		return cmp.Compare(b.FirstEvent, first)
	})
}

func (d *Data) apply(part *store.ShardGroup) {
	for i := range part.Executions {
		d.put(&part.Executions[i])
	}
	for _, batch := range part.History {
		at, _ := d.findBatch(batchKey{batch.Key, batch.FirstEvent})
		batch.Data = bytes.Clone(batch.Data)
		d.history[batch.Key] = slices.Insert(d.history[batch.Key], at, batch)
	}
	if part.Log != nil {
		row := d.shards[part.Lease.Shard-1]
		at := behind(row.log, seqOf, part.Log.Seq)
		row.log = slices.Insert(row.log, at, store.LogRow{Seq: part.Log.Seq, Data: bytes.Clone(part.Log.Data)})
	}
}

// put replaces the run's row by a new one, since readers may hold the old one.
func (d *Data) put(write *store.ExecutionWrite) {
	row := write.Execution
	if old := d.executions[row.Key]; old != nil {
		row.Workflow, row.RunID, row.RequestID = old.Workflow, old.RunID, old.RequestID
	} else {
		row.Workflow.Slot = row.Key.Slot
		d.workflows[row.Workflow.Hash] = append(d.workflows[row.Workflow.Hash], row.Key)
	}
	row.State = bytes.Clone(row.State)
	if !row.ClosedAt.IsZero() {
		row.ClosedAt = row.ClosedAt.Truncate(time.Microsecond).UTC()
	}
	d.executions[row.Key] = &row
}

// Current finds the newest run of each workflow.
func (s *Store) Current(ctx context.Context, keys []store.WorkflowKey) (runs []*store.Execution, err error) {
	err = s.read(ctx, func(d *Data) error {
		runs = make([]*store.Execution, len(keys))
		for i, key := range keys {
			for run := range d.runs(key) {
				if runs[i] == nil || run.Key.Exec > runs[i].Key.Exec {
					runs[i] = copied(run)
				}
			}
		}
		return nil
	})
	return runs, err
}

// runs yields the runs of one workflow, whose hash others may share.
func (d *Data) runs(key store.WorkflowKey) func(yield func(*store.Execution) bool) {
	return func(yield func(*store.Execution) bool) {
		for _, candidate := range d.workflows[key.Hash] {
			run := d.executions[candidate]
			if run.Workflow == key && !yield(run) {
				return
			}
		}
	}
}

func copied(run *store.Execution) *store.Execution {
	c := *run
	return &c
}

// Run finds one run by its run id.
func (s *Store) Run(ctx context.Context, key store.WorkflowKey, runID string) (found *store.Execution, err error) {
	err = s.read(ctx, func(d *Data) error {
		for run := range d.runs(key) {
			if run.RunID == runID {
				found = copied(run)
				return nil
			}
		}
		return fmt.Errorf("run %q: %w", runID, store.ErrNotFound)
	})
	return found, err
}

// Load reads one run.
func (s *Store) Load(ctx context.Context, key store.ExecutionKey) (found *store.Execution, err error) {
	err = s.read(ctx, func(d *Data) error {
		run := d.executions[key]
		if run == nil {
			return fmt.Errorf("run %v: %w", key, store.ErrNotFound)
		}
		found = copied(run)
		return nil
	})
	return found, err
}

// LoadAll reads runs and their first batches.
func (s *Store) LoadAll(ctx context.Context, keys []store.ExecutionKey) (runs []store.Loaded, err error) {
	err = s.read(ctx, func(d *Data) error {
		runs = make([]store.Loaded, len(keys))
		for i, key := range keys {
			if run := d.executions[key]; run != nil {
				runs[i].Execution = copied(run)
			}
			if batches := d.history[key]; runs[i].Execution != nil && len(batches) > 0 {
				runs[i].First = batches[0]
			}
		}
		return nil
	})
	return runs, err
}

// History reads batches in order.
func (s *Store) History(ctx context.Context, key store.ExecutionKey, from, to int64, limit int) (batches []store.Batch, err error) {
	err = s.read(ctx, func(d *Data) error {
		all := d.history[key]
		start := sort.Search(len(all), func(i int) bool { return all[i].NextEvent > from })
		end := sort.Search(len(all), func(i int) bool { return all[i].FirstEvent >= to })
		if from < to && start < end {
			batches = head(all[start:end], limit)
		}
		return nil
	})
	return batches, err
}

// DeleteExecutions removes all that is known of runs.
func (s *Store) DeleteExecutions(ctx context.Context, lease store.Lease, keys []store.ExecutionKey) error {
	return s.fenced(ctx, lease, func(d *Data, _ *shard) error {
		for _, key := range keys {
			d.remove(key)
		}
		return nil
	})
}

func (d *Data) remove(key store.ExecutionKey) {
	delete(d.history, key)
	delete(d.wakes, key)
	run := d.executions[key]
	if run == nil {
		return
	}
	delete(d.executions, key)
	hash := run.Workflow.Hash
	d.workflows[hash] = slices.DeleteFunc(d.workflows[hash], func(k store.ExecutionKey) bool { return k == key })
	if len(d.workflows[hash]) == 0 {
		delete(d.workflows, hash)
	}
}

// Closed pages through closed runs.
func (s *Store) Closed(ctx context.Context, namespaceID string, before time.Time, after store.ExecutionKey, limit int) ([]*store.Execution, error) {
	return s.page(ctx, after, limit, func(run *store.Execution) bool {
		return !run.ClosedAt.IsZero() && run.ClosedAt.Before(before) && run.Workflow.NamespaceID == namespaceID
	})
}

// Executions pages through all runs.
func (s *Store) Executions(ctx context.Context, after store.ExecutionKey, limit int) ([]*store.Execution, error) {
	return s.page(ctx, after, limit, func(*store.Execution) bool { return true })
}

// page returns the first runs behind a key that are wanted.
func (s *Store) page(ctx context.Context, after store.ExecutionKey, limit int, wanted func(*store.Execution) bool) (runs []*store.Execution, err error) {
	err = s.read(ctx, func(d *Data) error {
		var keys []store.ExecutionKey
		for key, run := range d.executions {
			if compareAge(key, after) > 0 && wanted(run) {
				keys = append(keys, key)
			}
		}
		slices.SortFunc(keys, compareAge)
		for _, key := range head(keys, limit) {
			runs = append(runs, copied(d.executions[key]))
		}
		return nil
	})
	return runs, err
}

func compareKeys(a, b store.ExecutionKey) int {
	return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.Exec, b.Exec))
}

// compareAge puts older runs first.
func compareAge(a, b store.ExecutionKey) int {
	return cmp.Or(cmp.Compare(a.Exec, b.Exec), cmp.Compare(a.Slot, b.Slot))
}

// Wakes pages through the parked wake-ups of a shard.
func (s *Store) Wakes(ctx context.Context, id int32, before time.Time, after store.Wake, limit int) (wakes []store.Wake, err error) {
	err = s.read(ctx, func(d *Data) error {
		row, err := d.shard(id)
		if err != nil {
			return nil
		}
		for key, at := range d.wakes {
			wake := store.Wake{WakeAt: at, Key: key}
			mine := key.Slot >= row.FirstSlot && key.Slot <= row.LastSlot
			if mine && at.Before(before) && compareWakes(wake, after) > 0 {
				wakes = append(wakes, wake)
			}
		}
		slices.SortFunc(wakes, compareWakes)
		wakes = head(wakes, limit)
		return nil
	})
	return wakes, err
}

func compareWakes(a, b store.Wake) int {
	return cmp.Or(a.WakeAt.Compare(b.WakeAt), compareKeys(a.Key, b.Key))
}

// head copies the first limit elements, so that later writes do not move them.
func head[T any](all []T, limit int) []T {
	return slices.Clone(all[:max(0, min(limit, len(all)))])
}

// behind is the index of the first element whose number is above after.
func behind[T any](all []T, number func(T) int64, after int64) int {
	return sort.Search(len(all), func(i int) bool { return number(all[i]) > after })
}
