package history

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	historypb "go.temporal.io/api/history/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/store"
)

// shard is a range of slots that this node owns, and the executions of it in memory.
type shard struct {
	engine      *Engine
	id          int32
	first, last int32

	mu        sync.Mutex
	lease     store.Lease
	closed    bool
	resetting bool
	nextExec  int64
	seq       int64 // of the last log row handed to the committer
	entries   map[store.ExecutionKey]*entry
	byRun     map[string]*entry
	workflows map[workflowName]*workflow
	loading   map[store.ExecutionKey]chan struct{}
	bytes     atomic.Int64 // estimated size of the entries
	retired   retired      // closed runs among the entries

	wakes      *wakes
	readers    []*reader // one for each feed, under the current lease
	served     bool      // by this process, also under an earlier lease
	durableSeq int64
	trimmedSeq int64
	states     string                           // of the readers, as the last checkpoint stored them
	dirty      map[store.ExecutionKey]time.Time // wake-ups since the last checkpoint; zero: none any more
	dirtyMu    sync.Mutex
	dirtyWake  chan struct{}
	parking    turn // a checkpoint's: an older one must not end last
}

type workflowName struct{ namespaceID, workflowID string }

// workflow is one workflow id. Starts of it are decided one after the other.
type workflow struct {
	starting turn
	lease    store.Lease // under which it was made
	// known tells that current is the newest run, or that there is none; guarded by shard.mu.
	known   bool
	current *entry
	users   int
	// forgotten counts entries of the workflow that were dropped: what was read before may be old.
	forgotten int
}

func newShard(e *Engine, a store.Acquired, id int32) *shard {
	s := &shard{
		engine: e, id: id, first: a.FirstSlot, last: a.LastSlot, wakes: newWakes(),
		dirty: make(map[store.ExecutionKey]time.Time), dirtyWake: make(chan struct{}, 1), parking: newTurn(),
	}
	s.take(a)
	return s
}

// take starts the shard anew from what the store gave with the lease.
func (s *shard) take(a store.Acquired) {
	s.lease = a.Lease
	// Numbers of runs begin with the epoch, so that no two owners ever give the
	// same and a later owner's are higher.
	s.nextExec = a.Lease.Epoch << 32
	s.seq = a.LastSeq
	s.entries = make(map[store.ExecutionKey]*entry)
	s.byRun = make(map[string]*entry)
	s.workflows = make(map[workflowName]*workflow)
	s.loading = make(map[store.ExecutionKey]chan struct{})
	s.retired = retired{}
	for _, r := range s.readers {
		r.end()
	}
	s.readers = nil
	for _, f := range s.engine.feeds {
		s.readers = append(s.readers, newReader(s, f, a.LastSeq))
	}
}

func (s *shard) currentLease() store.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease
}

// currentReaders are how far each visibility store is, under the current lease.
func (s *shard) currentReaders() []*reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readers
}

func (s *shard) serving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && !s.resetting
}

// isResetting tells whether the shard is being taken over again.
func (s *shard) isResetting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resetting
}

func (s *shard) nextSeq() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	return s.seq
}

// newEntry makes the entry of a run that begins with the decision, which was
// made under the lease. It is not reachable by others before register.
func (s *shard) newEntry(key store.WorkflowKey, lease store.Lease, d execution.Decision) *entry {
	s.mu.Lock()
	s.nextExec++
	exec := s.nextExec
	s.mu.Unlock()
	now := time.Now()
	en := &entry{
		shard: s, key: store.ExecutionKey{Slot: key.Slot, Exec: exec}, workflow: key, runID: d.State.RunID, lease: lease,
		state: d.State, used: now, account: account{since: now, whole: true},
	}
	en.addTail(d.Events)
	return en
}

// register makes an entry, whose lock is held, reachable as the current run of
// its workflow, unless the shard was given up since the decision.
func (s *shard) register(en *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.resetting || s.lease != en.lease {
		en.gone = errNotOwned()
		s.bytes.Add(-en.weight.Swap(0))
		return
	}
	s.entries[en.key], s.byRun[en.runID] = en, en
	en.weigh(entryBytes)
	w := s.workflowLocked(en.workflow)
	w.known, w.current = true, en
	s.engine.metrics.cacheEntries.Add(1)
	s.evictLocked()
}

func (s *shard) workflowLocked(key store.WorkflowKey) *workflow {
	name := workflowName{key.NamespaceID, key.WorkflowID}
	w := s.workflows[name]
	if w == nil {
		w = &workflow{lease: s.lease, starting: newTurn()}
		s.workflows[name] = w
	}
	return w
}

// keyOf names a workflow with its slot and hash.
func keyOf(namespaceID, workflowID string) store.WorkflowKey {
	hash := cluster.HashOf(namespaceID, workflowID)
	return store.WorkflowKey{
		Slot: cluster.SlotOf(namespaceID, workflowID), Hash: hash, NamespaceID: namespaceID, WorkflowID: workflowID,
	}
}

// cached is the entry of a run, nil when it is not in memory.
func (s *shard) cached(key store.ExecutionKey) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[key]
}

