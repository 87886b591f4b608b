// Package fill puts many runs into a store whose server is stopped, as the server would have left them, faster than it could make them.
//
// It copies one run that the server itself has made: each copy has the bytes of that run's state, history and search record, with the ids
// exchanged by others of the same length. So no form of stored data is known here, and `perdure doctor verify` finds nothing wrong with
// the copies. Writing takes the leases of all shards first, as a server that starts does, and gives them up at the end.
package fill

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"perdure/server/cluster"
	"perdure/server/store"
	"perdure/visibility"
	"perdure/visibility/query"
)

const (
	// groupRuns is how many copies one commit and one batch of search records hold.
	groupRuns = 2000
	// batchesMax bounds the history that a template can have.
	batchesMax = 100
	// owner names the filler in leases.
	owner = "fill"
)

// ID is the workflow id of a copy; that of number 0 is the template, which the server must have run.
func ID(kind string, number int) string { return fmt.Sprintf("fill-%s-%09d", kind, number) }

// Copies writes copies first to last of the template of that kind. Tell, unless nil, hears how many are done after each group.
func Copies(ctx context.Context, s store.Store, v visibility.Store, namespaceID, kind string, first, last int, tell func(done int)) (err error) {
	original, err := read(ctx, s, v, namespaceID, ID(kind, 0))
	if err != nil {
		return err
	}
	w := &writer{store: s, visibility: v, original: original}
	if err := w.acquire(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.release(ctx)) }()
	for number := first; number <= last; number += groupRuns {
		end := min(number+groupRuns-1, last)
		if err := w.write(ctx, kind, number, end); err != nil {
			return err
		}
		if tell != nil {
			tell(end - first + 1)
		}
	}
	return nil
}

// template is a run as the server stored it.
type template struct {
	row     *store.Execution
	history []store.Batch
	record  *visibility.Record
}

func read(ctx context.Context, s store.Store, v visibility.Store, namespaceID, workflowID string) (*template, error) {
	rows, err := s.Current(ctx, []store.WorkflowKey{keyOf(namespaceID, workflowID)})
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	if rows[0] == nil {
		return nil, fmt.Errorf("the store has no workflow %s to copy", workflowID)
	}
	t := &template{row: rows[0]}
	if t.history, err = s.History(ctx, t.row.Key, 1, t.row.NextEvent, batchesMax); err != nil {
		return nil, fmt.Errorf("read the template's history: %w", err)
	}
	q, err := query.Parse(fmt.Sprintf("WorkflowId = '%s'", workflowID))
	if err == nil {
		err = query.CheckList(q, nil)
	}
	if err != nil {
		return nil, err
	}
	records, _, err := v.List(ctx, visibility.ListRequest{NamespaceID: namespaceID, Query: q, PageSize: 1})
	if err != nil {
		return nil, fmt.Errorf("read the template's search record: %w", err)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("the search records have no workflow %s to copy", workflowID)
	}
	t.record = records[0]
	return t, t.check()
}

// check refuses data in which ids cannot be exchanged.
func (t *template) check() error {
	if !bytes.Contains(t.row.State, []byte(t.row.RunID)) || len(t.history) == 0 || !bytes.Contains(t.history[0].Data, []byte(t.row.RunID)) {
		return errors.New("the store's state or history does not hold its run id as it is: ids cannot be exchanged")
	}
	return nil
}

func keyOf(namespaceID, workflowID string) store.WorkflowKey {
	return store.WorkflowKey{
		Slot: cluster.SlotOf(namespaceID, workflowID), Hash: cluster.HashOf(namespaceID, workflowID), NamespaceID: namespaceID, WorkflowID: workflowID,
	}
}

// writer holds the leases of all shards.
type writer struct {
	store      store.Store
	visibility visibility.Store
	original   *template
	shards     []acquired
}

type acquired struct {
	store.Acquired
	nextExec int64
}

func (w *writer) acquire(ctx context.Context) error {
	rows, err := w.store.Shards(ctx)
	if err != nil {
		return fmt.Errorf("read shards: %w", err)
	}
	for _, row := range rows {
		if row.Owner != "" {
			return fmt.Errorf("shard %d is owned by %s: stop the server first", row.ID, row.Owner)
		}
		a, err := w.store.Acquire(ctx, row.ID, row.Epoch, owner)
		if err != nil {
			return fmt.Errorf("acquire shard %d: %w", row.ID, err)
		}
		w.shards = append(w.shards, acquired{a, a.Lease.Epoch << 32}) // as a server numbers its runs: a later owner's are higher
	}
	return nil
}

func (w *writer) release(ctx context.Context) error {
	leases := make([]store.Lease, len(w.shards))
	for i, shard := range w.shards {
		leases[i] = shard.Lease
	}
	return w.store.Release(context.WithoutCancel(ctx), leases)
}

// write makes copies first to last durable, and then searchable.
func (w *writer) write(ctx context.Context, kind string, first, last int) error {
	groups := make([]store.ShardGroup, len(w.shards))
	records := make([]*visibility.Record, 0, last-first+1)
	for number := first; number <= last; number++ {
		id, runID := ID(kind, number), uuid.NewString()
		key := keyOf(w.original.row.Workflow.NamespaceID, id)
		shard := w.shardOf(key.Slot)
		w.shards[shard].nextExec++
		w.original.copyTo(&groups[shard], key, store.ExecutionKey{Slot: key.Slot, Exec: w.shards[shard].nextExec}, runID)
		records = append(records, w.original.recordOf(id, runID))
	}
	group := store.Group{}
	for shard, part := range groups {
		if part.Lease = w.shards[shard].Lease; len(part.Executions) > 0 {
			group.Shards = append(group.Shards, part)
		}
	}
	if err := w.store.Commit(ctx, group); err != nil {
		return fmt.Errorf("write copies: %w", err)
	}
	if err := w.visibility.Write(ctx, records); err != nil {
		return fmt.Errorf("write search records of copies: %w", err)
	}
	return nil
}

func (w *writer) shardOf(slot int32) int {
	for i, shard := range w.shards {
		if slot >= shard.FirstSlot && slot <= shard.LastSlot {
			return i
		}
	}
	panic(fmt.Sprintf("slot %d belongs to no shard", slot)) // shards divide all slots
}

func (t *template) copyTo(group *store.ShardGroup, workflow store.WorkflowKey, key store.ExecutionKey, runID string) {
	exchange := func(data []byte) []byte {
		data = bytes.ReplaceAll(data, []byte(t.row.Workflow.WorkflowID), []byte(workflow.WorkflowID))
		return bytes.ReplaceAll(data, []byte(t.row.RunID), []byte(runID))
	}
	row := *t.row
	row.Key, row.Workflow, row.RunID, row.State = key, workflow, runID, exchange(t.row.State)
	row.RequestID = string(exchange([]byte(t.row.RequestID)))
	group.Executions = append(group.Executions, store.ExecutionWrite{Execution: row})
	for _, batch := range t.history {
		batch.Key, batch.Data = key, exchange(batch.Data)
		group.History = append(group.History, batch)
	}
}

func (t *template) recordOf(workflowID, runID string) *visibility.Record {
	record := *t.record
	record.WorkflowID, record.RunID = workflowID, runID
	if record.RootRunID == t.record.RunID {
		record.RootWorkflowID, record.RootRunID = workflowID, runID
	}
	return &record
}
