package matching

import (
	"context"
	"errors"
	"sync"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// shard writes the tasks of all queues of one shard to the backlog, one batch
// at a time while the next one gathers.
type shard struct {
	id int32

	mu         sync.Mutex
	pending    []spilled
	running    bool
	held       bool // announced by ShardAcquired
	discovered bool // the queues with a backlog are known
	term       int  // raised when the lease is gained or lost
}

// spilled is an entry on its way to the store.
type spilled struct {
	queue *queue
	entry *entry
}

type shardTable struct {
	mu   sync.Mutex
	byID map[int32]*shard
}

func (t *shardTable) get(id int32) *shard {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.byID[id]
	if s == nil {
		s = &shard{id: id}
		t.byID[id] = s
	}
	return s
}

// held lists the shards whose leases are held here.
func (t *shardTable) held() []int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []int32
	for id, s := range t.byID {
		s.mu.Lock()
		if s.held {
			ids = append(ids, id)
		}
		s.mu.Unlock()
	}
	return ids
}

// ShardAcquired tells that this node holds the lease of a shard, which
// Config.Leases knows by now. The queues that have a backlog are looked up in
// the background. Tasks that were offered shortly before stay. For a shard that
// is held already, under an older epoch, it first does what ShardLost does.
func (e *Engine) ShardAcquired(id int32) {
	s := e.shards.get(id)
	s.mu.Lock()
	again := s.held
	s.mu.Unlock()
	if again {
		e.ShardLost(id)
	}
	for _, q := range e.loaded() {
		q.findShard()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.term++
	s.held, s.discovered = true, false
	if !e.stopping.Load() {
		e.run(s)
	}
}

// ShardLost tells that the lease is gone: the shard's queues drop their tasks
// and answer their polls empty.
func (e *Engine) ShardLost(id int32) {
	s := e.shards.get(id)
	s.mu.Lock()
	s.term++
	s.held, s.discovered = false, false
	s.mu.Unlock()
	for _, q := range e.loaded() {
		q.lost(id)
	}
}

func (q *queue) findShard() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if lease, ok := q.engine.config.Leases.Lease(q.slot); ok {
		q.shard = lease.Shard
	}
}

// lost lets go of everything when the queue is of the shard.
func (q *queue) lost(shard int32) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.shard != shard {
		return
	}
	q.shard = noShard
	q.term++
	q.releasePolls()
	q.failQueries(errMoved)
	for _, e := range q.inLine() {
		q.finish(e, cluster.Dropped, &reports)
	}
	q.fresh = nil
	q.lanes = laneTable{byID: map[match.LaneID]*lane{}, live: q.lanes.live} // of tasks that pollers have
	q.backlog = backlog{
		known:   map[int64]match.LaneID{},
		reading: q.backlog.reading, deleting: q.backlog.deleting,
	}
}

// spill sends entries of a queue, whose mutex is held, on their way to the store.
func (e *Engine) spill(q *queue, entries []*entry) {
	lease, ok := e.config.Leases.Lease(q.slot)
	if !ok {
		lease.Shard = noShard // whose batches are dropped
	} else {
		q.shard = lease.Shard
	}
	s := e.shards.get(lease.Shard)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, entry := range entries {
		entry.spilling = true
		s.pending = append(s.pending, spilled{q, entry})
	}
	e.run(s)
}

// run makes sure that somebody works for the shard, whose mutex is held.
func (e *Engine) run(s *shard) {
	if s.running {
		return
	}
	s.running = true
	e.spawn(func() { e.serveShard(s) })
}

// serveShard looks up backlogs and writes batches until nothing is left to do.
func (e *Engine) serveShard(s *shard) {
	failures := 0
	for {
		s.mu.Lock()
		term, lookUp := s.term, !s.discovered && s.id != noShard && e.ctx.Err() == nil
		if len(s.pending) == 0 && (!lookUp || e.stopping.Load()) {
			s.pending, s.running = nil, false
			s.mu.Unlock()
			return
		}
		var batch []spilled
		if !lookUp {
			n := min(len(s.pending), e.limits.BatchTasks)
			batch, s.pending = s.pending[:n:n], s.pending[n:]
		}
		s.mu.Unlock()
		if !lookUp {
			e.write(s, batch)
			continue
		}
		if err := e.discover(s, term); err != nil {
			failures++
			e.logger.Warn("the task queues with a backlog could not be listed", "shard", s.id, "error", err)
			e.sleep(pause(failures))
			continue
		}
		failures = 0
	}
}

