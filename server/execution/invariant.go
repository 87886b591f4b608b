package execution

import (
	"errors"
	"fmt"
	"slices"

	historypb "go.temporal.io/api/history/v1"

	"perdure/server/nexus"
)

// problems gathers what is wrong with a state.
type problems struct{ found []error }

func (p *problems) require(ok bool, format string, args ...any) {
	if !ok {
		p.found = append(p.found, fmt.Errorf(format, args...))
	}
}

func (p *problems) error() error { return errors.Join(p.found...) }

// Check tells what is wrong with a state that stands alone: a reference to
// something that is not there, or two fields that contradict each other. Every
// state that a decision returns passes, and so does every stored one once its
// events are attached. Nil: nothing is wrong.
func Check(s *State) error {
	p := &problems{}
	s.checkIdentity(p)
	if s.Started == nil {
		return p.error() // the rest asks it
	}
	s.checkLife(p)
	s.checkTask(p)
	for _, id := range s.Activities.keys() {
		s.checkActivity(p, id, s.Activities.get(id))
	}
	s.checkActivityNames(p)
	for _, id := range s.Timers.keys() {
		timer := s.Timers.get(id)
		p.require(timer.TimerID == id && !timer.FireTime.IsZero(), "timer %q: key or fire time is wrong", id)
		s.past(p, timer.StartedEventID, "start of timer", id)
	}
	for _, id := range s.Children.keys() {
		s.checkChild(p, id, s.Children.get(id))
	}
	s.checkExternals(p)
	s.checkUpdates(p)
	s.checkRequests(p)
	for _, key := range s.Callbacks.keys() {
		s.checkCallback(p, key, s.Callbacks.get(key))
	}
	s.checkBuffer(p)
	return p.error()
}

// past requires that the id is one of an event in history.
func (s *State) past(p *problems, id int64, what string, of any) {
	p.require(id > 0 && id < s.NextEventID, "%s %v: event %d is not in history (next is %d)", what, of, id, s.NextEventID)
}

func (s *State) checkIdentity(p *problems) {
	p.require(s.NamespaceID != "" && s.WorkflowID != "" && s.RunID != "", "namespace, workflow or run id is empty")
	p.require(s.NextEventID >= 2, "next event is %d", s.NextEventID)
	p.require(s.Version >= 1, "version is %d", s.Version)
	p.require(s.Started != nil && s.Started.EventId == 1 && s.StartedAttributes() != nil, "event 1 is missing or of another type")
	p.require(!s.StartTime.IsZero() && !s.ExecutionTime.Before(s.StartTime), "execution time %v, start time %v", s.ExecutionTime, s.StartTime)
	p.require(s.PreviousStartedID < s.NextEventID && s.LastTaskCompletedID < s.NextEventID, "the last completed task is ahead of history")
	p.require((s.PreviousStartedID == 0) == (s.LastTaskCompletedID == 0) && s.PreviousStartedID <= s.LastTaskCompletedID,
		"last task started by event %d, completed by %d", s.PreviousStartedID, s.LastTaskCompletedID)
	p.require(s.TaskAttempt >= 1, "task attempt is %d", s.TaskAttempt)
	p.require((s.StickyQueue != "") || s.StickyTimeout == 0, "a sticky timeout without a sticky queue")
}

// checkLife: an open run has nothing of a close, a closed one nothing pending.
func (s *State) checkLife(p *problems) {
	if s.Open() {
		p.require(s.CloseTime.IsZero() && s.CloseEventID == 0 && s.NewRunID == "", "an open run tells of its close")
		p.require(!s.Paused() || s.TaskStarted() || s.Task == nil, "a held run offers a task")
		p.require(!s.NotifyParent && s.CloseEvent == nil && !s.ClosePolicyDue, "an open run has what follows a close to do")
		p.require(!s.FirstTaskDelayed || s.Task == nil || s.Task.Kind == TaskSpeculative, "a task is pending before the first is due")
		p.require(s.Task != nil || s.Paused() || !s.hasOpenUpdates(), "updates wait without a task to carry them")
		return
	}
	p.require(s.Status != 0, "no status")
	p.require(!s.CloseTime.IsZero() && s.CloseEventID == s.NextEventID-1, "close event is %d, the last is %d", s.CloseEventID, s.NextEventID-1)
	pending := s.Timers.len() + s.ExternalSignals.len() + s.ExternalCancels.len() + len(s.Buffered)
	p.require(pending == 0, "a closed run has %d pending", pending)
	p.require(!s.FirstTaskDelayed && s.StickyQueue == "" && !s.CloseAttempted, "a closed run waits for a task")
	p.require(s.NotifyParent == (s.CloseEvent != nil), "the close event is kept exactly until the parent knows")
	p.require(s.CloseEvent == nil || s.CloseEvent.EventId == s.CloseEventID, "the wrong close event is kept")
	p.require(!s.ClosePolicyDue || len(s.orphans()) > 0, "a close policy is due without children")
	p.require(s.NewRunID == "" || !s.NotifyParent && !s.ClosePolicyDue, "a run that goes on in another one acts as if its chain had ended")
}

