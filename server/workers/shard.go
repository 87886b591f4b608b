package workers

import (
	"container/list"
	"sync"
	"time"
)

// shard is a part of the registry with a lock of its own.
type shard struct {
	workersMax, bytesMax int

	mu sync.Mutex
	// byNamespace finds the element of a worker, by namespace id and instance key.
	byNamespace map[string]map[string]*list.Element
	byAge       list.List // of *worker, least recently heard of first
	bytes       int
	bySDK       map[string]int // workers by the name of their SDK
}

func newShard(workersMax, bytesMax int) *shard {
	return &shard{
		workersMax: workersMax, bytesMax: bytesMax,
		byNamespace: map[string]map[string]*list.Element{}, bySDK: map[string]int{},
	}
}

// put remembers a worker in place of what it said before. It tells how many
// others, not yet too old, had to make room.
func (s *shard) put(w *worker, now time.Time, age time.Duration) (evicted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now.Add(-age))
	s.drop(s.byNamespace[w.key.namespaceID][w.key.instance])
	w.heard = now
	named := s.byNamespace[w.key.namespaceID]
	if named == nil {
		named = map[string]*list.Element{}
		s.byNamespace[w.key.namespaceID] = named
	}
	named[w.key.instance] = s.byAge.PushBack(w)
	s.bytes += w.size()
	s.bySDK[w.sdk]++
	for s.byAge.Len() > s.workersMax || s.bytes > s.bytesMax {
		s.drop(s.byAge.Front())
		evicted++
	}
	return evicted
}

// expire forgets who was not heard of since a time. The mutex is held.
func (s *shard) expire(since time.Time) {
	for e := s.byAge.Front(); e != nil && !e.Value.(*worker).heard.After(since); e = s.byAge.Front() {
		s.drop(e)
	}
}

// drop forgets one worker; nil is none. The mutex is held.
func (s *shard) drop(e *list.Element) {
	if e == nil {
		return
	}
	w := s.byAge.Remove(e).(*worker)
	s.bytes -= w.size()
	if s.bySDK[w.sdk]--; s.bySDK[w.sdk] == 0 {
		delete(s.bySDK, w.sdk)
	}
	named := s.byNamespace[w.key.namespaceID]
	if delete(named, w.key.instance); len(named) == 0 {
		delete(s.byNamespace, w.key.namespaceID)
	}
}

func (s *shard) forget(key workerKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(s.byNamespace[key.namespaceID][key.instance])
}

// get finds a worker that was heard of after since; nil when there is none.
func (s *shard) get(key workerKey, since time.Time) *worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(since)
	if e := s.byNamespace[key.namespaceID][key.instance]; e != nil {
		return e.Value.(*worker)
	}
	return nil
}

// all lists the workers of a namespace that were heard of after since, in no order.
func (s *shard) all(namespaceID string, since time.Time) []*worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(since)
	found := make([]*worker, 0, len(s.byNamespace[namespaceID]))
	for _, e := range s.byNamespace[namespaceID] {
		found = append(found, e.Value.(*worker))
	}
	return found
}

// countSDKs adds the number of workers of each SDK that were heard of after since.
func (s *shard) countSDKs(since time.Time, counts map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(since)
	for name, count := range s.bySDK {
		counts[name] += count
	}
}