// unpin lets go of an entry that a look-up returned.
func (s *shard) unpin(en *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	en.pinned--
}

// byKey finds or loads the run. The caller must unpin it.
func (s *shard) byKey(ctx context.Context, key store.ExecutionKey) (*entry, error) {
	return s.load(ctx, key, func(ctx context.Context) (*store.Execution, error) {
		return s.engine.cfg.Store.Load(ctx, key)
	})
}

func (s *shard) load(ctx context.Context, key store.ExecutionKey, read func(context.Context) (*store.Execution, error)) (*entry, error) {
	for {
		s.mu.Lock()
		if s.closed || s.resetting {
			s.mu.Unlock()
			return nil, errNotOwned()
		}
		if en := s.entries[key]; en != nil {
			en.pinned++
			s.mu.Unlock()
			s.engine.metrics.cacheHits.Inc()
			return en, nil
		}
		other := s.loading[key]
		if other == nil {
			break
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, contextError(ctx)
		}
	}
	done := make(chan struct{})
	s.loading[key] = done
	lease := s.lease
	s.mu.Unlock()
	s.engine.metrics.cacheMisses.Inc()
	en, err := s.read(ctx, read)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(done)
	if s.loading[key] == done { // else the shard was taken anew meanwhile
		delete(s.loading, key)
	}
	switch {
	case err != nil:
		return nil, err
	case s.lease != lease || s.closed || s.resetting:
		return nil, errNotOwned()
	}
	s.insertLocked(en)
	en.pinned++
	s.evictLocked()
	return en, nil
}

// insertLocked puts an entry that was read under the present lease where calls find it.
func (s *shard) insertLocked(en *entry) {
	en.lease = s.lease
	s.entries[en.key], s.byRun[en.runID] = en, en
	en.weigh(entryBytes)
	s.engine.metrics.cacheEntries.Add(1)
	if !en.state.Open() {
		s.retireLocked(en, time.Now())
	}
}

// read makes an entry from the store.
func (s *shard) read(ctx context.Context, read func(context.Context) (*store.Execution, error)) (*entry, error) {
	row, err := read(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	state, err := execution.Decode(row.State)
	if err != nil {
		return nil, storeError(err)
	}
	if err := attach(ctx, s.engine.cfg.Store, row.Key, state); err != nil {
		return nil, err
	}
	return s.loadedEntry(row, state), nil
}

// loadedEntry is the entry of a run as it is stored.
func (s *shard) loadedEntry(row *store.Execution, state *execution.State) *entry {
	now := time.Now()
	return &entry{
		shard: s, key: row.Key, workflow: row.Workflow, runID: row.RunID, state: state, visible: state,
		queued: row.Version, stored: row.Version, used: now, account: account{since: now}, tailFirst: state.NextEventID,
		parked: true, // for all we know
	}
}

// attachBatchesMax is how many batches of history are read at once for the
// events that a state points to.
const attachBatchesMax = 64

// attach reads the events that the state points to.
func attach(ctx context.Context, s store.Store, key store.ExecutionKey, state *execution.State) error {
	needed := state.NeededEvents()
	for i := 0; i < len(needed); {
		batches := min(len(needed)-i, attachBatchesMax)
		events, err := readEvents(ctx, s, key, needed[i], needed[min(i+batches, len(needed))-1]+1, batches)
		if err != nil {
			return err
		}
		i = attachAll(state, events, needed, i)
	}
	return nil
}

// attachAll attaches what is needed from events, which hold needed[from], and returns the index of the first one not attached.
func attachAll(state *execution.State, events []*historypb.HistoryEvent, needed []int64, from int) int {
	next := from
	for _, event := range events {
		if next < len(needed) && event.EventId == needed[next] {
			state.Attach(event)
			next++
		}
	}
	return max(next, from+1)
}

// close stops the shard: its entries are of no use any more.
func (s *shard) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wakes.close()
	s.dropEntries(errNotOwned())
}

func (s *shard) dropEntries(reason error) {
	s.mu.Lock()
	entries := make([]*entry, 0, len(s.entries))
	for _, en := range s.entries {
		entries = append(entries, en)
	}
	s.engine.metrics.cacheEntries.Add(-float64(len(s.entries)))
	s.entries = make(map[store.ExecutionKey]*entry)
	s.byRun = make(map[string]*entry)
	s.workflows = make(map[workflowName]*workflow)
	s.retired = retired{}
	s.bytes.Store(0)
	s.mu.Unlock()
	for _, en := range entries {
		en.abandon(reason)
	}
}

// abandon fails those who wait on an entry that is given up.
func (en *entry) abandon(reason error) {
	en.mu.Lock()
	defer en.mu.Unlock()
	en.gone = reason
	if en.watch != nil {
		close(en.watch)
		en.watch = nil
	}
	for id, waiters := range en.waiters {
		for _, waiter := range waiters {
			waiter <- execution.UpdateResult{ID: id, Err: reason}
		}
	}
	en.waiters = nil
	for _, q := range en.queries {
		q.finish(queryOutcome{err: errQueryCleared()})
	}
	en.queries = nil
}

func (e *Engine) shardCount() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.shards)
}
