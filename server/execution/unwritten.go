package execution

import (
	"time"

	"perdure/server/ledger"
)

// Unwritten is what the state tells of the run's time beside its history:
// history hears of an activity's attempts when it ends, and of a workflow task
// that is tried again when it completes.
func (s *State) Unwritten() ledger.Pending {
	var p ledger.Pending
	for _, a := range s.Activities.values() {
		p.Activities = append(p.Activities, ledger.PendingActivity{
			ScheduledEventID: a.ScheduledEventID, Attempt: a.Attempt, Due: a.AttemptTime, Started: a.StartedTime,
			Ended: a.LastAttemptEnd, LastFailure: a.LastFailure,
		})
	}
	if t := s.Task; t != nil && t.Kind != TaskNormal {
		p.Task = &ledger.PendingTask{Scheduled: t.ScheduledTime, Started: t.StartedTime}
	}
	return p
}

// HasTask tells whether the start of a workflow task that an earlier state had is pending still.
func (s *State) HasTask(t *WorkflowTask) bool {
	return s.Task != nil && s.Task.StartedTime.Equal(t.StartedTime) && s.Task.Stamp == t.Stamp
}

// AttemptsEnded calls ended for each attempt of an activity that was under way
// in this state and is not in the next one, with how long it had been under way
// and the pause until the next attempt. A ref that names an activity limits it to that one.
func (s *State) AttemptsEnded(next *State, ref ActivityRef, ended func(worked, pause time.Duration), now time.Time) {
	if ref.ScheduledEventID != 0 {
		if a := s.Activities.get(ref.ScheduledEventID); a != nil {
			a.attemptEnded(next, ended, now)
		}
		return
	}
	for _, a := range s.Activities.entries {
		if ref.ActivityID == "" || ref.ActivityID == a.ActivityID {
			a.attemptEnded(next, ended, now)
		}
	}
}

func (a *Activity) attemptEnded(next *State, ended func(worked, pause time.Duration), now time.Time) {
	if a.StartedTime.IsZero() {
		return
	}
	later := next.Activities.get(a.ScheduledEventID)
	switch {
	case later == nil:
		ended(now.Sub(a.StartedTime), 0)
	case later.Attempt > a.Attempt:
		ended(now.Sub(a.StartedTime), later.AttemptTime.Sub(now))
	}
}
