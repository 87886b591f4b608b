package load

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// searchInterval is the time between two questions whether a workflow can be found.
const searchInterval = 20 * time.Millisecond

// Seeds runs count workflows of no purpose but to be there, named by id, and returns when all of them can be found by search. They stay
// open after their first task, or are closed. It is the only way to fill a server that is not ours, and gives a template to copy.
func Seeds(ctx context.Context, o Options, stayOpen bool, count int, id func(number int) string) (err error) {
	o.Inflight, o.Sticky = min(count, inflightDefault), false
	s, err := NewSession(Scenario{Name: "seed", Unit: "workflow"}, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.seed(ctx, stayOpen, count, id); err != nil {
		return err
	}
	return s.awaitFound(ctx, int64(count))
}

func (s *Session) seed(ctx context.Context, stayOpen bool, count int, id func(number int) string) error {
	p := noop
	if stayOpen {
		p = open
	}
	var settled, next atomic.Int64
	w := s.newWorker(s.queue, p)
	w.completed = func() { settled.Add(1) }
	defer w.start(ctx)()
	callers := s.callers(s.Inflight, p)
	u := func(ctx context.Context, by turn) error {
		run, err := callers[by.caller].begin(ctx, id(int(next.Add(1)-1)))
		if err != nil || stayOpen {
			return err
		}
		return callers[by.caller].finish(ctx, run)
	}
	l := &loop{session: s, track: s.main, unit: u, inflight: s.Inflight, limit: int64(count)}
	l.start(ctx).wait()
	if failed := s.failures.Load(); failed > 0 {
		return fmt.Errorf("fill: %d calls failed, the first with: %w", failed, s.firstError())
	}
	return s.awaitCount(ctx, "workflows settled", &settled, int64(count))
}

// awaitFound waits until so many workflows of this session's queue are found.
func (s *Session) awaitFound(ctx context.Context, count int64) error {
	request := &workflowservice.CountWorkflowExecutionsRequest{Namespace: s.Namespace, Query: "TaskQueue = '" + s.queue.Name + "'"}
	for {
		answer, err := s.service(0).CountWorkflowExecutions(ctx, request)
		if err != nil {
			return fmt.Errorf("search for %d workflows: %w", count, err)
		}
		if answer.Count >= count {
			return nil
		}
		if err := pause(ctx, searchInterval); err != nil {
			return fmt.Errorf("search finds %d of %d workflows: %w", answer.Count, count, err)
		}
	}
}

// Facts are what a server tells of itself.
type Facts struct{ Version, NamespaceID string }

// Ask reads the facts of a server.
func Ask(ctx context.Context, address, namespace string) (f Facts, err error) {
	channel, err := Dial(address)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, channel.Close()) }()
	service := workflowservice.NewWorkflowServiceClient(channel)
	system, err := service.GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return f, fmt.Errorf("ask %s: %w", address, err)
	}
	described, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return f, fmt.Errorf("namespace %s of %s: %w", namespace, address, err)
	}
	return Facts{system.ServerVersion, described.NamespaceInfo.GetId()}, nil
}
