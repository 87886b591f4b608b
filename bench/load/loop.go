package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// drainTimeout bounds the wait for what is in flight at the end.
const drainTimeout = 15 * time.Second

// unit makes one unit of load.
type unit func(ctx context.Context, by turn) error

// turn is whose unit it is, of those in flight, and when it was due.
type turn struct {
	caller int
	due    time.Time
}

// loop makes units until it is stopped, or has made as many as it should.
type loop struct {
	session  *Session
	track    *track
	unit     unit
	inflight int
	rate     float64 // units that are due a second; 0: a closed loop
	limit    int64   // units to make; 0: no end

	begun    time.Time
	taken    atomic.Int64
	succeed  atomic.Int64
	endLoop  context.CancelFunc
	endCalls context.CancelFunc
	callers  sync.WaitGroup
}

// start lets the callers begin. Stop or wait must follow.
func (l *loop) start(ctx context.Context) *loop {
	calls, endCalls := context.WithCancel(ctx)
	loop, endLoop := context.WithCancel(ctx)
	l.begun, l.endCalls, l.endLoop = time.Now(), endCalls, endLoop
	for caller := range l.inflight {
		l.callers.Go(func() { l.drive(loop, calls, caller) })
	}
	return l
}

// stop makes no more units, lets those in flight end, and cuts them when they do not.
func (l *loop) stop() {
	l.endLoop()
	drained := time.AfterFunc(drainTimeout, l.endCalls)
	l.wait()
	drained.Stop()
	l.missRest()
}

// wait returns when all callers have ended.
func (l *loop) wait() {
	l.callers.Wait()
	l.endLoop()
	l.endCalls()
}

func (l *loop) drive(loop, calls context.Context, caller int) {
	for loop.Err() == nil && l.session.healthy() {
		number := l.taken.Add(1) - 1
		if l.limit > 0 && number >= l.limit {
			return
		}
		if l.rate > 0 {
			l.oneDue(loop, calls, caller, l.due(number))
		} else {
			l.one(calls, caller)
		}
	}
}

// one makes a unit of a closed loop.
func (l *loop) one(calls context.Context, caller int) {
	begun := time.Now()
	if l.make(calls, turn{caller, begun}) {
		l.track.add(time.Since(begun))
	}
}

// oneDue makes a unit of an open loop, as soon as it is due.
func (l *loop) oneDue(loop, calls context.Context, caller int, due time.Time) {
	if pause(loop, time.Until(due)) != nil {
		l.track.missed(due, time.Now()) // does nothing for a unit of the future
		return
	}
	if l.make(calls, turn{caller, due}) {
		l.track.addDue(due, time.Now())
	}
}

func (l *loop) make(calls context.Context, t turn) bool {
	if err := l.unit(calls, t); err != nil {
		l.session.fail(err)
		return false
	}
	l.succeed.Add(1)
	return true
}

func (l *loop) due(number int64) time.Time {
	return l.begun.Add(time.Duration(float64(number) / l.rate * float64(time.Second)))
}

// missRest notes units that were due and that no caller was free for.
func (l *loop) missRest() {
	if l.rate <= 0 {
		return
	}
	now := time.Now()
	for number := l.taken.Load(); l.due(number).Before(now); number++ {
		l.track.missed(l.due(number), now)
	}
}

// pause waits; its error is that of ctx, when that ends first.
func pause(ctx context.Context, duration time.Duration) error {
	if duration <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
