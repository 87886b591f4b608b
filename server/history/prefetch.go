package history

import (
	"context"

	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/store"
)

// prefetchRuns is how many runs are read at once.
const prefetchRuns = 64

// Prefetch brings runs into memory whose tasks are about to be given out: a
// backlog's runs have mostly left it. What it does not bring, for whatever
// reason, is read when it is needed.
func (e *Engine) Prefetch(ctx context.Context, refs []cluster.ExecutionRef) {
	byShard := make(map[*shard][]store.ExecutionKey)
	for _, ref := range refs {
		if s, err := e.shardOf(ref.Slot); err == nil {
			byShard[s] = append(byShard[s], store.ExecutionKey{Slot: ref.Slot, Exec: ref.Exec})
		}
	}
	for s, keys := range byShard {
		for len(keys) > 0 && s.prefetch(ctx, keys[:min(len(keys), prefetchRuns)]) {
			keys = keys[min(len(keys), prefetchRuns):]
		}
	}
}

// prefetch reads runs that are not in memory. False: no more, there is no room
// or the store fails.
func (s *shard) prefetch(ctx context.Context, keys []store.ExecutionKey) bool {
	done := make(chan struct{})
	wanted, lease, room := s.reserve(keys, done)
	if len(wanted) == 0 {
		return room
	}
	s.engine.metrics.cacheMisses.Add(float64(len(wanted)))
	found, err := s.engine.cfg.Store.LoadAll(ctx, wanted)
	loaded := make([]prefetched, 0, len(found))
	for _, run := range found {
		if p := s.entryOf(run); p.entry != nil {
			loaded = append(loaded, p)
		}
	}
	s.admit(wanted, loaded, lease, done)
	return err == nil
}

// prefetched is an entry with the events that become its tail, if they are all there are.
type prefetched struct {
	entry *entry
	tail  []*historypb.HistoryEvent
}

// reserve claims the keys that are not in memory, so that nobody else loads
// them meanwhile. There is room when what was not used lately can make it.
func (s *shard) reserve(keys []store.ExecutionKey, done chan struct{}) (wanted []store.ExecutionKey, lease store.Lease, room bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evictLocked()
	if s.closed || s.resetting || s.overfullLocked(s.room()) {
		return nil, s.lease, false
	}
	for _, key := range keys {
		if s.entries[key] == nil && s.loading[key] == nil {
			s.loading[key] = done
			wanted = append(wanted, key)
		}
	}
	return wanted, s.lease, true
}

// entryOf makes an entry of a run whose first batch holds all events that its
// state points to; none of others.
func (s *shard) entryOf(run store.Loaded) prefetched {
	if run.Execution == nil {
		return prefetched{}
	}
	state, err := execution.Decode(run.Execution.State)
	if err != nil {
		return prefetched{}
	}
	var first historypb.History
	if err := proto.Unmarshal(run.First.Data, &first); err != nil {
		return prefetched{}
	}
	needed := state.NeededEvents()
	if len(needed) == 0 || needed[len(needed)-1] >= run.First.NextEvent {
		return prefetched{}
	}
	for i := 0; i < len(needed); {
		i = attachAll(state, first.Events, needed, i)
	}
	p := prefetched{entry: s.loadedEntry(run.Execution, state)}
	if run.First.NextEvent == state.NextEventID {
		p.tail = first.Events
	}
	return p
}

// admit puts entries where calls find them, unless the shard was lost meanwhile.
func (s *shard) admit(claimed []store.ExecutionKey, loaded []prefetched, lease store.Lease, done chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(done)
	for _, key := range claimed {
		if s.loading[key] == done { // else the shard was taken anew meanwhile
			delete(s.loading, key)
		}
	}
	if s.lease != lease || s.closed || s.resetting {
		return
	}
	for _, p := range loaded {
		s.insertLocked(p.entry)
		p.entry.addTail(p.tail)
		s.evictLocked()
	}
}
