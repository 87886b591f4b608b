package matching

import (
	"context"
	"errors"
	"log/slog"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/match"
)

// poll waits in one queue. The queue's mutex guards it, but for ch.
type poll struct {
	request    *pollRequest
	since      time.Time     // when the RPC began to wait
	ch         chan handover // holds what the poll got; one value fits
	prev, next *poll
	listed     bool
	shutdowns  int // of the queue's worker before the poll began
}

// pollRequest is what matters of a poll RPC.
type pollRequest struct {
	key          queueKey
	namespace    string
	normal       string // of a sticky queue: the queue that it belongs to
	identity     string
	workerKey    string
	capabilities *commonpb.WorkerVersionCapabilities
	deployment   *deploymentpb.WorkerDeploymentOptions
	perSecond    *float64 // dispatch limit of the queue; nil: none given
}

// handover is what a poll gets: a task, a query, or neither: answer empty.
type handover struct {
	entry *entry
	task  *cluster.Task
	query *query
	delta int32 // advice on the number of polls, 0 none
	hint  int64 // tasks that still wait
}

func (h handover) empty() bool { return h.entry == nil && h.query == nil }

func (p *poll) hand(h handover) { p.ch <- h }

// pollList is the waiting polls of a queue, oldest first.
type pollList struct {
	first, last *poll
	count       int
}

func (l *pollList) push(p *poll) {
	p.prev, p.next, p.listed = l.last, nil, true
	if l.last == nil {
		l.first = p
	} else {
		l.last.next = p
	}
	l.last = p
	l.count++
}

func (l *pollList) remove(p *poll) {
	if p.prev == nil {
		l.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		l.last = p.prev
	} else {
		p.next.prev = p.prev
	}
	p.prev, p.next, p.listed = nil, nil, false
	l.count--
}

func (l *pollList) pop() *poll {
	p := l.first
	l.remove(p)
	return p
}

// PollWorkflowTaskQueue waits for a workflow task or a query. See cluster.Matching.
func (e *Engine) PollWorkflowTaskQueue(ctx context.Context, ns *cluster.Namespace, req *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	request := &pollRequest{
		key:          pollKey(ns, req.GetTaskQueue(), enumspb.TASK_QUEUE_TYPE_WORKFLOW, req),
		namespace:    ns.Name,
		normal:       req.GetTaskQueue().GetNormalName(),
		identity:     req.GetIdentity(),
		workerKey:    req.GetWorkerInstanceKey(),
		capabilities: req.GetWorkerVersionCapabilities(),
		deployment:   req.GetDeploymentOptions(),
	}
	response := &workflowservice.PollWorkflowTaskQueueResponse{}
	e.serve(ctx, request, func(h handover) error {
		if h.query != nil {
			response = h.query.response
			return nil
		}
		started, err := e.history.StartWorkflowTask(ctx, h.task, req)
		if err == nil {
			response = started
			response.PollerScalingDecision = scalingDecision(h.delta)
			response.BacklogCountHint = h.hint
		}
		return err
	})
	return response, nil
}

// PollActivityTaskQueue waits for an activity task. See cluster.Matching.
func (e *Engine) PollActivityTaskQueue(ctx context.Context, ns *cluster.Namespace, req *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	request := &pollRequest{
		key:          pollKey(ns, req.GetTaskQueue(), enumspb.TASK_QUEUE_TYPE_ACTIVITY, req),
		namespace:    ns.Name,
		identity:     req.GetIdentity(),
		workerKey:    req.GetWorkerInstanceKey(),
		capabilities: req.GetWorkerVersionCapabilities(),
		deployment:   req.GetDeploymentOptions(),
	}
	if limit := req.GetTaskQueueMetadata().GetMaxTasksPerSecond(); limit != nil {
		request.perSecond = &limit.Value
	}
	response := &workflowservice.PollActivityTaskQueueResponse{}
	e.serve(ctx, request, func(h handover) error {
		started, err := e.history.StartActivityTask(ctx, h.task, req)
		if err == nil {
			response = started
			response.PollerScalingDecision = scalingDecision(h.delta)
		}
		return err
	})
	return response, nil
}

func requestKey(ns *cluster.Namespace, queue *taskqueuepb.TaskQueue, kind enumspb.TaskQueueType) queueKey {
	return keyOf(cluster.TaskQueue{NamespaceID: ns.ID, Name: queue.GetName(), Kind: queue.GetKind(), Type: kind})
}

// workerFacts is what a poll tells of its worker.
type workerFacts interface {
	GetDeploymentOptions() *deploymentpb.WorkerDeploymentOptions
	GetWorkerVersionCapabilities() *commonpb.WorkerVersionCapabilities
}

// pollKey names the queue that a worker polls.
func pollKey(ns *cluster.Namespace, queue *taskqueuepb.TaskQueue, kind enumspb.TaskQueueType, worker workerFacts) queueKey {
	key := requestKey(ns, queue, kind)
	if !key.sticky {
		key.version = match.RoutedVersion(worker.GetDeploymentOptions(), worker.GetWorkerVersionCapabilities())
	}
	return key
}

