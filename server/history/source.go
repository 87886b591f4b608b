package history

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"

	"perdure/server/execution"
	"perdure/server/store"
	"perdure/visibility"
	"perdure/visibility/audit"
)

// RunSource tells audits what runs a store of executions has.
type RunSource struct {
	Store store.Store
	Look  LookOf
}

var _ audit.Source = RunSource{}

// sourcePage is how many runs are read at once.
const sourcePage = 500

// Runs reads some runs behind a place.
func (s RunSource) Runs(ctx context.Context, behind string) (runs []audit.Run, next string, err error) {
	var after store.ExecutionKey
	if behind != "" {
		if _, err := fmt.Sscanf(behind, "%d/%d", &after.Slot, &after.Exec); err != nil {
			return nil, "", fmt.Errorf("%w: place of an audit %q: %w", store.ErrDamaged, behind, err)
		}
	}
	rows, err := s.Store.Executions(ctx, after, sourcePage)
	if err != nil {
		return nil, "", fmt.Errorf("read runs: %w", err)
	}
	for _, row := range rows {
		run, err := auditRun(row)
		if isDamaged(err) {
			continue // doctor verify tells of it
		}
		if err != nil {
			return nil, "", err
		}
		runs = append(runs, run)
	}
	if len(rows) == sourcePage {
		last := rows[len(rows)-1].Key
		next = fmt.Sprintf("%d/%d", last.Slot, last.Exec)
	}
	return runs, next, nil
}

func auditRun(row *store.Execution) (audit.Run, error) {
	state, err := execution.Decode(row.State)
	if err != nil {
		return audit.Run{}, err
	}
	return audit.Run{
		NamespaceID: row.Workflow.NamespaceID, WorkflowID: row.Workflow.WorkflowID, RunID: row.RunID,
		Version: row.Version, StartNanos: visibility.Nanos(state.StartTime),
	}, nil
}

// Run looks for one run; exists is false when there is none.
func (s RunSource) Run(ctx context.Context, namespaceID, workflowID, runID string) (run audit.Run, exists bool, err error) {
	row, err := s.Store.Run(ctx, keyOf(namespaceID, workflowID), runID)
	if errors.Is(err, store.ErrNotFound) {
		return run, false, nil
	}
	if err != nil {
		return run, false, fmt.Errorf("read a run: %w", err)
	}
	run, err = auditRun(row)
	return run, err == nil, err
}

// Record makes the search record of a run; exists is false when there is none.
func (s RunSource) Record(ctx context.Context, namespaceID, workflowID, runID string) (rec *visibility.Record, exists bool, err error) {
	row, err := s.Store.Run(ctx, keyOf(namespaceID, workflowID), runID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, false, nil
	}
	if err == nil {
		rec, err = RecordOf(ctx, s.Store, s.Look, row)
	}
	return rec, err == nil, err
}

// isDamaged tells whether reading again will not help.
func isDamaged(err error) bool {
	var loss *serviceerror.DataLoss
	return errors.Is(err, store.ErrDamaged) || errors.Is(err, execution.ErrCorrupt) || errors.As(err, &loss)
}
