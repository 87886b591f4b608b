package history

import (
	"context"
	"time"

	historypb "go.temporal.io/api/history/v1"

	"perdure/server/callspan"
	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/spans"
	"perdure/server/store"
)

// Traces takes the traces of closed runs. None of its methods may block.
type Traces interface {
	// Wants tells whether the trace of a closed run is to be made.
	Wants(spans.Ended) bool
	// Fill adds to a run how its spans are to be made.
	Fill(spans.Run) spans.Run
	Take([]spans.Span)
	// Dropped hears of a wanted trace that could not be made.
	Dropped()
	// RunsMax is how many closed runs may wait for their traces.
	RunsMax() int
}

// closedRun is a run whose trace is to be made.
type closedRun struct {
	key         store.ExecutionKey
	nextEventID int64
	run         spans.Run
}

// traceClosed remembers a run that has closed, if its trace is wanted.
func (e *Engine) traceClosed(en *entry, s *execution.State) {
	if e.cfg.Traces == nil {
		return
	}
	ended := spans.Ended{
		Joined: s.ComesFrom().Joined(), Status: s.Status, Duration: s.CloseTime.Sub(s.StartTime), FamilyRunID: familyOf(s),
	}
	if !e.cfg.Traces.Wants(ended) {
		return
	}
	closed := closedRun{key: en.key, nextEventID: s.NextEventID, run: spans.Run{
		Namespace: e.names.of(s.NamespaceID), WorkflowID: s.WorkflowID, RunID: s.RunID, Origin: s.Origin, Until: s.CloseTime,
	}}
	e.tracing.Add(1)
	select {
	case e.closedRuns <- closed:
	default:
		e.tracing.Done()
		e.cfg.Traces.Dropped()
	}
}

// familyOf is the run that began all: the root of a tree of children, else the first of a chain.
func familyOf(s *execution.State) string {
	if root := s.StartedAttributes().GetRootWorkflowExecution().GetRunId(); root != "" {
		return root
	}
	return s.FirstRunID()
}

// traceLoop makes traces, one after the other: nobody waits for them.
func (e *Engine) traceLoop(ctx context.Context) {
	for {
		select {
		case closed := <-e.closedRuns:
			e.trace(ctx, closed)
			e.tracing.Done()
		case <-ctx.Done():
			e.dropTraces()
			return
		}
	}
}

// dropTraces forgets what waits when the engine ends.
func (e *Engine) dropTraces() {
	for {
		select {
		case <-e.closedRuns:
			e.cfg.Traces.Dropped()
			e.tracing.Done()
		default:
			return
		}
	}
}

func (e *Engine) trace(ctx context.Context, closed closedRun) {
	var events []*historypb.HistoryEvent
	for next := int64(1); next < closed.nextEventID; {
		page, err := readEvents(ctx, e.cfg.Store, closed.key, next, closed.nextEventID, batchesARead)
		if err != nil || len(page) == 0 { // the run is deleted, or the store is away
			e.cfg.Traces.Dropped()
			return
		}
		events = append(events, page...)
		next = page[len(page)-1].EventId + 1
	}
	e.cfg.Traces.Take(spans.Build(e.cfg.Traces.Fill(closed.run), events))
}

// tracesTimeout bounds the wait for traces at a stop.
const tracesTimeout = 500 * time.Millisecond

// finishTraces waits a moment for the traces of runs that have closed.
func (e *Engine) finishTraces(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tracesTimeout)
	defer cancel()
	done := make(chan struct{})
	go func() { e.tracing.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// TraceOrigin is what is stored with a run of the span that it comes from.
func (e *Engine) TraceOrigin(ctx context.Context, ns *cluster.Namespace, workflowID, runID string) (spans.Origin, error) {
	en, s, err := e.look(ctx, ns, workflowID, runID)
	if err != nil {
		return spans.Origin{}, err
	}
	defer en.shard.unpin(en)
	return s.Origin, nil
}

// originOfChild is where a child comes from.
func (e *Engine) originOfChild(parent *execution.State, child *execution.Child) spans.Origin {
	if e.cfg.Traces == nil {
		return spans.Origin{}
	}
	return parent.ComesFrom().Child(parent.RunID, child.InitiatedEventID)
}

// waitFor waits for a commit; the span of the call tells how long, and of which run it was.
func waitFor(ctx context.Context, t *ticket, s *execution.State, c execution.Command) error {
	call := callspan.From(ctx)
	if call == nil {
		return t.wait(ctx)
	}
	start := time.Now()
	err := t.wait(ctx)
	call.Took("commit", start)
	concerns(call, s, c)
	return err
}

// concerns tells a call's span which part of which run it has to do with.
func concerns(call *callspan.Call, s *execution.State, c execution.Command) {
	if call == nil {
		return
	}
	span := spans.Root(s.RunID)
	switch c := c.(type) {
	case execution.StartTask:
		span = spans.Wait(s.RunID, c.ScheduledEventID)
	case execution.CompleteTask:
		span = spans.Work(s.RunID, c.ScheduledEventID)
	case execution.FailTask:
		span = spans.Work(s.RunID, c.ScheduledEventID)
	case execution.StartActivity:
		span = spans.Whole(s.RunID, c.ScheduledEventID)
	case execution.CompleteActivity:
		span = ofActivity(s, c.Activity)
	case execution.FailActivity:
		span = ofActivity(s, c.Activity)
	case execution.CancelActivity:
		span = ofActivity(s, c.Activity)
	case execution.HeartbeatActivity:
		span = ofActivity(s, c.Activity)
	}
	call.Concerns(s.RunID, s.ComesFrom(), span)
}

// ofActivity is the activity's span; that of the run when the caller named it by its id.
func ofActivity(s *execution.State, ref execution.ActivityRef) spans.SpanID {
	if ref.ScheduledEventID == 0 {
		return spans.Root(s.RunID)
	}
	return spans.Whole(s.RunID, ref.ScheduledEventID)
}
