package matching

import (
	"context"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"

	"perdure/server/cluster"
	"perdure/server/diagnosis"
	"perdure/server/match"
)

var _ cluster.QueueExaminer = (*Engine)(nil)

// ExamineQueue tells what a diagnosis has to know of a queue. See cluster.QueueExaminer.
func (e *Engine) ExamineQueue(ctx context.Context, name cluster.TaskQueue) diagnosis.Queue {
	key := keyOf(name)
	found := diagnosis.Queue{Name: key.name, Activity: key.kind == enumspb.TASK_QUEUE_TYPE_ACTIVITY, Sticky: key.sticky}
	rules := e.rules.get(key)
	found.KeyPerSecond, found.PerSecond = rules.perKey(), rules.perSecond()
	if found.PerSecond != nil {
		found.SetBy = "a person, by its configuration"
	}
	for _, q := range e.familyOf(key) {
		if ofWorkers := q.family.perSecond.Load(); found.PerSecond == nil && ofWorkers != nil {
			found.PerSecond, found.SetBy = ofWorkers, "its workers"
		}
		found.Versions = append(found.Versions, q.examine(ctx))
	}
	slices.SortFunc(found.Versions, func(a, b diagnosis.QueueVersion) int { return a.Version.Compare(b.Version) })
	if !key.sticky {
		found.OtherKind = e.pollersOfOtherKind(key)
	}
	if !key.sticky && !found.Activity && !found.IsPolled() {
		found.OwnSticky = e.stickyPollersOf(key)
	}
	return found
}

// stickyPollersOf are workers that poll sticky queues of a queue. It looks at all
// queues, so ask only where nobody polls the queue itself.
func (e *Engine) stickyPollersOf(key queueKey) (found []diagnosis.Poller) {
	for _, q := range e.loaded() {
		if !q.key.sticky || q.key.namespaceID != key.namespaceID {
			continue
		}
		q.mu.Lock()
		belongs := q.pollers.normal == key.name && q.pollers.open > 0
		q.mu.Unlock()
		if belongs {
			found = append(found, q.examine(e.ctx).Pollers...)
		}
	}
	return found
}

// ExamineQueries tells of queries of a run that go to workers without a task. See cluster.QueueExaminer.
func (e *Engine) ExamineQueries(namespaceID, workflowID, runID string) (found []diagnosis.Query) {
	e.queries.mu.Lock()
	defer e.queries.mu.Unlock()
	for _, q := range e.queries.byID {
		if run := q.task.Execution; run.NamespaceID == namespaceID && run.WorkflowID == workflowID && run.RunID == runID {
			found = append(found, diagnosis.Query{Type: q.response.GetQuery().GetQueryType(), Sent: q.handed.Load()})
		}
	}
	slices.SortFunc(found, func(a, b diagnosis.Query) int { return strings.Compare(a.Type, b.Type) })
	return found
}

func (e *Engine) pollersOfOtherKind(key queueKey) (found []diagnosis.Poller) {
	key.kind = enumspb.TASK_QUEUE_TYPE_WORKFLOW + enumspb.TASK_QUEUE_TYPE_ACTIVITY - key.kind
	for _, q := range e.familyOf(key) {
		found = append(found, q.examine(e.ctx).Pollers...)
	}
	return found
}

// examine tells what workers of the queue's version see of it.
func (q *queue) examine(ctx context.Context) diagnosis.QueueVersion {
	s := q.snapshot(q.oldestStored(ctx))
	found := diagnosis.QueueVersion{
		Version: q.key.version, Waiting: s.stats.ApproximateBacklogCount, Oldest: s.stats.ApproximateBacklogAge.AsDuration(),
		Added: float64(s.stats.TasksAddRate), Taken: float64(s.stats.TasksDispatchRate),
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range s.pollers {
		found.Pollers = append(found.Pollers, q.pollers.examine(p))
	}
	now := time.Now()
	perSecond, _ := effectiveRate(q.rules, q.family.perSecond.Load())
	found.Limited = perSecond != nil && q.family.holds(now, match.Limit{PerSecond: *perSecond, Burst: limitBurst})
	for _, l := range q.lanes.byID {
		if perKey := q.rules.perKey(); perKey != nil && !l.empty() && q.family.holdsKey(l.key(), now, match.Limit{PerSecond: *perKey * l.weight, Burst: limitBurst}) {
			found.HeldKeys = append(found.HeldKeys, l.key())
		}
	}
	slices.Sort(found.HeldKeys)
	return found
}

func (b *pollerBook) examine(p *taskqueuepb.PollerInfo) diagnosis.Poller {
	known := b.byIdentity[p.Identity]
	return diagnosis.Poller{Identity: p.Identity, Open: known != nil && known.open > 0, Last: p.LastAccessTime.AsTime()}
}
