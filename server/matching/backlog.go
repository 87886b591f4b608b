package matching

import (
	"context"
	"errors"
	"time"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// backlog is the traffic between a queue and its tasks in the store; its lanes
// know what is there.
type backlog struct {
	// known are ids that must not be read again, with their lanes: in memory, with
	// a poller, being written, kept, or delivered and not deleted yet.
	known map[int64]match.LaneID
	kept  match.Order[*entry] // started, by the time at which they are offered again

	doomed         []store.QueueTaskKey // delivered, to be deleted
	deleteAt       time.Time
	deleting       bool
	deleteFailures int

	reading      bool
	gone         []store.QueueTaskKey // deleted while a read was under way, whose page may hold them
	readFailures int
	readAt       time.Time // not before, after a failure
}

func (b *backlog) empty() bool {
	return b.kept.Len() == 0 && len(b.doomed) == 0 && !b.deleting && !b.reading
}

// discovered tells of lanes that another process or an earlier lease left in
// the store. The mutex is held.
func (q *queue) discovered(lanes []store.QueueBacklog, shard int32, reports *outcomes) {
	q.shard = shard
	known := q.backlog.knownOf(lanes)
	for _, found := range lanes {
		id := match.LaneID(found.Queue.Lane)
		l := q.lane(id)
		if l.stored == 0 || found.FirstID-1 < l.readLevel {
			l.readLevel = found.FirstID - 1
		}
		l.stored = max(l.stored, found.LastID)
		q.setUnread(l, max(found.Count-known[id], 0))
	}
	q.settleAll()
	q.dispatch(time.Now(), reports)
	if q.routed() {
		q.sweep() // the routing may have changed while nobody had the queue
	}
}

// knownOf counts the known ids among those that were found in each lane.
func (b *backlog) knownOf(lanes []store.QueueBacklog) map[match.LaneID]int64 {
	last := map[match.LaneID]int64{}
	for _, found := range lanes {
		last[match.LaneID(found.Queue.Lane)] = found.LastID
	}
	known := map[match.LaneID]int64{}
	for id, lane := range b.known {
		if id <= last[lane] {
			known[lane]++
		}
	}
	return known
}

// laneRead is one lane's part of a read.
type laneRead struct {
	lane         *lane
	after, until int64 // until is the last id that was stored when the read began
	limit        int
}

// readMore reads ahead when somebody polls and memory has room.
func (q *queue) readMore(now time.Time) {
	b := &q.backlog
	switch {
	case q.lanes.hungry.Len() == 0, b.reading, q.draining:
		return
	case len(b.doomed) > doomedBatches*q.engine.limits.BatchTasks: // the store shall not fall behind
		return
	case !q.polledLately(now), now.Before(b.readAt):
		return
	}
	b.reading = true
	reads, term := q.nextReads(), q.term
	q.engine.spawn(func() { q.read(reads, term) })
}

// nextReads takes hungry lanes: first the one that the order of turns waits for.
func (q *queue) nextReads() []laneRead {
	var reads []laneRead
	room := q.engine.limits.ReadAheadTasks
	if flow := q.lanes.fair.Awaited(); flow != nil && flow.Value.hungry.Queued() {
		reads = append(reads, q.readOf(flow.Value, &room))
	}
	for next := q.lanes.hungry.First(); next != nil && room > 0; next = q.lanes.hungry.First() {
		reads = append(reads, q.readOf(next.Value, &room))
	}
	return reads
}

func (q *queue) readOf(l *lane, room *int) laneRead {
	l.reading = true
	q.lanes.hungry.Remove(&l.hungry)
	share := q.share()
	limit := max(share-l.inMemory, share/2)
	*room -= limit
	return laneRead{lane: l, after: l.readLevel, until: l.stored, limit: limit}
}

// read gets one page of tasks of each lane.
func (q *queue) read(reads []laneRead, term int) {
	e := q.engine
	ctx, cancel := context.WithTimeout(e.ctx, e.limits.StoreTimeout)
	wanted := make([]store.QueueRead, len(reads))
	for i, r := range reads {
		wanted[i] = store.QueueRead{Queue: r.lane.row, After: r.after, Limit: r.limit}
	}
	rows, err := e.config.Store.ReadTasks(ctx, wanted)
	cancel()
	if err != nil {
		e.logger.Warn("the backlog of a task queue could not be read", "task_queue", q.key.name, "error", err)
	}
	tasks := e.decodeTasks(rows)
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.backlog.reading = false
	defer q.backlog.forgetGone()
	if term != q.term || q.draining {
		return
	}
	now := time.Now()
	if q.noteFailure(&q.backlog.readFailures, err) {
		q.backlog.readAt = now.Add(pause(q.backlog.readFailures))
		q.wakeAt(q.backlog.readAt)
	}
	for _, r := range reads {
		r.lane.reading = false
		n := 0
		for n < len(rows) && rows[n].Queue == r.lane.row {
			n++
		}
		if err == nil && r.lane.readLevel == r.after { // else a discovery moved it back
			q.takeRows(r.lane, tasks[:n], r.until, n < r.limit)
		}
		rows, tasks = rows[n:], tasks[n:]
		q.settle(r.lane)
	}
	q.dispatch(now, &reports)
}

// noteFailure counts failures in a row and tells whether this is one. While the
// store fails, lanes that are in memory do not wait for others.
func (q *queue) noteFailure(failures *int, err error) bool {
	before := q.backlog.failing()
	*failures++
	if err == nil {
		*failures = 0
	}
	if q.backlog.failing() != before {
		q.settleAll()
	}
	return err != nil
}

func (b *backlog) failing() bool { return b.readFailures+b.deleteFailures > 0 }

// forget lets tasks go that are in the store no more.
func (b *backlog) forget(tasks []store.QueueTaskKey) {
	if b.reading {
		b.gone = append(b.gone, tasks...)
		return
	}
	for _, task := range tasks {
		delete(b.known, task.ID)
	}
}

func (b *backlog) forgetGone() {
	gone := b.gone
	b.gone = nil
	b.forget(gone) // keeps them when the next read is under way
}

// readTask is a row of the backlog that was read.
type readTask struct {
	id      int64
	task    *cluster.Task // nil: damaged
	created int64
	err     error
}

// decodeTasks decodes rows and lets history read their executions ahead.
func (e *Engine) decodeTasks(rows []store.QueueTask) []readTask {
	tasks := make([]readTask, len(rows))
	refs := make([]cluster.ExecutionRef, 0, len(rows))
	for i, row := range rows {
		task, created, err := decodeTask(row)
		tasks[i] = readTask{id: row.ID, task: task, created: created, err: err}
		if err == nil {
			refs = append(refs, task.Execution)
		}
	}
	ctx, cancel := context.WithTimeout(e.ctx, e.limits.StoreTimeout)
	defer cancel()
	e.history.Prefetch(ctx, refs)
	return tasks
}

// takeRows brings a lane's rows into memory. all tells that the store has no
// more up to until.
func (q *queue) takeRows(l *lane, rows []readTask, until int64, all bool) {
	var taken []*entry
	for _, row := range rows {
		l.readLevel = row.id
		if _, known := q.backlog.known[row.id]; known {
			continue
		}
		q.setUnread(l, max(l.unread-1, 0))
		if row.err != nil {
			// Left in the store for people to look at; it is read once per lease.
			q.engine.logger.Error("a task of the backlog is damaged", "task_queue", q.key.name, "error", row.err)
			continue
		}
		taken = append(taken, q.takeRow(l, row.id, row.task, row.created))
	}
	q.moveMisplaced(taken)
	if all {
		l.readLevel = max(l.readLevel, until)
	}
	if !l.behind() {
		q.setUnread(l, 0)
	}
}

func (q *queue) takeRow(l *lane, id int64, task *cluster.Task, created int64) *entry {
	e := newEntry(task, nil, created, l)
	e.id, e.stored = id, true
	q.backlog.known[id] = match.LaneID(l.row.Lane)
	l.inMemory++
	q.count(e, 1)
	q.lastCreated = max(q.lastCreated, created)
	q.admit(e)
	return e
}

// wroteTasks tells that entries of this queue are durable, in order of id.
func (q *queue) wroteTasks(entries []*entry) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range entries {
		e.spilling = false
		if e.term != q.term {
			q.finish(e, cluster.Dropped, &reports)
			continue
		}
		q.wroteTask(e, &reports)
		q.settle(e.lane)
	}
	if q.draining {
		q.deleteNow()
	}
	q.readMore(time.Now())
}

