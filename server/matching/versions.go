package matching

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/store"
)

// Workers of a version have a queue of their own beside that of workers without
// a version. A task goes to the queue of the version that the routing names;
// when the routing changes, tasks that wait move.

// target is the version that a task of the queue is for.
func (e *Engine) target(queue cluster.TaskQueue, d match.Directive) match.Version {
	var table *deployment.Table
	if e.config.Routes != nil {
		table = e.config.Routes.Table(queue.NamespaceID)
	}
	name := queue.Name
	if queue.Kind == enumspb.TASK_QUEUE_KIND_STICKY {
		name = queue.NormalName
	}
	version, _ := table.Target(deployment.Queue{Name: name, Type: queue.Type}, d)
	return version
}

// routedKey names the queue that a task goes to. False: the worker whose sticky
// queue it is has another version.
func (e *Engine) routedKey(queue cluster.TaskQueue, d match.Directive, worker match.Version) (queueKey, bool) {
	key := keyOf(queue)
	version := e.target(queue, d)
	if key.sticky {
		return key, version == worker
	}
	key.version = version
	return key, true
}

// misplaced tells whether the task belongs to the queue of another version.
func (q *queue) misplaced(task *cluster.Task) bool {
	key, ok := q.engine.routedKey(task.Queue, task.Direct, task.Worker)
	return !ok || key != q.key
}

// Rerouted tells that task queues of a namespace are divided among versions in
// another way: tasks and queries that wait move.
func (e *Engine) Rerouted(namespaceID string, queues []deployment.Queue) {
	changed := make(map[deployment.Queue]bool, len(queues))
	for _, q := range queues {
		changed[q] = true
	}
	for _, q := range e.loaded() {
		switch {
		case q.key.namespaceID != namespaceID:
		case q.key.sticky:
			q.refuseMisplaced()
		case changed[deployment.Queue{Name: q.key.name, Type: q.key.kind}]:
			q.reroute()
		}
	}
}

// refuseMisplaced refuses tasks of a sticky queue whose worker shall not have them.
func (q *queue) refuseMisplaced() {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.inLine() {
		if q.misplaced(e.task) {
			q.finish(e, cluster.Refused, &reports)
		}
	}
}

// reroute moves what waits in the queue and belongs to another.
func (q *queue) reroute() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.unloaded || q.draining {
		return
	}
	queries := q.queries
	q.queries = nil
	for _, query := range queries {
		if key, _ := q.engine.routedKey(query.task.Queue, query.task.Direct, query.task.Worker); key == q.key {
			q.queries = append(q.queries, query)
			continue
		}
		query.reply(queryAnswer{err: errMisplaced})
	}
	q.moveMisplaced(q.inLine())
	q.sweep()
}

// errMisplaced makes a query go to the queue of another version.
var errMisplaced = errors.New("the query belongs to workers of another version")

// moveMisplaced moves those of the entries that belong to another queue.
func (q *queue) moveMisplaced(entries []*entry) {
	if moving := q.takeMisplaced(entries); len(moving) > 0 {
		q.engine.spawn(func() { q.moveAll(moving) })
	}
}

func (q *queue) takeMisplaced(entries []*entry) (taken []*entry) {
	for _, e := range entries {
		if !q.misplaced(e.task) {
			continue
		}
		q.remove(e)
		e.takeOut(q)
		q.inHand++
		q.settle(e.lane)
		taken = append(taken, e)
	}
	return taken
}

// moveAll offers entries that are out to the queues where they belong, and waits
// until each is a worker's, or stored, there. So long it stays in this queue's store.
func (q *queue) moveAll(entries []*entry) {
	var wait sync.WaitGroup
	wait.Add(len(entries))
	for _, e := range entries {
		task := *e.task
		task.FromBacklog, task.Remembered = false, nil // the start must be durable: this queue's store forgets it then
		q.engine.place(&task, func(outcome cluster.Outcome) {
			defer wait.Done()
			switch outcome {
			case cluster.Stored, cluster.Delivered:
				q.moved(e, outcome)
			case cluster.Dropped, cluster.Refused:
				q.putBack(e, pause(1))
			}
		})
	}
	wait.Wait()
}

// moved ends an entry that another queue has.
func (q *queue) moved(e *entry, outcome cluster.Outcome) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inHand--
	q.finish(e, outcome, &reports)
	q.readMore(time.Now())
}

// sweep looks through the tasks that are in the store only.
func (q *queue) sweep() {
	q.sweeps++
	if q.sweeping {
		return // it begins again when it is through
	}
	q.sweeping = true
	q.engine.spawn(q.sweepAll)
}

