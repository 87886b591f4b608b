package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"perdure/server/store"
)

const selectExecution = `SELECT slot, exec, wf_hash, namespace_id, workflow_id, run_id, request_id,
	status, next_event, version, closed_at, state FROM execution `

func scanExecution(rows *sql.Rows, into *store.Execution) error {
	var closed sql.NullInt64
	err := rows.Scan(&into.Key.Slot, &into.Key.Exec, &into.Workflow.Hash, &into.Workflow.NamespaceID, &into.Workflow.WorkflowID,
		&into.RunID, &into.RequestID, &into.Status, &into.NextEvent, &into.Version, &closed, &into.State)
	into.Workflow.Slot = into.Key.Slot
	into.ClosedAt = timeOf(closed)
	return err
}

// Current finds the newest run of each workflow.
func (s *Store) Current(ctx context.Context, keys []store.WorkflowKey) ([]*store.Execution, error) {
	runs := make([]*store.Execution, len(keys))
	for i, key := range keys {
		found, err := collect(ctx, s, scanExecution,
			selectExecution+"WHERE wf_hash = ? AND slot = ? AND namespace_id = ? AND workflow_id = ? ORDER BY exec DESC LIMIT 1",
			key.Hash, key.Slot, key.NamespaceID, key.WorkflowID)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			runs[i] = &found[0]
		}
	}
	return runs, nil
}

// Run finds one run by its run id.
func (s *Store) Run(ctx context.Context, key store.WorkflowKey, runID string) (*store.Execution, error) {
	return s.one(ctx, fmt.Sprintf("run %q", runID),
		"WHERE wf_hash = ? AND slot = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?",
		key.Hash, key.Slot, key.NamespaceID, key.WorkflowID, runID)
}

// Load reads one run.
func (s *Store) Load(ctx context.Context, key store.ExecutionKey) (*store.Execution, error) {
	return s.one(ctx, fmt.Sprintf("run %v", key), "WHERE slot = ? AND exec = ?", key.Slot, key.Exec)
}

// LoadAll reads runs and their first batches.
func (s *Store) LoadAll(ctx context.Context, keys []store.ExecutionKey) ([]store.Loaded, error) {
	runs := make([]store.Loaded, len(keys))
	for i, key := range keys {
		found, err := collect(ctx, s, scanExecution, selectExecution+"WHERE slot = ? AND exec = ?", key.Slot, key.Exec)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			continue
		}
		runs[i].Execution = &found[0]
		batches, err := s.History(ctx, key, 1, 2, 1)
		if err != nil {
			return nil, err
		}
		if len(batches) > 0 {
			runs[i].First = batches[0]
		}
	}
	return runs, nil
}

func (s *Store) one(ctx context.Context, what, where string, args ...any) (*store.Execution, error) {
	found, err := collect(ctx, s, scanExecution, selectExecution+where, args...)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	return &found[0], nil
}

// History reads batches in order. The batch that contains event from is the
// last one that starts at or before it.
func (s *Store) History(ctx context.Context, key store.ExecutionKey, from, to int64, limit int) ([]store.Batch, error) {
	scan := func(rows *sql.Rows, into *store.Batch) error {
		into.Key = key
		return rows.Scan(&into.FirstEvent, &into.NextEvent, &into.Data)
	}
	return collect(ctx, s, scan, `SELECT first_event, next_event, data FROM history WHERE slot = ?1 AND exec = ?2
		AND first_event >= coalesce((SELECT max(first_event) FROM history WHERE slot = ?1 AND exec = ?2 AND first_event <= ?3), ?3)
		AND next_event > ?3 AND first_event < ?4 AND ?3 < ?4 ORDER BY first_event LIMIT ?5`, key.Slot, key.Exec, from, to, limit)
}

// DeleteExecutions removes all that is known of runs.
func (s *Store) DeleteExecutions(ctx context.Context, lease store.Lease, keys []store.ExecutionKey) error {
	return s.writer.fenced(ctx, lease, func(w *writer) error {
		for _, key := range keys {
			for _, table := range []string{"execution", "history", "wake"} {
				if _, err := w.exec("DELETE FROM "+table+" WHERE slot = ? AND exec = ?", int64(key.Slot), key.Exec); err != nil {
					return fmt.Errorf("delete from %s: %w", table, err)
				}
			}
		}
		return nil
	})
}

func scanRun(rows *sql.Rows, into **store.Execution) error {
	*into = &store.Execution{}
	return scanExecution(rows, *into)
}

// Closed pages through closed runs in the order of the primary key.
func (s *Store) Closed(ctx context.Context, namespaceID string, before time.Time, after store.ExecutionKey, limit int) ([]*store.Execution, error) {
	return collect(ctx, s, scanRun, selectExecution+`WHERE (exec, slot) > (?, ?)
		AND closed_at < ? AND namespace_id = ? ORDER BY exec, slot LIMIT ?`, after.Exec, after.Slot, micros(before), namespaceID, limit)
}

// Executions pages through all runs in the order of the primary key.
func (s *Store) Executions(ctx context.Context, after store.ExecutionKey, limit int) ([]*store.Execution, error) {
	return collect(ctx, s, scanRun, selectExecution+"WHERE (exec, slot) > (?, ?) ORDER BY exec, slot LIMIT ?", after.Exec, after.Slot, limit)
}