func scalingDecision(delta int32) *taskqueuepb.PollerScalingDecision {
	if delta == 0 {
		return nil
	}
	return &taskqueuepb.PollerScalingDecision{PollRequestDeltaSuggestion: delta}
}

// serve waits in the queue until start has taken something, the time is up,
// or ctx ends.
func (e *Engine) serve(ctx context.Context, request *pollRequest, start func(handover) error) {
	e.work.begin()
	defer e.work.end()
	if !e.open() || e.workers.isStopped(request, time.Now()) {
		e.meter.polled(request, "empty")
		return
	}
	p := &poll{request: request, since: time.Now(), ch: make(chan handover, 1)}
	deadline := e.pollDeadline(ctx, p.since)
	q := e.locked(request.key)
	var reports outcomes
	q.begin(p, &reports)
	q.mu.Unlock()
	reports.send()
	defer q.end(p)
	for {
		h := q.await(ctx, p, deadline)
		if h.empty() {
			e.meter.polled(request, emptyOutcome(ctx))
			return
		}
		if ctx.Err() != nil {
			q.returnHandover(h)
			e.meter.polled(request, "canceled")
			return
		}
		if q.start(ctx, p, h, start) {
			e.meter.polled(request, "task")
			return
		}
		if !time.Now().Before(deadline) {
			e.meter.polled(request, "empty")
			return
		}
		q.again(p)
	}
}

func emptyOutcome(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return "canceled"
	}
	return "empty"
}

// pollDeadline leaves the reserve that the answer needs on its way.
func (e *Engine) pollDeadline(ctx context.Context, now time.Time) time.Time {
	deadline := now.Add(e.limits.PollWait)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	return deadline.Add(-e.limits.PollReserve)
}

// begin enters a poll: it gets what is there, or waits. The mutex is held.
func (q *queue) begin(p *poll, reports *outcomes) {
	q.lastUsed = p.since
	q.namespace = p.request.namespace
	q.pollers.begin(p.request, p.since, q.engine.limits.PollerAge)
	p.shutdowns = q.pollers.shutdowns
	if limit := p.request.perSecond; limit != nil {
		q.limitWorkers(limit)
	}
	q.enter(p, p.since, reports)
}

func (q *queue) enter(p *poll, now time.Time, reports *outcomes) {
	if q.draining || p.shutdowns != q.pollers.shutdowns {
		p.hand(handover{})
		return
	}
	q.polls.push(p)
	q.dispatch(now, reports)
}

// again enters a poll whose task was stale or could not be started.
func (q *queue) again(p *poll) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.enter(p, time.Now(), &reports)
}

// end leaves the queue for good.
func (q *queue) end(p *poll) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.lastUsed = now
	q.pollers.end(p.request, p.shutdowns, now)
}

// await returns what the poll got. When the time is up or the client is gone
// the poll is withdrawn, so that nothing can be handed to it any more.
func (q *queue) await(ctx context.Context, p *poll, deadline time.Time) handover {
	select {
	case h := <-p.ch:
		return h
	default:
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case h := <-p.ch:
		return h
	case <-ctx.Done():
	case <-timer.C:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if p.listed {
		q.polls.remove(p)
		return handover{}
	}
	return <-p.ch
}

// returnHandover gives back what a dead poll got.
func (q *queue) returnHandover(h handover) {
	if h.query != nil {
		q.requeue(h.query)
		return
	}
	q.putBack(h.entry, 0)
}

// start gives the task to history or the query to the worker. False: the poll goes on.
func (q *queue) start(ctx context.Context, p *poll, h handover, start func(handover) error) bool {
	err := start(h)
	if h.query != nil {
		return true
	}
	switch {
	case err == nil:
		q.delivered(h.entry, nil)
		return true
	case errors.Is(err, cluster.ErrStaleTask), errors.Is(err, cluster.ErrUnsettledTask):
		q.delivered(h.entry, err)
	case ctx.Err() != nil:
		q.putBack(h.entry, 0)
	default:
		h.entry.failures++ // only the poll that has the entry counts
		q.logFailedStart(ctx, h, err)
		q.putBack(h.entry, pause(h.entry.failures))
	}
	return false
}

// logFailedStart warns once a task failed a few times; single failures are
// common while a shard moves.
func (q *queue) logFailedStart(ctx context.Context, h handover, err error) {
	level := slog.LevelDebug
	if h.entry.failures == worrisomeFailures {
		level = slog.LevelWarn
	}
	q.engine.logger.Log(ctx, level, "a task could not be started and is put back",
		"task_queue", q.key.name, "workflow_id", h.task.Execution.WorkflowID, "failures", h.entry.failures, "error", err)
}

// delivered ends an entry that its poller is done with, by what history answered.
func (q *queue) delivered(e *entry, answer error) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.inHand--
	if answer == nil {
		q.dispatched[e.priority()].Add(now, 1)
		q.engine.meter.matched(q.key.kind, e.stored, now.Sub(time.Unix(0, e.created)))
	}
	if errors.Is(answer, cluster.ErrStaleTask) {
		q.finish(e, cluster.Delivered, &reports)
	} else {
		q.started(e, now, &reports)
	}
	q.readMore(now)
}
