package execution

import (
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

func (t *transition) childStarted(c ChildStarted) error {
	child := t.s.Children.get(c.InitiatedEventID)
	if !t.s.Open() || child == nil || child.RunID != "" {
		return ErrStale
	}
	t.recordChildStarted(t.s.Children.edit(c.InitiatedEventID), c.RunID)
	t.scheduleTask()
	return nil
}

func (t *transition) recordChildStarted(child *Child, runID string) {
	initiated := child.Initiated.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	e := t.event(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED)
	e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionStartedEventAttributes{
		ChildWorkflowExecutionStartedEventAttributes: &historypb.ChildWorkflowExecutionStartedEventAttributes{
			Namespace: child.Namespace, NamespaceId: child.NamespaceID, InitiatedEventId: child.InitiatedEventID,
			WorkflowExecution: execution(child.WorkflowID, runID), WorkflowType: initiated.GetWorkflowType(), Header: initiated.GetHeader(),
		},
	}
	child.RunID = runID // known at once, although the event may wait in the buffer
	t.record(e)
}

func (t *transition) childStartFailed(c ChildStartFailed) error {
	child := t.s.Children.get(c.InitiatedEventID)
	if !t.s.Open() || child == nil || child.RunID != "" {
		return ErrStale
	}
	initiated := child.Initiated.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	e := t.event(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED)
	e.Attributes = &historypb.HistoryEvent_StartChildWorkflowExecutionFailedEventAttributes{
		StartChildWorkflowExecutionFailedEventAttributes: &historypb.StartChildWorkflowExecutionFailedEventAttributes{
			Namespace: child.Namespace, NamespaceId: child.NamespaceID, WorkflowId: child.WorkflowID, WorkflowType: initiated.GetWorkflowType(),
			Cause: c.Cause, Control: initiated.GetControl(), InitiatedEventId: child.InitiatedEventID,
		},
	}
	t.s.Children.drop(c.InitiatedEventID)
	t.record(e)
	t.scheduleTask()
	return nil
}

func (t *transition) childClosed(c ChildClosed) error {
	if t.s.Children.get(c.InitiatedEventID) == nil || !t.s.Open() {
		return ErrStale
	}
	child := t.s.Children.edit(c.InitiatedEventID)
	if child.RunID == "" {
		t.recordChildStarted(child, c.FirstRunID)
		child = t.s.Children.get(c.InitiatedEventID) // knows its started event now, unless that is buffered
	}
	e := t.childCloseEvent(child, c)
	if e == nil {
		return ErrStale
	}
	t.s.Children.drop(c.InitiatedEventID)
	t.record(e)
	t.scheduleTask()
	return nil
}

// childCloseEvent tells the parent what the child's close event told.
func (t *transition) childCloseEvent(child *Child, c ChildClosed) *historypb.HistoryEvent {
	run := execution(child.WorkflowID, c.RunID)
	kind := workflowTypeOf(child)
	e := t.event(enumspb.EVENT_TYPE_UNSPECIFIED)
	switch a := c.CloseEvent.GetAttributes().(type) {
	case *historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes:
		e.EventType = enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED
		e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes{ChildWorkflowExecutionCompletedEventAttributes: &historypb.ChildWorkflowExecutionCompletedEventAttributes{
			Result: a.WorkflowExecutionCompletedEventAttributes.Result, Namespace: child.Namespace, NamespaceId: child.NamespaceID,
			WorkflowExecution: run, WorkflowType: kind, InitiatedEventId: child.InitiatedEventID, StartedEventId: child.StartedEventID,
		}}
	case *historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes:
		e.EventType = enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED
		e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes{ChildWorkflowExecutionFailedEventAttributes: &historypb.ChildWorkflowExecutionFailedEventAttributes{
			Failure: a.WorkflowExecutionFailedEventAttributes.Failure, RetryState: a.WorkflowExecutionFailedEventAttributes.RetryState,
			Namespace: child.Namespace, NamespaceId: child.NamespaceID,
			WorkflowExecution: run, WorkflowType: kind, InitiatedEventId: child.InitiatedEventID, StartedEventId: child.StartedEventID,
		}}
	case *historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes:
		e.EventType = enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED
		e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionCanceledEventAttributes{ChildWorkflowExecutionCanceledEventAttributes: &historypb.ChildWorkflowExecutionCanceledEventAttributes{
			Details: a.WorkflowExecutionCanceledEventAttributes.Details, Namespace: child.Namespace, NamespaceId: child.NamespaceID,
			WorkflowExecution: run, WorkflowType: kind, InitiatedEventId: child.InitiatedEventID, StartedEventId: child.StartedEventID,
		}}
	case *historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes:
		e.EventType = enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT
		e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionTimedOutEventAttributes{ChildWorkflowExecutionTimedOutEventAttributes: &historypb.ChildWorkflowExecutionTimedOutEventAttributes{
			RetryState: a.WorkflowExecutionTimedOutEventAttributes.RetryState, Namespace: child.Namespace, NamespaceId: child.NamespaceID,
			WorkflowExecution: run, WorkflowType: kind, InitiatedEventId: child.InitiatedEventID, StartedEventId: child.StartedEventID,
		}}
	case *historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes:
		e.EventType = enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED
		e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionTerminatedEventAttributes{ChildWorkflowExecutionTerminatedEventAttributes: &historypb.ChildWorkflowExecutionTerminatedEventAttributes{
			Namespace: child.Namespace, NamespaceId: child.NamespaceID,
			WorkflowExecution: run, WorkflowType: kind, InitiatedEventId: child.InitiatedEventID, StartedEventId: child.StartedEventID,
		}}
	default:
		return nil
	}
	return e
}

func (t *transition) signalDelivered(c SignalDelivered) error {
	pending := t.s.ExternalSignals.get(c.InitiatedEventID)
	if !t.s.Open() || pending == nil {
		return ErrStale
	}
	initiated := pending.Initiated.GetSignalExternalWorkflowExecutionInitiatedEventAttributes()
	e := t.event(enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED)
	if c.Failed == enumspb.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_UNSPECIFIED {
		e.Attributes = &historypb.HistoryEvent_ExternalWorkflowExecutionSignaledEventAttributes{ExternalWorkflowExecutionSignaledEventAttributes: &historypb.ExternalWorkflowExecutionSignaledEventAttributes{
			InitiatedEventId: c.InitiatedEventID, Namespace: t.env.Namespace.Name, NamespaceId: initiated.GetNamespaceId(),
			WorkflowExecution: initiated.GetWorkflowExecution(), Control: initiated.GetControl(),
		}}
	} else {
		e.EventType = enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED
		e.Attributes = &historypb.HistoryEvent_SignalExternalWorkflowExecutionFailedEventAttributes{SignalExternalWorkflowExecutionFailedEventAttributes: &historypb.SignalExternalWorkflowExecutionFailedEventAttributes{
			Cause: c.Failed, InitiatedEventId: c.InitiatedEventID, Namespace: t.env.Namespace.Name, NamespaceId: initiated.GetNamespaceId(),
			WorkflowExecution: initiated.GetWorkflowExecution(), Control: initiated.GetControl(),
		}}
	}
	t.s.ExternalSignals.drop(c.InitiatedEventID)
	t.record(e)
	t.scheduleTask()
	return nil
}

func (t *transition) cancelDelivered(c CancelDelivered) error {
	pending := t.s.ExternalCancels.get(c.InitiatedEventID)
	if !t.s.Open() || pending == nil {
		return ErrStale
	}
	initiated := pending.Initiated.GetRequestCancelExternalWorkflowExecutionInitiatedEventAttributes()
	e := t.event(enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
	if c.Failed == enumspb.CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_UNSPECIFIED {
		e.Attributes = &historypb.HistoryEvent_ExternalWorkflowExecutionCancelRequestedEventAttributes{ExternalWorkflowExecutionCancelRequestedEventAttributes: &historypb.ExternalWorkflowExecutionCancelRequestedEventAttributes{
			InitiatedEventId: c.InitiatedEventID, Namespace: t.env.Namespace.Name, NamespaceId: initiated.GetNamespaceId(),
			WorkflowExecution: initiated.GetWorkflowExecution(),
		}}
	} else {
		e.EventType = enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED
		e.Attributes = &historypb.HistoryEvent_RequestCancelExternalWorkflowExecutionFailedEventAttributes{RequestCancelExternalWorkflowExecutionFailedEventAttributes: &historypb.RequestCancelExternalWorkflowExecutionFailedEventAttributes{
			Cause: c.Failed, InitiatedEventId: c.InitiatedEventID, Namespace: t.env.Namespace.Name, NamespaceId: initiated.GetNamespaceId(),
			WorkflowExecution: initiated.GetWorkflowExecution(),
		}}
	}
	t.s.ExternalCancels.drop(c.InitiatedEventID)
	t.record(e)
	t.scheduleTask()
	return nil
}

func (t *transition) parentNotified() error {
	if !t.s.NotifyParent {
		return ErrStale
	}
	t.s.NotifyParent, t.s.CloseEvent = false, nil
	t.durable = true
	return nil
}

func (t *transition) closePolicyDone() error {
	if !t.s.ClosePolicyDue {
		return ErrStale
	}
	t.s.ClosePolicyDue = false
	t.durable = true
	return nil
}

func workflowTypeOf(child *Child) *commonpb.WorkflowType {
	return &commonpb.WorkflowType{Name: child.WorkflowType}
}
