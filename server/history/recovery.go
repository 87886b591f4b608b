package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"perdure/server/metrics"
	"perdure/server/store"
)

// acquireAll takes every shard that is free, expired or formerly ours, and
// waits for the others: without all shards this node cannot serve.
func (e *Engine) acquireAll(ctx context.Context) error {
	warned := false
	for {
		shards, err := e.cfg.Store.Shards(ctx)
		if err != nil {
			return fmt.Errorf("reading shards: %w", err)
		}
		waiting, err := e.acquireFree(ctx, shards)
		if err != nil {
			return err
		}
		if waiting == "" {
			return nil
		}
		if !warned {
			e.cfg.Logger.Warn("another server owns shards of this store; waiting until it lets go", "owner", waiting)
			warned = true
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return fmt.Errorf("the store is in use by %s: %w", waiting, ctx.Err())
		}
	}
}

// acquireFree takes what can be taken and returns the owner of a shard that cannot.
func (e *Engine) acquireFree(ctx context.Context, shards []store.Shard) (waiting string, err error) {
	e.metrics.shardsTotal.Set(float64(len(shards)))
	for _, row := range shards {
		if e.hasShard(row.ID) {
			continue
		}
		reason := e.mayAcquire(row)
		if reason == "" {
			waiting = row.Owner
			continue
		}
		acquired, err := e.cfg.Store.Acquire(ctx, row.ID, row.Epoch, e.cfg.Owner)
		if errors.Is(err, store.ErrLeaseLost) {
			waiting = "a server that starts"
			continue
		}
		if err != nil {
			return "", fmt.Errorf("acquiring shard %d: %w", row.ID, err)
		}
		metrics.ShardsAcquired.In(e.cfg.Metrics, metrics.Reason{Reason: reason}).Inc()
		if err := e.adopt(ctx, acquired, row.ID); err != nil {
			return "", err
		}
	}
	return waiting, nil
}

func (e *Engine) mayAcquire(row store.Shard) (reason string) {
	switch {
	case row.Owner == e.cfg.Owner:
		return "start"
	case row.Owner == "":
		return "free"
	case time.Since(row.RenewedAt) > e.cfg.LeaseDuration:
		return "expired"
	}
	return ""
}

func (e *Engine) hasShard(id int32) bool {
	for _, s := range e.owned() {
		if s.id == id {
			return true
		}
	}
	return false
}

// adopt begins to serve an acquired shard.
func (e *Engine) adopt(ctx context.Context, a store.Acquired, id int32) error {
	s := newShard(e, a, id)
	e.mu.Lock()
	e.shards = append(e.shards, s)
	e.mu.Unlock()
	e.metrics.shardsOwned.Add(1)
	if err := s.recover(ctx, a); err != nil {
		return fmt.Errorf("recovering shard %d: %w", id, err)
	}
	if e.cfg.Shards != nil {
		e.cfg.Shards.ShardAcquired(id)
	}
	e.spawn(s.fireLoop)
	e.spawn(s.checkpointLoop)
	e.spawn(s.windowLoop)
	return nil
}

// recover arms what the former owner left: wake-ups parked by its checkpoints,
// and what the log tells since then.
func (s *shard) recover(ctx context.Context, a store.Acquired) error {
	c, err := decodeCursors(a.Cursors)
	if err != nil {
		return err
	}
	wakes := make(map[store.ExecutionKey]time.Time)
	if err := s.readParked(ctx, wakes); err != nil {
		return err
	}
	if err := s.readLog(ctx, c, wakes); err != nil {
		return err
	}
	trimmed := min(c.Wakes, s.beginReaders(c, a))
	s.dirtyMu.Lock()
	s.durableSeq, s.trimmedSeq = a.LastSeq, trimmed
	s.dirtyMu.Unlock()
	now := time.Now()
	for key, at := range wakes {
		if at.Equal(atOnce) {
			at = now // tick finds nothing due and makes the offers
		}
		s.wakes.set(key, s.near(at))
	}
	if a.LastSeq > trimmed {
		s.committedSeq(0)
	}
	return nil
}

// beginReaders lets each visibility store go on where it was, and returns the position of the last.
func (s *shard) beginReaders(c cursors, a store.Acquired) (slowest int64) {
	slowest = a.LastSeq
	states, changed := "", false
	for _, r := range s.currentReaders() {
		at, known := c.of(r.feed)
		switch {
		case len(a.Cursors) == 0: // nothing was ever trimmed
			at = feedCursor{}
		case !known, r.feed.Volatile && !s.served:
			at.State, changed = feedLost, true
			s.committedSeq(0) // let a checkpoint know
		}
		r.begin(at.Position, at.State, a.LastSeq)
		if at.State != feedComplete {
			r.feed.signal()
		}
		slowest = min(slowest, r.look().position)
		states += stateText(r.feed, at.State)
		s.engine.spawn(r.follow)
	}
	if !changed {
		s.dirtyMu.Lock()
		s.states = states
		s.dirtyMu.Unlock()
	}
	s.served = true
	return slowest
}

const recoveryPage = 1000

func (s *shard) readParked(ctx context.Context, wakes map[store.ExecutionKey]time.Time) error {
	horizon := time.Now().Add(s.engine.cfg.LookAhead)
	for after := (store.Wake{}); ; {
		page, err := s.engine.cfg.Store.Wakes(ctx, s.id, horizon, after, recoveryPage)
		if err != nil {
			return err
		}
		for _, w := range page {
			wakes[w.Key] = w.WakeAt
		}
		if len(page) < recoveryPage {
			return nil
		}
		after = page[len(page)-1]
	}
}

