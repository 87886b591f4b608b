package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/metrics"
)

// ResetWorkflowExecution begins a run that goes on from a point in another
// run's history. The current run, if open, ends in the same commit.
func (e *Engine) ResetWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.ResetWorkflowExecutionRequest) (*workflowservice.ResetWorkflowExecutionResponse, error) {
	for {
		runID, err := e.reset(ctx, ns, req)
		if errors.Is(err, errEvicted) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &workflowservice.ResetWorkflowExecutionResponse{RunId: runID}, nil
	}
}

// resetting is one reset under way.
type resetting struct {
	ns            *cluster.Namespace
	req           *workflowservice.ResetWorkflowExecutionRequest
	workflow      *workflow
	base, current *entry
	baseState     *execution.State
	// prefix and later are what was read of the histories; read is the last event read of the current run.
	prefix, later []*historypb.HistoryEvent
	read          int64
}

func (e *Engine) reset(ctx context.Context, ns *cluster.Namespace, req *workflowservice.ResetWorkflowExecutionRequest) (string, error) {
	key := keyOf(ns.ID, req.WorkflowExecution.GetWorkflowId())
	s, err := e.shardOf(key.Slot)
	if err != nil {
		return "", err
	}
	w := s.hold(key)
	defer s.release(key, w)
	if err := w.starting.take(ctx); err != nil { // no other run may be started meanwhile
		return "", err
	}
	defer w.starting.end()
	r := &resetting{ns: ns, req: req, workflow: w}
	if r.current, err = e.find(ctx, ns.ID, key.WorkflowID, ""); err != nil {
		return "", err
	}
	defer s.unpin(r.current)
	if r.base, err = e.find(ctx, ns.ID, key.WorkflowID, req.WorkflowExecution.GetRunId()); err != nil {
		return "", err
	}
	defer s.unpin(r.base)
	current, _, err := r.current.view(ctx)
	if err != nil {
		return "", err
	}
	if current.ResetRequestID == req.RequestId {
		return current.RunID, nil
	}
	if err := e.readForReset(ctx, r); err != nil {
		return "", err
	}
	return e.fork(ctx, s, r)
}

// readForReset reads the history up to the fork, and what may be reapplied.
func (e *Engine) readForReset(ctx context.Context, r *resetting) error {
	state, _, err := r.base.view(ctx)
	if err != nil {
		return err
	}
	r.baseState = state
	fork := r.req.WorkflowTaskFinishEventId
	if fork <= 1 || fork >= state.NextEventID {
		return serviceerror.NewInvalidArgument("Workflow task finish ID must be > 1 && <= workflow last event ID.")
	}
	if r.prefix, err = e.allEvents(ctx, r.base, 1, fork); err != nil {
		return err
	}
	if r.later, err = e.allEvents(ctx, r.base, fork, state.NextEventID); err != nil {
		return err
	}
	r.read = state.NextEventID - 1
	return e.readChain(ctx, r, state)
}

// chainMax bounds the runs of a chain whose events a reset reapplies.
const chainMax = 1000

// readChain reads the runs that continued the base run, up to the current one.
func (e *Engine) readChain(ctx context.Context, r *resetting, state *execution.State) error {
	for n := 0; state.RunID != r.current.runID && state.NewRunID != "" && n < chainMax; n++ {
		en, err := e.find(ctx, r.ns.ID, state.WorkflowID, state.NewRunID)
		if err != nil {
			return err
		}
		next, _, err := en.view(ctx)
		if err == nil {
			var events []*historypb.HistoryEvent
			events, err = e.allEvents(ctx, en, 1, next.NextEventID)
			r.later = append(r.later, events...)
		}
		en.shard.unpin(en)
		if err != nil {
			return err
		}
		state, r.read = next, next.NextEventID-1
	}
	if state.RunID != r.current.runID {
		r.read = 0 // the current run does not belong to the chain: nothing of it is reapplied
	}
	return nil
}

// allEvents reads events [from, to).
func (e *Engine) allEvents(ctx context.Context, en *entry, from, to int64) ([]*historypb.HistoryEvent, error) {
	var all []*historypb.HistoryEvent
	for next := from; next < to; {
		events, err := e.events(ctx, en, next, to, historyPageMax)
		if err != nil {
			return nil, err
		}
		if len(events) == 0 {
			return nil, serviceerror.NewDataLoss(fmt.Sprintf("event %d of run %s is missing", next, en.runID))
		}
		all = append(all, events...)
		next = all[len(all)-1].EventId + 1
	}
	return all, nil
}

