// Package indexer brings changes of runs to one visibility store: the newest
// state of each run, in batches, for as long as it takes.
//
// A batch is written as soon as something waits and no write is under way, so
// a lone change is searchable at once and a flood shares few statements; while
// full batches wait, as many are under way as the store can take at once. In a
// flood batches begin a while apart, so that the changes of a short run become
// one record. While nothing waits, nothing is sent. Batches grow while they
// are quick and shrink when they are slow.
//
// What the store says of each record decides what becomes of it: a busy store
// gets it again later; a blocked one is left alone and tried with one record
// from time to time; a refused record is written without its custom
// attributes and noted among the dead letters, so that the run is always listed.
// A store that does not say gets a failed batch again, then in halves, so that
// one record that it refuses does not keep the others out.
//
// What waits is bounded: Offer never waits and says when there is no room.
package indexer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"perdure/server/clock"
	"perdure/server/metrics"
	"perdure/visibility"
)

// Defaults of Config.
const (
	MaxBatchDefault        = 1000     // records of one write
	MaxBatchBytesDefault   = 8 << 20  // of one write, about
	MaxWaitingDefault      = 10_000   // runs that wait
	MaxWaitingBytesDefault = 32 << 20 // of all that wait, about
	RetryMinDefault        = 50 * time.Millisecond
	RetryMaxDefault        = 10 * time.Second
	WriteTimeoutDefault    = 30 * time.Second // of one statement
	GatherDefault          = 100 * time.Millisecond

	// floodRuns is how many runs wait after a write when there is a flood.
	floodRuns = 8
)

// Config is what an Indexer needs. All but the store may be left out.
type Config struct {
	Store visibility.Store
	// Name of the store in metrics, logs and dead letters; that of the kind of store without one.
	Name    string
	Logger  *slog.Logger
	Clock   clock.Clock
	Metrics *metrics.Registry
	// Writers is how many batches may be under way at once while full ones wait. More than one is for a store of its own
	// processors: two batches may have versions of one run, of which the store keeps the newer in whichever order they come. Default 1.
	Writers         int
	MaxBatch        int
	MaxBatchBytes   int
	MaxWaiting      int
	MaxWaitingBytes int
	RetryMin        time.Duration
	RetryMax        time.Duration
	WriteTimeout    time.Duration
	// Gather is the least time between the beginnings of two batches in a flood.
	Gather time.Duration
	// DeadLetters keeps what the store refuses; nil: a record that it takes in no form is tried for ever.
	DeadLetters DeadLetters
}

// DeadLetters is a durable list of records that a store refused.
type DeadLetters interface {
	Add(ctx context.Context, letter visibility.DeadLetter) error
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = clock.Wall()
	}
	if c.Name == "" {
		c.Name = c.Store.Name()
	}
	c.Writers = orDefault(c.Writers, 1)
	c.MaxBatch = orDefault(c.MaxBatch, MaxBatchDefault)
	c.MaxBatchBytes = orDefault(c.MaxBatchBytes, MaxBatchBytesDefault)
	c.MaxWaiting = orDefault(c.MaxWaiting, MaxWaitingDefault)
	c.MaxWaitingBytes = orDefault(c.MaxWaitingBytes, MaxWaitingBytesDefault)
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
	writing  []*attempt // under way
	batch    batchSize
	began    time.Time // when the last batch did
	failures int       // batches in a row of which something failed
	resting  bool      // nothing begins for a while
	blocked  bool      // the store takes nothing: one record at a time finds out when it does again
	closed   bool
	flushes  int           // calls that wait for what is enqueued
	wake     chan struct{} // holds one signal: something waits
	hurry    chan struct{} // holds one signal: do not gather
	progress chan struct{} // closed and replaced when a batch has ended

	probe   probe
	stop    context.CancelFunc // ends writes and retries
	stopped chan struct{}      // closed when the writers have ended
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
	i.batch = newBatchSize(i.config.MaxBatch)
	i.metrics = newMeters(i.config, i)
	var writers sync.WaitGroup
	for range i.config.Writers {
		writers.Go(func() { i.run(ctx) })
	}
	go func() {
		writers.Wait()
		close(i.stopped)
	}()
	return i
}

// Offer takes a record, which must not be changed any more, of a change that
// was committed at that time. done, which may be nil, is called once this
// version of the run or a newer one is durable in the store; it must not
// block. Offer never waits: without room it returns false, and the record is
// not taken. After Close done is not called.
func (i *Indexer) Offer(rec *visibility.Record, committed time.Time, done func()) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return true // nobody waits for it any more
	}
	if !i.hasRoom(rec, 1) {
		return false
	}
	i.add(rec, committed, done)
	return true
}

// Enqueue is Offer for work that can wait: it does so while more than half of
// the room is taken, so that the other half is there for what comes live.
func (i *Indexer) Enqueue(ctx context.Context, rec *visibility.Record, committed time.Time, done func()) error {
	for {
		full, err := i.tryEnqueue(rec, committed, done)
		if err != nil || full == nil {
			return err
		}
		select {
		case <-full:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ErrClosed tells that the indexer takes no more records.
var ErrClosed = errors.New("the indexer is closed")

// tryEnqueue returns a channel to wait on when there is no place.
func (i *Indexer) tryEnqueue(rec *visibility.Record, committed time.Time, done func()) (<-chan struct{}, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil, ErrClosed
	}
	if !i.hasRoom(rec, 2) {
		return i.progress, nil
	}
	i.add(rec, committed, done)
	return nil, nil
}

// hasRoom tells whether less than one share-th of the room is taken. The lock is held.
func (i *Indexer) hasRoom(rec *visibility.Record, share int) bool {
	full := i.queue.len() >= (i.config.MaxWaiting+share-1)/share || i.queue.bytes >= i.config.MaxWaitingBytes/share
	return !full || i.queue.has(rec)
}

func (i *Indexer) add(rec *visibility.Record, committed time.Time, done func()) {
	if i.queue.add(rec, committed, done) {
		i.metrics.coalesced.Inc()
	}
	if len(i.writing) == 0 || i.queue.len() >= i.batch.now { // else who writes looks when he is done
		i.signal()
	}
}

func (i *Indexer) signal() {
	select {
	case i.wake <- struct{}{}:
	default: // a writer is due anyway
	}
}

// Oldest is when the change that waits longest was committed; the zero time when none waits.
func (i *Indexer) Oldest() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	oldest := i.queue.oldest()
	for e := range i.beingWritten() {
		oldest = earlier(oldest, e.committed)
	}
	return oldest
}

// Pending is how many runs wait or are being written.
func (i *Indexer) Pending() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	pending := i.queue.len()
	for _, a := range i.writing {
		pending += len(a.batch)
	}
	return pending
}

// beingWritten are the entries of all batches under way. The lock is held.
func (i *Indexer) beingWritten() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, a := range i.writing {
			for _, e := range a.batch {
				if !yield(e) {
					return
				}
			}
		}
	}
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
			return fmt.Errorf("flush visibility: %w", ErrClosed)
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
	for e := range i.beingWritten() {
		if e.sequence <= limit {
			pending++
		}
	}
	return pending, i.progress
}

// Close takes no more records, waits until ctx ends for what waits to be
// written, and ends the writers. Its error tells that something is not written.
func (i *Indexer) Close(ctx context.Context) error {
	i.mu.Lock()
	i.closed = true
	i.advance() // lets blocked calls of Enqueue go
	i.mu.Unlock()
	err := i.Flush(ctx)
	i.stop()
	<-i.stopped
	i.probe.running.Wait()
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
