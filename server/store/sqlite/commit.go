package sqlite

import (
	"context"
	"fmt"

	"perdure/server/store"
)

// Commit writes a group in one transaction.
func (s *Store) Commit(ctx context.Context, group store.Group) error {
	if len(group.Shards) == 0 {
		return nil
	}
	err := s.writer.transact(ctx, func(w *writer) error {
		for i := range group.Shards {
			if err := w.checkLease(group.Shards[i].Lease); err != nil {
				return err
			}
		}
		for i := range group.Shards {
			if err := w.part(&group.Shards[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.counters.Commit(&group)
	}
	return err
}

func (w *writer) part(part *store.ShardGroup) error {
	for i := range part.Executions {
		if err := w.execution(&part.Executions[i]); err != nil {
			return err
		}
	}
	for i := range part.History {
		b := &part.History[i]
		_, err := w.exec("INSERT INTO history (slot, exec, first_event, next_event, data) VALUES (?, ?, ?, ?, ?)",
			int64(b.Key.Slot), b.Key.Exec, b.FirstEvent, b.NextEvent, blob(b.Data))
		if err != nil {
			return fmt.Errorf("append history: %w", err)
		}
	}
	if part.Log == nil {
		return nil
	}
	_, err := w.exec("INSERT INTO shard_log (shard_id, seq, data) VALUES (?, ?, ?)", int64(part.Lease.Shard), part.Log.Seq, blob(part.Log.Data))
	if err != nil {
		return fmt.Errorf("append log: %w", err)
	}
	return nil
}

func (w *writer) execution(row *store.ExecutionWrite) error {
	if row.PrevVersion == 0 {
		return w.insert(&row.Execution)
	}
	changed, err := w.exec("UPDATE execution SET status = ?, next_event = ?, version = ?, closed_at = ?, state = ? WHERE slot = ? AND exec = ? AND version = ?",
		int64(row.Status), row.NextEvent, row.Version, microsOrNull(row.ClosedAt), blob(row.State), int64(row.Key.Slot), row.Key.Exec, row.PrevVersion)
	if err != nil {
		return fmt.Errorf("update run: %w", err)
	}
	if changed != 1 {
		return fmt.Errorf("run %v, version %d: %w", row.Key, row.PrevVersion, store.ErrConflict)
	}
	return nil
}

func (w *writer) insert(row *store.Execution) error {
	_, err := w.exec(`INSERT INTO execution (slot, exec, wf_hash, namespace_id, workflow_id, run_id, request_id,
		status, next_event, version, closed_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		int64(row.Key.Slot), row.Key.Exec, row.Workflow.Hash, row.Workflow.NamespaceID, row.Workflow.WorkflowID, row.RunID, row.RequestID,
		int64(row.Status), row.NextEvent, row.Version, microsOrNull(row.ClosedAt), blob(row.State))
	if err != nil {
		return fmt.Errorf("insert run: %w", err)
	}
	return nil
}