// fork decides the reset and commits it: the new run, the end of the current
// one, and the note on the base run, in one group.
func (e *Engine) fork(ctx context.Context, s *shard, r *resetting) (string, error) {
	runID := newID()
	en, t, err := e.queueFork(s, r, runID)
	if err != nil {
		return "", err
	}
	defer s.unpin(en)
	if err := t.wait(ctx); err != nil {
		return "", err
	}
	metrics.WorkflowsStarted.In(e.cfg.Metrics, metrics.Started{Namespace: r.ns.Name, Kind: "reset"}).Inc()
	return runID, nil
}

func (e *Engine) queueFork(s *shard, r *resetting, runID string) (*entry, *ticket, error) {
	unlock := lockBoth(r.base, r.current)
	defer unlock()
	if err := cmp.Or(r.base.gone, r.current.gone); err != nil {
		return nil, nil, err
	}
	if !s.isCurrent(r.workflow, r.current) {
		return nil, nil, errEvicted // it was continued by a newer run meanwhile: look again
	}
	endings, err := e.endForReset(r, runID)
	if err != nil {
		return nil, nil, err
	}
	d, err := execution.Fork(execution.Reset{
		RunID: runID, RequestID: r.req.RequestId, Reason: r.req.Reason, BaseRunID: r.base.runID,
		Prefix: r.prefix, Later: r.later, Exclude: excludes(r.req), Options: postReset(r.req.PostResetOperations),
	}, r.baseState, e.env(r.ns))
	if err != nil {
		return nil, nil, err
	}
	en := s.newEntry(r.current.workflow, r.current.lease, d)
	en.pinned = 1
	en.mu.Lock()
	defer en.mu.Unlock()
	var changes []*change
	for _, x := range endings {
		changes = append(changes, x.change())
	}
	e.committer.enqueue(en, d, changes...)
	s.register(en)
	e.pinnedByHand(r.ns.ID, d.State.VersioningOverride)
	return en, en.ticket, nil
}

// endForReset decides what becomes of the current and the base run. Events
// that the current run gets by its end are reapplied, too.
func (e *Engine) endForReset(r *resetting, runID string) ([]ending, error) {
	env := e.env(r.ns)
	var endings []ending
	note := func(en *entry, c execution.Command) error {
		d, err := execution.Decide(en.state, c, env)
		if err == nil {
			endings = append(endings, ending{en, d})
		}
		return err
	}
	if r.current.state.Open() {
		if err := note(r.current, execution.TerminateForReset{Reason: r.req.Reason, NewRunID: runID}); err != nil {
			return nil, err
		}
	} else if err := note(r.current, execution.NoteReset{RunID: runID}); err != nil {
		return nil, err
	}
	r.readOn(endings[0].decision.Events)
	if r.base == r.current {
		return endings, nil
	}
	return endings, note(r.base, execution.NoteReset{RunID: runID})
}

// readOn adds what happened in the current run since its history was read.
func (r *resetting) readOn(last []*historypb.HistoryEvent) {
	if r.read == 0 {
		return
	}
	en := r.current
	for _, event := range slices.Concat(en.tail, last) {
		if event.EventId > r.read {
			r.later = append(r.later, event)
			r.read = event.EventId
		}
	}
}

// lockBoth locks two entries, the older run first; they may be the same.
func lockBoth(a, b *entry) (unlock func()) {
	if a == b {
		a.mu.Lock()
		return a.mu.Unlock
	}
	if b.key.Exec < a.key.Exec {
		a, b = b, a
	}
	a.mu.Lock()
	b.mu.Lock()
	return func() { b.mu.Unlock(); a.mu.Unlock() }
}

// excludes are the kinds of events that are not reapplied.
func excludes(req *workflowservice.ResetWorkflowExecutionRequest) []enumspb.ResetReapplyExcludeType {
	excluded := slices.Clone(req.ResetReapplyExcludeTypes)
	switch req.ResetReapplyType {
	case enumspb.RESET_REAPPLY_TYPE_SIGNAL:
		excluded = append(excluded, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE)
	case enumspb.RESET_REAPPLY_TYPE_NONE:
		excluded = append(excluded, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE)
	}
	return excluded
}

// postReset are the changes of options that come with a reset.
func postReset(operations []*workflowpb.PostResetOperation) []execution.UpdateOptions {
	changes := make([]execution.UpdateOptions, len(operations))
	for i, operation := range operations {
		options := operation.GetUpdateWorkflowOptions()
		changes[i] = execution.UpdateOptions{Options: options.GetWorkflowExecutionOptions(), Mask: options.GetUpdateMask().GetPaths()}
	}
	return changes
}
