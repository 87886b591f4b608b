package execution

import (
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/nexus"
)

// Callback is an address that is told how the run, or one of its updates, has ended.
type Callback struct {
	// RegisteredID and Index name it: the event that brought it, and its place among those that the event brought.
	RegisteredID int64
	Index        int
	// Registered is that event, attached from history, and registration what it tells of the callback.
	Registered   *historypb.HistoryEvent
	registration registration
	// TriggerID is the event that the address is to hear of, while Progress is pending.
	TriggerID int64
	// Trigger is that event, attached from history.
	Trigger  *historypb.HistoryEvent
	Progress nexus.Progress
}

// registration is a callback as an event tells of it.
type registration struct {
	callback  *commonpb.Callback
	updateID  string // of the update whose end is told; empty: the run's
	requestID string // of the call that brought it
}

// registrations are the callbacks that an event brings, in order.
func registrations(e *historypb.HistoryEvent) []registration {
	var found []registration
	add := func(updateID, requestID string, callbacks []*commonpb.Callback) {
		for _, c := range callbacks {
			found = append(found, registration{c, updateID, requestID})
		}
	}
	switch a := e.GetAttributes().(type) {
	case *historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes:
		add("", "", a.WorkflowExecutionStartedEventAttributes.GetCompletionCallbacks())
	case *historypb.HistoryEvent_WorkflowExecutionOptionsUpdatedEventAttributes:
		options := a.WorkflowExecutionOptionsUpdatedEventAttributes
		add("", options.GetAttachedRequestId(), options.GetAttachedCompletionCallbacks())
		for _, update := range options.GetWorkflowUpdateOptions() {
			add(update.GetUpdateId(), update.GetAttachedRequestId(), update.GetAttachedCompletionCallbacks())
		}
	case *historypb.HistoryEvent_WorkflowExecutionUpdateAdmittedEventAttributes:
		request := a.WorkflowExecutionUpdateAdmittedEventAttributes.GetRequest()
		add(request.GetMeta().GetUpdateId(), request.GetRequestId(), request.GetCompletionCallbacks())
	case *historypb.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes:
		accepted := a.WorkflowExecutionUpdateAcceptedEventAttributes
		add(accepted.GetProtocolInstanceId(), accepted.GetAcceptedRequest().GetRequestId(), accepted.GetAcceptedRequest().GetCompletionCallbacks())
	}
	return found
}

// callbackKey orders callbacks as they came.
func callbackKey(registeredID int64, index int) int64 { return registeredID<<20 | int64(index) }

// Key names the callback in its run.
func (c *Callback) Key() int64 { return callbackKey(c.RegisteredID, c.Index) }

// URL is the address.
func (c *Callback) URL() string { return c.registration.callback.GetNexus().GetUrl() }

// register adds the callbacks that an event brings. Those that are known already keep their progress.
func (s *State) register(e *historypb.HistoryEvent) {
	for i, r := range registrations(e) {
		c := s.Callbacks.edit(callbackKey(e.EventId, i))
		if c == nil {
			c = &Callback{RegisteredID: e.EventId, Index: i}
			s.Callbacks.put(c.Key(), c)
		}
		c.Registered, c.registration = e, r
	}
}

// endCallbacks makes the calls due that an event ends the waiting of.
func (s *State) endCallbacks(e *historypb.HistoryEvent, ends func(registration) bool) {
	for _, key := range s.Callbacks.keys() {
		c := s.Callbacks.get(key)
		if c.Progress.Stage != nexus.Standby || !ends(c.registration) {
			continue
		}
		c = s.Callbacks.edit(key)
		c.Progress = c.Progress.Trigger(e.EventTime.AsTime())
		c.TriggerID, c.Trigger = e.EventId, e
	}
}

// endUpdateCallbacks makes the calls due of updates that end with their run.
func (s *State) endUpdateCallbacks(e *historypb.HistoryEvent) {
	s.endCallbacks(e, func(r registration) bool {
		u := s.Updates.get(r.updateID)
		return r.updateID != "" && (u == nil || u.Stage < UpdateCompleted)
	})
}

// forgetCalls takes back calls that the run had to make which this one was reset from.
func (s *State) forgetCalls() {
	for _, key := range s.Callbacks.keys() {
		if s.Callbacks.get(key).Progress.Pending() {
			c := s.Callbacks.edit(key)
			c.Progress, c.TriggerID, c.Trigger = nexus.Progress{}, 0, nil
		}
	}
}

// chainEnds tells whether nobody tells the run's callbacks later: its chain
// ends, or goes on by its cron schedule, whose runs each end for themselves.
func chainEnds(e *historypb.HistoryEvent) bool {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_WorkflowExecutionContinuedAsNewEventAttributes:
		return false
	case *historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes:
		return a.WorkflowExecutionFailedEventAttributes.RetryState != enumspb.RETRY_STATE_IN_PROGRESS
	case *historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes:
		return a.WorkflowExecutionTimedOutEventAttributes.RetryState != enumspb.RETRY_STATE_IN_PROGRESS
	}
	return true
}

// callbacksOfRun are the callbacks that wait for the run's end, to be carried into the next of its chain.
func (s *State) callbacksOfRun() []*commonpb.Callback {
	var callbacks []*commonpb.Callback
	for _, c := range s.Callbacks.values() {
		if c.registration.updateID == "" {
			callbacks = append(callbacks, c.registration.callback)
		}
	}
	return callbacks
}

