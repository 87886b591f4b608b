package execution

import "perdure/server/ledger"

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
