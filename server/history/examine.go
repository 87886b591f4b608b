package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"

	"perdure/server/cluster"
	"perdure/server/diagnosis"
	"perdure/server/execution"
	"perdure/server/store"
)

var _ cluster.RunExaminer = (*Engine)(nil)

// ExamineRun tells what a diagnosis has to know of a run. See cluster.RunExaminer.
func (e *Engine) ExamineRun(ctx context.Context, ns *cluster.Namespace, workflowID, runID string) (diagnosis.Run, error) {
	key := keyOf(ns.ID, workflowID)
	for {
		s, err := e.shardOf(key.Slot)
		if err != nil {
			return diagnosis.Run{}, err
		}
		run, err := s.examine(ctx, key, runID)
		if !errors.Is(err, errEvicted) {
			return run, err
		}
	}
}

func (s *shard) examine(ctx context.Context, key store.WorkflowKey, runID string) (diagnosis.Run, error) {
	e := s.engine
	routes := e.routes(key.NamespaceID)
	if en := s.inMemory(key, runID); en != nil {
		defer s.unpin(en)
		state, _, err := en.view(ctx)
		if err != nil {
			return diagnosis.Run{}, err
		}
		run := state.Examine(routes, e.cfg.Limits, e.blocked)
		run.Queries = en.examineQueries()
		return run, nil
	}
	state, err := s.stored(ctx, key, runID)
	if err != nil {
		return diagnosis.Run{}, err
	}
	return state.Examine(routes, e.cfg.Limits, e.blocked), nil
}

// inMemory is the entry of a run, pinned; nil when it is not in memory.
func (s *shard) inMemory(key store.WorkflowKey, runID string) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	en := s.byRun[runID]
	if w := s.workflows[workflowName{key.NamespaceID, key.WorkflowID}]; runID == "" && w != nil && w.known {
		en = w.current
	}
	if en == nil || en.workflow != key {
		return nil
	}
	en.pinned++
	return en
}

// stored reads a run that is not in memory, and leaves it so.
func (s *shard) stored(ctx context.Context, key store.WorkflowKey, runID string) (*execution.State, error) {
	row, err := s.storedRow(ctx, key, runID)
	if err != nil {
		return nil, storeError(err)
	}
	state, err := execution.Decode(row.State)
	if err != nil {
		return nil, storeError(err)
	}
	return state, attach(ctx, s.engine.cfg.Store, row.Key, state)
}

func (s *shard) storedRow(ctx context.Context, key store.WorkflowKey, runID string) (*store.Execution, error) {
	if runID != "" {
		row, err := s.engine.cfg.Store.Run(ctx, key, runID)
		if errors.Is(err, store.ErrNotFound) {
			return nil, serviceerror.NewNotFound(fmt.Sprintf("workflow execution not found for workflow ID %q and run ID %q", key.WorkflowID, runID))
		}
		return row, err
	}
	row, err := s.engine.lookups.current(ctx, key)
	if err == nil && row == nil {
		return nil, serviceerror.NewNotFound(fmt.Sprintf("workflow not found for ID: %v", key.WorkflowID))
	}
	return row, err
}

func (en *entry) examineQueries() (found []diagnosis.Query) {
	en.mu.Lock()
	defer en.mu.Unlock()
	for _, q := range en.queries {
		found = append(found, diagnosis.Query{Type: q.query.GetQueryType(), Sent: q.stamp != 0})
	}
	return found
}

// failingLately is how long a failed commit counts when none has come after it.
const failingLately = 30 * time.Second

// ExamineOwner tells how the shard of a workflow id does. See cluster.RunExaminer.
func (e *Engine) ExamineOwner(namespaceID, workflowID string) diagnosis.Owner {
	slot := cluster.SlotOf(namespaceID, workflowID)
	owner := diagnosis.Owner{Slot: slot}
	since, last, trouble := e.committer.trouble.look()
	s, err := e.shardOf(slot)
	switch {
	case trouble != nil && (time.Since(last) < failingLately || err == nil && s.isResetting()):
		owner.Failing, owner.FailedAt = trouble.Error(), since
	case err != nil || !s.serving():
		owner.Unowned = true
	}
	return owner
}

// Activity counts the changes of runs. See cluster.RunExaminer.
func (e *Engine) Activity() int64 { return e.changes.Load() }