// bufferedCallbacks are those that events bring which have no ids yet.
func (s *State) bufferedCallbacks() []*Callback {
	var callbacks []*Callback
	for _, e := range s.Buffered {
		for i, r := range registrations(e) {
			callbacks = append(callbacks, &Callback{Registered: e, registration: r, Index: i})
		}
	}
	return callbacks
}

func (s *State) describeCallbacks(now time.Time, blocked func(address string) string) []*workflowpb.CallbackInfo {
	var infos []*workflowpb.CallbackInfo
	for _, c := range slices.Concat(s.Callbacks.values(), s.bufferedCallbacks()) {
		infos = append(infos, c.describe(now, blocked))
	}
	return infos
}

func (c *Callback) describe(now time.Time, blocked func(address string) string) *workflowpb.CallbackInfo {
	p := c.Progress
	info := &workflowpb.CallbackInfo{
		Callback: c.registration.callback, RegistrationTime: c.Registered.EventTime, Attempt: p.Attempts, LastAttemptFailure: p.LastFailure,
		Trigger: c.registration.trigger(),
	}
	if p.Pending() {
		info.BlockedReason = blocked(c.URL())
	}
	info.State = p.State(now, info.BlockedReason != "")
	if !p.LastTime.IsZero() {
		info.LastAttemptCompleteTime = timestamppb.New(p.LastTime)
	}
	if info.State == enumspb.CALLBACK_STATE_BACKING_OFF {
		info.NextAttemptScheduleTime = timestamppb.New(p.NextTime)
	}
	return info
}

func (r registration) trigger() *workflowpb.CallbackInfo_Trigger {
	if r.updateID == "" {
		return &workflowpb.CallbackInfo_Trigger{Variant: &workflowpb.CallbackInfo_Trigger_WorkflowClosed{WorkflowClosed: &workflowpb.CallbackInfo_WorkflowClosed{}}}
	}
	return &workflowpb.CallbackInfo_Trigger{Variant: &workflowpb.CallbackInfo_Trigger_UpdateWorkflowExecutionCompleted{
		UpdateWorkflowExecutionCompleted: &workflowpb.CallbackInfo_UpdateWorkflowExecutionCompleted{UpdateId: r.updateID},
	}}
}

// CallbackRequest is what the address of a pending callback is to be told.
// namespace is the name of the run's.
func (s *State) CallbackRequest(c *Callback, namespace string) nexus.Request {
	completion := c.completion()
	completion.StartTime, completion.CloseTime = s.StartTime, c.Trigger.EventTime.AsTime()
	completion.Link = &commonpb.Link_WorkflowEvent{Namespace: namespace, WorkflowId: s.WorkflowID, RunId: s.RunID}
	if r := c.registration; r.requestID != "" {
		completion.Link.Reference = &commonpb.Link_WorkflowEvent_RequestIdRef{
			RequestIdRef: &commonpb.Link_WorkflowEvent_RequestIdReference{RequestId: r.requestID, EventType: c.Registered.EventType},
		}
	} else {
		completion.Link.Reference = &commonpb.Link_WorkflowEvent_EventRef{
			EventRef: &commonpb.Link_WorkflowEvent_EventReference{EventId: c.RegisteredID, EventType: c.Registered.EventType},
		}
	}
	return completion.Request(c.registration.callback.GetNexus())
}

// completion is how that has ended of which the address is to hear.
func (c *Callback) completion() nexus.Completion {
	if c.registration.updateID == "" {
		return completionOf(c.Trigger)
	}
	outcome := c.Trigger.GetWorkflowExecutionUpdateCompletedEventAttributes().GetOutcome()
	if outcome == nil {
		outcome = AcceptedOutcome() // the run closed under it
	}
	return nexus.Completion{Result: firstPayload(outcome.GetSuccess()), Failure: outcome.GetFailure()}
}

// completionOf is what an event that ends a run tells those who wait for its result.
func completionOf(e *historypb.HistoryEvent) nexus.Completion {
	switch a := e.GetAttributes().(type) {
	case *historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes:
		return nexus.Completion{Result: firstPayload(a.WorkflowExecutionCompletedEventAttributes.Result)}
	case *historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes:
		return nexus.Completion{Failure: a.WorkflowExecutionFailedEventAttributes.Failure}
	case *historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes:
		return nexus.Completion{Canceled: true, Failure: &failurepb.Failure{
			Message: "operation canceled", FailureInfo: &failurepb.Failure_CanceledFailureInfo{
				CanceledFailureInfo: &failurepb.CanceledFailureInfo{Details: a.WorkflowExecutionCanceledEventAttributes.Details},
			},
		}}
	case *historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes:
		return nexus.Completion{Failure: &failurepb.Failure{
			Message: "operation exceeded internal timeout", FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{}},
		}}
	}
	return nexus.Completion{Failure: &failurepb.Failure{
		Message: "operation terminated", FailureInfo: &failurepb.Failure_TerminatedFailureInfo{TerminatedFailureInfo: &failurepb.TerminatedFailureInfo{}},
	}}
}

// firstPayload is the result that an operation has: one, however many the run gave.
func firstPayload(p *commonpb.Payloads) *commonpb.Payload {
	if len(p.GetPayloads()) == 0 {
		return nil
	}
	return p.Payloads[0]
}
