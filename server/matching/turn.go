package matching

import (
	"math"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/cluster"
	"perdure/server/match"
)

// dispatch brings waiting polls together with queries, then tasks.
func (q *queue) dispatch(now time.Time, out *outcomes) {
	for q.polls.count > 0 {
		if len(q.queries) > 0 {
			q.polls.pop().hand(handover{query: q.popQuery()})
			continue
		}
		e := q.nextTask(now, out)
		if e == nil {
			break
		}
		p := q.polls.pop()
		e.task.MatchedAt, e.task.Waited = now, now.Sub(time.Unix(0, e.created))
		p.hand(handover{
			entry: e, task: e.task, delta: q.pollerDelta(p, e, now), hint: q.hint(),
		})
	}
	q.readMore(now)
}

// hint is how many tasks wait beside the one that is handed over. A sticky queue tells of none: what waits there waits in memory and
// for a moment, but a worker that hears of a backlog sends all its polls to the sticky queue, and then none takes what comes to the normal
// one until a poll of the sticky queue ends.
func (q *queue) hint() int64 {
	if q.key.sticky {
		return 0
	}
	return q.lanes.waitingTasks() - q.inHand
}

// nextTask takes the task whose turn it is, nil when there is none, it has to
// be read first (which dispatch sees to), or a limit holds all back.
func (q *queue) nextTask(now time.Time, out *outcomes) *entry {
	q.expire(now, out)
	q.limited, q.limitedTill = false, time.Time{}
	q.letOn(now)
	for flow := q.lanes.fair.First(); flow != nil; flow = q.lanes.fair.First() {
		l := flow.Value
		e := l.first()
		if q.holdBack(l, e, now) {
			continue
		}
		if !q.allow(now) {
			q.giveBack(l, e)
			return nil
		}
		q.take(l, e, now)
		return e
	}
	return nil
}

// take gives the first task of a lane to a poller.
func (q *queue) take(l *lane, e *entry, now time.Time) {
	q.lanes.fair.Serve(l.flow)
	l.ready.Pop()
	e.takeOut(q)
	q.inHand++
	q.settle(l)
}

// expire drops tasks whose time is over.
func (q *queue) expire(now time.Time, out *outcomes) {
	for {
		first := q.expiring.First()
		if first == nil || first.Age > now.UnixNano() {
			return
		}
		e := first.Value
		q.expiring.Remove(first)
		if e.state != waiting && e.state != delayed {
			continue // with a poller: history decides
		}
		q.engine.meter.expired(q.key.kind)
		q.finish(e, cluster.Dropped, out)
	}
}

// allow takes one dispatch from the queue's rate.
func (q *queue) allow(now time.Time) bool {
	perSecond, _ := effectiveRate(q.rules, q.family.perSecond.Load())
	if perSecond == nil {
		return true
	}
	wait := q.family.pass(now, match.Limit{PerSecond: *perSecond, Burst: limitBurst})
	if wait == 0 {
		return true
	}
	q.limited = true
	if wait != match.Never {
		q.limitedTill = now.Add(wait)
		q.wakeAt(q.limitedTill)
	}
	return false
}

// never is the time of what does not end by itself.
const never = math.MaxInt64

// holdBack takes one dispatch from the rate of a lane's key, or takes the lane
// out of the order of turns when the rate holds it back.
func (q *queue) holdBack(l *lane, e *entry, now time.Time) bool {
	limit, ok := q.keyLimit(e.task)
	if !ok {
		return false
	}
	wait := q.family.keyPass(l.key(), now, limit)
	if wait == 0 {
		return false
	}
	q.limited = true
	q.lanes.fair.Unset(l.flow)
	l.paused.Age = never
	if wait != match.Never {
		l.paused.Age = now.Add(wait).UnixNano()
		q.wakeAt(now.Add(wait))
	}
	q.lanes.paused.Push(&l.paused)
	return true
}

// giveBack returns what holdBack took for a task that does not go yet.
func (q *queue) giveBack(l *lane, e *entry) {
	if limit, ok := q.keyLimit(e.task); ok {
		q.family.keyReturn(l.key(), limit)
	}
}

// letOn lets lanes take part again that may.
func (q *queue) letOn(now time.Time) {
	for first := q.lanes.paused.First(); first != nil && first.Age <= now.UnixNano(); first = q.lanes.paused.First() {
		q.settle(first.Value)
	}
}

// keyLimit is the rate of a task's fairness key, false when it has none.
func (q *queue) keyLimit(task *cluster.Task) (match.Limit, bool) {
	perSecond := q.rules.perKey()
	if perSecond == nil {
		return match.Limit{}, false
	}
	return match.Limit{PerSecond: *perSecond * q.rules.weight(task), Burst: limitBurst}, true
}

// effectiveRate is the rate of a queue and who has set it: people go before
// workers. Nil: nobody has.
func effectiveRate(r *rules, ofWorkers *float64) (*float64, enumspb.RateLimitSource) {
	switch set := r.perSecond(); {
	case set != nil:
		return set, enumspb.RATE_LIMIT_SOURCE_API
	case ofWorkers != nil:
		return ofWorkers, enumspb.RATE_LIMIT_SOURCE_WORKER
	}
	return nil, enumspb.RATE_LIMIT_SOURCE_SYSTEM
}
