package spans

import (
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

// outsideHandlers are for what a run asks of other runs and of services.
var outsideHandlers = map[enumspb.EventType]func(*builder, *historypb.HistoryEvent){
	enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: func(b *builder, e *historypb.HistoryEvent) {
		a := e.GetSignalExternalWorkflowExecutionInitiatedEventAttributes()
		s := b.message(e, "send signal "+a.GetSignalName(), a.GetWorkflowExecution())
		sent(s, a.GetHeader(), "worker")
	},
	enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED: func(b *builder, e *historypb.HistoryEvent) {
		a := e.GetExternalWorkflowExecutionSignaledEventAttributes()
		b.answered(e, a.GetInitiatedEventId(), a.GetWorkflowExecution(), "")
	},
	enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: func(b *builder, e *historypb.HistoryEvent) {
		a := e.GetSignalExternalWorkflowExecutionFailedEventAttributes()
		b.answered(e, a.GetInitiatedEventId(), nil, short(a.GetCause().String()))
	},
	enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: func(b *builder, e *historypb.HistoryEvent) {
		b.message(e, "send cancel request", e.GetRequestCancelExternalWorkflowExecutionInitiatedEventAttributes().GetWorkflowExecution())
	},
	enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED: func(b *builder, e *historypb.HistoryEvent) {
		a := e.GetExternalWorkflowExecutionCancelRequestedEventAttributes()
		b.answered(e, a.GetInitiatedEventId(), a.GetWorkflowExecution(), "")
	},
	enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: func(b *builder, e *historypb.HistoryEvent) {
		a := e.GetRequestCancelExternalWorkflowExecutionFailedEventAttributes()
		b.answered(e, a.GetInitiatedEventId(), nil, short(a.GetCause().String()))
	},

	enumspb.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED: (*builder).operationScheduled,
	enumspb.EVENT_TYPE_NEXUS_OPERATION_STARTED: func(b *builder, e *historypb.HistoryEvent) {
		if it := b.items[e.GetNexusOperationStartedEventAttributes().GetScheduledEventId()]; it != nil {
			end(it.begun, e)
		}
	},
	enumspb.EVENT_TYPE_NEXUS_OPERATION_COMPLETED: func(b *builder, e *historypb.HistoryEvent) {
		if s := b.operationEnded(e, e.GetNexusOperationCompletedEventAttributes().GetScheduledEventId()); s != nil {
			s.Outcome = OK
		}
	},
	enumspb.EVENT_TYPE_NEXUS_OPERATION_FAILED: func(b *builder, e *historypb.HistoryEvent) {
		a := e.GetNexusOperationFailedEventAttributes()
		if s := b.operationEnded(e, a.GetScheduledEventId()); s != nil {
			b.failed(s, a.GetFailure(), "failed")
		}
	},
	enumspb.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT: func(b *builder, e *historypb.HistoryEvent) {
		a := e.GetNexusOperationTimedOutEventAttributes()
		if s := b.operationEnded(e, a.GetScheduledEventId()); s != nil {
			b.failed(s, a.GetFailure(), "timed out")
		}
	},
	enumspb.EVENT_TYPE_NEXUS_OPERATION_CANCELED: func(b *builder, e *historypb.HistoryEvent) {
		if s := b.operationEnded(e, e.GetNexusOperationCanceledEventAttributes().GetScheduledEventId()); s != nil {
			s.set("perdure.canceled", true)
		}
	},
}

// message is what a run sends to another.
func (b *builder) message(e *historypb.HistoryEvent, name string, to *commonpb.WorkflowExecution) *Span {
	s := b.begin(e, partWhole, name, Producer, nil)
	s.text("perdure.target.workflow_id", to.GetWorkflowId())
	b.items[e.EventId] = &item{opener: e, whole: s}
	return s
}

func (b *builder) answered(e *historypb.HistoryEvent, initiatedID int64, by *commonpb.WorkflowExecution, problem string) {
	it := b.items[initiatedID]
	if it == nil || it.whole == nil {
		return
	}
	end(it.whole, e)
	if problem != "" {
		b.failed(it.whole, nil, problem)
		return
	}
	it.whole.Outcome = OK
	if by.GetRunId() != "" {
		it.whole.link(ownRoot(by.GetRunId()), "target")
	}
}

func (b *builder) operationScheduled(e *historypb.HistoryEvent) {
	a := e.GetNexusOperationScheduledEventAttributes()
	it := &item{opener: e, whole: b.begin(e, partWhole, "operation "+a.GetService()+"/"+a.GetOperation(), Client, nil)}
	it.whole.text("perdure.nexus.endpoint", a.GetEndpoint())
	it.begun = b.begin(e, partWait, "start of the operation", Internal, it.whole)
	b.items[e.EventId] = it
}

func (b *builder) operationEnded(e *historypb.HistoryEvent, scheduledID int64) *Span {
	it := b.items[scheduledID]
	if it == nil || it.whole == nil {
		return nil
	}
	end(it.begun, e)
	end(it.whole, e)
	return it.whole
}
