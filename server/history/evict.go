package history

import (
	"errors"
	"time"

	"perdure/server/execution"
	"perdure/server/store"
)

// retired are closed runs in memory, as they closed or were read. Guarded by shard.mu.
type retired struct {
	runs  []retiredRun
	bytes int64
}

type retiredRun struct {
	entry *entry
	bytes int64
	since time.Time
}

func (r *retired) push(en *entry, now time.Time) {
	run := retiredRun{entry: en, bytes: en.weight.Load(), since: now}
	r.runs = append(r.runs, run)
	r.bytes += run.bytes
}

func (r *retired) pop() {
	r.bytes -= r.runs[0].bytes
	r.runs[0] = retiredRun{}
	r.runs = r.runs[1:]
}

// closedShare is the part of a cache that closed runs may take: they are read
// again seldom, and under load they would fill it.
const closedShare = 8

// retireLocked notes that a run in memory is closed.
func (s *shard) retireLocked(en *entry, now time.Time) {
	if en.retired || s.entries[en.key] != en {
		return
	}
	en.retired = true
	s.retired.push(en, now)
}

func (s *shard) retire(en *entry, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retireLocked(en, now)
}

// evictLocked drops entries that nobody needs: closed runs beyond their share,
// and what is idle when there is too much. It looks at a bounded number, so that
// no call pays for a full sweep.
func (s *shard) evictLocked() {
	room := s.room()
	s.evictRetiredLocked(room)
	looked := 0
	for _, en := range s.entries {
		if looked++; looked > evictLooksMax || !s.overfullLocked(room) {
			return
		}
		if en.evictable() {
			s.dropLocked(en)
		}
	}
}

// evictRetiredLocked drops closed runs, oldest first.
func (s *shard) evictRetiredLocked(room room) {
	now := time.Now()
	for range evictLooksMax {
		if len(s.retired.runs) == 0 || s.retired.bytes <= room.bytes/closedShare && !s.overfullLocked(room) {
			return
		}
		first := s.retired.runs[0]
		if now.Sub(first.since) < closedIdleLeast {
			return
		}
		s.retired.pop()
		switch en := first.entry; {
		case s.entries[en.key] != en: // dropped otherwise
		case en.evictable():
			s.dropLocked(en)
		default: // in use
			s.retired.push(en, now)
		}
	}
}

// room is a shard's share of the cache.
type room struct {
	entries int
	bytes   int64
}

func (s *shard) room() room {
	shards, cfg := max(1, s.engine.shardCount()), &s.engine.cfg
	return room{entries: cfg.CacheEntries / shards, bytes: cfg.CacheBytes / int64(shards)}
}

// overfullLocked tells whether this shard's entries take more than their room.
func (s *shard) overfullLocked(room room) bool {
	return len(s.entries) > room.entries || s.bytes.Load() > room.bytes
}

func (s *shard) dropLocked(en *entry) {
	s.forgetLocked(en.key, en)
	s.engine.metrics.cacheEvicted.Inc()
}

// A run that was used so recently stays in memory: its next call is likely. A
// closed one is asked for its result at once or by callers that pin it anyway;
// were it kept longer, closed runs alone would fill the cache under load.
const (
	openIdleLeast   = time.Second
	closedIdleLeast = 100 * time.Millisecond
)

// evictLooksMax is how many entries of each kind one call looks at to make room.
const evictLooksMax = 32

// evictable tells whether nothing is lost with the entry, which nobody uses, and gives it up then.
func (en *entry) evictable() bool {
	if en.pinned > 0 || !en.mu.TryLock() {
		return false
	}
	defer en.mu.Unlock()
	idle := en.stored >= en.queued && len(en.unsaved) == 0 && !en.sending && len(en.waiters) == 0 && len(en.queries) == 0
	least := closedIdleLeast
	if en.state.Open() {
		least = openIdleLeast
	}
	if !idle || time.Since(en.used) < least {
		return false
	}
	// What volatile decisions did to a pending task would be lost: a worker may have it.
	task := en.state.Task
	if task != nil && (task.Kind == execution.TaskSpeculative || task.StartedEventID != 0 || en.state.Version > en.stored) {
		return false
	}
	if en.watch != nil { // left behind by a call that is over: who waits pins the entry
		close(en.watch)
		en.watch = nil
	}
	en.gone = errEvicted
	return true
}

// errEvicted tells a call that it holds an entry that was dropped: look it up again.
var errEvicted = errors.New("execution was dropped from memory")

func (s *shard) forgetLocked(key store.ExecutionKey, en *entry) {
	delete(s.entries, key)
	delete(s.byRun, en.runID)
	s.bytes.Add(-en.weight.Swap(0))
	s.engine.metrics.cacheEntries.Add(-1)
	name := workflowName{en.workflow.NamespaceID, en.workflow.WorkflowID}
	w := s.workflows[name]
	if w == nil {
		return
	}
	w.forgotten++
	if w.current == en {
		w.known, w.current = false, nil
		if w.users == 0 {
			delete(s.workflows, name)
		}
	}
}
