package matching

import (
	"context"
	"errors"
	"time"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// backlog is what a queue knows about its tasks in the store. Every stored id
// up to readLevel is in memory or done; ids above it, up to stored, are read
// when pollers come, but for those that are known.
type backlog struct {
	readLevel int64
	stored    int64
	// known are ids that must not be read again: in memory, with a poller, being
	// written, or delivered and not deleted yet.
	known    map[int64]struct{}
	inMemory int // stored tasks in memory that are not done
	// unread counts tasks that are in the store only, by priority; index 0 those
	// whose priority is not known since another process stored them.
	unread [match.LowestPriority + 1]int64

	doomed         []int64 // delivered, to be deleted
	deleteAt       time.Time
	deleting       bool
	deleteFailures int

	reading      bool
	gone         []int64 // deleted while a read was under way, whose page may hold them
	readFailures int
	readAt       time.Time // not before, after a failure
}

func (b *backlog) empty() bool {
	return b.readLevel >= b.stored && b.inMemory == 0 && len(b.doomed) == 0 && !b.deleting && !b.reading
}

func (b *backlog) unreadTotal() int64 {
	total := int64(0)
	for _, n := range b.unread {
		total += n
	}
	return total
}

// countRead takes one task of a priority from the unread ones.
func (b *backlog) countRead(priority int32) {
	if b.unread[priority] > 0 {
		b.unread[priority]--
	} else if b.unread[0] > 0 {
		b.unread[0]--
	}
}

// discovered tells of a backlog that another process or an earlier lease left.
// The mutex is held.
func (q *queue) discovered(found store.QueueBacklog, shard int32, reports *outcomes) {
	b := &q.backlog
	q.shard = shard
	if b.stored == 0 || found.FirstID-1 < b.readLevel {
		b.readLevel = found.FirstID - 1
	}
	b.stored = max(b.stored, found.LastID)
	b.unread = [match.LowestPriority + 1]int64{0: max(found.Count-b.knownUpTo(found.LastID), 0)}
	q.dispatch(time.Now(), reports)
}

// knownUpTo counts the known ids up to one.
func (b *backlog) knownUpTo(last int64) int64 {
	n := int64(0)
	for id := range b.known {
		if id <= last {
			n++
		}
	}
	return n
}

// readMore reads ahead when somebody polls and memory has room.
func (q *queue) readMore(now time.Time) {
	b := &q.backlog
	limit := q.engine.limits.ReadAheadTasks
	switch {
	case b.readLevel >= b.stored, b.reading, q.draining, b.inMemory > limit/2:
		return
	case !q.polledLately(now), now.Before(b.readAt):
		return
	}
	b.reading = true
	after, until, term := b.readLevel, b.stored, q.term
	q.engine.spawn(func() { q.read(after, until, term, max(limit/2, 1)) })
}

// read gets one page of tasks behind after. until is the last id that was
// stored when the read began.
func (q *queue) read(after, until int64, term, limit int) {
	e := q.engine
	ctx, cancel := context.WithTimeout(e.ctx, e.limits.StoreTimeout)
	rows, err := e.config.Store.ReadTasks(ctx, q.row, after, limit)
	cancel()
	if err != nil {
		e.logger.Warn("the backlog of a task queue could not be read", "task_queue", q.key.name, "error", err)
	}
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	b.reading = false
	defer b.forgetGone()
	now := time.Now()
	switch {
	case term != q.term || q.draining:
		return
	case err != nil:
		b.readFailures++
		b.readAt = now.Add(pause(b.readFailures))
		q.wakeAt(b.readAt)
		return
	}
	b.readFailures, b.readAt = 0, time.Time{}
	if b.readLevel == after { // else a discovery moved it back
		q.takeRows(rows, until, len(rows) < limit)
	}
	q.dispatch(now, &reports)
}

// forget lets ids go that are in the store no more.
func (b *backlog) forget(ids []int64) {
	if b.reading {
		b.gone = append(b.gone, ids...)
		return
	}
	for _, id := range ids {
		delete(b.known, id)
	}
}

func (b *backlog) forgetGone() {
	gone := b.gone
	b.gone = nil
	b.forget(gone) // keeps them when the next read is under way
}

// takeRows brings rows into memory. all tells that the store has no more up to until.
func (q *queue) takeRows(rows []store.QueueTask, until int64, all bool) {
	b := &q.backlog
	for _, row := range rows {
		b.readLevel = row.ID
		if _, known := b.known[row.ID]; known {
			continue
		}
		task, created, err := decodeTask(row)
		if err != nil {
			// Left in the store for people to look at; it is read once per lease.
			q.engine.logger.Error("a task of the backlog is damaged", "task_queue", q.key.name, "error", err)
			b.countRead(0)
			continue
		}
		q.takeRow(row.ID, task, created)
	}
	if all {
		b.readLevel = max(b.readLevel, until)
	}
	if b.readLevel >= b.stored {
		b.unread = [match.LowestPriority + 1]int64{}
	}
}

func (q *queue) takeRow(id int64, task *cluster.Task, created int64) {
	e := newEntry(task, nil, created)
	e.id, e.stored = id, true
	q.backlog.known[id] = struct{}{}
	q.backlog.inMemory++
	q.backlog.countRead(e.priority())
	q.live[e.priority()]++
	q.lastCreated = max(q.lastCreated, created)
	q.admit(e)
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
	}
	if q.draining {
		q.deleteNow()
	}
}

