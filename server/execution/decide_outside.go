package execution

import (
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"

	"google.golang.org/protobuf/proto"
)

// childOnly refuses callers that require the run to be their child when it is not.
func (t *transition) childOnly(parentRunID string) error {
	if parentRunID == "" || t.s.StartedAttributes().GetParentWorkflowExecution().GetRunId() == parentRunID {
		return nil
	}
	return serviceerror.NewNotFound("workflow execution is not a child of the caller")
}

func (t *transition) signal(c Signal) error {
	if c.RequestID != "" && t.s.KnowsSignal(c.RequestID) {
		return nil // delivered before
	}
	switch {
	case !t.s.Open():
		return errCompleted()
	case t.s.CloseAttempted && t.s.TaskStarted():
		return errClosing()
	case t.s.SignalCount >= t.env.Limits.Signals:
		return serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events")
	}
	if err := t.childOnly(c.ChildOf); err != nil {
		return err
	}
	t.record(t.signaled(c))
	if c.RequestID != "" && !t.s.KnowsSignal(c.RequestID) {
		t.s.SignalRequests.put(c.RequestID, Request{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED})
	}
	if c.WithStart && !t.s.Paused() {
		t.s.FirstTaskDelayed = false
	}
	t.scheduleTask()
	return nil
}

func (t *transition) signaled(c Signal) *historypb.HistoryEvent {
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
	e.Links = c.Links
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
		WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
			SignalName: c.Name, Input: c.Input, Identity: c.Identity, Header: c.Header,
			ExternalWorkflowExecution: c.From, RequestId: c.RequestID,
		},
	}
	return e
}

func bytesOf(events []*historypb.HistoryEvent) int {
	total := 0
	for _, e := range events {
		total += proto.Size(e)
	}
	return total
}

func (t *transition) requestCancel(c RequestCancel) error {
	switch {
	case !t.s.Open(), t.s.CancelRequested:
		return nil // asking again, or too late, is no mistake
	case t.s.CloseAttempted && t.s.TaskStarted():
		return errClosing()
	}
	if err := t.childOnly(c.ChildOf); err != nil {
		return err
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
	e.Links = c.Links
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes{
		WorkflowExecutionCancelRequestedEventAttributes: &historypb.WorkflowExecutionCancelRequestedEventAttributes{
			Cause: c.Cause, Identity: c.Identity, ExternalWorkflowExecution: c.From, ExternalInitiatedEventId: c.InitiatedEventID,
		},
	}
	t.record(e)
	t.s.CancelRequested, t.s.CancelRequestID = true, c.RequestID
	if !t.s.Paused() {
		t.s.FirstTaskDelayed = false // who waits to be cancelled need not wait to start
	}
	t.scheduleTask()
	return nil
}

func (t *transition) terminate(c Terminate) error {
	if !t.s.Open() {
		return errCompleted()
	}
	if err := t.childOnly(c.ChildOf); err != nil {
		return err
	}
	t.closeStartedTask()
	e := t.terminated(c.Reason, c.Details, c.Identity)
	e.Links = c.Links
	t.close(e, false)
	return nil
}

func (t *transition) attachRequest(c AttachRequest) error {
	if !t.s.Open() {
		return errCompleted()
	}
	if c.RequestID != "" && t.s.KnowsRequest(c.RequestID) {
		return nil
	}
	if err := t.mayRegister(c.Callbacks); err != nil {
		return err
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED)
	e.Links = c.Links
	e.WorkerMayIgnore = true
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionOptionsUpdatedEventAttributes{
		WorkflowExecutionOptionsUpdatedEventAttributes: &historypb.WorkflowExecutionOptionsUpdatedEventAttributes{
			AttachedRequestId: c.RequestID, AttachedCompletionCallbacks: c.Callbacks, Identity: c.Identity,
		},
	}
	t.record(e)
	if c.RequestID != "" && !t.s.KnowsRequest(c.RequestID) {
		t.s.Requests.put(c.RequestID, Request{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED})
	}
	return nil
}
