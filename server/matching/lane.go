package matching

import (
	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// lane is the tasks of one priority and fairness key, in order: what is in
// memory and, behind it, what is in the store only. The queue's mutex guards it.
type lane struct {
	row   store.QueueKey
	flow  *match.Flow[*lane]
	ready match.Order[*entry] // in memory for pollers, by created
	live  int64               // tasks in memory that are not done, wherever they are

	// Every stored id up to readLevel is in memory or done; ids above it, up to
	// stored, are read when pollers come, but for those that the queue knows.
	readLevel, stored int64
	inMemory          int   // stored tasks in memory that are not done
	unread            int64 // tasks in the store only
	reading           bool

	weight float64           // of its last first task
	paused match.Item[*lane] // in the queue's paused order while the key's rate holds it back
	hungry match.Item[*lane] // in the queue's hungry order while it should be read
}

// key is the lane's number without its priority: rates are for a key in all of them.
func (l *lane) key() match.LaneID { return match.LaneID(l.row.Lane).Key() }

func (l *lane) priority() int32 { return match.LaneID(l.row.Lane).Priority() }

// behind tells whether the store has tasks that are not in memory.
func (l *lane) behind() bool { return l.readLevel < l.stored }

func (l *lane) empty() bool { return l.live == 0 && !l.behind() && !l.reading }

// first is the task that goes out next, nil when there is none in memory. One
// that is behind tasks in the store waits for its turn there.
func (l *lane) first() *entry {
	place := l.ready.First()
	if place == nil {
		return nil
	}
	e := place.Value
	if l.behind() && !e.returned && !e.task.Volatile && !(e.stored && e.id <= l.readLevel) {
		return nil
	}
	return e
}

// laneTable is a queue's lanes and their orders.
type laneTable struct {
	byID   map[match.LaneID]*lane
	fair   match.Fair[*lane]     // lanes that have a task to give or to read first
	paused match.Order[*lane]    // lanes that the rate of their key holds back, by the time it ends
	hungry match.Order[*lane]    // lanes that should be read: by priority, then as they came
	meals  int64                 // counts the latter
	live   [priorities + 1]int64 // tasks in memory that are not done, by priority
	unread [priorities + 1]int64 // tasks in the store only, by priority
}

const priorities = match.LowestPriority

// idleLanes is how many lanes without tasks a queue keeps for the next ones.
const idleLanes = 16

// laneFor finds the lane of a task or makes it. A queue that has too many keys
// lets new ones share lanes; a key stays where its tasks are.
func (q *queue) laneFor(task *cluster.Task) *lane {
	priority := match.Priority(task.Priority)
	id := match.LaneOf(priority, task.FairnessKey)
	if l := q.lanes.byID[id]; l != nil {
		return l
	}
	shared := match.SharedLane(priority, task.FairnessKey)
	if l := q.lanes.byID[shared]; l != nil && !l.empty() {
		return l
	}
	if len(q.lanes.byID) >= q.engine.limits.LanesMax {
		q.pruneLanes()
	}
	if len(q.lanes.byID) >= q.engine.limits.LanesMax && task.FairnessKey != "" {
		id = shared
	}
	return q.lane(id)
}

// lane finds a lane by its id or makes it.
func (q *queue) lane(id match.LaneID) *lane {
	l := q.lanes.byID[id]
	if l == nil {
		l = &lane{row: q.row, weight: 1}
		l.row.Lane = int64(id)
		l.flow = match.NewFlow(l, id.Priority())
		l.paused.Value, l.hungry.Value = l, l
		q.lanes.byID[id] = l
	}
	return l
}

// pruneLanes forgets lanes without tasks.
func (q *queue) pruneLanes() {
	if len(q.lanes.byID) <= idleLanes {
		return
	}
	for id, l := range q.lanes.byID {
		if l.empty() {
			q.settle(l) // out of all orders
			delete(q.lanes.byID, id)
		}
	}
}

// settle gives the lane its place after something has changed. The lane of a
// lost lease has none.
func (q *queue) settle(l *lane) {
	if q.lanes.byID[match.LaneID(l.row.Lane)] != l {
		return
	}
	q.lanes.paused.Remove(&l.paused)
	e := l.first()
	hungry := q.isHungry(l, e)
	switch {
	case e != nil:
		l.weight = q.rules.weight(e.task)
		q.lanes.fair.Set(l.flow, e.created, l.weight)
	case hungry && !q.backlog.failing():
		q.lanes.fair.Await(l.flow, l.weight)
	default: // while the store fails, others go on
		q.lanes.fair.Unset(l.flow)
	}
	switch {
	case !hungry:
		q.lanes.hungry.Remove(&l.hungry)
	case !l.hungry.Queued() && !l.reading:
		q.lanes.meals++
		l.hungry.Age, l.hungry.Tie = int64(l.priority()), q.lanes.meals
		q.lanes.hungry.Push(&l.hungry)
	}
}

// isHungry tells whether a lane whose first task is e should be read.
func (q *queue) isHungry(l *lane, e *entry) bool {
	share := q.share()
	return l.behind() && (l.inMemory <= share/2 || e == nil && l.inMemory < share+inHandMost)
}

// share is how many stored tasks of one lane are kept in memory.
func (q *queue) share() int {
	return max(q.engine.limits.ReadAheadTasks/max(len(q.lanes.byID), 1), laneShareLeast)
}

// settleAll gives all lanes their places.
func (q *queue) settleAll() {
	for _, l := range q.lanes.byID {
		q.settle(l)
	}
}

// setUnread sets how many tasks of the lane are in the store only.
func (q *queue) setUnread(l *lane, n int64) {
	q.lanes.unread[l.priority()] += n - l.unread
	l.unread = n
}

// waitingTasks counts tasks that no poller has finished.
func (t *laneTable) waitingTasks() int64 {
	total := int64(0)
	for p := match.HighestPriority; p <= match.LowestPriority; p++ {
		total += t.live[p] + t.unread[p]
	}
	return total
}

// idle tells whether no lane has anything.
func (t *laneTable) idle() bool {
	for _, l := range t.byID {
		if !l.empty() {
			return false
		}
	}
	return true
}
