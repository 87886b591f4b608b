package outbound

import "time"

// breaker keeps calls from a destination that failed many times in a row. After
// a while one call is let through; what comes of it decides.
type breaker struct {
	failures  int // in a row
	openUntil time.Time
	probing   bool
}

// probeWait is how long others wait while one call tries a destination again.
const probeWait = time.Second

// admit tells whether a call may be made now, and if not when to ask again.
func (b *breaker) admit(now time.Time, failuresMax int) (ok bool, until time.Time) {
	switch {
	case b.failures < failuresMax:
		return true, time.Time{}
	case now.Before(b.openUntil):
		return false, b.openUntil
	case b.probing:
		return false, now.Add(probeWait)
	}
	b.probing = true
	return true, time.Time{}
}

// blocks tells whether the destination is left alone, but for one call that tries it.
func (b *breaker) blocks(failuresMax int) bool { return b.failures >= failuresMax }

// note takes what a call told.
func (b *breaker) note(healthy bool, now time.Time, failuresMax int, pause time.Duration) {
	b.probing = false
	if healthy {
		b.failures = 0
		return
	}
	if b.failures++; b.failures >= failuresMax {
		b.openUntil = now.Add(pause)
	}
}

// giveUp takes back an admission of a call that was not made.
func (b *breaker) giveUp() { b.probing = false }