func (q *queue) sweepAll() {
	for {
		lanes, sweeps, term := q.unswept()
		for _, l := range lanes {
			if !q.sweepLane(l, term) {
				break
			}
		}
		q.mu.Lock()
		if sweeps == q.sweeps || q.draining || q.unloaded {
			q.sweeping = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
	}
}

// unswept are the lanes that have tasks in the store only.
func (q *queue) unswept() (lanes []*lane, sweeps, term int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.lanes.byID {
		if l.behind() && !q.draining {
			lanes = append(lanes, l)
		}
	}
	return lanes, q.sweeps, q.term
}

// sweepLane moves what it finds in a lane of the store. False: the queue is not ours any more.
func (q *queue) sweepLane(l *lane, term int) bool {
	e := q.engine
	after, failures := int64(0), 0
	for {
		ctx, cancel := context.WithTimeout(e.ctx, e.limits.StoreTimeout)
		rows, err := e.config.Store.ReadTasks(ctx, []store.QueueRead{{Queue: l.row, After: after, Limit: e.limits.ReadAheadTasks}})
		cancel()
		if err != nil {
			failures++
			e.logger.Warn("the backlog of a task queue could not be looked through", "task_queue", q.key.name, "error", err)
			if !e.sleep(pause(failures)) {
				return false
			}
			continue
		}
		moving, ours := q.sweepRows(l, rows, term)
		q.moveAll(moving)
		if !ours {
			return false
		}
		if len(rows) < e.limits.ReadAheadTasks {
			return true
		}
		after, failures = rows[len(rows)-1].ID, 0
	}
}

// sweepRows takes rows that belong elsewhere and are not in memory.
func (q *queue) sweepRows(l *lane, rows []store.QueueTask, term int) (moving []*entry, ours bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if term != q.term || q.draining || q.unloaded {
		return nil, false
	}
	for _, row := range rows {
		if _, known := q.backlog.known[row.ID]; known || row.ID <= l.readLevel {
			continue
		}
		task, created, err := decodeTask(row)
		if err != nil || !q.misplaced(task) {
			continue // a damaged one is told of when its turn comes
		}
		q.setUnread(l, max(l.unread-1, 0))
		moving = append(moving, q.takeRow(l, row.ID, task, created))
	}
	moving = q.takeMisplaced(moving)
	q.settle(l)
	return moving, true
}

// routed tells whether versions have to do with the queue.
func (q *queue) routed() bool {
	routes := q.engine.config.Routes
	return q.key.version != (match.Version{}) ||
		routes != nil && routes.Table(q.key.namespaceID).Versions(deployment.Queue{Name: q.key.name, Type: q.key.kind})
}

// family lists the queues in memory of a task queue: of all versions of workers.
func (e *Engine) family(queue cluster.TaskQueue) []*queue {
	return e.familyOf(keyOf(queue))
}

func (e *Engine) familyOf(key queueKey) []*queue {
	s := e.stripeOf(cluster.SlotOf(key.namespaceID, key.name))
	s.mu.RLock()
	defer s.mu.RUnlock()
	var queues []*queue
	for other, q := range s.queues {
		other.version = match.Version{}
		if other == key {
			queues = append(queues, q)
		}
	}
	return queues
}

// versionedType marks the rows of a version's queue, whose names are put together.
const versionedType = 1 << 8

// rowOf names the queue in the store.
func rowOf(key queueKey, slot int32) store.QueueKey {
	row := store.QueueKey{
		Slot: slot, NamespaceID: key.namespaceID, Name: key.name, Type: int16(key.kind), Partition: key.partition,
	}
	if key.version != (match.Version{}) {
		row.Type |= versionedType
		row.Name = fmt.Sprintf("%d:%s%s:%s", len(key.name), key.name, key.version.Deployment, key.version.BuildID)
	}
	return row
}

// queueKeyOf is the queue that a row of the store belongs to. A name that
// cannot be read stands for a queue of its own, which nobody polls.
func queueKeyOf(row store.QueueKey) queueKey {
	key := queueKey{
		namespaceID: row.NamespaceID, name: row.Name, kind: taskType(row), partition: row.Partition,
	}
	if row.Type&versionedType == 0 {
		return key
	}
	head, rest, _ := strings.Cut(row.Name, ":")
	length, err := strconv.Atoi(head)
	if err != nil || length < 0 || length > len(rest) {
		return key
	}
	key.name = rest[:length]
	key.version.Deployment, key.version.BuildID, _ = strings.Cut(rest[length:], ":")
	return key
}

// taskType is the type of the tasks of a queue in the store.
func taskType(row store.QueueKey) enumspb.TaskQueueType {
	return enumspb.TaskQueueType(row.Type &^ versionedType)
}
