package diagnosis

import (
	"time"
)

// activity looks at one pending activity.
func (d *diagnosing) activity(a *Activity) {
	switch {
	case a.Pause != nil && a.Started.IsZero():
		d.add(ActivityPaused, a.ID, a.Pause.Time, d.known(a, is("identity", a.Pause.Identity), is("reason", a.Pause.Reason))...)
	case !a.Started.IsZero():
		d.running(a)
	case a.AttemptTime.After(d.f.Now):
		d.backoff(a)
	case d.f.Run.Moving.BuildID != "" || d.f.Run.Moving.Deployment != "":
		d.add(VersionMoving, "", a.AttemptTime, is("version", d.f.Run.Moving))
	default:
		d.failing(a)
		d.waiting(a.Route, a.ID, a.AttemptTime)
	}
}

// known is what is told of an activity in any case, after what is special.
func (d *diagnosing) known(a *Activity, special ...Evidence) []Evidence {
	return append(special, is("activity", a.ID), is("type", a.Type), is("attempt", a.Attempt), is("event", a.ScheduledID), is("queue", a.Route.Queue))
}

// failing tells of an activity that fails again and again.
func (d *diagnosing) failing(a *Activity) bool {
	if a.Attempt < attemptsMany {
		return false
	}
	common := d.known(a, is("identity", a.Worker), is("next", d.when(a.AttemptTime)), is("failure", a.Failure.Type), is("message", a.Failure.Message),
		is("maximum", a.MaximumAttempts), is("deadline", d.when(a.Deadline)))
	switch a.Failure.TimedOut {
	case "":
		d.add(ActivityFailing, a.ID, a.Scheduled, common...)
	case "Heartbeat":
		d.add(ActivityHeartbeatLost, a.ID, a.Scheduled, append(common, is("timeout", a.HeartbeatTimeout))...)
	default:
		d.add(ActivityTimingOut, a.ID, a.Scheduled, append(common, is("timedout", a.Failure.TimedOut))...)
	}
	return true
}

// backoff looks at an activity that waits for its next attempt.
func (d *diagnosing) backoff(a *Activity) {
	if d.failing(a) {
		return
	}
	d.add(ActivityBackoff, a.ID, time.Time{}, d.known(a, is("next", d.when(a.AttemptTime)), is("failure", a.Failure.Type), is("message", a.Failure.Message))...)
}

// silentLong is how long an activity without heartbeats may run before its worker's end should have shown.
const silentLong = 10 * time.Minute

// running looks at an activity that a worker has.
func (d *diagnosing) running(a *Activity) {
	d.failing(a)
	last := a.Started
	if a.Heartbeat.After(last) {
		last = a.Heartbeat
	}
	quiet := d.f.Now.Sub(last)
	evidence := d.known(a, is("identity", a.Worker), is("until", d.when(a.TimesOut)))
	switch {
	// Workers send heartbeats when four fifths of the time-out are over.
	case a.HeartbeatTimeout > 0 && quiet*10 > a.HeartbeatTimeout*9:
		d.add(ActivityHeartbeatLate, a.ID, last, append(evidence, is("timeout", a.HeartbeatTimeout))...)
	case a.HeartbeatTimeout == 0 && quiet > silentLong:
		d.add(ActivitySilent, a.ID, a.Started, evidence...)
	}
	d.add(ActivityRunning, a.ID, a.Started, evidence...)
}
