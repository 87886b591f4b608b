package history

import (
	"context"
	"errors"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/proto"

	"perdure/server/execution"
	"perdure/server/store"
)

// change is one run's part of what waits for the next group.
type change struct {
	entry      *entry
	previous   int64 // version that must be stored; 0 inserts
	state      *execution.State
	firstEvent int64
	nextEvent  int64
	events     []byte
	visibility bool
	seq        int64 // of the shard's log row
	readers    []*reader
	marks      []int // of the readers, nil when the change is of no interest to them
	queuedAt   time.Time
	work       execution.Work
	starts     []func() // of entry.starts

	committedAt time.Time
}

// committer gathers changes and writes them in groups. While a group is under
// way the next one gathers; small ones rest a little, see pace.
type committer struct {
	engine *Engine

	mu       sync.Mutex
	changes  []*change
	removals []*removal
	ticket   *ticket
	wake     chan struct{}
	stopped  *ticket // what comes after the end gets
	busy     bool
	idle     *sync.Cond
	pace     pace // of run alone
	trouble  trouble
}

func newCommitter(e *Engine) *committer {
	c := &committer{engine: e, ticket: newTicket(), wake: make(chan struct{}, 1)}
	c.idle = sync.NewCond(&c.mu)
	return c
}

// enqueue queues a decision of an entry whose lock is held. companions are
// changes of other runs, whose locks are held, too, that must be in the same group.
func (c *committer) enqueue(en *entry, d execution.Decision, companions ...*change) {
	changes := append([]*change{newChange(en, d)}, companions...)
	var next *entry
	if d.Next != nil {
		next = en.shard.newEntry(en.workflow, en.lease, *d.Next)
		next.mu.Lock() // it is not to be published before it can be found
		defer next.mu.Unlock()
		changes = append(changes, newChange(next, *d.Next))
	}
	c.mu.Lock()
	t := c.stopped
	if t == nil {
		t = c.ticket
		c.changes = append(c.changes, changes...)
	}
	c.mu.Unlock()
	for _, change := range changes {
		change.entry.ticket = t
	}
	if next != nil {
		en.shard.register(next)
	}
	c.engine.metrics.commitQueued.Add(float64(len(changes)))
	c.engine.changes.Add(1)
	c.signal()
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// remove queues a log row that takes runs out of search.
func (c *committer) remove(x *removal) *ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped != nil {
		return c.stopped
	}
	c.removals = append(c.removals, x)
	c.signal()
	return c.ticket
}

// newChange takes the entry's unsaved events along and moves its queued version on.
func newChange(en *entry, d execution.Decision) *change {
	events := en.takeUnsaved(d.Events)
	ch := &change{
		entry: en, previous: en.queued, state: d.State, visibility: d.VisibilityChanged, queuedAt: en.used,
		starts: en.starts,
	}
	en.starts = nil
	if len(events) > 0 {
		ch.firstEvent, ch.nextEvent = events[0].EventId, events[len(events)-1].EventId+1
		ch.events = encodeEvents(events)
	}
	en.queued, en.parked = d.State.Version, false
	return ch
}

// encodeEvents writes events as the batch format 1: a marshalled History
// message. Two batches one behind the other are again a batch.
func encodeEvents(events []*historypb.HistoryEvent) []byte {
	b, err := proto.Marshal(&historypb.History{Events: events})
	if err != nil {
		panic("history: an event that was decided does not marshal: " + err.Error()) // invalid UTF-8 is refused at the door
	}
	return b
}

func (c *committer) run(ctx context.Context) {
	for {
		select {
		case <-c.wake:
		case <-ctx.Done():
			c.abandon()
			return
		}
		for c.rest(ctx) && c.commitOnce() {
		}
	}
}

// rest waits until the next group may begin; false when the engine stops.
func (c *committer) rest(ctx context.Context) bool {
	for {
		d := c.pace.rest(c.waiting(), time.Now())
		if d == 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-c.wake: // perhaps they are many now
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

func (c *committer) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.changes) + len(c.removals)
}

func (c *committer) take() ([]*change, []*removal, *ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changes, removals, t := c.changes, c.removals, c.ticket
	c.changes, c.removals, c.ticket = nil, nil, newTicket()
	c.busy = len(changes) > 0 || len(removals) > 0
	if !c.busy {
		c.idle.Broadcast()
	}
	return changes, removals, t
}

// abandon fails what waits when the engine stops, and all that comes later.
func (c *committer) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.changes, c.removals = c.ticket, nil, nil
	c.stopped.err = errNotOwned()
	close(c.stopped.done)
	c.idle.Broadcast()
}

// flush waits until nothing is queued.
func (c *committer) flush(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.idle.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for (c.busy || len(c.changes) > 0 || len(c.removals) > 0) && ctx.Err() == nil {
		c.idle.Wait()
	}
}

// commitOnce writes one group. It tells whether there was one.
func (c *committer) commitOnce() bool {
	changes, removals, t := c.take()
	if len(changes) == 0 && len(removals) == 0 {
		close(t.done) // nobody waits for it
		return false
	}
	e := c.engine
	g := e.buildGroup(changes, removals)
	g.began = time.Now()
	err := g.err
	if err == nil {
		err = e.cfg.Store.Commit(e.ctx, g.group)
	}
	g.ended = time.Now()
	e.metrics.commits[commitOutcome(err)].done(g.ended.Sub(g.began))
	c.pace.committed(len(changes), g.ended.Sub(g.began), g.ended)
	c.trouble.note(err, g.ended)
	e.metrics.commitQueued.Add(-float64(len(changes)))
	e.metrics.commitTransitions.Observe(float64(len(changes)))
	if err != nil {
		e.failGroup(g, t, err)
		return true
	}
	if len(changes) > 0 {
		e.metrics.commitWait.Seconds(g.ended.Sub(changes[0].queuedAt))
	}
	e.noteCommitted(g)
	go e.publishGroup(g, t) // never dropped: callers wait for it
	return true
}