// discover finds the queues with a backlog. It comes before the first write
// under a lease, so it sees what earlier leases left.
func (e *Engine) discover(s *shard, term int) error {
	ctx, cancel := context.WithTimeout(e.ctx, discoverTimeout)
	defer cancel()
	if err := e.readRules(ctx); err != nil {
		return err
	}
	backlogs, err := e.config.Store.Queues(ctx, s.id)
	if err != nil {
		return err
	}
	for _, lanes := range byQueue(backlogs) {
		var reports outcomes
		q := e.locked(queueKeyOf(lanes[0].Queue))
		q.discovered(lanes, s.id, &reports)
		q.mu.Unlock()
		reports.send()
		e.nameNamespace(ctx, q)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.discovered = s.term == term
	return nil
}

// byQueue puts the lanes of each queue together.
func byQueue(backlogs []store.QueueBacklog) map[queueKey][]store.QueueBacklog {
	queues := map[queueKey][]store.QueueBacklog{}
	for _, b := range backlogs {
		key := queueKeyOf(b.Queue)
		queues[key] = append(queues[key], b)
	}
	return queues
}

// nameNamespace finds the name of a queue's namespace for the metrics.
func (e *Engine) nameNamespace(ctx context.Context, q *queue) {
	if e.config.Namespaces == nil || e.config.Metrics == nil {
		return
	}
	ns, err := e.config.Namespaces.ByID(ctx, q.key.namespaceID)
	if err != nil {
		return // the metrics carry the id until somebody polls
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.namespace = ns.Name
}

// write makes a batch durable and reports for it.
func (e *Engine) write(s *shard, batch []spilled) {
	lease, rows, kept := e.prepare(s, batch)
	if len(rows) == 0 {
		return
	}
	if err := e.appendTasks(lease, rows); err != nil {
		e.logger.Warn("tasks could not be stored and are dropped", "shard", s.id, "tasks", len(rows), "error", err)
		eachQueue(kept, (*queue).notWritten)
		return
	}
	for _, row := range rows {
		e.meter.written(taskType(row.Queue))
	}
	eachQueue(kept, (*queue).wroteTasks)
}

// prepare gives ids to the entries that still wait and encodes them. Ids carry
// the epoch, so they grow from one lease to the next.
func (e *Engine) prepare(s *shard, batch []spilled) (lease store.Lease, rows []store.QueueTask, kept []spilled) {
	for _, sp := range batch {
		held, ok := e.config.Leases.Lease(sp.queue.slot)
		if !ok || held.Shard != s.id || (len(rows) > 0 && held != lease) {
			sp.queue.notWritten([]*entry{sp.entry})
			continue
		}
		if row, ok := sp.queue.prepare(sp.entry, held.Epoch); ok {
			lease = held
			rows = append(rows, row)
			kept = append(kept, sp)
		}
	}
	return lease, rows, kept
}

// epochShift leaves 2^40 tasks per epoch and 2^23 epochs.
const epochShift = 40

func (q *queue) prepare(e *entry, epoch int64) (store.QueueTask, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.state == out || e.state == finished || e.term != q.term {
		e.spilling = false
		return store.QueueTask{}, false
	}
	e.id = epoch<<epochShift | q.engine.lastNumber.Add(1)
	q.backlog.known[e.id] = match.LaneID(e.lane.row.Lane)
	return store.QueueTask{Queue: e.lane.row, ID: e.id, Data: encodeTask(e.task, e.created)}, true
}

// appendTasks writes until it succeeds, the lease changes, or the engine gives up.
func (e *Engine) appendTasks(lease store.Lease, rows []store.QueueTask) error {
	for failures := 0; ; {
		ctx, cancel := context.WithTimeout(e.ctx, e.limits.StoreTimeout)
		err := e.config.Store.AppendTasks(ctx, lease, rows)
		cancel()
		switch {
		case err == nil:
			return nil
		case failures > 0 && errors.Is(err, store.ErrConflict):
			return nil // a try whose outcome was not known did succeed
		case errors.Is(err, store.ErrLeaseLost), errors.Is(err, store.ErrConflict):
			return err
		}
		failures++
		e.logger.Warn("tasks could not be stored yet", "shard", lease.Shard, "tasks", len(rows), "failures", failures, "error", err)
		held, ok := e.config.Leases.Lease(rows[0].Queue.Slot)
		if !ok || held != lease || !e.sleep(pause(failures)) {
			return err
		}
	}
}

// eachQueue calls report once per queue with its entries in order.
func eachQueue(batch []spilled, report func(*queue, []*entry)) {
	byQueue := map[*queue][]*entry{}
	var order []*queue
	for _, sp := range batch {
		if byQueue[sp.queue] == nil {
			order = append(order, sp.queue)
		}
		byQueue[sp.queue] = append(byQueue[sp.queue], sp.entry)
	}
	for _, q := range order {
		report(q, byQueue[q])
	}
}
