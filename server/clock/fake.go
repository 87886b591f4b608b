package clock

import (
	"sync"
	"time"
)

// Fake is a clock that stands still until a test moves it.
type Fake struct {
	mu     sync.Mutex
	now    time.Time
	timers []*fakeTimer
}

// NewFake makes a clock that shows now.
func NewFake(now time.Time) *Fake { return &Fake{now: now} }

// Now is the time the test has set.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// NewTimer makes a timer that fires when the test moves the clock past it.
func (f *Fake) NewTimer(d time.Duration) Timer {
	t := &fakeTimer{clock: f, c: make(chan time.Time, 1)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timers = append(f.timers, t)
	t.arm(d)
	return t
}

// Advance moves the clock and fires the timers that are due.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	armed := f.timers[:0]
	for _, t := range f.timers {
		t.fireIfDue()
		if t.armed {
			armed = append(armed, t)
		}
	}
	clear(f.timers[len(armed):])
	f.timers = armed
}

// Armed counts the timers that wait.
func (f *Fake) Armed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, t := range f.timers {
		if t.armed {
			n++
		}
	}
	return n
}

// fakeTimer is guarded by its clock's mutex.
type fakeTimer struct {
	clock *Fake
	c     chan time.Time
	due   time.Time
	armed bool
}

func (t *fakeTimer) C() <-chan time.Time { return t.c }

func (t *fakeTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.disarm()
}

func (t *fakeTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.disarm()
	t.clock.remember(t)
	t.arm(d)
	return was
}

func (t *fakeTimer) arm(d time.Duration) {
	t.due = t.clock.now.Add(d)
	t.armed = true
	t.fireIfDue()
}

func (t *fakeTimer) disarm() bool {
	was := t.armed
	t.armed = false
	select {
	case <-t.c:
	default:
	}
	return was
}

func (t *fakeTimer) fireIfDue() {
	if t.armed && !t.due.After(t.clock.now) {
		t.armed = false
		t.c <- t.clock.now
	}
}

// remember puts a timer back that Advance has let go after it fired.
func (f *Fake) remember(t *fakeTimer) {
	for _, known := range f.timers {
		if known == t {
			return
		}
	}
	f.timers = append(f.timers, t)
}
