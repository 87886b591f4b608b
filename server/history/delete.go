package history

import (
	"context"
	"errors"
	"slices"
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
	en.mu.Lock()
	lease := en.lease
	en.mu.Unlock()
	if err := e.unlist(ctx, en.shard, lease, tombstone(state)); err != nil {
		return err
	}
	if err := e.cfg.Store.DeleteExecutions(ctx, lease, []store.ExecutionKey{en.key}); err != nil {
		return storeError(err)
	}
	en.shard.forget(en)
	return nil
}

// firstCallsMax is how long a deletion waits for the first attempts of callbacks.
// What is not delivered by then is deleted with the run.
const firstCallsMax = 2 * time.Second

// awaitSilence waits until the closed run has told all others what they must hear.
func (e *Engine) awaitSilence(ctx context.Context, en *entry) (*execution.State, error) {
	patience := time.NewTimer(firstCallsMax)
	defer patience.Stop()
	waitForCalls := e.cfg.Outbound != nil
	for {
		state, changed, err := en.view(ctx)
		if err != nil {
			return nil, err
		}
		if work := state.Work(time.Now()); len(work.Messages) == 0 && !(waitForCalls && firstCalls(work)) {
			return state, nil
		}
		select {
		case <-changed:
		case <-patience.C:
			waitForCalls = false
		case <-ctx.Done():
			return nil, contextError(ctx)
		}
	}
}

// firstCalls tells whether an address was not even tried yet.
func firstCalls(w execution.Work) bool {
	return slices.ContainsFunc(w.Calls, func(c execution.Call) bool { return c.Callback.Progress.Attempts == 0 })
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
