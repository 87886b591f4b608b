package matching

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// noShard marks a queue whose slot is not held here.
const noShard int32 = -1

// queue is one partition of one task queue. mu guards all fields from there on.
type queue struct {
	engine *Engine
	key    queueKey
	slot   int32
	row    store.QueueKey

	mu        sync.Mutex
	unloaded  bool // out of memory: look it up again
	draining  bool // the engine stops
	shard     int32
	term      int // raised when the lease is lost
	namespace string

	ready    match.Order[*entry] // tasks that a poller may take
	later    match.Order[*entry] // delayed tasks by the time at which they are ready
	expiring match.Order[*entry] // tasks that expire, by that time
	fresh    []*entry            // tasks to store, in order of created; some were taken since
	queries  []*query            // waiting, oldest first
	polls    pollList
	pollers  pollerBook
	backlog  backlog

	live        [match.LowestPriority + 1]int64 // tasks in memory that are not done, by priority
	added       [match.LowestPriority + 1]match.Rate
	dispatched  [match.LowestPriority + 1]match.Rate
	lastCreated int64
	lastUsed    time.Time // by an offer, a poll or a query

	limiter     *rate.Limiter // nil: no limit
	limited     bool          // the limit holds tasks back
	limitedTill time.Time     // zero while dispatch is paused
	scaling     *rate.Limiter

	timer   *time.Timer // calls tick
	timerAt time.Time   // zero: not armed
}

// newQueue makes an empty queue.
func newQueue(e *Engine, key queueKey, slot int32) *queue {
	q := &queue{
		engine: e, key: key, slot: slot, shard: noShard, lastUsed: time.Now(),
		row: store.QueueKey{
			Slot: slot, NamespaceID: key.namespaceID, Name: key.name,
			Type: int16(key.kind), Partition: key.partition,
		},
		scaling: rate.NewLimiter(scalingPerSecond, scalingPerSecond),
	}
	q.backlog.known = map[int64]struct{}{}
	if lease, ok := e.config.Leases.Lease(slot); ok {
		q.shard = lease.Shard
	}
	q.draining = e.stopping.Load()
	if !q.draining {
		q.wakeAt(q.lastUsed.Add(e.limits.PollerAge))
	}
	return q
}

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
		e.takeOut()
		p := q.polls.pop()
		p.hand(handover{
			entry: e, task: e.task, delta: q.pollerDelta(p, e, now),
			hint: int64(q.ready.Len()+q.later.Len()) + q.backlog.unreadTotal(),
		})
	}
	q.readMore(now)
}

// nextTask takes the first task that is not expired, nil when there is none or
// the rate limit holds it back.
func (q *queue) nextTask(now time.Time, out *outcomes) *entry {
	q.expire(now, out)
	if q.ready.Len() == 0 || !q.allow(now) {
		return nil
	}
	return q.ready.Pop().Value
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

// allow takes one dispatch from the rate limit.
func (q *queue) allow(now time.Time) bool {
	q.limited, q.limitedTill = false, time.Time{}
	if q.limiter == nil {
		return true
	}
	r := q.limiter.ReserveN(now, 1)
	if !r.OK() { // paused
		q.limited = true
		return false
	}
	wait := r.DelayFrom(now)
	if wait == 0 {
		return true
	}
	r.CancelAt(now)
	q.limited, q.limitedTill = true, now.Add(wait)
	q.wakeAt(q.limitedTill)
	return false
}

// admit puts an entry where pollers find it.
func (q *queue) admit(e *entry) {
	e.state = waiting
	e.term = q.term
	e.place.Age = e.created
	q.ready.Push(&e.place)
	if expires := e.task.ExpiresAt; !expires.IsZero() && !e.expiry.Queued() {
		e.expiry.Age = expires.UnixNano()
		q.expiring.Push(&e.expiry)
		q.wakeAt(expires)
	}
}

// remove takes an entry out of all orders.
func (q *queue) remove(e *entry) {
	switch e.state {
	case waiting:
		q.ready.Remove(&e.place)
	case delayed:
		q.later.Remove(&e.place)
	}
	q.expiring.Remove(&e.expiry)
}

// finish ends an entry and reports for it. A stored one leaves the store later.
func (q *queue) finish(e *entry, outcome cluster.Outcome, out *outcomes) {
	if e.state == finished {
		return
	}
	q.remove(e)
	e.state = finished
	q.live[e.priority()]--
	out.add(e, outcome)
	if e.stored && e.term == q.term {
		q.backlog.inMemory--
		q.deleteLater(e.id)
	}
}

// putBack returns a task that a poller could not start. It keeps its place in
// the order. delay keeps it from being tried again at once.
func (q *queue) putBack(e *entry, delay time.Duration) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	switch {
	case e.state != out:
		return
	case e.term != q.term:
		q.finish(e, cluster.Dropped, &reports)
	case q.draining:
		q.drainEntry(e, &reports)
	case q.key.sticky && !q.polledLately(now):
		q.finish(e, cluster.Refused, &reports)
	default:
		q.returnEntry(e, now.Add(delay))
		q.dispatch(now, &reports)
	}
}

