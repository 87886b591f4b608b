package matching

import (
	"time"

	"perdure/server/cluster"
	"perdure/server/match"
)

// Offer takes a task. See cluster.Matching.
func (e *Engine) Offer(task *cluster.Task, done func(cluster.Outcome)) {
	done = e.meter.countOffer(task.Queue.Type, done)
	e.place(task, done)
}

// place puts a task into the queue of the version that it is for.
func (e *Engine) place(task *cluster.Task, done func(cluster.Outcome)) {
	if !e.open() {
		done(cluster.Dropped)
		return
	}
	for placed := false; !placed; {
		key, ok := e.routedKey(task.Queue, task.Direct, task.Worker)
		if !ok || key.sticky && e.lookup(key) == nil {
			done(cluster.Refused) // without the queue in memory nobody polled it lately
			return
		}
		var reports outcomes
		q := e.locked(key)
		if placed = !q.misplaced(task); placed { // else the routing has changed in between
			q.offer(task, done, &reports)
		}
		q.mu.Unlock()
		reports.send()
	}
}

// offer hands the task to a waiting poll or keeps it.
func (q *queue) offer(task *cluster.Task, done func(cluster.Outcome), reports *outcomes) {
	now := time.Now()
	q.lastUsed = now
	if q.draining {
		reports.add(&entry{done: done}, cluster.Dropped)
		return
	}
	if q.key.sticky && !q.polledLately(now) {
		reports.add(&entry{done: done}, cluster.Refused)
		return
	}
	q.lastCreated = max(now.UnixNano(), q.lastCreated+1)
	e := newEntry(task, done, q.lastCreated, q.laneFor(task))
	q.count(e, 1)
	q.added[e.priority()].Add(now, 1)
	q.admit(e)
	q.dispatch(now, reports)
	if e.state == waiting && q.storable(e) {
		q.waitForStore(e)
	}
}

// polledLately tells whether somebody serves the queue.
func (q *queue) polledLately(now time.Time) bool {
	return q.pollers.open > 0 || now.Sub(q.pollers.last) < q.engine.limits.StickyPollerAge
}

// storable tells whether the task may go to the durable backlog.
func (q *queue) storable(e *entry) bool { return !q.key.sticky && !e.task.Volatile }

// waitForStore queues an entry that goes to the backlog unless a poller comes first.
func (q *queue) waitForStore(e *entry) {
	if e.fresh {
		return
	}
	e.fresh = true
	q.fresh = append(q.fresh, e)
	q.wakeAt(later(q.storeAt(e), time.Now().Add(spillGrain)))
}

func (q *queue) storeAt(e *entry) time.Time {
	return time.Unix(0, e.created).Add(q.engine.limits.SyncMatchWait)
}

// spillDue sends entries that waited long enough to the backlog.
func (q *queue) spillDue(now time.Time) {
	if len(q.fresh) == 0 || q.awaitsLease(now) {
		return
	}
	var due []*entry
	taken := 0
	for _, e := range q.fresh {
		if q.storeAt(e).After(now) {
			break
		}
		taken++
		e.fresh = false
		if (e.state == waiting || e.state == delayed) && e.id == 0 && !e.spilling {
			due = append(due, e)
		}
	}
	q.fresh = q.fresh[taken:]
	if len(q.fresh) == 0 {
		q.fresh = nil // lets go of the array
	}
	if len(due) > 0 {
		q.engine.spill(q, due)
	}
}

// awaitsLease tells whether tasks stay in memory since the lease is on its way
// back: a node that takes its own shard over has none for a moment. They may
// still be matched. Without a lease for longer they are dropped.
func (q *queue) awaitsLease(now time.Time) bool {
	_, held := q.engine.config.Leases.Lease(q.slot)
	return !held && now.Sub(q.storeAt(q.fresh[0])) < leaseWait
}

// pollerDelta advises the worker whose poll gets the entry: by how many polls
// it should change what it keeps open. Zero: no advice.
func (q *queue) pollerDelta(p *poll, e *entry, now time.Time) int32 {
	if q.scaling.Wait(now, scalingLimit) > 0 {
		return 0
	}
	facts := match.PollFacts{
		Waited:      now.Sub(p.since),
		FromBacklog: e.stored,
		RateLimited: q.limited,
		BacklogAge:  q.nextAge(e.lane, now),
	}
	facts.AddRate, facts.DispatchRate = q.rates(now)
	delta := match.PollerDelta(facts)
	if delta != 0 {
		q.scaling.Pass(now, scalingLimit)
	}
	return delta
}

// nextAge is the age of the tasks that go out next: in the lane that just had
// its turn and in the one whose turn it is. It is asked too often to look at all lanes.
func (q *queue) nextAge(served *lane, now time.Time) time.Duration {
	oldest := now.UnixNano()
	if e := served.first(); e != nil {
		oldest = min(oldest, e.created)
	}
	if flow := q.lanes.fair.First(); flow != nil {
		oldest = min(oldest, flow.Value.first().created)
	}
	return time.Duration(now.UnixNano() - oldest)
}

// rates are tasks per second that came and that were delivered.
func (q *queue) rates(now time.Time) (added, dispatched float64) {
	for p := match.HighestPriority; p <= priorities; p++ {
		added += q.added[p].PerSecond(now)
		dispatched += q.dispatched[p].PerSecond(now)
	}
	return added, dispatched
}
