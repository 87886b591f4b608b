package matching

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/metrics"
	"perdure/server/store"
)

// Config is what an engine works with. Store and Leases are required.
type Config struct {
	Store  store.Store
	Leases cluster.Leases
	// Namespaces gives names to the backlog metrics of queues that nobody
	// polls; without it they carry the namespace id.
	Namespaces cluster.Namespaces
	// Routes divide task queues among versions of workers; nil: all workers are alike.
	Routes   cluster.Routes
	Logger   *slog.Logger
	Metrics  *metrics.Registry // nil: none
	HostName string            // of this node, for ListTaskQueuePartitions; empty: the machine's name
	Limits   Limits
}

// Engine owns the task queues of one process. It is a cluster.Matching and a
// cluster.PollerLookup.
type Engine struct {
	config  Config
	limits  Limits
	logger  *slog.Logger
	meter   *meter
	history cluster.History

	// ctx ends when Stop gives up waiting: it bounds all store calls.
	ctx    context.Context
	cancel context.CancelFunc
	// stopRefresh ends the looks at what other nodes have changed.
	stopRefresh context.CancelFunc
	// work counts polls, reads and writes under way.
	work     tracker
	started  atomic.Bool
	stopping atomic.Bool

	stripes [stripeCount]stripe
	shards  shardTable
	queries queryTable
	workers workerTable
	rules   ruleTable
	// lastNumber makes backlog ids that never repeat within an epoch.
	lastNumber atomic.Int64
}

var (
	_ cluster.Matching     = (*Engine)(nil)
	_ cluster.PollerLookup = (*Engine)(nil)
)

// stripeCount spreads the locks of the table of queues.
const stripeCount = 64

type stripe struct {
	mu       sync.RWMutex
	queues   map[queueKey]*queue
	families map[queueKey]*family // by the key without a version
}

// New makes an engine. SetHistory and Start must follow before it takes anything.
func New(config Config) *Engine {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.HostName == "" {
		config.HostName, _ = os.Hostname() // a label for people: an empty one does no harm
	}
	e := &Engine{config: config, limits: config.Limits.withDefaults(), logger: config.Logger, stopRefresh: func() {}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	for i := range e.stripes {
		e.stripes[i].queues, e.stripes[i].families = map[queueKey]*queue{}, map[queueKey]*family{}
	}
	e.shards.byID = map[int32]*shard{}
	e.queries.byID = map[string]*query{}
	e.rules.byKey = map[rulesKey]*rules{}
	e.workers.stopped = map[workerKey]time.Time{}
	e.meter = newMeter(config.Metrics)
	config.Metrics.OnScrape(e.measure)
	return e
}

// SetHistory gives the engine the history that starts tasks. Call it once, before Start.
func (e *Engine) SetHistory(history cluster.History) { e.history = history }

// Start opens the engine: before it, offers are dropped and polls are empty. It
// reads the rules that people have set for task queues.
func (e *Engine) Start(ctx context.Context) error {
	if e.history == nil {
		return errors.New("start matching: it has no history")
	}
	if err := e.readRules(ctx); err != nil {
		return fmt.Errorf("start matching: %w", err)
	}
	e.started.Store(true)
	if e.limits.RefreshAfter > 0 {
		refresh, cancel := context.WithCancel(e.ctx)
		e.stopRefresh = cancel
		e.spawn(func() { e.followRules(refresh) })
	}
	return nil
}

// Stop answers all polls empty at once, stores the tasks that may be stored,
// drops the others, and returns when nothing is under way any more. When ctx
// ends first its error is returned and what could not be stored is dropped.
func (e *Engine) Stop(ctx context.Context) error {
	if e.stopping.Swap(true) {
		return e.work.wait(ctx)
	}
	e.stopRefresh()
	for _, q := range e.loaded() {
		q.drain()
	}
	err := e.work.wait(ctx)
	e.cancel()
	if err != nil {
		// Store calls return now that their context has ended; a poll that a slow
		// history holds is not waited for.
		last, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		_ = e.work.wait(last)
	}
	for _, q := range e.loaded() {
		q.close()
	}
	return err
}

func (e *Engine) open() bool { return e.started.Load() && !e.stopping.Load() }

// queueKey names a queue in memory.
type queueKey struct {
	namespaceID string
	name        string
	kind        enumspb.TaskQueueType
	sticky      bool
	partition   int32
	version     match.Version // of the workers that poll it; sticky queues have none
}

func keyOf(queue cluster.TaskQueue) queueKey {
	return queueKey{
		namespaceID: queue.NamespaceID,
		name:        queue.Name,
		kind:        queue.Type,
		sticky:      queue.Kind == enumspb.TASK_QUEUE_KIND_STICKY,
		partition:   queue.Partition,
	}
}

func (e *Engine) stripeOf(slot int32) *stripe { return &e.stripes[slot%stripeCount] }

// lookup finds a queue in memory, nil when it is not there.
func (e *Engine) lookup(key queueKey) *queue {
	s := e.stripeOf(cluster.SlotOf(key.namespaceID, key.name))
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.queues[key]
}

// load finds a queue or makes it.
func (e *Engine) load(key queueKey) *queue {
	slot := cluster.SlotOf(key.namespaceID, key.name)
	s := e.stripeOf(slot)
	s.mu.RLock()
	q := s.queues[key]
	s.mu.RUnlock()
	if q != nil {
		return q
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[key]; q != nil {
		return q
	}
	q = newQueue(e, key, slot, s.join(key))
	s.queues[key] = q
	return q
}

// locked returns the queue with its mutex held. A queue that left memory in
// between is made anew.
func (e *Engine) locked(key queueKey) *queue {
	for {
		q := e.load(key)
		q.mu.Lock()
		if !q.unloaded {
			return q
		}
		q.mu.Unlock()
	}
}

// forget takes a queue out of memory. Its mutex is held.
func (e *Engine) forget(q *queue) {
	s := e.stripeOf(q.slot)
	s.mu.Lock()
	if s.queues[q.key] == q {
		delete(s.queues, q.key)
		s.leave(q.key, q.family)
	}
	s.mu.Unlock()
}

// loaded lists the queues in memory.
func (e *Engine) loaded() []*queue {
	var queues []*queue
	for i := range e.stripes {
		s := &e.stripes[i]
		s.mu.RLock()
		for _, q := range s.queues {
			queues = append(queues, q)
		}
		s.mu.RUnlock()
	}
	return queues
}

// spawn runs f on its own and makes Stop wait for it.
func (e *Engine) spawn(f func()) {
	e.work.begin()
	go func() {
		defer e.work.end()
		f()
	}()
}

// sleep waits, or returns false when the engine gave up.
func (e *Engine) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.ctx.Done():
		return false
	}
}
