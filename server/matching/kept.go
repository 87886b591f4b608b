package matching

import (
	"time"

	"perdure/server/cluster"
	"perdure/server/match"
)

// A stored task that has started leaves the store only when its execution
// remembers the start durably. Until then it is kept: in no lane, counted
// nowhere, and offered again when nothing is heard of it for keptFor, for its
// execution may have been lost from memory with the start.

// keptFor is longer than most workflow tasks take, whose end makes the start durable.
const keptFor = 15 * time.Second

// remembered hears that the execution of an entry remembers the start. It must
// not be called under the queue's mutex.
func (q *queue) remembered(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.term != q.term {
		return // of a lost lease: whoever has the store's rows now asks again
	}
	e.remembered = true // for the poller that has it
	if e.state == kept {
		q.backlog.kept.Remove(&e.place)
		e.state = finished
		q.deleteLater(e)
	}
}

// keep ends an entry but for its place in the store.
func (q *queue) keep(e *entry, now time.Time, reports *outcomes) {
	q.remove(e)
	e.state = kept
	q.count(e, -1)
	reports.add(e, cluster.Delivered)
	e.lane.inMemory--
	e.place.Age = now.Add(keptFor).UnixNano()
	q.backlog.kept.Push(&e.place)
	q.wakeAt(time.Unix(0, e.place.Age))
	q.settle(e.lane)
}

// started ends an entry whose task a worker has, for good or as long as it must be kept.
func (q *queue) started(e *entry, now time.Time, reports *outcomes) {
	if e.stored && e.task.Remembered != nil && e.term == q.term && !e.remembered && !q.draining {
		q.keep(e, now, reports)
		return
	}
	q.finish(e, cluster.Delivered, reports)
}

// offerKept offers those again of which nothing was heard.
func (q *queue) offerKept(now time.Time) {
	for {
		first := q.backlog.kept.First()
		if first == nil || first.Age > now.UnixNano() {
			return
		}
		e := q.backlog.kept.Pop().Value
		e.lane = q.lane(match.LaneID(e.lane.row.Lane)) // the old one may be gone
		e.lane.inMemory++
		q.count(e, 1)
		q.admit(e)
		q.moveMisplaced([]*entry{e})
	}
}
