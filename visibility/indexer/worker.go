package indexer

import (
	"cmp"
	"context"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"

	"perdure/server/clock"
	"perdure/visibility"
	"perdure/visibility/attr"
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
		written, failed := i.write(ctx, batch, failures > 0)
		if len(failed) == 0 {
			failures = 0
		} else {
			failures++
		}
		i.settle(written, failed)
		if len(written) == 0 {
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
	return i.flushes == 0 && i.queue.len() >= floodRuns && i.queue.len() < i.config.MaxBatch
}

func (i *Indexer) take() (batch []*entry, next time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	batch, next = i.queue.take(i.config.MaxBatch, i.config.Clock.Now())
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
	waitFor(ctx, timer)
}

func waitFor(ctx context.Context, timer clock.Timer) {
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

// backoff doubles with each failure in a row.
func (i *Indexer) backoff(failures int) time.Duration {
	d := i.config.RetryMin
	for range failures - 1 {
		if d *= 2; d >= i.config.RetryMax {
			return i.config.RetryMax
		}
	}
	return d
}

// settle puts back what failed and calls those who waited for the rest. What
// failed while other records went through waits alone.
func (i *Indexer) settle(written, failed []*entry) {
	i.mu.Lock()
	now := i.config.Clock.Now()
	for _, e := range failed {
		e.attempts++
		if len(written) > 0 {
			e.notBefore = now.Add(i.backoff(e.attempts))
		}
		i.queue.putBack(e)
	}
	i.writing = written
	i.mu.Unlock()
	for _, e := range written {
		i.metrics.written(e, now)
		e.finish()
	}
	i.mu.Lock()
	i.writing = nil
	i.advance()
	i.mu.Unlock()
}

// write writes a batch and tells what went through. When split is set, a
// failure is looked for in halves.
func (i *Indexer) write(ctx context.Context, batch []*entry, split bool) (written, failed []*entry) {
	w := &attempt{indexer: i, split: split}
	w.write(ctx, batch)
	// Refused records go last, so that the next try begins with others.
	return w.written, append(w.failed, w.refused...)
}

// attempt is one try of a batch.
type attempt struct {
	indexer         *Indexer
	split           bool
	written, failed []*entry
	refused         []*entry // failed alone
	down            bool     // nothing goes through: do not try the rest
}

func (a *attempt) write(ctx context.Context, batch []*entry) {
	if a.down {
		a.failed = append(a.failed, batch...)
		return
	}
	err := a.indexer.store(ctx, batch)
	switch {
	case err == nil:
		a.written = append(a.written, batch...)
	case !a.split || ctx.Err() != nil:
		a.indexer.config.Logger.Warn("visibility write failed, will retry", "records", len(batch), "error", err)
		a.failed = append(a.failed, batch...)
	case len(batch) > 1:
		a.write(ctx, batch[:len(batch)/2])
		a.write(ctx, batch[len(batch)/2:])
	default:
		a.degrade(ctx, batch[0], err)
	}
}

// degrade writes a refused record without its custom attributes. If that fails
// too and nothing has gone through, the store is taken to be down.
func (a *attempt) degrade(ctx context.Context, e *entry, cause error) {
	plain := withoutCustom(e.rec)
	if err := a.indexer.storeRecords(ctx, []*visibility.Record{plain}); err != nil {
		a.indexer.config.Logger.Warn("visibility write failed, will retry", "run", e.rec.RunID, "error", err)
		a.refused = append(a.refused, e)
		a.down = len(a.written) == 0
		return
	}
	a.indexer.config.Logger.Error("visibility record refused, written without custom search attributes",
		"namespace", e.rec.NamespaceID, "workflow", e.rec.WorkflowID, "run", e.rec.RunID, "error", cause)
	a.indexer.metrics.degraded.Inc()
	a.written = append(a.written, e)
}

// withoutCustom keeps the attributes that the system itself works with.
func withoutCustom(rec *visibility.Record) *visibility.Record {
	plain := *rec
	plain.SearchAttributes = nil
	predefined := attr.Predefined()
	for name, payload := range rec.SearchAttributes.GetIndexedFields() {
		if _, ok := predefined[name]; !ok {
			continue
		}
		if plain.SearchAttributes == nil {
			plain.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{}}
		}
		plain.SearchAttributes.IndexedFields[name] = payload
	}
	return &plain
}

func (i *Indexer) store(ctx context.Context, batch []*entry) error {
	records := make([]*visibility.Record, len(batch))
	for place, e := range batch {
		records[place] = e.rec
	}
	return i.storeRecords(ctx, records)
}

func (i *Indexer) storeRecords(ctx context.Context, records []*visibility.Record) error {
	ctx, cancel := context.WithTimeout(ctx, i.config.WriteTimeout)
	defer cancel()
	start := i.config.Clock.Now()
	err := i.config.Store.Write(ctx, records)
	i.metrics.batch(len(records), i.config.Clock.Now().Sub(start), err)
	return err
}
