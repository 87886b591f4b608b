package execution

import (
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

// NeededEvents are the ids of the events that a decoded state points to, in
// order. Attach them before the state is used.
func (s *State) NeededEvents() []int64 {
	ids := []int64{1}
	ids = append(ids, s.Activities.keys()...)
	ids = append(ids, s.ExternalSignals.keys()...)
	ids = append(ids, s.ExternalCancels.keys()...)
	for _, child := range s.Children.values() {
		if child.StartedEventID == 0 {
			ids = append(ids, child.InitiatedEventID)
		}
	}
	if s.NotifyParent {
		ids = append(ids, s.CloseEventID)
	}
	ids = append(ids, s.Requests.events.ids()...)
	ids = append(ids, s.SignalRequests.events.ids()...)
	ids = append(ids, s.unregistered...)
	for _, c := range s.Callbacks.entries {
		ids = append(ids, c.RegisteredID)
		if c.TriggerID != 0 {
			ids = append(ids, c.TriggerID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Attach gives a decoded state, which must belong to the caller alone, an event it points to.
func (s *State) Attach(e *historypb.HistoryEvent) {
	id := e.EventId
	if id == 1 {
		s.attachStarted(e)
	}
	if a := s.Activities.edit(id); a != nil {
		a.Scheduled = e
		if a.Options != nil {
			scheduled := e.GetActivityTaskScheduledEventAttributes()
			a.Options.Input, a.Options.Header = scheduled.GetInput(), scheduled.GetHeader()
		}
	}
	if signal := s.ExternalSignals.edit(id); signal != nil {
		signal.Initiated = e
	}
	if cancel := s.ExternalCancels.edit(id); cancel != nil {
		cancel.Initiated = e
	}
	if child := s.Children.get(id); child != nil && child.StartedEventID == 0 {
		s.Children.edit(id).Initiated = e
	}
	if s.NotifyParent && id == s.CloseEventID {
		s.CloseEvent = e
	}
	s.noteRequests(e)
	s.attachCallbacks(e)
}

func (s *State) attachCallbacks(e *historypb.HistoryEvent) {
	s.register(e)
	if slices.Contains(s.unregistered, e.EventId) {
		s.unregistered = slices.DeleteFunc(slices.Clone(s.unregistered), func(id int64) bool { return id == e.EventId })
	}
	if status, _ := closing(e); status == enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED && e.GetWorkflowExecutionUpdateCompletedEventAttributes() == nil {
		return // a run may need many events, and callbacks may be many
	}
	var triggered []int64
	for key, c := range s.Callbacks.entries {
		if c.TriggerID == e.EventId {
			triggered = append(triggered, key)
		}
	}
	for _, key := range triggered {
		s.Callbacks.edit(key).Trigger = e
	}
}

func (s *State) attachStarted(e *historypb.HistoryEvent) {
	s.Started = e
	if s.memoAsStarted {
		s.Memo = s.StartedAttributes().GetMemo()
	}
	if s.attributesAsStarted {
		s.SearchAttributes = s.StartedAttributes().GetSearchAttributes()
	}
	s.memoAsStarted, s.attributesAsStarted = false, false
}

// Rebuild returns the state that a run's whole history leads to. What history
// does not tell, such as attempts and sticky queues, has its initial value.
func Rebuild(namespaceID, workflowID, runID, requestID string, events []*historypb.HistoryEvent) *State {
	s := &State{NamespaceID: namespaceID, WorkflowID: workflowID, RunID: runID, RequestID: requestID, NextEventID: 1}
	for _, e := range events {
		apply(s, e)
		if e.EventId == 1 {
			s.noteRequest(requestID, e)
		}
	}
	return s
}
