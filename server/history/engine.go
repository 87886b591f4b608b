package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/limitwatch"
	"perdure/server/metrics"
	"perdure/server/store"
	"perdure/visibility/inside"
)

// ShardObserver hears which shards this node owns; matching implements it.
type ShardObserver interface {
	ShardAcquired(shard int32)
	ShardLost(shard int32)
}

// Config wires an engine.
type Config struct {
	Store      store.Store
	Namespaces cluster.Namespaces
	Matching   cluster.Matching
	Shards     ShardObserver    // may be nil
	Feeds      []Feed           // the visibility stores
	Outbound   cluster.Outbound // nil: no calls leave the cluster
	// Deployments divide task queues among versions of workers; nil: all workers are alike.
	Deployments cluster.Deployments
	// Looks are what search may look at inside runs, by the name of their namespace; * is for the others.
	Looks   map[string]inside.Look
	Traces  Traces // nil: nothing is traced
	Limits  execution.Limits
	Logger  *slog.Logger
	Metrics *metrics.Registry
	// Owner names this node in leases. A process with the same owner takes its former leases over at once.
	Owner string
	// LeaseDuration is how long a silent owner keeps others away. Default 10 s.
	LeaseDuration time.Duration
	// CacheEntries bounds the executions kept in memory. Default 20,000.
	CacheEntries int
	// CacheBytes bounds their estimated size. Default 32 MiB.
	CacheBytes int64
	// LookAhead is how far ahead wake-ups are kept in memory. Default 10 minutes.
	LookAhead time.Duration
	// LongPoll is how long a call waits for history or an update before it tells how far things are. Default 20 s.
	LongPoll time.Duration
	// BufferedQueries is how many queries may wait on one run for its workflow task. Default 1.
	BufferedQueries int
	// NoPollerWindow is how long a queue without polls still counts as served. Default 20 s.
	NoPollerWindow time.Duration
	// FreshWait bounds Fresh. Default 5 s.
	FreshWait time.Duration
	// FeedRowsMax is how many rows of a shard's log may wait for a visibility store. One that is
	// further behind is rebuilt from the executions. Default 200,000.
	FeedRowsMax int64
	// CheckpointInterval is how often a busy shard's log is trimmed. Default 10 s.
	CheckpointInterval time.Duration
	// RecordRefresh is how long an open run has rested since it changed when it
	// gets a new search record. Default 30 s.
	RecordRefresh time.Duration
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.LeaseDuration == 0 {
		c.LeaseDuration = 10 * time.Second
	}
	if c.CacheEntries == 0 {
		c.CacheEntries = 20_000
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 32 << 20
	}
	if c.LookAhead == 0 {
		c.LookAhead = 10 * time.Minute
	}
	if c.LongPoll == 0 {
		c.LongPoll = 20 * time.Second
	}
	if c.NoPollerWindow == 0 {
		c.NoPollerWindow = 20 * time.Second
	}
	if c.BufferedQueries == 0 {
		c.BufferedQueries = 1
	}
	if c.CheckpointInterval == 0 {
		c.CheckpointInterval = 10 * time.Second
	}
	if c.RecordRefresh == 0 {
		c.RecordRefresh = 30 * time.Second
	}
	if c.FreshWait == 0 {
		c.FreshWait = 5 * time.Second
	}
	if c.FeedRowsMax == 0 {
		c.FeedRowsMax = 200_000
	}
	if c.Limits == (execution.Limits{}) {
		c.Limits = execution.DefaultLimits()
	}
}

// Engine owns the executions of this node's shards. It implements
// cluster.History and cluster.Leases.
type Engine struct {
	cfg       Config
	metrics   engineMetrics
	watch     *limitwatch.Watch
	names     namespaceNames
	committer *committer
	lookups   *lookups
	refreshes *refreshes
	feeds     []*feed
	changes   atomic.Int64 // that were handed to the committer

	closedRuns chan closedRun // whose traces are to be made
	tracing    sync.WaitGroup // counts them

	mu     sync.RWMutex
	shards []*shard // in order of their slots

	draining chan struct{} // closed when the engine stops taking new waits
	stop     context.CancelFunc
	running  sync.WaitGroup
	spawning sync.Mutex // guards stopped: nothing is added to running once Stop waits for it
	stopped  bool
	ctx      context.Context
}

var _ cluster.History = (*Engine)(nil)
var _ cluster.Leases = (*Engine)(nil)

func init() { uuid.EnableRandPool() }

