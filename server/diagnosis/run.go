package diagnosis

import (
	"time"
)

// run looks at the run itself.
func (d *diagnosing) run() {
	r := &d.f.Run
	if !r.Open {
		d.closed()
		return
	}
	d.usages()
	d.search()
	if r.Pause != nil {
		d.add(WorkflowPaused, "", r.Pause.Time, is("identity", r.Pause.Identity), is("reason", r.Pause.Reason))
		return // whatever else there is, it waits for that
	}
	if r.Task == nil && !r.FirstTask.IsZero() {
		d.add(StartDelay, "", time.Time{}, is("due", d.when(r.FirstTask)), is("delay", string(r.Delay)))
	}
	d.task()
	d.queries()
	for i := range r.Activities {
		d.activity(&r.Activities[i])
	}
	d.timers()
	d.children()
	d.messages()
	d.updates()
	d.idle()
	if r.CancelRequested && r.Task == nil {
		d.add(CancelUnheeded, "", time.Time{})
	}
}

// closed looks at what a closed run has still to do.
func (d *diagnosing) closed() {
	r := &d.f.Run
	if r.ParentUntold && d.tooLong(r.Close) {
		d.add(ParentUntold, "", r.Close)
	}
	for _, c := range r.Callbacks {
		evidence := []Evidence{is("address", c.Address), is("attempts", c.Attempts), is("next", d.when(c.Next)), is("failure", c.Failure)}
		switch {
		case c.Blocked != "":
			d.add(CallbackBlocked, c.Address, time.Time{}, append(evidence, is("blocked", c.Blocked))...)
		case c.Attempts >= attemptsMany:
			d.add(CallbackFailing, c.Address, time.Time{}, evidence...)
		default:
			d.add(CallbackWaiting, c.Address, time.Time{}, evidence...)
		}
	}
}

// attemptsMany is from which attempt on it is no accident.
const attemptsMany = 3

// usages looks at limits that end the run or refuse it things.
func (d *diagnosing) usages() {
	for _, u := range d.f.Run.Usages {
		if !u.isNear() {
			continue
		}
		code := RunNearLimit
		if u.Limit == "history_events_max" || u.Limit == "history_bytes_max" {
			code = HistoryNearLimit
		}
		d.add(code, u.Limit, time.Time{}, is("used", u.Used), is("max", u.Max), is("limit", u.Limit))
	}
}

// searchLate is from when on a store of search records is behind: records are
// refreshed twice a minute at most.
const searchLate = time.Minute

// search looks at what lists are answered from.
func (d *diagnosing) search() {
	for _, s := range d.f.Search {
		evidence := []Evidence{is("store", s.Name), is("behind", s.Behind)}
		switch {
		case s.Blocked:
			d.add(SearchBlocked, s.Name, time.Time{}, evidence...)
		case s.Behind > searchLate:
			d.add(SearchBehind, s.Name, time.Time{}, evidence...)
		}
	}
}

// timers looks at what fires next.
func (d *diagnosing) timers() {
	timers := d.f.Run.Timers
	if len(timers) == 0 {
		return
	}
	first := timers[0]
	for _, t := range timers {
		if t.Fires.Before(first.Fires) || t.Fires.Equal(first.Fires) && t.StartedID < first.StartedID {
			first = t
		}
	}
	evidence := []Evidence{is("timer", first.ID), is("fires", d.when(first.Fires)), is("event", first.StartedID), is("timers", len(timers))}
	if d.tooLong(first.Fires) {
		d.add(TimerLate, first.ID, first.Fires, evidence...)
		return
	}
	d.add(TimerRunning, first.ID, time.Time{}, evidence...)
}

// idle tells of a run that waits for somebody outside.
func (d *diagnosing) idle() {
	r := &d.f.Run
	pending := len(r.Activities) + len(r.Timers) + len(r.Children) + len(r.Messages) + len(r.Updates)
	if r.Task == nil && r.FirstTask.IsZero() && pending == 0 {
		d.add(SignalAwaited, "", time.Time{})
	}
}

// updates looks at handlers that run. Those that no worker has yet are the workflow task's.
func (d *diagnosing) updates() {
	for _, u := range d.f.Run.Updates {
		if u.Accepted {
			d.add(UpdateRunning, u.ID, time.Time{}, is("update", u.ID))
		}
	}
}