func (q *queue) wroteTask(e *entry, reports *outcomes) {
	b := &q.backlog
	allRead := b.readLevel >= b.stored
	b.stored = max(b.stored, e.id)
	if allRead {
		b.readLevel = b.stored
	}
	if e.state == finished { // a poller came while it was written
		q.deleteLater(e.id)
		return
	}
	e.stored = true
	b.inMemory++
	reports.add(e, cluster.Stored)
	if e.state == out || (allRead && b.inMemory <= q.engine.limits.ReadAheadTasks && !q.draining) {
		return
	}
	// Behind tasks that are in the store only, so it waits there too.
	q.forgetEntry(e)
	b.readLevel = min(b.readLevel, e.id-1)
}

// forgetEntry leaves a stored entry to the store.
func (q *queue) forgetEntry(e *entry) {
	q.remove(e)
	e.state = finished
	q.live[e.priority()]--
	q.backlog.inMemory--
	q.backlog.unread[e.priority()]++
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
	for _, order := range []*match.Order[*entry]{&q.ready, &q.later} {
		var stored []*entry
		order.Each(func(i *match.Item[*entry]) {
			if i.Value.stored {
				stored = append(stored, i.Value)
			}
		})
		for _, e := range stored {
			q.forgetEntry(e)
			q.backlog.readLevel = min(q.backlog.readLevel, e.id-1)
		}
	}
}

// deleteLater deletes a delivered task with the next batch.
func (q *queue) deleteLater(id int64) {
	b := &q.backlog
	b.doomed = append(b.doomed, id)
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
	if !b.deleteAt.IsZero() && !b.deleting {
		q.wakeAt(b.deleteAt)
	}
	if b.readAt.After(time.Now()) && !b.reading {
		q.wakeAt(b.readAt)
	}
}

// deleteNow deletes all delivered tasks, unless a delete is under way: that one
// looks again when it is done.
func (q *queue) deleteNow() {
	b := &q.backlog
	if b.deleting || len(b.doomed) == 0 {
		return
	}
	ids, term := b.doomed, q.term
	b.doomed, b.deleteAt, b.deleting = nil, time.Time{}, true
	q.engine.spawn(func() { q.delete(ids, term) })
}

func (q *queue) delete(ids []int64, term int) {
	e := q.engine
	err := store.ErrLeaseLost
	if lease, ok := e.config.Leases.Lease(q.slot); ok {
		ctx, cancel := context.WithTimeout(e.ctx, e.limits.StoreTimeout)
		err = e.config.Store.DeleteTasks(ctx, lease, q.row, ids)
		cancel()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.backlog
	b.deleting = false
	switch {
	case term != q.term: // a new lease: what is left is delivered again and found stale
	case err == nil || errors.Is(err, store.ErrLeaseLost) || q.draining:
		b.deleteFailures = 0
		b.forget(ids)
	default:
		b.deleteFailures++
		b.doomed = append(ids, b.doomed...)
		b.deleteAt = time.Now().Add(pause(b.deleteFailures))
		q.wakeAt(b.deleteAt)
		e.logger.Warn("delivered tasks could not be deleted", "task_queue", q.key.name, "error", err)
		return
	}
	if q.draining || len(b.doomed) >= e.limits.BatchTasks {
		q.deleteNow()
	}
}
