package history

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/metrics"
	"perdure/server/store"
	"perdure/visibility"
)

var _ cluster.Housekeeping = (*Engine)(nil)

// DeleteClosed removes runs that closed before a time and have nothing left to
// tell anybody: from search, then from the store, then from memory.
func (e *Engine) DeleteClosed(ctx context.Context, ns *cluster.Namespace, before time.Time, behind cluster.Position, limit int) (cluster.DeletedRuns, error) {
	rows, err := e.cfg.Store.Closed(ctx, ns.ID, before, store.ExecutionKey(behind), limit)
	if err != nil {
		return cluster.DeletedRuns{}, storeError(err)
	}
	page := pageOf(rows, limit)
	page.Seen = len(rows)
	for s, settled := range e.settledByShard(ctx, rows) {
		if err := e.deleteSettled(ctx, s, settled); err != nil {
			return page, err
		}
		page.Deleted += len(settled)
	}
	metrics.RunsDeleted.In(e.cfg.Metrics, metrics.Namespaced{Namespace: ns.Name}).Add(float64(page.Deleted))
	return page, nil
}

func pageOf(rows []*store.Execution, limit int) cluster.DeletedRuns {
	page := cluster.DeletedRuns{More: len(rows) == limit}
	if len(rows) > 0 {
		page.Next = cluster.Position(rows[len(rows)-1].Key)
	}
	return page
}

// settledRun is a closed run that owes nobody anything.
type settledRun struct {
	key   store.ExecutionKey
	state *execution.State // as it is stored, without its events
}

// settledByShard finds the settled runs of shards that are held here.
func (e *Engine) settledByShard(ctx context.Context, rows []*store.Execution) map[*shard][]settledRun {
	found := make(map[*shard][]settledRun)
	for _, row := range rows {
		s, err := e.shardOf(row.Key.Slot)
		if err != nil || !s.serving() {
			continue
		}
		state, err := execution.Decode(row.State)
		if err != nil {
			e.cfg.Logger.ErrorContext(ctx, "a closed run cannot be read and is kept", "workflow_id", row.Workflow.WorkflowID, "run_id", row.RunID, "error", err)
			continue
		}
		if state.Settled() {
			found[s] = append(found[s], settledRun{row.Key, state})
		}
	}
	return found
}

func (e *Engine) deleteSettled(ctx context.Context, s *shard, runs []settledRun) error {
	gone := make([]*visibility.Record, len(runs))
	keys := make([]store.ExecutionKey, len(runs))
	for i, run := range runs {
		gone[i] = tombstone(run.state)
		keys[i] = run.key
	}
	if err := e.unlist(ctx, s, s.currentLease(), gone...); err != nil {
		return err
	}
	if err := e.cfg.Store.DeleteExecutions(ctx, s.currentLease(), keys); err != nil {
		return storeError(err)
	}
	for _, key := range keys {
		if en := s.cached(key); en != nil {
			s.forget(en)
		}
	}
	return nil
}

// tombstone takes a run out of search.
func tombstone(s *execution.State) *visibility.Record {
	return &visibility.Record{NamespaceID: s.NamespaceID, WorkflowID: s.WorkflowID, RunID: s.RunID, Version: s.Version + 1, Deleted: true}
}

// DeleteRuns ends and removes all runs of a namespace.
func (e *Engine) DeleteRuns(ctx context.Context, ns *cluster.Namespace, behind cluster.Position, limit int) (cluster.DeletedRuns, error) {
	rows, err := e.cfg.Store.Executions(ctx, store.ExecutionKey(behind), limit)
	if err != nil {
		return cluster.DeletedRuns{}, storeError(err)
	}
	page := pageOf(rows, limit)
	for _, row := range rows {
		if row.Workflow.NamespaceID != ns.ID {
			continue
		}
		page.Seen++
		if _, err := e.shardOf(row.Key.Slot); err != nil {
			continue // held elsewhere
		}
		_, err := e.DeleteWorkflowExecution(ctx, ns, &workflowservice.DeleteWorkflowExecutionRequest{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: row.Workflow.WorkflowID, RunId: row.RunID},
		})
		if err != nil && !isNotFound(err) {
			return page, err
		}
		page.Deleted++
	}
	metrics.RunsDeleted.In(e.cfg.Metrics, metrics.Namespaced{Namespace: ns.Name}).Add(float64(page.Deleted))
	return page, nil
}
