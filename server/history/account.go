package history

import (
	"time"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/ledger"
	"perdure/server/metrics"
)

// account is what a run's time is spent on in the server, while the run is in
// memory. The run's lock guards it.
type account struct {
	tally ledger.Tally
	since time.Time
	whole bool // since the run's start
}

// moments are the readings of the clock around one decision.
type moments struct {
	received time.Time // by the frontend; zero: it was no client's call
	found    time.Time // the run was at hand
	locked   time.Time
}

// typeTimes are the metrics of a run's type.
func (e *Engine) typeTimes(s *execution.State) *metrics.TypeTimes {
	return metrics.StageTimes.Of(e.cfg.Metrics, s.StartedAttributes().GetWorkflowType().GetName())
}

// note enters a time of the server's into the run's ledger and the metrics of its type.
func (en *entry) note(types *metrics.TypeTimes, stage ledger.Stage, d time.Duration) {
	en.tally.Add(stage, d)
	types.Add(int(stage), stage.String(), d)
}

// noteDecision accounts for a decision that was installed a moment ago on the
// old state. The lock is held.
func (e *Engine) noteDecision(en *entry, old *execution.State, c execution.Command, t moments, task *cluster.Task) {
	types := e.typeTimes(old)
	switch {
	case task != nil && !task.MatchedAt.IsZero():
		stage := ledger.MatchSync
		if task.FromBacklog {
			stage = ledger.MatchBacklog
		}
		en.note(types, stage, task.Waited)
		en.note(types, ledger.HandOver, t.found.Sub(task.MatchedAt))
	case task == nil && !t.received.IsZero():
		en.note(types, ledger.Frontend, t.found.Sub(t.received))
	}
	if !t.locked.Equal(t.found) {
		en.note(types, ledger.Lock, t.locked.Sub(t.found))
	}
	en.note(types, ledger.Decide, en.used.Sub(t.locked))
	noteWork(types, old, en.state, c, t.found)
}

// noteStart accounts for the decision that began a run. The lock is held.
func (e *Engine) noteStart(en *entry, t moments, received time.Time) {
	types := e.typeTimes(en.state)
	if !received.IsZero() {
		en.note(types, ledger.Frontend, t.found.Sub(received))
	}
	en.note(types, ledger.Lookup, t.locked.Sub(t.found))
	en.note(types, ledger.Decide, en.used.Sub(t.locked))
}

// noteCommit accounts for a change that is durable. The lock is held.
func (e *Engine) noteCommit(en *entry, ch *change, g *group) {
	types := e.typeTimes(ch.state)
	en.note(types, ledger.CommitQueue, g.began.Sub(ch.queuedAt))
	en.note(types, ledger.CommitStore, g.ended.Sub(g.began))
}

// noteWork tells the metrics of what workers have done, which the history and the state tell the ledger of.
func noteWork(types *metrics.TypeTimes, old, next *execution.State, c execution.Command, now time.Time) {
	if old.TaskStarted() && !next.HasTask(old.Task) {
		types.Add(int(ledger.WorkflowTaskWork), ledger.WorkflowTaskWork.String(), now.Sub(old.Task.StartedTime))
	}
	var ref execution.ActivityRef
	switch c := c.(type) {
	case execution.CompleteActivity:
		ref = c.Activity
	case execution.FailActivity:
		ref = c.Activity
	case execution.CancelActivity:
		ref = c.Activity
	case execution.Tick:
	default:
		return
	}
	old.AttemptsEnded(next, ref, func(worked, pause time.Duration) {
		types.Add(int(ledger.ActivityWork), ledger.ActivityWork.String(), worked)
		if pause > 0 {
			types.Add(int(ledger.ActivityBackoff), ledger.ActivityBackoff.String(), pause)
		}
	}, now)
}
