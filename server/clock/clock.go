// Package clock gives time to code that must also run in tests with a time of
// their own.
package clock

import "time"

// Clock tells the time and wakes up.
type Clock interface {
	// Now is the current time.
	Now() time.Time
	// NewTimer sends on C once after d; at once when d is not positive.
	NewTimer(d time.Duration) Timer
}

// Timer is a time.Timer whose channel is reached by a method.
type Timer interface {
	// C receives the time at which the timer fired. At most one value waits in it.
	C() <-chan time.Time
	// Stop keeps the timer from firing; false when it has fired or was stopped.
	// After Stop nothing old can be received.
	Stop() bool
	// Reset arms the timer anew; true when it was armed. After Reset nothing old can be received.
	Reset(d time.Duration) bool
}

// Wall is the machine's clock.
func Wall() Clock { return wall{} }

type wall struct{}

func (wall) Now() time.Time { return time.Now() }

func (wall) NewTimer(d time.Duration) Timer { return wallTimer{time.NewTimer(d)} }

type wallTimer struct{ timer *time.Timer }

func (t wallTimer) C() <-chan time.Time        { return t.timer.C }
func (t wallTimer) Stop() bool                 { return t.timer.Stop() }
func (t wallTimer) Reset(d time.Duration) bool { return t.timer.Reset(d) }
