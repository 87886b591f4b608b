package matching

import (
	"context"
	"errors"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/cluster"
	"perdure/server/metrics"
)

// meter counts what the engine does. Handles are resolved once.
type meter struct {
	registry *metrics.Registry
	byType   map[enumspb.TaskQueueType]*typeMeter

	mu sync.Mutex
	// shown are the queues whose gauges the last scrape saw.
	shown map[metrics.TaskQueue]struct{}
}

type typeMeter struct {
	offers                      [cluster.Dropped + 1]metrics.Counter
	syncMatches, backlogMatches metrics.Counter
	syncLatency, backlogLatency metrics.Histogram
	stored, expired             metrics.Counter
	waitingPolls                metrics.Gauge
}

var outcomeNames = [cluster.Dropped + 1]string{
	cluster.Delivered: "delivered", cluster.Stored: "stored", cluster.Refused: "refused", cluster.Dropped: "dropped",
}

var typeNames = map[enumspb.TaskQueueType]string{
	enumspb.TASK_QUEUE_TYPE_WORKFLOW: "workflow",
	enumspb.TASK_QUEUE_TYPE_ACTIVITY: "activity",
	enumspb.TASK_QUEUE_TYPE_NEXUS:    "nexus",
}

func newMeter(r *metrics.Registry) *meter {
	m := &meter{registry: r, byType: map[enumspb.TaskQueueType]*typeMeter{}}
	for kind, name := range typeNames {
		t := &typeMeter{
			syncMatches:    metrics.Matches.In(r, metrics.Match{TaskType: name, Kind: "sync"}),
			backlogMatches: metrics.Matches.In(r, metrics.Match{TaskType: name, Kind: "backlog"}),
			syncLatency:    metrics.MatchLatency.In(r, metrics.Match{TaskType: name, Kind: "sync"}),
			backlogLatency: metrics.MatchLatency.In(r, metrics.Match{TaskType: name, Kind: "backlog"}),
			stored:         metrics.BacklogWritten.In(r, metrics.TaskType{TaskType: name}),
			expired:        metrics.BacklogExpired.In(r, metrics.TaskType{TaskType: name}),
			waitingPolls:   metrics.PollersWaiting.In(r, metrics.TaskType{TaskType: name}),
		}
		for outcome, word := range outcomeNames {
			if word != "" {
				t.offers[outcome] = metrics.Offers.In(r, metrics.TaskOutcome{TaskType: name, Outcome: word})
			}
		}
		m.byType[kind] = t
	}
	return m
}

// of is the meter of a type; of an unknown type one that does nothing.
func (m *meter) of(kind enumspb.TaskQueueType) *typeMeter {
	if t := m.byType[kind]; t != nil {
		return t
	}
	return &typeMeter{}
}

// countOffer counts the outcome on its way to the owner.
func (m *meter) countOffer(kind enumspb.TaskQueueType, done func(cluster.Outcome)) func(cluster.Outcome) {
	if m.registry == nil {
		return done
	}
	t := m.of(kind)
	return func(outcome cluster.Outcome) {
		t.offers[outcome].Inc()
		done(outcome)
	}
}

func (m *meter) matched(kind enumspb.TaskQueueType, fromBacklog bool, latency time.Duration) {
	t := m.of(kind)
	if fromBacklog {
		t.backlogMatches.Inc()
		t.backlogLatency.Seconds(latency)
		return
	}
	t.syncMatches.Inc()
	t.syncLatency.Seconds(latency)
}

func (m *meter) written(kind enumspb.TaskQueueType) { m.of(kind).stored.Inc() }

func (m *meter) expired(kind enumspb.TaskQueueType) { m.of(kind).expired.Inc() }

func (m *meter) polled(request *pollRequest, outcome string) {
	if m.registry == nil {
		return
	}
	metrics.Polls.In(m.registry, metrics.Poll{
		Namespace: request.namespace, TaskType: typeNames[request.key.kind], Outcome: outcome,
	}).Inc()
}

func (m *meter) queried(ctx context.Context, err error) {
	if m.registry == nil {
		return
	}
	outcome := "failed"
	switch {
	case err == nil:
		outcome = "ok"
	case errors.Is(err, cluster.ErrNoPoller):
		outcome = "no_poller"
	case ctx.Err() != nil:
		outcome = "timeout"
	}
	metrics.QueriesDispatched.In(m.registry, metrics.Outcome{Outcome: outcome}).Inc()
}

// queueGauges is what one queue, or all sticky queues of a namespace, show.
type queueGauges struct {
	tasks             int64
	age               time.Duration
	pollers           int
	added, dispatched float64 // a second
}

func (g queueGauges) plus(other queueGauges) queueGauges {
	return queueGauges{
		tasks: g.tasks + other.tasks, age: max(g.age, other.age), pollers: g.pollers + other.pollers,
		added: g.added + other.added, dispatched: g.dispatched + other.dispatched,
	}
}

// measure sets the gauges just before they are read.
func (e *Engine) measure() {
	now := time.Now()
	queues := e.loaded()
	waiting := map[enumspb.TaskQueueType]int{}
	shown := map[metrics.TaskQueue]queueGauges{}
	for _, q := range queues {
		labels, gauges, polls := q.gauges(now)
		waiting[q.key.kind] += polls
		shown[labels] = shown[labels].plus(gauges)
	}
	r := e.config.Metrics
	metrics.TaskQueuesLoaded.In(r, metrics.None{}).Set(float64(len(queues)))
	for kind, t := range e.meter.byType {
		t.waitingPolls.Set(float64(waiting[kind]))
	}
	e.meter.show(shown)
}

// show sets the gauges of queues and forgets those that left memory. Scrapes may overlap.
func (m *meter) show(queues map[metrics.TaskQueue]queueGauges) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for labels := range m.shown {
		if _, still := queues[labels]; !still {
			metrics.BacklogTasks.Forget(m.registry, labels)
			metrics.BacklogAge.Forget(m.registry, labels)
			metrics.TaskQueuePollers.Forget(m.registry, labels)
			metrics.TaskQueueAdded.Forget(m.registry, labels)
			metrics.TaskQueueDispatched.Forget(m.registry, labels)
		}
	}
	m.shown = map[metrics.TaskQueue]struct{}{}
	for labels, g := range queues {
		m.shown[labels] = struct{}{}
		metrics.BacklogTasks.In(m.registry, labels).Set(float64(g.tasks))
		metrics.BacklogAge.In(m.registry, labels).Set(g.age.Seconds())
		metrics.TaskQueuePollers.In(m.registry, labels).Set(float64(g.pollers))
		metrics.TaskQueueAdded.In(m.registry, labels).Set(g.added)
		metrics.TaskQueueDispatched.In(m.registry, labels).Set(g.dispatched)
	}
}

func (q *queue) gauges(now time.Time) (metrics.TaskQueue, queueGauges, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	labels := metrics.TaskQueue{Namespace: q.namespace, TaskQueue: q.key.name, TaskType: typeNames[q.key.kind]}
	if labels.Namespace == "" {
		labels.Namespace = q.key.namespaceID
	}
	if q.key.sticky {
		labels.TaskQueue = "_sticky_"
	}
	q.pollers.prune(now, q.engine.limits.PollerAge)
	gauges := queueGauges{tasks: q.lanes.waitingTasks(), age: q.oldestAge(now), pollers: len(q.pollers.byIdentity)}
	gauges.added, gauges.dispatched = q.rates(now)
	return labels, gauges, q.polls.count
}
