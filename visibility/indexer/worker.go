package indexer

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// run writes batches until ctx ends. As many of it run as there are writers.
func (i *Indexer) run(ctx context.Context) {
	for ctx.Err() == nil {
		i.gather(ctx)
		batch, next := i.take()
		if batch == nil {
			i.await(ctx, next)
			continue
		}
		i.rest(ctx, i.settle(i.write(ctx, batch)))
	}
}

// gather waits in a flood until the next batch may begin.
func (i *Indexer) gather(ctx context.Context) {
	wait := i.untilGathered()
	if wait <= 0 {
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

// untilGathered is how long a flood lets the next batch wait.
func (i *Indexer) untilGathered() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flushes > 0 || i.queue.len() < floodRuns || i.queue.len() >= i.batch.now {
		return 0
	}
	return i.config.Gather - i.config.Clock.Now().Sub(i.began)
}

// take is the next batch, if one may begin: nothing is being written, or all is well and a full batch waits.
func (i *Indexer) take() (batch *attempt, next time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	limit := i.batch.now
	switch {
	case i.resting:
		return nil, next
	case len(i.writing) > 0 && (i.failures > 0 || i.blocked || i.queue.len() < limit):
		return nil, next
	case i.blocked:
		limit = 1
	}
	i.began = i.config.Clock.Now()
	entries, next := i.queue.take(limit, i.config.MaxBatchBytes, i.began)
	if len(entries) == 0 {
		return nil, next
	}
	// What failed often goes last: when the first record fails alone, the store counts as down.
	slices.SortStableFunc(entries, func(a, b *entry) int { return cmp.Compare(a.attempts, b.attempts) })
	batch = &attempt{indexer: i, batch: entries, split: i.failures > 0}
	i.writing = append(i.writing, batch)
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

// rest lets nothing begin for a time, when nothing goes through.
func (i *Indexer) rest(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	timer := i.config.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.resting = false
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

// settle puts back what failed and calls those who waited for the rest. What failed while other records went through waits
// alone; when none did, it says how long to rest.
func (i *Indexer) settle(tried *attempt) (pause time.Duration) {
	now := i.config.Clock.Now()
	pause = i.putBack(tried, now)
	for _, e := range tried.written {
		i.metrics.written(e, now)
		e.finish()
	}
	i.mu.Lock()
	i.writing = slices.DeleteFunc(i.writing, func(a *attempt) bool { return a == tried })
	i.advance()
	i.mu.Unlock()
	i.watchFor(tried.written)
	return pause
}

func (i *Indexer) putBack(tried *attempt, now time.Time) (pause time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.setBlocked(tried.blocked)
	if i.failures++; len(tried.failed) == 0 {
		i.failures = 0
	}
	for _, e := range tried.failed {
		e.attempts++
		if len(tried.written) > 0 {
			e.notBefore = now.Add(i.backoff(e.attempts))
		}
		i.queue.putBack(e)
	}
	tried.batch = tried.written // what is not over yet
	if len(tried.written) > 0 {
		return 0
	}
	i.resting = true
	return i.backoff(i.failures)
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