func (q *queue) returnEntry(e *entry, readyAt time.Time) {
	q.admit(e)
	if readyAt.After(time.Now()) {
		q.ready.Remove(&e.place)
		e.state = delayed
		e.place.Age = readyAt.UnixNano()
		q.later.Push(&e.place)
		q.wakeAt(readyAt)
	}
	if e.id == 0 && q.storable(e) {
		q.waitForStore(e)
	}
}

// wakeAt makes tick run at a time or before.
func (q *queue) wakeAt(at time.Time) {
	if !q.timerAt.IsZero() && !at.Before(q.timerAt) {
		return
	}
	q.timerAt = at
	wait := max(time.Until(at), 0)
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, q.tick)
		return
	}
	q.timer.Reset(wait)
}

// tick does what is due.
func (q *queue) tick() {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.unloaded || q.draining {
		return
	}
	now := time.Now()
	q.timerAt = time.Time{}
	q.expire(now, &reports)
	q.resume(now)
	q.dispatch(now, &reports)
	q.spillDue(now)
	q.deleteDue(now)
	if !q.rest(now, &reports) {
		q.wakeNext(now)
	}
}

// resume makes delayed tasks ready.
func (q *queue) resume(now time.Time) {
	for {
		first := q.later.First()
		if first == nil || first.Age > now.UnixNano() {
			return
		}
		e := q.later.Pop().Value
		e.state = waiting
		e.place.Age = e.created
		q.ready.Push(&e.place)
	}
}

// wakeNext arms the timer for whatever is due first.
func (q *queue) wakeNext(now time.Time) {
	q.wakeAt(now.Add(q.engine.limits.PollerAge))
	if first := q.later.First(); first != nil {
		q.wakeAt(time.Unix(0, first.Age))
	}
	if first := q.expiring.First(); first != nil {
		q.wakeAt(time.Unix(0, first.Age))
	}
	if len(q.fresh) > 0 {
		grain := spillGrain
		if q.awaitsLease(now) {
			grain = leaseRetry
		}
		q.wakeAt(later(q.storeAt(q.fresh[0]), now.Add(grain)))
	}
	if !q.limitedTill.IsZero() && q.polls.count > 0 {
		q.wakeAt(q.limitedTill)
	}
	q.wakeForBacklog()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rest frees the memory of a queue that nobody uses. It tells whether the
// queue left memory.
func (q *queue) rest(now time.Time, reports *outcomes) bool {
	if now.Sub(q.lastUsed) < q.engine.limits.PollerAge || q.pollers.open > 0 {
		return false
	}
	q.trim()
	if q.key.sticky { // its worker is long gone
		q.refuseWaiting(reports)
	}
	if q.ready.Len()+q.later.Len()+len(q.fresh)+len(q.queries) > 0 || !q.backlog.empty() || q.liveTotal() > 0 {
		return false
	}
	q.unloaded = true
	q.engine.forget(q)
	return true
}

func (q *queue) liveTotal() int64 {
	total := int64(0)
	for _, n := range q.live {
		total += n
	}
	return total
}

// drain answers all polls empty and lets go of all tasks.
func (q *queue) drain() {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	q.releasePolls()
	q.failQueries(errStopping)
	for _, order := range []*match.Order[*entry]{&q.ready, &q.later} {
		for i := order.First(); i != nil; i = order.First() {
			q.remove(i.Value)
			q.drainEntry(i.Value, &reports)
		}
	}
	q.deleteNow()
}

// drainEntry lets go of one task that is in no order: it goes to the store, or
// stays there, or is dropped. Its state may be any but finished.
func (q *queue) drainEntry(e *entry, reports *outcomes) {
	e.state = out // in no order
	switch {
	case e.stored:
		q.forgetEntry(e)
	case e.id != 0, e.spilling: // being written: the write reports for it
		e.state = waiting
	case q.storable(e) && q.engine.ctx.Err() == nil:
		e.state = waiting
		q.engine.spill(q, []*entry{e})
	default:
		q.finish(e, cluster.Dropped, reports)
	}
}

// releasePolls answers all waiting polls empty.
func (q *queue) releasePolls() {
	for q.polls.count > 0 {
		q.polls.pop().hand(handover{})
	}
}

// close ends the queue's timer and drops what is still here.
func (q *queue) close() {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unloaded = true
	if q.timer != nil {
		q.timer.Stop()
	}
	q.engine.forget(q)
}
