package history

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/store"
)

// DeleteWorkflowExecution ends the run if it is open, and removes all that is
// kept of it. It returns when nobody can find the run any more.
func (e *Engine) DeleteWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.DeleteWorkflowExecutionRequest) (*workflowservice.DeleteWorkflowExecutionResponse, error) {
	ref := req.WorkflowExecution
	for {
		en, err := e.find(ctx, ns.ID, ref.GetWorkflowId(), ref.GetRunId())
		if err != nil {
			return nil, err
		}
		err = e.delete(ctx, en)
		en.shard.unpin(en)
		if errors.Is(err, errEvicted) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &workflowservice.DeleteWorkflowExecutionResponse{}, nil
	}
}

func (e *Engine) delete(ctx context.Context, en *entry) error {
	_, err := e.do(ctx, en, execution.Terminate{Reason: "Delete workflow execution", Identity: "history-service"})
	if err != nil && !isNotFound(err) { // closed already
		return err
	}
	state, err := e.awaitSilence(ctx, en)
	if err != nil {
		return err
	}
	if err := e.unlist(ctx, tombstone(state)); err != nil {
		return err
	}
	en.mu.Lock()
	lease := en.lease
	en.mu.Unlock()
	if err := e.cfg.Store.DeleteExecutions(ctx, lease, []store.ExecutionKey{en.key}); err != nil {
		return storeError(err)
	}
	en.shard.forget(en)
	return nil
}

// awaitSilence waits until the closed run has told all others what they must hear.
func (e *Engine) awaitSilence(ctx context.Context, en *entry) (*execution.State, error) {
	for {
		state, changed, err := en.view(ctx)
		if err != nil {
			return nil, err
		}
		if !state.Work(time.Now()).Pending() {
			return state, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, contextError(ctx)
		}
	}
}

// forget drops an entry whose run does not exist any more.
func (s *shard) forget(en *entry) {
	en.mu.Lock()
	en.gone = errEvicted // look-ups find that there is no such run
	if en.watch != nil {
		close(en.watch)
		en.watch = nil
	}
	en.mu.Unlock()
	s.wakes.set(en.key, time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries[en.key] == en {
		s.forgetLocked(en.key, en)
	}
}
