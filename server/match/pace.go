package match

import (
	"math"
	"time"
)

// Limit is how many may pass in a second. Zero lets none pass.
type Limit struct {
	PerSecond float64
	// Burst is the time whose share may pass at once after a rest. One may always.
	Burst time.Duration
}

// Never is how long one waits under a limit of zero.
const Never = time.Duration(math.MaxInt64)

// interval is the time between two at the limit's rate, at most a day.
func (l Limit) interval() time.Duration {
	return time.Duration(min(float64(time.Second)/l.PerSecond, float64(24*time.Hour)))
}

// tolerance is how much earlier than by the rate one may pass after a rest.
func (l Limit) tolerance() time.Duration {
	burst := max(math.Ceil(l.PerSecond*l.Burst.Seconds()), 1)
	return time.Duration((burst - 1) * float64(l.interval()))
}

// Pace holds something to a limit, which may change at any time. The zero value is rested.
type Pace struct {
	next time.Time // when the next one is due at the limit's rate
}

// Wait is how long until one may pass; zero: now.
func (p *Pace) Wait(now time.Time, l Limit) time.Duration {
	if !(l.PerSecond > 0) {
		return Never
	}
	if latest := now.Add(l.interval() + l.tolerance()); p.next.After(latest) {
		p.next = latest // the limit was raised, or the clock went back
	}
	return max(p.next.Add(-l.tolerance()).Sub(now), 0)
}

// Pass counts one that passes.
func (p *Pace) Pass(now time.Time, l Limit) {
	if p.next.Before(now) {
		p.next = now
	}
	if l.PerSecond > 0 {
		p.next = p.next.Add(l.interval())
	}
}

// Return takes back one that was counted and did not pass.
func (p *Pace) Return(l Limit) {
	if l.PerSecond > 0 {
		p.next = p.next.Add(-l.interval())
	}
}

// Rested tells whether the past does not matter any more.
func (p *Pace) Rested(now time.Time) bool { return !p.next.After(now) }