// New makes an engine that owns nothing yet.
func New(cfg Config) (*Engine, error) {
	if cfg.Store == nil || cfg.Namespaces == nil || cfg.Matching == nil {
		return nil, errors.New("history: store, namespaces and matching are required")
	}
	cfg.setDefaults()
	e := &Engine{cfg: cfg, draining: make(chan struct{})}
	e.metrics = newEngineMetrics(cfg.Metrics)
	e.watch = limitwatch.New(cfg.Logger, cfg.Metrics)
	cfg.Metrics.OnScrape(e.measureLogs)
	e.committer = newCommitter(e)
	e.lookups = newLookups(cfg.Store)
	e.refreshes = newRefreshes(cfg.RecordRefresh)
	if cfg.Traces != nil {
		e.closedRuns = make(chan closedRun, cfg.Traces.RunsMax())
	}
	for _, f := range cfg.Feeds {
		e.feeds = append(e.feeds, newFeed(e, f))
	}
	return e, nil
}

// Start acquires the shards, recovers what they left and serves. It returns
// when commands are taken; what recovery finds is worked off in the background.
func (e *Engine) Start(ctx context.Context) error {
	e.ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.spawn(e.committer.run)
	e.spawn(e.lookups.run)
	if err := e.acquireAll(ctx); err != nil {
		e.stop()
		return err
	}
	e.spawn(e.renewLoop)
	e.spawn(e.refreshLoop)
	if e.cfg.Traces != nil {
		e.spawn(e.traceLoop)
	}
	for _, f := range e.feeds {
		e.spawn(f.run)
	}
	return nil
}

// spawn runs something until Stop. After Stop it does nothing.
func (e *Engine) spawn(run func(context.Context)) {
	e.spawning.Lock()
	defer e.spawning.Unlock()
	if e.stopped {
		return
	}
	e.running.Add(1)
	go func() {
		defer e.running.Done()
		run(e.ctx)
	}()
}

// Drain answers waiting calls, so that clients go elsewhere.
func (e *Engine) Drain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.draining:
	default:
		close(e.draining)
	}
}

// Stop finishes commits under way, checkpoints the shards and gives their leases up.
func (e *Engine) Stop(ctx context.Context) error {
	e.Drain()
	e.committer.flush(ctx)
	var failed error
	var leases []store.Lease
	for _, s := range e.owned() {
		s.close()
	}
	e.committer.flush(ctx) // what was decided before the last shard closed
	for _, s := range e.owned() {
		if err := s.checkpoint(ctx); err != nil && !errors.Is(err, store.ErrLeaseLost) {
			failed = errors.Join(failed, fmt.Errorf("checkpoint of shard %d: %w", s.id, err))
		}
		leases = append(leases, s.currentLease())
	}
	if len(leases) > 0 {
		failed = errors.Join(failed, e.cfg.Store.Release(ctx, leases))
	}
	e.finishTraces(ctx)
	e.stop()
	e.spawning.Lock()
	e.stopped = true
	e.spawning.Unlock()
	done := make(chan struct{})
	go func() { e.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		failed = errors.Join(failed, ctx.Err())
	}
	return failed
}

func (e *Engine) owned() []*shard {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return append([]*shard(nil), e.shards...)
}

// shardOf finds the shard of a slot.
func (e *Engine) shardOf(slot int32) (*shard, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, s := range e.shards {
		if slot >= s.first && slot <= s.last {
			return s, nil
		}
	}
	return nil, errNotOwned()
}

// Lease implements cluster.Leases.
func (e *Engine) Lease(slot int32) (store.Lease, bool) {
	s, err := e.shardOf(slot)
	if err != nil || !s.serving() {
		return store.Lease{}, false
	}
	return s.currentLease(), true
}

func errNotOwned() error {
	return serviceerror.NewUnavailable("the shard of this workflow is moving, please retry")
}

// newID makes an id of a run: a UUID that begins with the time, so that new
// rows go to the same few pages of every index that has it.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// env is what a decision may know.
func (e *Engine) env(ns *cluster.Namespace) execution.Env {
	e.names.note(ns)
	var look inside.Look
	if allowed := e.lookAt(ns.Name); allowed != nil {
		look = *allowed
	}
	return execution.Env{
		Now: time.Now().UTC(), NewID: newID, Limits: e.cfg.Limits, Routes: e.routes(ns.ID), Traced: e.cfg.Traces != nil,
		Namespace: execution.Namespace{
			ID: ns.ID, Name: ns.Name, Retention: ns.Retention, SearchAttributes: ns.SearchAttributes, AttributeKeys: ns.AttributeKeys, BadBinaries: ns.BadBinaries, Look: look,
		},
	}
}

// envByID is env for a run whose namespace is known by id.
func (e *Engine) envByID(ctx context.Context, id string) (execution.Env, error) {
	ns, err := e.cfg.Namespaces.ByID(ctx, id)
	if err != nil {
		return execution.Env{}, err
	}
	return e.env(ns), nil
}