func (q *queue) wroteTask(e *entry, reports *outcomes) {
	l := e.lane
	allRead := !l.behind()
	l.stored = max(l.stored, e.id)
	if allRead {
		l.readLevel = l.stored
	}
	if e.state == finished { // a poller came while it was written
		q.deleteLater(e)
		return
	}
	e.stored = true
	l.inMemory++
	reports.add(e, cluster.Stored)
	if e.state == out || (allRead && l.inMemory <= q.share() && !q.draining) {
		return
	}
	// Behind tasks that are in the store only, so it waits there too.
	q.forgetEntry(e)
	l.readLevel = min(l.readLevel, e.id-1)
}

// forgetEntry leaves a stored entry to the store. Its lane must be settled.
func (q *queue) forgetEntry(e *entry) {
	q.remove(e)
	e.state = finished
	q.count(e, -1)
	e.lane.inMemory--
	q.setUnread(e.lane, e.lane.unread+1)
	delete(q.backlog.known, e.id)
}

// notWritten tells that entries are not durable and will not be: the lease is
// lost, or the engine stops. Those that pollers have stay with them.
func (q *queue) notWritten(entries []*entry) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range entries {
		e.spilling = false
		if e.term == q.term {
			delete(q.backlog.known, e.id)
		}
		e.id = 0
		if e.state != out {
			q.finish(e, cluster.Dropped, &reports)
		}
	}
}

