package indexer

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// run writes batches until ctx ends.
func (i *Indexer) run(ctx context.Context) {
	defer close(i.stopped)
	failures := 0
	var began time.Time
	for ctx.Err() == nil {
		i.gather(ctx, began)
		began = i.config.Clock.Now()
		batch, next := i.take()
		if len(batch) == 0 {
			i.await(ctx, next)
			continue
		}
		tried := i.write(ctx, batch, failures > 0)
		if len(tried.failed) == 0 {
			failures = 0
		} else {
			failures++
		}
		i.settle(tried)
		if len(tried.written) == 0 {
			i.pause(ctx, i.backoff(failures))
		}
	}
}

// gather waits in a flood until the next batch may begin.
func (i *Indexer) gather(ctx context.Context, began time.Time) {
	wait := i.config.Gather - i.config.Clock.Now().Sub(began)
	if wait <= 0 || !i.flooded() {
		return
	}
	timer := i.config.Clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-i.hurry:
	case <-ctx.Done():
	}
}

func (i *Indexer) flooded() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.flushes == 0 && i.queue.len() >= floodRuns && i.queue.len() < i.batch.now
}

func (i *Indexer) take() (batch []*entry, next time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	limit := i.batch.now
	if i.blocked {
		limit = 1
	}
	batch, next = i.queue.take(limit, i.config.MaxBatchBytes, i.config.Clock.Now())
	// What failed often goes last: when the first record fails alone, the store counts as down.
	slices.SortStableFunc(batch, func(a, b *entry) int { return cmp.Compare(a.attempts, b.attempts) })
	i.writing = batch
	return batch, next
}

// await waits for a record, or until next when it is not zero.
func (i *Indexer) await(ctx context.Context, next time.Time) {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := i.config.Clock.NewTimer(next.Sub(i.config.Clock.Now()))
		defer timer.Stop()
		due = timer.C()
	}
	select {
	case <-i.wake:
	case <-due:
	case <-ctx.Done():
	}
}

func (i *Indexer) pause(ctx context.Context, d time.Duration) {
	timer := i.config.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

// backoff doubles with each failure in a row. A quarter is left to chance, so that nodes do not come all at once.
func (i *Indexer) backoff(failures int) time.Duration {
	d := i.config.RetryMin
	for range failures - 1 {
		if d *= 2; d >= i.config.RetryMax {
			d = i.config.RetryMax
			break
		}
	}
	return d - rand.N(d/4+1)
}

// settle puts back what failed and calls those who waited for the rest. What
// failed while other records went through waits alone.
func (i *Indexer) settle(tried *attempt) {
	now := i.config.Clock.Now()
	i.mu.Lock()
	i.setBlocked(tried.blocked)
	for _, e := range tried.failed {
		e.attempts++
		if len(tried.written) > 0 {
			e.notBefore = now.Add(i.backoff(e.attempts))
		}
		i.queue.putBack(e)
	}
	i.writing = tried.written
	i.mu.Unlock()
	for _, e := range tried.written {
		i.metrics.written(e, now)
		e.finish()
	}
	i.mu.Lock()
	i.writing = nil
	i.advance()
	i.mu.Unlock()
	i.watchFor(tried.written)
}

// setBlocked opens or closes the breaker. The lock is held.
func (i *Indexer) setBlocked(blocked error) {
	switch {
	case blocked != nil && !i.blocked:
		i.config.Logger.Error("the visibility store takes nothing; it is tried from time to time", "store", i.config.Name, "error", blocked)
	case blocked == nil && i.blocked:
		i.config.Logger.Info("the visibility store takes records again", "store", i.config.Name)
	}
	i.blocked = blocked != nil
}

// Blocked tells whether the store as a whole takes nothing.
func (i *Indexer) Blocked() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.blocked
}
