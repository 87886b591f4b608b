package nexus

import (
	"math"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
)

// Stage is how far a call has come.
type Stage int8

const (
	// Standby waits for what triggers the call.
	Standby Stage = iota
	// Due is to be made at Progress.NextTime.
	Due
	// Succeeded was taken by its receiver.
	Succeeded
	// Failed will not be tried again.
	Failed
)

// Progress is a call that is repeated until its receiver takes it. The zero value stands by.
type Progress struct {
	Stage       Stage
	Attempts    int32     // that have ended
	LastTime    time.Time // when the last attempt ended; zero: none did
	LastFailure *failurepb.Failure
	NextTime    time.Time // of the next attempt, while Stage is Due
}

// Policy is how long to wait between attempts.
type Policy struct {
	InitialInterval time.Duration
	MaximumInterval time.Duration
}

// Trigger makes a call that stands by due. Others stay as they are.
func (p Progress) Trigger(now time.Time) Progress {
	if p.Stage != Standby {
		return p
	}
	return Progress{Stage: Due, NextTime: now}
}

// After is the call after an attempt that ended now. The wait doubles with each
// attempt; chance, from 0 to 1, shortens it by a fifth at most, so that calls
// that failed together are not repeated together.
func (p Progress) After(a Answer, now time.Time, policy Policy, chance float64) Progress {
	next := Progress{Attempts: p.Attempts + 1, LastTime: now, LastFailure: a.failure()}
	switch {
	case a.Taken:
		next.Stage = Succeeded
	case !a.Retryable:
		next.Stage = Failed
	default:
		next.Stage = Due
		next.NextTime = now.Add(policy.wait(next.Attempts, chance))
	}
	return next
}

func (p Policy) wait(attempts int32, chance float64) time.Duration {
	longest := float64(p.MaximumInterval)
	wait := math.Min(longest, float64(p.InitialInterval)*math.Exp2(float64(attempts-1)))
	return time.Duration(wait * (1 - 0.2*chance))
}

// Pending tells whether an attempt may be made now or later.
func (p Progress) Pending() bool { return p.Stage == Due }

// IsDue tells whether an attempt is to be made now.
func (p Progress) IsDue(now time.Time) bool { return p.Stage == Due && !p.NextTime.After(now) }

// State is what clients see. blocked tells that calls to the receiver are held back.
func (p Progress) State(now time.Time, blocked bool) enumspb.CallbackState {
	switch {
	case p.Stage == Succeeded:
		return enumspb.CALLBACK_STATE_SUCCEEDED
	case p.Stage == Failed:
		return enumspb.CALLBACK_STATE_FAILED
	case p.Stage == Standby:
		return enumspb.CALLBACK_STATE_STANDBY
	case blocked:
		return enumspb.CALLBACK_STATE_BLOCKED
	case p.IsDue(now):
		return enumspb.CALLBACK_STATE_SCHEDULED
	}
	return enumspb.CALLBACK_STATE_BACKING_OFF
}