// trim leaves the tasks that are read ahead to the store.
func (q *queue) trim() {
	for _, e := range q.inLine() {
		if e.stored {
			q.forgetEntry(e)
			e.lane.readLevel = min(e.lane.readLevel, e.id-1)
		}
	}
	q.settleAll()
}

// deleteLater deletes a delivered task with the next batch.
func (q *queue) deleteLater(e *entry) {
	b := &q.backlog
	b.doomed = append(b.doomed, store.QueueTaskKey{Queue: e.lane.row, ID: e.id})
	if q.draining || len(b.doomed) >= q.engine.limits.BatchTasks {
		q.deleteNow()
		return
	}
	if b.deleteAt.IsZero() {
		b.deleteAt = time.Now().Add(q.engine.limits.DeleteDelay)
		q.wakeAt(b.deleteAt)
	}
}

func (q *queue) deleteDue(now time.Time) {
	if at := q.backlog.deleteAt; !at.IsZero() && !now.Before(at) {
		q.deleteNow()
	}
}

// wakeForBacklog arms the timer for deletes and for reading again after a failure.
func (q *queue) wakeForBacklog() {
	b := &q.backlog
	if first := b.kept.First(); first != nil {
		q.wakeAt(time.Unix(0, first.Age))
	}
	if !b.deleteAt.IsZero() && !b.deleting {
		q.wakeAt(b.deleteAt)
	}
	if b.readAt.After(time.Now()) && !b.reading {
		q.wakeAt(b.readAt)
	}
}

// deleteNow deletes a batch of delivered tasks, unless a delete is under way:
// that one looks again when it is done.
func (q *queue) deleteNow() {
	b := &q.backlog
	if b.deleting || len(b.doomed) == 0 {
		return
	}
	n := min(len(b.doomed), q.engine.limits.BatchTasks)
	tasks, term := b.doomed[:n:n], q.term
	b.doomed, b.deleteAt, b.deleting = b.doomed[n:], time.Time{}, true
	if len(b.doomed) == 0 {
		b.doomed = nil // lets go of the array
	}
	q.engine.spawn(func() { q.delete(tasks, term) })
}

func (q *queue) delete(tasks []store.QueueTaskKey, term int) {
	e := q.engine
	err := store.ErrLeaseLost
	if lease, ok := e.config.Leases.Lease(q.slot); ok {
		ctx, cancel := context.WithTimeout(e.ctx, e.limits.StoreTimeout)
		err = e.config.Store.DeleteTasks(ctx, lease, tasks)
		cancel()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	b.deleting = false
	if errors.Is(err, store.ErrLeaseLost) || q.draining {
		err = nil // the next owner delivers them again
	}
	switch {
	case term != q.term: // a new lease: what is left is delivered again and found stale
	case !q.noteFailure(&b.deleteFailures, err):
		b.forget(tasks)
	default:
		b.doomed = append(tasks, b.doomed...)
		b.deleteAt = time.Now().Add(pause(b.deleteFailures))
		q.wakeAt(b.deleteAt)
		e.logger.Warn("delivered tasks could not be deleted", "task_queue", q.key.name, "error", err)
		return
	}
	switch {
	case q.draining, len(b.doomed) >= e.limits.BatchTasks:
		q.deleteNow()
	case len(b.doomed) > 0:
		b.deleteAt = time.Now().Add(e.limits.DeleteDelay)
		q.wakeAt(b.deleteAt)
	}
	q.readMore(time.Now()) // if it waited for this
}
