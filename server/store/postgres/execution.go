package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"perdure/server/store"
)

const executionColumns = `run.slot, run.exec, run.wf_hash, run.namespace_id, run.workflow_id, run.run_id, run.request_id,
	run.status, run.next_event, run.version, run.closed_at, run.state`

// scanExecution reads executionColumns behind the given leading columns.
func scanExecution(row pgx.CollectableRow, leading ...any) (*store.Execution, error) {
	run := &store.Execution{}
	var closed *time.Time
	err := row.Scan(append(leading, &run.Key.Slot, &run.Key.Exec, &run.Workflow.Hash, &run.Workflow.NamespaceID, &run.Workflow.WorkflowID,
		&run.RunID, &run.RequestID, &run.Status, &run.NextEvent, &run.Version, &closed, &run.State)...)
	for _, text := range []*string{&run.Workflow.NamespaceID, &run.Workflow.WorkflowID, &run.RunID, &run.RequestID} {
		*text = unescape(*text)
	}
	run.Workflow.Slot = run.Key.Slot
	run.ClosedAt = timeOf(closed)
	return run, err
}

// Current finds the newest run of each workflow: one walk back along the index a key.
func (s *Store) Current(ctx context.Context, keys []store.WorkflowKey) ([]*store.Execution, error) {
	runs := make([]*store.Execution, len(keys))
	if len(keys) == 0 {
		return runs, nil
	}
	slots, hashes := make([]int32, len(keys)), make([]int64, len(keys))
	namespaces, workflows := make([]string, len(keys)), make([]string, len(keys))
	for i, key := range keys {
		slots[i], hashes[i] = key.Slot, key.Hash
		namespaces[i], workflows[i] = escape(key.NamespaceID), escape(key.WorkflowID)
	}
	scan := func(row pgx.CollectableRow) (struct{}, error) {
		var position int
		run, err := scanExecution(row, &position)
		if err == nil {
			runs[position-1] = run
		}
		return struct{}{}, err
	}
	_, err := collect(ctx, s, scan, `SELECT wanted.position, `+executionColumns+`
		FROM unnest($1::int[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY AS wanted (slot, hash, namespace_id, workflow_id, position)
		CROSS JOIN LATERAL (SELECT * FROM execution WHERE execution.wf_hash = wanted.hash AND execution.slot = wanted.slot
			AND execution.namespace_id = wanted.namespace_id AND execution.workflow_id = wanted.workflow_id ORDER BY execution.exec DESC LIMIT 1) AS run`,
		slots, hashes, namespaces, workflows)
	return runs, err
}

// Run finds one run by its run id.
func (s *Store) Run(ctx context.Context, key store.WorkflowKey, runID string) (*store.Execution, error) {
	return s.one(ctx, fmt.Sprintf("run %q", runID),
		"WHERE run.wf_hash = $1 AND run.slot = $2 AND run.namespace_id = $3 AND run.workflow_id = $4 AND run.run_id = $5",
		key.Hash, key.Slot, escape(key.NamespaceID), escape(key.WorkflowID), escape(runID))
}

// Load reads one run.
func (s *Store) Load(ctx context.Context, key store.ExecutionKey) (*store.Execution, error) {
	return s.one(ctx, fmt.Sprintf("run %v", key), "WHERE run.slot = $1 AND run.exec = $2", key.Slot, key.Exec)
}

