package diagnosis

import (
	"strings"
	"time"
)

// task looks at the pending workflow task.
func (d *diagnosing) task() {
	t := d.f.Run.Task
	if t == nil {
		return
	}
	failing := d.failures(t)
	switch {
	case !t.Started.IsZero():
		d.started(t, failing)
	case t.Route.Sticky:
		d.sticky(t)
	case t.ForUpdate:
		d.forUpdate(t)
	default:
		d.waiting(t.Route, "", t.Scheduled)
	}
}

// failures tells of workflow tasks that fail again and again.
func (d *diagnosing) failures(t *Task) bool {
	r := &d.f.Run
	if max(t.Attempt, r.TaskFailures+1) < attemptsMany {
		return false
	}
	d.add(problemCode(r.Problem.Cause), "", r.LastProgress,
		is("failures", max(t.Attempt-1, r.TaskFailures)), is("problem", r.Problem.Cause), is("message", r.Problem.Message),
		is("attempt", t.Attempt), is("timeout", t.Timeout), is("identity", t.Worker))
	return true
}

// TaskTimedOut is the cause of a Problem that is a time-out; others are names of the API's enumeration.
const TaskTimedOut = "WorkflowTaskTimedOut"

// problemCode is what the cause of a failed workflow task means.
func problemCode(cause string) Code {
	switch {
	case cause == "NonDeterministicError":
		return WorkflowNonDeterminism
	case cause == "WorkflowWorkerUnhandledFailure":
		return WorkflowPanic
	case cause == "BadBinary":
		return WorkflowBadBinary
	case cause == TaskTimedOut:
		return WorkflowTaskTimingOut
	case strings.HasPrefix(cause, "Bad"), strings.HasSuffix(cause, "LimitExceeded"):
		return WorkflowCommandRefused
	}
	return WorkflowTaskFailing
}

// started looks at a task that a worker has.
func (d *diagnosing) started(t *Task, failing bool) {
	buffered := d.f.Run.Buffered
	if buffered.isNear() {
		d.add(BufferedEventsFull, "", t.Started, is("used", buffered.Used), is("max", buffered.Max), is("limit", buffered.Limit))
	}
	if !failing && d.f.Now.Sub(t.Started) > min(t.Timeout/2, d.f.Patience) {
		d.add(WorkflowTaskUnanswered, "", t.Started, is("identity", t.Worker), is("timeout", t.Timeout), is("attempt", t.Attempt))
	}
}

// sticky looks at a task that waits for the worker that has the run in its cache.
func (d *diagnosing) sticky(t *Task) {
	q := d.f.queue(t.Route)
	if polls(q.version(t.Route.Version).Pollers) || d.f.Now.Sub(t.Scheduled) < stickyPatience {
		return
	}
	d.add(StickyStale, "", t.Scheduled, is("queue", d.f.Run.Normal.Queue), is("until", d.when(t.StickyUntil)), is("sticky", t.Route.Queue))
}

// stickyPatience is how long a worker may take from one poll of its sticky queue to the next.
const stickyPatience = 2 * time.Second

func polls(pollers []Poller) bool {
	for _, p := range pollers {
		if p.Open {
			return true
		}
	}
	return false
}

// forUpdate looks at a task that is there for updates only.
func (d *diagnosing) forUpdate(t *Task) {
	waiting := 0
	for _, u := range d.f.Run.Updates {
		if !u.Accepted {
			waiting++
		}
	}
	if len(d.f.queue(t.Route).version(t.Route.Version).Pollers) == 0 {
		d.add(UpdateWithoutWorker, "", t.Scheduled, is("updates", waiting), is("queue", t.Route.Queue), is("version", t.Route.Version))
	}
	d.waiting(t.Route, "", t.Scheduled)
}

// queries looks at questions that nobody answers.
func (d *diagnosing) queries() {
	for _, q := range d.f.Run.Queries {
		d.add(QueryUnanswered, q.Type, time.Time{}, is("query", q.Type), is("sent", q.Sent), is("queue", d.f.Run.Normal.Queue))
		if d.f.Run.Task == nil && !q.Sent && len(d.f.queue(d.f.Run.Normal).version(d.f.Run.Normal.Version).Pollers) == 0 {
			d.unserved(d.f.Run.Normal, "", time.Time{})
		}
	}
}
