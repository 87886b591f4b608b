package history

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/store"
)

// publishGroup shows the world what a group made durable. Callers are answered
// when all of it can be seen, so that who was answered reads what he wrote.
func (e *Engine) publishGroup(g *group, t *ticket) {
	follow := make([]func(), 0, len(g.merged))
	for _, ch := range g.merged {
		if after := e.publishChange(ch, g); after != nil {
			follow = append(follow, after)
		}
	}
	for _, x := range g.removals {
		follow = append(follow, x.index)
	}
	close(t.done)
	for _, after := range follow {
		after()
	}
	for _, ch := range g.merged {
		for _, remembered := range ch.starts {
			remembered()
		}
	}
}

// publishChange makes one run's change visible and returns what is to follow, without locks.
func (e *Engine) publishChange(ch *change, g *group) (follow func()) {
	en := ch.entry
	en.mu.Lock()
	defer en.mu.Unlock()
	if en.gone != nil {
		ch.unindexed()
		return nil // the run is deleted, or the next owner reads the log
	}
	if ch.state.Version > en.stored {
		en.stored, en.durable = ch.state.Version, ch.state
	}
	e.noteRecord(ch)
	e.noteCommit(en, ch, g)
	state := ch.state
	if en.stored >= en.queued {
		state = en.state // with volatile decisions that stand on it
	}
	var after func()
	if en.visible == nil || state.Version > en.visible.Version {
		after = e.publish(en, state)
	}
	if !ch.visibility {
		return after
	}
	return func() {
		ch.index()
		if after != nil {
			after()
		}
	}
}

// noteRecord tells whether the change brings a record or leaves the run's one behind.
func (e *Engine) noteRecord(ch *change) {
	switch {
	case ch.visibility:
		e.refreshes.recorded(ch.entry.shard, ch.entry.key)
	case ch.state.Open():
		e.refreshes.changed(ch.entry.shard, ch.entry.key, time.Now())
	}
}

// publish makes the state visible. The lock is held; the returned function is
// to be called without it.
func (e *Engine) publish(en *entry, state *execution.State) (after func()) {
	en.visible = state
	if en.watch != nil {
		close(en.watch)
		en.watch = nil
	}
	en.tellUpdates(state.Version)
	en.releaseQueries(state)
	work := state.Work(time.Now().UTC())
	en.shard.wakes.set(en.key, en.shard.near(work.WakeAt))
	offers := en.newOffers(work.Offers)
	send := len(work.Messages) > 0 && !en.sending
	if send {
		en.sending = true
	}
	calls := en.newCalls(work.Calls)
	if len(offers) == 0 && !send && len(calls) == 0 {
		return nil
	}
	return func() {
		for i := range offers {
			e.offer(en, &offers[i])
		}
		if send {
			e.spawn(func(ctx context.Context) { e.deliver(ctx, en) })
		}
		e.submitCalls(en, calls)
	}
}

// near keeps wake-ups beyond the look-ahead window out of memory: they are parked by the next checkpoint.
func (s *shard) near(at time.Time) time.Time {
	if at.IsZero() || time.Until(at) > 2*s.engine.cfg.LookAhead {
		return time.Time{}
	}
	return at
}

// newOffers are the offers that were not made before.
func (en *entry) newOffers(offers []execution.Offer) []execution.Offer {
	var fresh []execution.Offer
	for _, offer := range offers {
		if en.offered[offer.ScheduledEventID] != offer.Stamp {
			fresh = append(fresh, offer)
		}
	}
	if len(offers) == 0 {
		en.offered = nil
		return nil
	}
	if len(fresh) > 0 || len(offers) != len(en.offered) {
		offered := make(map[int64]int64, len(offers))
		for _, offer := range offers {
			offered[offer.ScheduledEventID] = offer.Stamp
		}
		en.offered = offered
	}
	return fresh
}

func (e *Engine) offer(en *entry, o *execution.Offer) {
	task := &cluster.Task{
		Queue: cluster.TaskQueue{
			NamespaceID: en.workflow.NamespaceID, Name: o.Queue, Type: enumspb.TASK_QUEUE_TYPE_ACTIVITY, Kind: enumspb.TASK_QUEUE_KIND_NORMAL,
		},
		Execution: cluster.ExecutionRef{
			NamespaceID: en.workflow.NamespaceID, WorkflowID: en.workflow.WorkflowID, RunID: en.runID, Slot: en.key.Slot, Exec: en.key.Exec,
		},
		ScheduledEventID: o.ScheduledEventID, Stamp: o.Stamp, ScheduledTime: o.ScheduledTime, ExpiresAt: o.ExpiresAt,
		Priority: o.Priority.GetPriorityKey(), FairnessKey: o.Priority.GetFairnessKey(), FairnessWeight: o.Priority.GetFairnessWeight(),
		Volatile: o.Volatile, Direct: o.Direct, Worker: o.Worker,
	}
	if o.Workflow {
		task.Queue.Type = enumspb.TASK_QUEUE_TYPE_WORKFLOW
	}
	if o.Sticky {
		task.Queue.Kind, task.Queue.NormalName = enumspb.TASK_QUEUE_KIND_STICKY, o.NormalQueue
	}
	e.cfg.Matching.Offer(task, func(outcome cluster.Outcome) { e.offered(en, task, outcome) })
}

