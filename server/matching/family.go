package matching

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"perdure/server/match"
)

// family is what the queues of all versions of workers of one task queue have
// in common: its rates.
type family struct {
	queues int // in memory; the stripe's mutex guards it
	// perSecond is the dispatch limit that a worker gave last; nil: none.
	perSecond atomic.Pointer[float64]

	mu   sync.Mutex // taken last, and only under a limit
	pace match.Pace
	keys map[match.LaneID]*match.Pace // of fairness keys
}

// keysRestLook is how many keys a family knows before it looks for rested ones.
const keysRestLook = 64

// join gives a new queue its family. The stripe's mutex is held.
func (s *stripe) join(key queueKey) *family {
	key.version = match.Version{}
	f := s.families[key]
	if f == nil {
		f = &family{}
		s.families[key] = f
	}
	f.queues++
	return f
}

// leave is join the other way round.
func (s *stripe) leave(key queueKey, f *family) {
	key.version = match.Version{}
	if f.queues--; f.queues == 0 {
		delete(s.families, key)
	}
}

// pass lets one task through when the limit of the whole queue allows it; else
// it tells how long to wait.
func (f *family) pass(now time.Time, limit match.Limit) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	wait := f.pace.Wait(now, limit)
	if wait == 0 {
		f.pace.Pass(now, limit)
	}
	return wait
}

// keyPass lets one task of a fairness key through when its rate allows it; else
// it tells how long to wait.
func (f *family) keyPass(key match.LaneID, now time.Time, limit match.Limit) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	pace := f.keys[key]
	if pace == nil {
		f.forgetRested(now)
		pace = &match.Pace{}
		f.keys[key] = pace
	}
	wait := pace.Wait(now, limit)
	if wait == 0 {
		pace.Pass(now, limit)
	}
	return wait
}

// holds tells whether the limit of the whole queue lets nothing pass now.
func (f *family) holds(now time.Time, limit match.Limit) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pace.Wait(now, limit) > 0
}

// holdsKey tells whether the rate of a fairness key lets nothing pass now.
func (f *family) holdsKey(key match.LaneID, now time.Time, limit match.Limit) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	pace := f.keys[key]
	return pace != nil && pace.Wait(now, limit) > 0
}

// keyReturn takes back a pass that was not used.
func (f *family) keyReturn(key match.LaneID, limit match.Limit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pace := f.keys[key]; pace != nil {
		pace.Return(limit)
	}
}

func (f *family) forgetRested(now time.Time) {
	if f.keys == nil {
		f.keys = map[match.LaneID]*match.Pace{}
	}
	if len(f.keys) >= keysRestLook {
		maps.DeleteFunc(f.keys, func(_ match.LaneID, p *match.Pace) bool { return p.Rested(now) })
	}
}

// limitWorkers takes over the limit that a worker gives with a poll. The queues
// of other versions look again what they may do.
func (q *queue) limitWorkers(perSecond *float64) {
	old := q.family.perSecond.Swap(perSecond)
	if old != nil && *old == *perSecond {
		return
	}
	key := q.key
	key.version = match.Version{}
	q.engine.spawn(func() {
		for _, other := range q.engine.familyOf(key) {
			if other != q {
				other.tick()
			}
		}
	})
}
