package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

const (
	// freshPause lets a server come to rest between two changes. A random time as long as the last change took follows, so that changes
	// of a store that shows them at intervals do not all begin with an interval.
	freshPause = 50 * time.Millisecond
	// leastLook and mostLook bound the pause between two looks, a tenth of how long the change has been looked for.
	leastLook, mostLook = 200 * time.Microsecond, 20 * time.Millisecond
)

// freshness measures how long after its answer a search finds what a call changed.
type freshness struct {
	session        *Session
	callers        []*caller
	started, ended *track
}

// playFreshness lets workflows be started, found, terminated and found again, by as many callers as the session is about. With a rate
// no-op workflows go on beside them.
func playFreshness(s *Session, ctx context.Context) error {
	f := &freshness{session: s, callers: s.callers(s.Count, open), started: s.beside("start until found"), ended: s.beside("end until found")}
	nobody := queueNamed(s.queue.Name + ":nobody") // its workflows change by what the callers do only
	for _, c := range f.callers {
		c.start.TaskQueue = nobody
	}
	if s.Rate > 0 {
		defer s.newWorker(s.queue, noop).start(ctx)()
		l := &loop{
			session: s, track: s.beside("no-op workflows beside them"), unit: s.workflows("run", s.Inflight, noop), inflight: s.Inflight, rate: s.Rate,
		}
		defer l.start(ctx).stop()
	}
	whole := &track{window: &window{}} // never opened: each change is measured by itself
	l := &loop{session: s, track: whole, unit: f.unit, inflight: s.Count}
	defer l.start(ctx).stop()
	return s.measureFor(ctx, s.main, s.Duration)
}

func (f *freshness) unit(ctx context.Context, by turn) error {
	c := f.callers[by.caller]
	run, err := c.begin(ctx, c.id("fresh"))
	if err != nil {
		return err
	}
	if err := f.find(ctx, c, f.started, fmt.Sprintf("WorkflowId = '%s'", run.WorkflowId)); err != nil {
		return err
	}
	_, err = c.service().TerminateWorkflowExecution(ctx, &workflowservice.TerminateWorkflowExecutionRequest{
		Namespace: f.session.Namespace, WorkflowExecution: run, Identity: identity,
	})
	if err != nil {
		return fmt.Errorf("terminate: %w", err)
	}
	if err := f.find(ctx, c, f.ended, fmt.Sprintf("WorkflowId = '%s' AND ExecutionStatus = 'Terminated'", run.WorkflowId)); err != nil {
		return err
	}
	return nil
}

// find looks for the change that was answered just now until it is found.
func (f *freshness) find(ctx context.Context, c *caller, t *track, query string) error {
	answered := time.Now()
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: f.session.Namespace, PageSize: 1, Query: query}
	for {
		page, err := c.service().ListWorkflowExecutions(ctx, request)
		if err != nil {
			return fmt.Errorf("look for %s: %w", query, err)
		}
		took := time.Since(answered)
		if len(page.Executions) > 0 {
			t.add(took)
			f.session.main.add(took)
			return pause(ctx, freshPause+rand.N(took))
		}
		if err := pause(ctx, min(max(took/10, leastLook), mostLook)); err != nil {
			return err
		}
	}
}
