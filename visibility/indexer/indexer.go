// Package indexer brings changes of runs to a visibility store: the newest
// state of each run, in batches, for as long as it takes.
//
// A batch is written as soon as something waits and no write is under way, so
// a lone change is searchable at once and a flood shares few statements. In a
// flood batches begin a while apart, so that the changes of a short run become
// one record. While nothing waits, nothing is sent.
//
// When a batch fails it is tried again, then in halves, so that one record that
// the store refuses does not keep the others out. Such a record is written
// without its custom attributes: the run is always listed.
package indexer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"perdure/server/clock"
	"perdure/server/metrics"
	"perdure/visibility"
)

// Defaults of Config.
const (
	MaxBatchDefault     = 1000   // records of one write
	MaxWaitingDefault   = 10_000 // runs that wait, before Enqueue blocks
	RetryMinDefault     = 50 * time.Millisecond
	RetryMaxDefault     = 10 * time.Second
	WriteTimeoutDefault = 30 * time.Second // of one statement
	GatherDefault       = 100 * time.Millisecond

	// floodRuns is how many runs wait after a write when there is a flood.
	floodRuns = 8
)

// Config is what an Indexer needs. All but the store may be left out.
type Config struct {
	Store        visibility.Store
	Logger       *slog.Logger
	Clock        clock.Clock
	Metrics      *metrics.Registry
	MaxBatch     int
	MaxWaiting   int
	RetryMin     time.Duration
	RetryMax     time.Duration
	WriteTimeout time.Duration
	// Gather is the least time between the beginnings of two batches in a flood.
	Gather time.Duration
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = clock.Wall()
	}
	c.MaxBatch = orDefault(c.MaxBatch, MaxBatchDefault)
	c.MaxWaiting = orDefault(c.MaxWaiting, MaxWaitingDefault)
	c.RetryMin = orDefault(c.RetryMin, RetryMinDefault)
	c.RetryMax = orDefault(c.RetryMax, RetryMaxDefault)
	c.WriteTimeout = orDefault(c.WriteTimeout, WriteTimeoutDefault)
	c.Gather = orDefault(c.Gather, GatherDefault)
	return c
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

// Indexer writes records behind the back of those who enqueue them.
type Indexer struct {
	config  Config
	metrics meters

	mu       sync.Mutex
	queue    queue
	writing  []*entry
	closed   bool
	flushes  int           // calls that wait for what is enqueued
	wake     chan struct{} // holds one signal: something waits
	hurry    chan struct{} // holds one signal: do not gather
	progress chan struct{} // closed and replaced when a batch has ended

	stop    context.CancelFunc // ends writes and retries
	stopped chan struct{}      // closed when the worker has ended
}

// New starts an indexer. Close ends it.
func New(config Config) *Indexer {
	ctx, cancel := context.WithCancel(context.Background())
	i := &Indexer{
		config:   config.withDefaults(),
		queue:    newQueue(),
		wake:     make(chan struct{}, 1),
		hurry:    make(chan struct{}, 1),
		progress: make(chan struct{}),
		stop:     cancel,
		stopped:  make(chan struct{}),
	}
	i.metrics = newMeters(i.config, i)
	go i.run(ctx)
	return i
}

// Enqueue takes a record, which must not be changed any more. done, which may
// be nil, is called once this version of the run or a newer one is durable in
// the store; it must not block. Enqueue blocks while too many runs wait. After
// Close it does nothing, and done is not called.
func (i *Indexer) Enqueue(rec *visibility.Record, done func()) {
	for {
		full := i.tryEnqueue(rec, done)
		if full == nil {
			return
		}
		<-full
	}
}

// tryEnqueue returns a channel to wait on when there is no place.
func (i *Indexer) tryEnqueue(rec *visibility.Record, done func()) <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	if i.queue.len() >= i.config.MaxWaiting && !i.queue.has(rec) {
		return i.progress
	}
	if i.queue.add(rec, done, i.config.Clock.Now()) {
		i.metrics.coalesced.Inc()
	}
	i.signal()
	return nil
}

func (i *Indexer) signal() {
	select {
	case i.wake <- struct{}{}:
	default: // the worker is due anyway
	}
}

// Oldest is when the record that waits longest was enqueued; the zero time when none waits.
func (i *Indexer) Oldest() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	oldest := i.queue.oldest()
	for _, e := range i.writing {
		oldest = earlier(oldest, e.since)
	}
	return oldest
}

// Pending is how many runs wait or are being written.
func (i *Indexer) Pending() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.queue.len() + len(i.writing)
}

// Flush waits until everything that was enqueued before is durable.
func (i *Indexer) Flush(ctx context.Context) error {
	limit := i.beginFlush()
	defer i.endFlush()
	for {
		pending, progress := i.pendingUpTo(limit)
		if pending == 0 {
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return fmt.Errorf("flush visibility, %d runs wait: %w", pending, ctx.Err())
		case <-i.stopped:
			return errors.New("flush visibility: the indexer is closed")
		}
	}
}

func (i *Indexer) beginFlush() (lastSequence int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flushes++
	select {
	case i.hurry <- struct{}{}:
	default: // it hurries already
	}
	return i.queue.sequence
}

func (i *Indexer) endFlush() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flushes--
}

// pendingUpTo counts the runs with a change up to that sequence number, and
// returns the channel that tells when to count again.
func (i *Indexer) pendingUpTo(limit int64) (int, <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	pending := i.queue.upTo(limit)
	for _, e := range i.writing {
		if e.sequence <= limit {
			pending++
		}
	}
	return pending, i.progress
}

// Close takes no more records, waits until ctx ends for what waits to be
// written, and ends the worker. Its error tells that something is not written.
func (i *Indexer) Close(ctx context.Context) error {
	i.mu.Lock()
	i.closed = true
	i.advance() // lets blocked calls of Enqueue go
	i.mu.Unlock()
	err := i.Flush(ctx)
	i.stop()
	<-i.stopped
	if i.Pending() == 0 {
		return nil // written by an earlier Close, or just now
	}
	return err
}

// advance tells those who wait that something changed. The lock is held.
func (i *Indexer) advance() {
	close(i.progress)
	i.progress = make(chan struct{})
}