func (s *State) checkTask(p *problems) {
	task := s.Task
	if task == nil {
		return
	}
	p.require(task.Attempt >= 1 && task.Timeout > 0 && task.Queue != "" && task.Stamp != 0, "task: attempt, timeout, queue or stamp is not set")
	p.require(task.Stamp <= s.LastStamp, "task: stamp %d is above the last one, %d", task.Stamp, s.LastStamp)
	p.require(s.Open() || (task.Kind == TaskNormal && task.StartedEventID == 0), "a closed run has a task that is not just unclaimed")
	p.require((task.StartedEventID == 0) == task.StartedTime.IsZero(), "task: started event %d at %v", task.StartedEventID, task.StartedTime)
	p.require(task.StartedEventID == 0 || task.StartedEventID > task.ScheduledEventID, "task: scheduled by %d, started by %d", task.ScheduledEventID, task.StartedEventID)
	switch task.Kind {
	case TaskNormal:
		s.past(p, task.ScheduledEventID, "schedule of", "task")
		p.require(task.StartedEventID < s.NextEventID, "task: started event %d is not in history", task.StartedEventID)
		p.require(task.Attempt == 1, "task: attempt %d is in history although it is a retry", task.Attempt)
	case TaskTransient:
		p.require(task.Attempt > 1, "task: a first attempt is not in history")
		p.require(task.ScheduledEventID == s.NextEventID || (task.StartedEventID == 0 && task.ScheduledEventID < s.NextEventID),
			"task: provisional event %d, next is %d", task.ScheduledEventID, s.NextEventID)
	case TaskSpeculative:
		p.require(task.Attempt == 1 && task.ScheduledEventID == s.NextEventID, "task: speculative, attempt %d, event %d, next is %d", task.Attempt, task.ScheduledEventID, s.NextEventID)
	default:
		p.require(false, "task: unknown kind %d", task.Kind)
	}
	p.require(task.Kind == TaskNormal || task.StartedEventID == 0 || task.StartedEventID == task.ScheduledEventID+1, "task: provisional events are not adjacent")
	p.require(!task.Sticky || task.Refused || task.StartedEventID != 0 || !s.Open() || !task.StickyUntil.IsZero(), "task: offered on a sticky queue for ever")
}

func (s *State) checkActivity(p *problems, id int64, a *Activity) {
	p.require(a.ScheduledEventID == id, "activity %d: key is %d", a.ScheduledEventID, id)
	s.past(p, id, "schedule of activity", a.ActivityID)
	p.require(eventIs(a.Scheduled, id) && a.attributes() != nil, "activity %d: its scheduled event is missing or another one", id)
	p.require(a.attributes().GetActivityId() == a.ActivityID, "activity %d: id %q is not the scheduled one", id, a.ActivityID)
	p.require(a.Attempt >= 1 && a.Stamp != 0 && a.Stamp <= s.LastStamp, "activity %d: attempt %d, stamp %d, last stamp %d", id, a.Attempt, a.Stamp, s.LastStamp)
	p.require(!a.AttemptTime.Before(a.ScheduledTime), "activity %d: an attempt before it was scheduled", id)
	p.require(a.StartedTime.IsZero() || !a.StartedTime.Before(a.AttemptTime), "activity %d: started before its attempt was due", id)
	p.require(a.Attempt == 1 || !a.LastAttemptEnd.IsZero(), "activity %d: attempt %d without an end of the one before", id, a.Attempt)
	if a.CancelEventID != 0 {
		s.past(p, a.CancelEventID, "cancel request of activity", a.ActivityID)
		p.require(a.CancelEventID > id && (!a.StartedTime.IsZero() || !s.LastResetTime.IsZero()), "activity %d: waits to be cancelled though nobody runs it", id)
	}
}

func (s *State) checkActivityNames(p *problems) {
	names := make(map[string]int64, s.Activities.len())
	for _, a := range s.Activities.values() {
		p.require(names[a.ActivityID] == 0, "activities %d and %d have one id", names[a.ActivityID], a.ScheduledEventID)
		names[a.ActivityID] = a.ScheduledEventID
	}
}

