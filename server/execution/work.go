package execution

import (
	"cmp"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"

	"perdure/server/match"
)

// Offer is a task that wants a worker.
type Offer struct {
	Workflow         bool // else an activity
	Queue            string
	Sticky           bool
	NormalQueue      string
	ScheduledEventID int64
	Stamp            int64
	ScheduledTime    time.Time
	ExpiresAt        time.Time          // zero: never
	Priority         *commonpb.Priority // nil: the default
	// Direct says which workers it is for, Worker which version has the run in its sticky queue.
	Direct   match.Directive
	Worker   match.Version
	Volatile bool // not to be stored: it lives as long as this process wants it
}

// Message is something another run must hear. It is sent again until its acknowledgement is in the state.
type Message struct {
	// Exactly one of these is set.
	StartChild   *Child
	Signal       *ExternalSignal
	Cancel       *ExternalCancel
	NotifyParent *historypb.HistoryEvent // the close event
	ClosePolicy  []*Child
}

// Call is an address outside that is to be told something now. It is made again
// until its answer is in the state.
type Call struct {
	Callback *Callback
}

// Work is what a state asks the world to do.
type Work struct {
	Offers   []Offer
	Messages []Message
	Calls    []Call
	// WakeAt is when something is due; zero: never.
	WakeAt time.Time
}

// Work tells what the state asks for at the given time.
func (s *State) Work(now time.Time) Work {
	var w Work
	s.callbackWork(&w, now)
	if !s.Open() {
		s.closedWork(&w)
		return w
	}
	w.wake(s.RunExpirationTime())
	if s.FirstTaskDelayed && !s.Paused() {
		w.wake(s.ExecutionTime)
	}
	s.taskWork(&w)
	for _, a := range s.Activities.values() {
		s.activityWork(&w, a, now)
	}
	for _, timer := range s.Timers.entries {
		w.wake(timer.FireTime)
	}
	for _, child := range s.Children.values() {
		if child.RunID == "" {
			w.Messages = append(w.Messages, Message{StartChild: child})
		}
	}
	for _, signal := range s.ExternalSignals.values() {
		w.Messages = append(w.Messages, Message{Signal: signal})
	}
	for _, cancel := range s.ExternalCancels.values() {
		w.Messages = append(w.Messages, Message{Cancel: cancel})
	}
	return w
}

// Pending tells whether the state needs attention at once after a restart.
func (w Work) Pending() bool { return len(w.Offers) > 0 || len(w.Messages) > 0 || len(w.Calls) > 0 }

func (w *Work) wake(at time.Time) {
	if !at.IsZero() && (w.WakeAt.IsZero() || at.Before(w.WakeAt)) {
		w.WakeAt = at
	}
}

func (s *State) callbackWork(w *Work, now time.Time) {
	for _, c := range s.Callbacks.entries {
		switch {
		case c.Progress.IsDue(now):
			w.Calls = append(w.Calls, Call{Callback: c})
		case c.Progress.Pending():
			w.wake(c.Progress.NextTime)
		}
	}
	slices.SortFunc(w.Calls, func(a, b Call) int { return cmp.Compare(a.Callback.Key(), b.Callback.Key()) })
}

func (s *State) closedWork(w *Work) {
	if s.ClosePolicyDue {
		w.Messages = append(w.Messages, Message{ClosePolicy: s.orphans()})
	}
	if s.NotifyParent {
		w.Messages = append(w.Messages, Message{NotifyParent: s.CloseEvent})
	}
}

func (s *State) taskWork(w *Work) {
	task := s.Task
	switch {
	case task == nil:
	case task.StartedEventID != 0:
		w.wake(task.StartedTime.Add(task.Timeout))
	default:
		normal := s.StartedAttributes().GetTaskQueue().GetName()
		offer := Offer{
			Workflow: true, Queue: task.Queue, Sticky: task.Sticky, NormalQueue: normal, ScheduledEventID: task.ScheduledEventID,
			Stamp: task.Stamp, ScheduledTime: task.ScheduledTime, Priority: s.Priority, Volatile: task.Kind == TaskSpeculative || task.Sticky,
			Direct: s.Directive(), Worker: s.StickyWorker,
		}
		if task.Refused {
			offer.Queue, offer.Sticky, offer.Volatile = normal, false, task.Kind == TaskSpeculative
		}
		w.Offers = append(w.Offers, offer)
		w.wake(task.StickyUntil)
	}
}

func (s *State) activityWork(w *Work, a *Activity, now time.Time) {
	w.wake(a.Deadline())
	w.wake(a.scheduleToStart())
	w.wake(a.startToClose())
	w.wake(a.heartbeat())
	switch {
	case !a.StartedTime.IsZero(), a.Paused, s.Paused(), s.Versioning.Moving:
	case a.AttemptTime.After(now):
		w.wake(a.AttemptTime)
	default:
		w.Offers = append(w.Offers, Offer{
			Queue: a.attributes().GetTaskQueue().GetName(), ScheduledEventID: a.ScheduledEventID, Stamp: a.Stamp,
			ScheduledTime: a.AttemptTime, ExpiresAt: earliest(a.scheduleToStart(), a.Deadline()),
			Priority: s.PriorityOf(a.attributes().GetPriority()), Direct: s.activityDirective(a),
		})
	}
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// PriorityOf is the priority of an activity or child of the run: what is set in
// its own, the rest from the run's.
func (s *State) PriorityOf(own *commonpb.Priority) *commonpb.Priority {
	if own == nil || s.Priority == nil {
		return cmp.Or(own, s.Priority)
	}
	return &commonpb.Priority{
		PriorityKey:    cmp.Or(own.PriorityKey, s.Priority.PriorityKey),
		FairnessKey:    cmp.Or(own.FairnessKey, s.Priority.FairnessKey),
		FairnessWeight: cmp.Or(own.FairnessWeight, s.Priority.FairnessWeight),
	}
}