// offered hears what became of an offer. It must not block.
func (e *Engine) offered(en *entry, task *cluster.Task, outcome cluster.Outcome) {
	switch outcome {
	case cluster.Refused:
		e.spawn(func(ctx context.Context) { e.refused(ctx, task) })
	case cluster.Stored:
		en.shard.parked(en, task)
	case cluster.Dropped:
		if task.ExpiresAt.IsZero() || time.Now().Before(task.ExpiresAt) {
			e.spawn(func(ctx context.Context) { e.offerAgain(ctx, en, task.ScheduledEventID) })
		}
	case cluster.Delivered: // the start tells
	}
}

// offerAgainDelay gives a queue that was lost with its shard time to open elsewhere.
const offerAgainDelay = 500 * time.Millisecond

// offerAgain makes an offer anew that its queue gave up.
func (e *Engine) offerAgain(ctx context.Context, en *entry, scheduledEventID int64) {
	select {
	case <-time.After(offerAgainDelay):
	case <-e.draining:
		return
	case <-ctx.Done():
		return
	}
	en.mu.Lock()
	delete(en.offered, scheduledEventID)
	evicted := en.gone == errEvicted
	en.mu.Unlock()
	if !evicted {
		e.republish(en)
		return
	}
	err := e.onEntry(ctx, en.shard, en.key, func(loaded *entry) error {
		e.republish(loaded)
		return nil
	})
	if err != nil && ctx.Err() == nil && !isNotFound(err) {
		en.shard.wakes.set(en.key, time.Now().Add(time.Second))
	}
}

func (e *Engine) refused(ctx context.Context, task *cluster.Task) {
	s, err := e.shardOf(task.Execution.Slot)
	if err != nil {
		return
	}
	key := store.ExecutionKey{Slot: task.Execution.Slot, Exec: task.Execution.Exec}
	err = e.onEntry(ctx, s, key, func(en *entry) error {
		_, err := e.do(ctx, en, execution.RefuseSticky{ScheduledEventID: task.ScheduledEventID, Stamp: task.Stamp})
		return err
	})
	if err != nil && !errors.Is(err, execution.ErrStale) {
		e.cfg.Logger.Warn("could not move a task from its sticky queue", "workflow_id", task.Execution.WorkflowID, "error", err)
	}
}

// onEntry runs f on the entry, again when it was dropped meanwhile.
func (e *Engine) onEntry(ctx context.Context, s *shard, key store.ExecutionKey, f func(*entry) error) error {
	for {
		en, err := s.byKey(ctx, key)
		if err != nil {
			return err
		}
		err = f(en)
		s.unpin(en)
		if !errors.Is(err, errEvicted) {
			return err
		}
	}
}

// tick does what is due for a run and arms its next wake-up.
func (s *shard) tick(ctx context.Context, key store.ExecutionKey) {
	e := s.engine
	err := e.onEntry(ctx, s, key, func(en *entry) error {
		_, err := e.do(ctx, en, execution.Tick{})
		if errors.Is(err, execution.ErrStale) {
			e.republish(en)
			return nil
		}
		return err
	})
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, store.ErrNotFound):
	default:
		e.cfg.Logger.Warn("a due run could not be woken; trying again", "error", err)
		s.wakes.set(key, time.Now().Add(time.Second))
	}
}

// republish offers again what the visible state asks for at this time.
func (e *Engine) republish(en *entry) {
	en.mu.Lock()
	if en.gone != nil || en.visible == nil {
		en.mu.Unlock()
		return
	}
	after := e.publish(en, en.visible)
	en.mu.Unlock()
	if after != nil {
		after()
	}
}

// tellUpdates answers those who wait for updates, up to the version.
func (en *entry) tellUpdates(version int64) {
	rest := en.results[:0]
	for _, r := range en.results {
		if r.version > version {
			rest = append(rest, r)
			continue
		}
		for _, waiter := range en.waiters[r.result.ID] {
			waiter <- r.result
		}
		if r.result.Stage != execution.UpdateAccepted {
			delete(en.waiters, r.result.ID)
		}
	}
	en.results = rest
}
