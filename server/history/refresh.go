package history

import (
	"context"
	"errors"
	"sync"
	"time"

	"perdure/server/execution"
	"perdure/server/store"
)

// refreshLongest is how long the record of a run that keeps changing may be behind.
const refreshLongest = 5 * time.Minute

// refreshes are the open runs that have changed since their record was written
// in ways that are not worth a record each: what is pending, when it last came
// on. A run gets one when it has rested for a while, so that a run which comes
// on to its end has none more.
type refreshes struct {
	after time.Duration

	mu    sync.Mutex
	runs  map[refreshKey]*refresh
	queue []refreshTurn // in order of time, since all wait equally long
	bell  chan struct{}
}

type refreshKey struct {
	shard *shard
	key   store.ExecutionKey
}

// refresh is a run whose record is behind.
type refresh struct{ since, changed time.Time }

// refreshTurn is when to look at a run. It is void when the run has another refresh by then.
type refreshTurn struct {
	at  time.Time
	key refreshKey
	of  *refresh
}

func newRefreshes(after time.Duration) *refreshes {
	return &refreshes{after: after, runs: make(map[refreshKey]*refresh), bell: make(chan struct{}, 1)}
}

// changed tells that the record of an open run is behind.
func (r *refreshes) changed(s *shard, key store.ExecutionKey, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := refreshKey{s, key}
	if known := r.runs[k]; known != nil {
		known.changed = now
		return
	}
	of := &refresh{since: now, changed: now}
	r.runs[k] = of
	r.push(refreshTurn{now.Add(r.after), k, of})
}

func (r *refreshes) push(turn refreshTurn) {
	r.queue = append(r.queue, turn)
	if len(r.queue) == 1 {
		select {
		case r.bell <- struct{}{}:
		default:
		}
	}
}

// recorded tells that a record with all of it is on its way.
func (r *refreshes) recorded(s *shard, key store.ExecutionKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.runs, refreshKey{s, key})
}

// due takes the runs whose record is to be written and tells when to look again; zero: when the bell rings.
func (r *refreshes) due(now time.Time) (runs []refreshKey, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 {
		turn := r.queue[0]
		if now.Before(turn.at) {
			return runs, turn.at
		}
		r.queue = r.queue[1:]
		switch {
		case r.runs[turn.key] != turn.of:
		case now.Sub(turn.of.changed) < r.after && now.Sub(turn.of.since) < refreshLongest:
			r.queue = append(r.queue, refreshTurn{now.Add(r.after), turn.key, turn.of})
		default:
			delete(r.runs, turn.key)
			runs = append(runs, turn.key)
		}
	}
	return runs, time.Time{}
}

// refreshLoop writes records that are behind, one after the other: they may wait.
func (e *Engine) refreshLoop(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		runs, next := e.refreshes.due(time.Now())
		for _, run := range runs {
			e.refresh(ctx, run)
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = time.Until(next)
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-e.refreshes.bell:
		case <-ctx.Done():
			return
		}
	}
}

// refresh writes the record of a run as the store has it.
func (e *Engine) refresh(ctx context.Context, run refreshKey) {
	state, err := run.shard.durable(ctx, run.key)
	switch {
	case err == nil:
		if !e.offerAll(run.shard, record(state, e.allowed)) {
			e.refreshes.changed(run.shard, run.key, time.Now())
		}
	case ctx.Err() == nil && !isNotFound(err) && !errors.Is(err, store.ErrNotFound):
		e.cfg.Logger.Warn("a search record could not be refreshed", "error", err)
	}
}

// durable is the run as it is stored: from memory, or read without a place in
// memory. Volatile decisions are left out: after a crash their versions come again.
func (s *shard) durable(ctx context.Context, key store.ExecutionKey) (*execution.State, error) {
	if state := s.cachedDurable(key); state != nil {
		return state, nil
	}
	en, err := s.read(ctx, func(ctx context.Context) (*store.Execution, error) { return s.engine.cfg.Store.Load(ctx, key) })
	if err != nil {
		return nil, err
	}
	return en.state, nil
}

func (s *shard) cachedDurable(key store.ExecutionKey) *execution.State {
	en := s.cached(key)
	if en == nil {
		return nil
	}
	en.mu.Lock()
	defer en.mu.Unlock()
	return en.durable
}