// LoadAll reads runs and their first batches: two look-ups in indexes a key.
func (s *Store) LoadAll(ctx context.Context, keys []store.ExecutionKey) ([]store.Loaded, error) {
	runs := make([]store.Loaded, len(keys))
	if len(keys) == 0 {
		return runs, nil
	}
	scan := func(row pgx.CollectableRow) (struct{}, error) {
		var position int
		var next *int64
		var data []byte
		run, err := scanExecution(row, &position, &next, &data)
		if err == nil {
			runs[position-1].Execution = run
			if next != nil {
				runs[position-1].First = store.Batch{Key: run.Key, FirstEvent: 1, NextEvent: *next, Data: data}
			}
		}
		return struct{}{}, err
	}
	slots, execs := keyColumns(keys)
	_, err := collect(ctx, s, scan, `SELECT wanted.position, beginning.next_event, beginning.data, `+executionColumns+`
		FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS wanted (slot, exec, position)
		CROSS JOIN LATERAL (SELECT * FROM execution WHERE execution.slot = wanted.slot AND execution.exec = wanted.exec LIMIT 1) AS run
		LEFT JOIN LATERAL (SELECT next_event, data FROM history
			WHERE history.slot = wanted.slot AND history.exec = wanted.exec AND history.first_event = 1 LIMIT 1) AS beginning ON true`, slots, execs)
	return runs, err
}

func (s *Store) one(ctx context.Context, what, where string, args ...any) (*store.Execution, error) {
	scan := func(row pgx.CollectableRow) (*store.Execution, error) { return scanExecution(row) }
	found, err := collect(ctx, s, scan, "SELECT "+executionColumns+" FROM execution AS run "+where, args...)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	return found[0], nil
}

// History reads batches in order. The batch that contains event from is the
// last one that starts at or before it.
func (s *Store) History(ctx context.Context, key store.ExecutionKey, from, to int64, limit int) ([]store.Batch, error) {
	scan := func(row pgx.CollectableRow) (store.Batch, error) {
		batch := store.Batch{Key: key}
		err := row.Scan(&batch.FirstEvent, &batch.NextEvent, &batch.Data)
		return batch, err
	}
	return collect(ctx, s, scan, `SELECT first_event, next_event, data FROM history WHERE slot = $1 AND exec = $2
		AND first_event >= coalesce((SELECT max(first_event) FROM history WHERE slot = $1 AND exec = $2 AND first_event <= $3), $3)
		AND next_event > $3 AND first_event < $4 AND $3::bigint < $4::bigint ORDER BY first_event LIMIT $5`, key.Slot, key.Exec, from, to, limit)
}

// DeleteExecutions removes all that is known of runs.
func (s *Store) DeleteExecutions(ctx context.Context, lease store.Lease, keys []store.ExecutionKey) error {
	slots, execs := keyColumns(keys)
	err := s.fenced(ctx, lease, func(batch *pgx.Batch) {
		for _, table := range []string{"execution", "history", "wake"} {
			batch.Queue("DELETE FROM "+table+" AS old USING unnest($1::int[], $2::bigint[]) AS gone (slot, exec) WHERE old.slot = gone.slot AND old.exec = gone.exec", slots, execs)
		}
	})
	if err != nil {
		return fmt.Errorf("delete runs: %w", err)
	}
	return nil
}

// Closed pages through closed runs in the order of the primary key.
func (s *Store) Closed(ctx context.Context, namespaceID string, before time.Time, after store.ExecutionKey, limit int) ([]*store.Execution, error) {
	scan := func(row pgx.CollectableRow) (*store.Execution, error) { return scanExecution(row) }
	return collect(ctx, s, scan, `SELECT `+executionColumns+` FROM execution AS run
		WHERE (exec, slot) > ($1::bigint, $2::int) AND closed_at < $3 AND namespace_id = $4 ORDER BY exec, slot LIMIT $5`,
		after.Exec, after.Slot, before, escape(namespaceID), limit)
}

// Executions pages through all runs in the order of the primary key.
func (s *Store) Executions(ctx context.Context, after store.ExecutionKey, limit int) ([]*store.Execution, error) {
	scan := func(row pgx.CollectableRow) (*store.Execution, error) { return scanExecution(row) }
	return collect(ctx, s, scan, "SELECT "+executionColumns+` FROM execution AS run
		WHERE (run.exec, run.slot) > ($1::bigint, $2::int) ORDER BY run.exec, run.slot LIMIT $3`, after.Exec, after.Slot, limit)
}
