package matching

import (
	"sync"
	"time"

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
	family *family

	mu        sync.Mutex
	unloaded  bool // out of memory: look it up again
	draining  bool // the engine stops
	shard     int32
	term      int // raised when the lease is lost
	namespace string

	lanes    laneTable
	later    match.Order[*entry] // delayed tasks by the time at which they are ready
	expiring match.Order[*entry] // tasks that expire, by that time
	fresh    []*entry            // tasks to store, in order of created; some were taken since
	queries  []*query            // waiting, oldest first
	polls    pollList
	pollers  pollerBook
	backlog  backlog
	inHand   int64 // tasks that pollers are starting

	added       [priorities + 1]match.Rate
	dispatched  [priorities + 1]match.Rate
	lastCreated int64
	lastUsed    time.Time // by an offer, a poll or a query

	rules       *rules
	limited     bool      // a limit holds tasks back
	limitedTill time.Time // zero while dispatch is paused
	scaling     match.Pace

	sweeping bool // tasks of the store are looked through for what belongs elsewhere
	sweeps   int  // asked for

	timer   *time.Timer // calls tick
	timerAt time.Time   // zero: not armed
}

// newQueue makes an empty queue.
func newQueue(e *Engine, key queueKey, slot int32, f *family) *queue {
	q := &queue{
		engine: e, key: key, slot: slot, family: f, shard: noShard, lastUsed: time.Now(), rules: e.rules.get(key),
		row: rowOf(key, slot),
	}
	q.lanes.byID = map[match.LaneID]*lane{}
	q.backlog.known = map[int64]match.LaneID{}
	if lease, ok := e.config.Leases.Lease(slot); ok {
		q.shard = lease.Shard
	}
	q.draining = e.stopping.Load()
	if !q.draining {
		q.wakeAt(q.lastUsed.Add(e.limits.PollerAge))
	}
	return q
}

// admit puts an entry where pollers find it.
func (q *queue) admit(e *entry) {
	e.term = q.term
	q.makeReady(e)
	if expires := e.task.ExpiresAt; !expires.IsZero() && !e.expiry.Queued() {
		e.expiry.Age = expires.UnixNano()
		q.expiring.Push(&e.expiry)
		q.wakeAt(expires)
	}
}

// makeReady puts an entry in line.
func (q *queue) makeReady(e *entry) {
	e.state = waiting
	e.place.Age = e.created
	e.lane.ready.Push(&e.place)
	q.settle(e.lane)
}

// remove takes an entry out of all orders. Its lane must be settled.
func (q *queue) remove(e *entry) {
	switch e.state {
	case waiting:
		e.lane.ready.Remove(&e.place)
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
	q.count(e, -1)
	out.add(e, outcome)
	if e.stored && e.term == q.term {
		e.lane.inMemory--
		q.deleteLater(e)
	}
	q.settle(e.lane)
}

// count counts an entry that comes into memory (1) or goes (-1).
func (q *queue) count(e *entry, n int64) {
	e.lane.live += n
	q.lanes.live[e.priority()] += n
}

// putBack returns a task that a poller could not start. It keeps its place in
// the order. delay keeps it from being tried again at once.
func (q *queue) putBack(e *entry, delay time.Duration) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if e.state == out {
		q.inHand--
	}
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
	e.returned = true
	q.admit(e)
	if readyAt.After(time.Now()) {
		q.remove(e)
		q.settle(e.lane)
		e.state = delayed
		e.place.Age = readyAt.UnixNano()
		q.later.Push(&e.place)
		q.wakeAt(readyAt)
	} else {
		q.moveMisplaced([]*entry{e})
	}
	if e.state != out && e.id == 0 && q.storable(e) {
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
	q.offerKept(now)
	q.dispatch(now, &reports)
	q.spillDue(now)
	q.deleteDue(now)
	q.pruneLanes()
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
		q.makeReady(e)
		q.moveMisplaced([]*entry{e})
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
	if first := q.lanes.paused.First(); first != nil && first.Age != never && q.polls.count > 0 {
		q.wakeAt(time.Unix(0, first.Age))
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
	if len(q.fresh)+len(q.queries) > 0 || !q.backlog.empty() || !q.lanes.idle() {
		return false
	}
	q.unloaded = true
	q.engine.forget(q)
	return true
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
	for _, e := range q.inLine() {
		q.remove(e)
		q.drainEntry(e, &reports)
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

// inLine lists the entries that wait, delayed ones too.
func (q *queue) inLine() []*entry {
	var entries []*entry
	visit := func(i *match.Item[*entry]) { entries = append(entries, i.Value) }
	for _, l := range q.lanes.byID {
		l.ready.Each(visit)
	}
	q.later.Each(visit)
	return entries
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