func (s *State) checkChild(p *problems, id int64, c *Child) {
	p.require(c.InitiatedEventID == id && c.WorkflowID != "" && c.WorkflowType != "", "child %d: key, workflow id or type is wrong", id)
	s.past(p, id, "initiation of child", c.WorkflowID)
	p.require(c.StartedEventID == 0 || (c.StartedEventID > id && c.StartedEventID < s.NextEventID && c.RunID != ""), "child %d: started by event %d as run %q", id, c.StartedEventID, c.RunID)
	p.require((c.StartedEventID == 0) == eventIs(c.Initiated, id), "child %d: its initiated event is kept exactly until it has started", id)
	buffered := func(e *historypb.HistoryEvent) bool {
		return e.GetChildWorkflowExecutionStartedEventAttributes().GetInitiatedEventId() == id
	}
	p.require(c.RunID == "" || c.StartedEventID != 0 || s.bufferHas(buffered), "child %d: runs as %s without an event", id, c.RunID)
}

func (s *State) checkExternals(p *problems) {
	for _, id := range s.ExternalSignals.keys() {
		signal := s.ExternalSignals.get(id)
		s.past(p, id, "initiation of", "signal to another run")
		p.require(signal.InitiatedEventID == id && eventIs(signal.Initiated, id), "signal %d: its initiated event is missing or another one", id)
	}
	for _, id := range s.ExternalCancels.keys() {
		cancel := s.ExternalCancels.get(id)
		s.past(p, id, "initiation of", "cancel request to another run")
		p.require(cancel.InitiatedEventID == id && eventIs(cancel.Initiated, id), "cancel request %d: its initiated event is missing or another one", id)
	}
}

func eventIs(e *historypb.HistoryEvent, id int64) bool { return e != nil && e.EventId == id }

func (s *State) checkUpdates(p *problems) {
	for _, id := range s.Updates.keys() {
		u := s.Updates.get(id)
		p.require(u.ID == id && u.Stage >= UpdateAdmitted && u.Stage <= UpdateCompleted, "update %q: key %q, stage %d", u.ID, id, u.Stage)
		if u.Stage < UpdateAccepted {
			p.require(s.Open() && (u.Request != nil || u.InHistory) && u.AcceptedEventID == 0, "update %q: open without a request or in a closed run", id)
			p.require(u.Stage == UpdateAdmitted || s.TaskStarted() || s.Task != nil, "update %q: sent with no task", id)
			continue
		}
		s.past(p, u.AcceptedEventID, "acceptance of update", id)
		p.require(u.Request == nil, "update %q: kept in memory although history has it", id)
		p.require((u.Stage == UpdateCompleted) == (u.CompletedEventID != 0) && u.CompletedEventID < s.NextEventID, "update %q: stage %d, completed by event %d", id, u.Stage, u.CompletedEventID)
	}
}

func (s *State) checkCallback(p *problems, key int64, c *Callback) {
	p.require(c.Key() == key, "callback %d: key is %d", c.Key(), key)
	s.past(p, c.RegisteredID, "registration of callback", key)
	known := eventIs(c.Registered, c.RegisteredID) && c.Index >= 0 && c.Index < len(registrations(c.Registered))
	p.require(known, "callback %d: the event that brought it is missing or another one", key)
	progress := c.Progress
	p.require(progress.Stage >= nexus.Standby && progress.Stage <= nexus.Failed, "callback %d: stage %d", key, progress.Stage)
	p.require(progress.Pending() == (c.TriggerID != 0) && progress.Pending() == !progress.NextTime.IsZero(), "callback %d: has a trigger and a time exactly while it is pending", key)
	p.require(progress.Pending() == eventIs(c.Trigger, c.TriggerID), "callback %d: its trigger is kept exactly while it is pending", key)
	p.require((progress.Attempts == 0) == progress.LastTime.IsZero(), "callback %d: %d attempts, the last at %v", key, progress.Attempts, progress.LastTime)
	p.require(!known || !s.Open() || c.registration.updateID != "" || progress.Stage == nexus.Standby, "callback %d: told of the end of an open run", key)
}

func (s *State) checkRequests(p *problems) {
	for _, requests := range []requestTable{s.Requests, s.SignalRequests} {
		for _, id := range requests.keys() {
			r := requests.get(id)
			if r.EventID != 0 {
				s.past(p, r.EventID, "event of request", id)
				continue
			}
			waits := s.bufferHas(func(e *historypb.HistoryEvent) bool {
				return e.EventType == r.EventType && slices.Contains(s.requestsOf(e), id)
			})
			p.require(waits, "request %q: waits for an event that nobody has", id)
		}
	}
}

func (s *State) bufferHas(matches func(*historypb.HistoryEvent) bool) bool {
	for _, e := range s.Buffered {
		if matches(e) {
			return true
		}
	}
	return false
}

func (s *State) checkBuffer(p *problems) {
	p.require(len(s.Buffered) == 0 || (s.TaskStarted() && s.Task.Kind != TaskSpeculative), "events are buffered although no worker has a task")
	for _, e := range s.Buffered {
		p.require(e.EventId == 0, "buffered event %s has id %d", e.EventType, e.EventId)
	}
}