// readLog replays what the log's rows tell of wake-ups newer than the parked ones.
func (s *shard) readLog(ctx context.Context, c cursors, wakes map[store.ExecutionKey]time.Time) error {
	for after := c.Wakes; ; {
		rows, err := s.engine.cfg.Store.ReadLog(ctx, s.id, after, recoveryPage)
		if err != nil {
			return err
		}
		for _, row := range rows {
			tasks, _, err := decodeLog(row.Data)
			if err != nil {
				return err
			}
			s.replay(tasks, wakes)
			after = row.Seq
		}
		if len(rows) < recoveryPage {
			return nil
		}
	}
}

func (s *shard) replay(tasks []logTask, wakes map[store.ExecutionKey]time.Time) {
	s.dirtyMu.Lock()
	defer s.dirtyMu.Unlock()
	for _, t := range tasks {
		if t.gone == nil {
			s.dirty[t.key] = t.wakeAt
			wakes[t.key] = t.wakeAt
			if !t.wakeAt.IsZero() { // an open run, whose last record may be older
				s.engine.refreshes.changed(s, t.key, time.Now())
			}
		}
	}
}

// windowLoop reads wake-ups as they come into the look-ahead window.
func (s *shard) windowLoop(ctx context.Context) {
	ticker := time.NewTicker(s.engine.cfg.LookAhead / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		parked := make(map[store.ExecutionKey]time.Time)
		if err := s.readParked(ctx, parked); err != nil {
			s.engine.cfg.Logger.Warn("could not read parked wake-ups; trying again", "shard", s.id, "error", err)
			continue
		}
		for key, at := range parked {
			if !at.Equal(atOnce) && !s.wakes.armed(key) {
				s.wakes.set(key, at)
			}
		}
		s.engine.metrics.timersPending.Set(float64(s.wakes.len()))
	}
}

func (w *wakes) armed(key store.ExecutionKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, armed := w.at[key]
	return armed
}

// reset gives up everything in memory after a commit that failed, takes the
// own shard over with a new epoch, which settles what was written, and reads again.
func (s *shard) reset(cause error) {
	s.mu.Lock()
	if s.closed || s.resetting {
		s.mu.Unlock()
		return
	}
	s.resetting = true
	s.mu.Unlock()
	if errors.Is(cause, store.ErrLeaseLost) { // a renewal or a commit has found out
		metrics.ShardsLost.In(s.engine.cfg.Metrics, metrics.Reason{Reason: "lease_lost"}).Inc()
	}
	s.wakes.reset()
	s.dropEntries(errNotOwned())
	if s.engine.cfg.Shards != nil {
		s.engine.cfg.Shards.ShardLost(s.id)
	}
	s.engine.spawn(func(ctx context.Context) { s.takeOver(ctx, cause) })
}

func (s *shard) takeOver(ctx context.Context, cause error) {
	backoff := 10 * time.Millisecond
	for {
		err := s.tryTakeOver(ctx)
		if err == nil {
			s.engine.cfg.Logger.Info("shard taken over again", "shard", s.id, "after", cause)
			return
		}
		s.engine.cfg.Logger.Warn("could not take the shard over yet", "shard", s.id, "error", err)
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, 5*time.Second)
	}
}

func (s *shard) tryTakeOver(ctx context.Context) error {
	rows, err := s.engine.cfg.Store.Shards(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ID != s.id {
			continue
		}
		if s.engine.mayAcquire(row) == "" {
			return fmt.Errorf("shard is owned by %s", row.Owner)
		}
		acquired, err := s.engine.cfg.Store.Acquire(ctx, row.ID, row.Epoch, s.engine.cfg.Owner)
		if err != nil {
			return err
		}
		metrics.ShardsAcquired.In(s.engine.cfg.Metrics, metrics.Reason{Reason: "unknown_outcome"}).Inc()
		return s.resume(ctx, acquired)
	}
	return fmt.Errorf("shard %d does not exist", s.id)
}

func (s *shard) resume(ctx context.Context, a store.Acquired) error {
	// A checkpoint meanwhile would trim what recovery has not read yet.
	if err := s.parking.take(ctx); err != nil {
		return err
	}
	defer s.parking.end()
	s.mu.Lock()
	s.take(a)
	s.mu.Unlock()
	s.dirtyMu.Lock()
	s.dirty = make(map[store.ExecutionKey]time.Time)
	s.dirtyMu.Unlock()
	if err := s.recover(ctx, a); err != nil {
		return err
	}
	s.mu.Lock()
	s.resetting = false
	s.mu.Unlock()
	if s.engine.cfg.Shards != nil {
		s.engine.cfg.Shards.ShardAcquired(s.id)
	}
	return nil
}

// renewLoop keeps the leases. One statement for all of them.
func (e *Engine) renewLoop(ctx context.Context) {
	ticker := time.NewTicker(e.cfg.LeaseDuration / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		var leases []store.Lease
		for _, s := range e.owned() {
			if s.serving() {
				leases = append(leases, s.currentLease())
			}
		}
		lost, err := e.cfg.Store.Renew(ctx, leases)
		if err != nil {
			e.cfg.Logger.Warn("could not renew the leases", "error", err)
			continue
		}
		for _, lease := range lost {
			e.loseShard(lease)
		}
	}
}

func (e *Engine) loseShard(lease store.Lease) {
	for _, s := range e.owned() {
		if s.id == lease.Shard && s.currentLease() == lease {
			s.reset(store.ErrLeaseLost)
		}
	}
}
