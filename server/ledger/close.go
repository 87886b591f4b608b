package ledger

import (
	"maps"
	"slices"
	"time"

	failurepb "go.temporal.io/api/failure/v1"

	"perdure/server/activity"
)

// PendingActivity is what a run's state tells of an activity beside its history.
type PendingActivity struct {
	ScheduledEventID int64
	Attempt          int32
	// Due is when the attempt may start, Started when it has; zero: it has not.
	Due, Started time.Time
	// Ended is when the attempt before failed; zero: there was none.
	Ended       time.Time
	LastFailure *failurepb.Failure
}

// PendingTask is a workflow task that is not in the history, such as one that is tried again.
type PendingTask struct {
	Scheduled, Started time.Time // Started is zero when it has not
}

// Pending is what a run's state tells beside its history.
type Pending struct {
	Activities []PendingActivity
	Task       *PendingTask
}

// finish ends what began with an event.
func (a *Account) finish(id int64, at time.Time) {
	if b, ok := a.open[id]; ok {
		delete(a.open, id)
		a.note(b.stage, b.since, at, false)
	}
}

// fired ends a timer.
func (a *Account) fired(id int64, at time.Time) {
	b, ok := a.open[id]
	if !ok {
		return
	}
	if at.After(b.due) {
		a.note(TimerLate, b.due, at, false)
		at = b.due
	}
	a.finish(id, at)
}

// started ends an activity's wait and begins its work. Where its earlier
// attempts lay and where the pauses between them is not in a history: they count
// as if all attempts had come first.
func (a *Account) started(id int64, at time.Time, attempt int32, last *failurepb.Failure) {
	b, ok := a.open[id]
	if !ok {
		return
	}
	if attempt <= 1 {
		a.finish(id, at)
	} else {
		pauses := min(backoff(b, attempt, last), max(0, at.Sub(b.since)))
		a.note(ActivityRetry, b.since, at.Add(-pauses), false)
		a.note(ActivityBackoff, at.Add(-pauses), at, false)
	}
	a.open[id] = begun{stage: ActivityWork, since: at, scheduled: b.scheduled}
}

// backoff is the pauses before an attempt by the activity's policy.
func backoff(b begun, attempt int32, last *failurepb.Failure) time.Duration {
	var sum time.Duration
	policy := activity.FillRetryPolicy(b.scheduled.GetRetryPolicy())
	for n := int32(1); n < attempt && sum < activity.MaxDuration; n++ {
		failed := activity.Attempt{Policy: policy, Number: n}
		if n == attempt-1 {
			failed.Failure = last // it may have asked for a pause of its own
		}
		sum += failed.Decide().Interval
	}
	return sum
}

// note enters a time into the ledger.
func (a *Account) note(stage Stage, from, to time.Time, open bool) {
	if to.Before(from) {
		to = from // clocks of two owners may differ
	}
	line := &a.lines[stage]
	line.Count++
	if open {
		line.Open++
	}
	line.Total += to.Sub(from)
	line.Maximum = max(line.Maximum, to.Sub(from))
	a.spans[stage] = append(a.spans[stage], span{from, to})
}

// Close makes the ledger. Of a run that has not closed, what is under way counts
// up to now. The account is spent.
func (a *Account) Close(now time.Time, p Pending) Ledger {
	open := a.end.IsZero()
	life := span{a.start, a.end}
	if open {
		life.to = now
		a.pending(now, p)
	}
	for _, id := range slices.Sorted(maps.Keys(a.open)) {
		b := a.open[id]
		a.note(b.stage, b.since, life.to, open)
	}
	l := Ledger{Start: a.start, End: a.end, Life: max(0, life.to.Sub(life.from))}
	a.idle(life)
	for stage, line := range a.lines {
		if line.Count > 0 {
			line.Stage, line.Covered = Stage(stage), length(union(a.spans[stage]))
			l.Lines = append(l.Lines, line)
		}
	}
	return l
}

// idle enters when nothing was under way.
func (a *Account) idle(life span) {
	var busy []span
	for stage, spans := range a.spans {
		if Stage(stage) != Update {
			busy = append(busy, spans...)
		}
	}
	for _, gap := range gaps(life, union(busy)) {
		a.note(Idle, gap.from, gap.to, false)
	}
}

// pending enters what only the state knows.
func (a *Account) pending(now time.Time, p Pending) {
	for _, x := range p.Activities {
		a.pendingActivity(now, x)
	}
	if p.Task == nil {
		return
	}
	a.finish(retryKey, p.Task.Scheduled)
	if p.Task.Started.IsZero() {
		a.note(WorkflowTaskWait, p.Task.Scheduled, now, true)
		return
	}
	a.note(WorkflowTaskWait, p.Task.Scheduled, p.Task.Started, false)
	a.note(WorkflowTaskWork, p.Task.Started, now, true)
}

// pendingActivity enters how far an activity has come: history tells of its starts only when it ends.
func (a *Account) pendingActivity(now time.Time, x PendingActivity) {
	b, known := a.open[x.ScheduledEventID]
	switch {
	case !known:
	case !x.Started.IsZero():
		a.started(x.ScheduledEventID, x.Started, x.Attempt, x.LastFailure)
	case x.Attempt > 1 && !x.Ended.IsZero():
		delete(a.open, x.ScheduledEventID)
		pauses := min(backoff(b, x.Attempt-1, nil), max(0, x.Ended.Sub(b.since)))
		if x.Attempt > 2 {
			a.note(ActivityBackoff, x.Ended.Add(-pauses), x.Ended, false)
		}
		a.note(ActivityRetry, b.since, x.Ended.Add(-pauses), false)
		due := earlier(x.Due, now)
		a.note(ActivityBackoff, x.Ended, due, due.Equal(now))
		if now.After(due) {
			a.note(ActivityWait, due, now, true)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