// group is a store group with the changes behind it.
type group struct {
	group    store.Group
	merged   []*change // one a run: the newest
	removals []*removal
	byShard  map[*shard]*store.ShardGroup
	began    time.Time // in the store
	ended    time.Time
	err      error
}

// part is the shard's part of the group, decided under the lease.
func (g *group) part(s *shard, lease store.Lease) *store.ShardGroup {
	part := g.byShard[s]
	if part == nil {
		part = &store.ShardGroup{Lease: lease}
		g.byShard[s] = part
	}
	if part.Lease != lease {
		g.err = errors.Join(g.err, store.ErrLeaseLost) // decided before the shard was taken over
	}
	return part
}

// buildGroup merges the changes of each run and lays them out by shard.
func (e *Engine) buildGroup(changes []*change, removals []*removal) *group {
	g := &group{byShard: make(map[*shard]*store.ShardGroup), removals: removals}
	writes := make(map[*entry]*mergedChange, len(changes))
	var order []*mergedChange
	for _, ch := range changes {
		m := writes[ch.entry]
		if m == nil {
			m = &mergedChange{change: *ch}
			writes[ch.entry] = m
			order = append(order, m)
			continue
		}
		m.add(ch)
	}
	logs := make(map[*shard][]logTask)
	now := time.Now().UTC()
	for _, m := range order {
		s := m.entry.shard
		if err := m.write(g.part(s, m.entry.lease)); err != nil {
			g.err = errors.Join(g.err, err)
		}
		m.work = m.state.Work(now)
		logs[s] = append(logs[s], taskOf(&m.change))
		g.merged = append(g.merged, &m.change)
	}
	for _, x := range removals {
		g.part(x.shard, x.lease)
		for _, rec := range x.gone {
			logs[x.shard] = append(logs[x.shard], logTask{gone: rec, visibility: true})
		}
	}
	g.number(logs, now)
	return g
}

// number gives each shard's part its log row.
func (g *group) number(logs map[*shard][]logTask, now time.Time) {
	readers := make(map[*shard][]*reader, len(g.byShard))
	for s, part := range g.byShard {
		readers[s] = s.currentReaders()
		part.Log = &store.LogRow{Seq: s.nextSeq(), Data: encodeLog(logs[s], now)}
		g.group.Shards = append(g.group.Shards, *part)
	}
	for _, ch := range g.merged {
		ch.seq, ch.readers = g.byShard[ch.entry.shard].Log.Seq, readers[ch.entry.shard]
	}
	for _, x := range g.removals {
		x.seq, x.readers = g.byShard[x.shard].Log.Seq, readers[x.shard]
	}
}

// mergedChange is several changes of one run in one group.
type mergedChange struct{ change }

func (m *mergedChange) add(later *change) {
	m.state = later.state
	m.visibility = m.visibility || later.visibility
	m.starts = append(m.starts, later.starts...)
	if later.events == nil {
		return
	}
	if m.events == nil {
		m.firstEvent = later.firstEvent
	}
	m.nextEvent = later.nextEvent
	m.events = append(m.events, later.events...)
}

func (m *mergedChange) write(part *store.ShardGroup) error {
	encoded, err := m.state.Encode()
	if err != nil {
		return err
	}
	part.Executions = append(part.Executions, store.ExecutionWrite{
		PrevVersion: m.previous,
		Execution: store.Execution{
			Key: m.entry.key, Workflow: m.entry.workflow, RunID: m.entry.runID, RequestID: m.state.RequestID,
			Status: int16(m.state.Status), NextEvent: m.state.NextEventID, Version: m.state.Version,
			ClosedAt: m.state.CloseTime, State: encoded,
		},
	})
	if m.events != nil {
		part.History = append(part.History, store.Batch{Key: m.entry.key, FirstEvent: m.firstEvent, NextEvent: m.nextEvent, Data: m.events})
	}
	return nil
}

// failGroup gives up the shards of a group that the store refused. Whether it
// was written or not is settled by taking the shards over and reading again.
func (e *Engine) failGroup(g *group, t *ticket, err error) {
	e.cfg.Logger.Error("commit failed; taking the shards over again", "error", err, "runs", len(g.merged))
	for s := range g.byShard {
		s.reset(err)
	}
	t.err = serviceerror.NewUnavailable("the change could not be stored, please retry")
	close(t.done)
}

// noteCommitted keeps the wake-ups of what is durable now.
func (e *Engine) noteCommitted(g *group) {
	now := time.Now()
	for _, x := range g.removals {
		x.mark(now)
	}
	for _, ch := range g.merged {
		ch.entry.shard.noteCommitted(ch)
		ch.mark(now)
		if status := ch.state.Status; status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING && ch.visibility {
			e.countClosed(ch.state, ch.entry.workflow.NamespaceID)
			e.traceClosed(ch.entry, ch.state)
			ch.entry.shard.retire(ch.entry, now)
		}
	}
	for s, part := range g.byShard {
		s.committedSeq(part.Log.Seq)
	}
}
