package history

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"perdure/server/store"
)

// wakes are the wake-ups of a shard inside the look-ahead window.
type wakes struct {
	mu     sync.Mutex
	heap   wakeHeap
	at     map[store.ExecutionKey]time.Time
	bell   chan struct{}
	closed bool
}

func newWakes() *wakes {
	return &wakes{at: make(map[store.ExecutionKey]time.Time), bell: make(chan struct{}, 1)}
}

type wake struct {
	at  time.Time
	key store.ExecutionKey
}

type wakeHeap []wake

func (h wakeHeap) Len() int           { return len(h) }
func (h wakeHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h wakeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *wakeHeap) Push(x any)        { *h = append(*h, x.(wake)) }
func (h *wakeHeap) Pop() any {
	last := len(*h) - 1
	popped := (*h)[last]
	*h = (*h)[:last]
	return popped
}

// set replaces the run's wake-up; the zero time removes it.
func (w *wakes) set(key store.ExecutionKey, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLocked(key, at)
}

func (w *wakes) setLocked(key store.ExecutionKey, at time.Time) {
	if at.IsZero() {
		delete(w.at, key)
		return
	}
	if w.closed || w.at[key].Equal(at) {
		return
	}
	if len(w.heap) > 2*len(w.at)+1024 {
		w.compact()
	}
	w.at[key] = at
	heap.Push(&w.heap, wake{at: at, key: key})
	if w.heap[0].key == key {
		w.ring()
	}
}

// setEarlier makes the run's wake-up not later than at.
func (w *wakes) setEarlier(key store.ExecutionKey, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if armed, is := w.at[key]; !is || at.Before(armed) {
		w.setLocked(key, at)
	}
}

// compact drops what was replaced or removed.
func (w *wakes) compact() {
	kept := w.heap[:0]
	for _, item := range w.heap {
		if current, armed := w.at[item.key]; armed && current.Equal(item.at) {
			kept = append(kept, item)
		}
	}
	w.heap = kept
	heap.Init(&w.heap)
}

func (w *wakes) ring() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

func (w *wakes) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.at)
}

func (w *wakes) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed, w.heap, w.at = true, nil, make(map[store.ExecutionKey]time.Time)
	w.ring()
}

// reset forgets all wake-ups and goes on.
func (w *wakes) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heap, w.at = nil, make(map[store.ExecutionKey]time.Time)
}

// pop takes what is due now and tells when the next wake-up is, if any.
func (w *wakes) pop(now time.Time) (due []wake, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.heap) > 0 {
		first := w.heap[0]
		current, armed := w.at[first.key]
		if !armed || !current.Equal(first.at) {
			heap.Pop(&w.heap) // replaced or removed since
			continue
		}
		if now.Before(first.at) {
			return due, first.at
		}
		heap.Pop(&w.heap)
		delete(w.at, first.key)
		due = append(due, first)
	}
	return due, time.Time{}
}

// fireLimit bounds the ticks of one shard under way at a time.
const fireLimit = 32

// fireLoop ticks runs whose time has come.
func (s *shard) fireLoop(ctx context.Context) {
	slots := make(chan struct{}, fireLimit)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var ticks sync.WaitGroup
	defer ticks.Wait()
	for {
		due, next := s.wakes.pop(time.Now())
		for _, w := range due {
			slots <- struct{}{}
			s.engine.metrics.timerLag.Since(w.at)
			ticks.Go(func() {
				defer func() { <-slots }()
				s.tick(ctx, w.key)
			})
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = time.Until(next)
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.wakes.bell:
		case <-ctx.Done():
			return
		}
	}
}
