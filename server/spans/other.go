package spans

import (
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

var otherHandlers = map[enumspb.EventType]func(*builder, *historypb.HistoryEvent){
	enumspb.EVENT_TYPE_TIMER_STARTED:  (*builder).timerStarted,
	enumspb.EVENT_TYPE_TIMER_FIRED:    (*builder).timerFired,
	enumspb.EVENT_TYPE_TIMER_CANCELED: (*builder).timerCanceled,

	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: (*builder).signaled,
	enumspb.EVENT_TYPE_MARKER_RECORDED: func(b *builder, e *historypb.HistoryEvent) {
		b.note(b.root, e, "marker", Attribute{"perdure.marker", e.GetMarkerRecordedEventAttributes().GetMarkerName()})
	},

	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED:  (*builder).updateAdmitted,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:  (*builder).updateAccepted,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: (*builder).updateCompleted,

	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED:   (*builder).paused,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED: (*builder).unpaused,

	enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: (*builder).childInitiated,
	enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED:    (*builder).childRefused,
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:         (*builder).childStarted,
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: func(b *builder, e *historypb.HistoryEvent) {
		b.childEnded(e, e.GetChildWorkflowExecutionCompletedEventAttributes().GetInitiatedEventId(), "completed")
	},
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: func(b *builder, e *historypb.HistoryEvent) {
		b.childEnded(e, e.GetChildWorkflowExecutionCanceledEventAttributes().GetInitiatedEventId(), "canceled")
	},
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: func(b *builder, e *historypb.HistoryEvent) {
		a := e.GetChildWorkflowExecutionFailedEventAttributes()
		if s := b.childEnded(e, a.GetInitiatedEventId(), "failed"); s != nil {
			b.failed(s, a.GetFailure(), "failed")
		}
	},
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: func(b *builder, e *historypb.HistoryEvent) {
		if s := b.childEnded(e, e.GetChildWorkflowExecutionTimedOutEventAttributes().GetInitiatedEventId(), "timed out"); s != nil {
			b.failed(s, nil, "timed out")
		}
	},
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: func(b *builder, e *historypb.HistoryEvent) {
		if s := b.childEnded(e, e.GetChildWorkflowExecutionTerminatedEventAttributes().GetInitiatedEventId(), "terminated"); s != nil {
			b.failed(s, nil, "terminated")
		}
	},
}

func (b *builder) timerStarted(e *historypb.HistoryEvent) {
	a := e.GetTimerStartedEventAttributes()
	s := b.begin(e, partWhole, "timer", Internal, nil)
	s.text("perdure.timer.id", a.GetTimerId())
	s.set("perdure.timer.duration_ms", a.GetStartToFireTimeout().AsDuration().Milliseconds())
	b.items[e.EventId] = &item{opener: e, whole: s}
}

func (b *builder) timerFired(e *historypb.HistoryEvent) {
	it := b.items[e.GetTimerFiredEventAttributes().GetStartedEventId()]
	if it == nil || it.whole == nil {
		return
	}
	end(it.whole, e)
	it.whole.Outcome = OK
	due := it.whole.Start.Add(it.opener.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration())
	it.whole.number("perdure.timer.late_ms", it.whole.End.Sub(due).Milliseconds())
}

func (b *builder) timerCanceled(e *historypb.HistoryEvent) {
	if it := b.items[e.GetTimerCanceledEventAttributes().GetStartedEventId()]; it != nil && it.whole != nil {
		end(it.whole, e)
		it.whole.set("perdure.canceled", true)
	}
}

func (b *builder) signaled(e *historypb.HistoryEvent) {
	a := e.GetWorkflowExecutionSignaledEventAttributes()
	s := b.begin(e, partWhole, "signal "+a.GetSignalName(), Consumer, nil)
	end(s, e)
	s.text("perdure.signal.name", a.GetSignalName())
	if from := a.GetExternalWorkflowExecution(); from != nil {
		s.text("perdure.signal.from_workflow_id", from.GetWorkflowId())
		s.link(ownRoot(from.GetRunId()), "sender")
	}
	sent(s, a.GetHeader(), "sender")
}

// updateAdmitted: a reset brought the update along.
func (b *builder) updateAdmitted(e *historypb.HistoryEvent) {
	request := e.GetWorkflowExecutionUpdateAdmittedEventAttributes().GetRequest()
	b.note(b.root, e, "update admitted", Attribute{"perdure.update.id", request.GetMeta().GetUpdateId()})
}

func (b *builder) updateAccepted(e *historypb.HistoryEvent) {
	a := e.GetWorkflowExecutionUpdateAcceptedEventAttributes()
	s := b.begin(e, partWhole, "update "+a.GetAcceptedRequest().GetInput().GetName(), Server, nil)
	s.text("perdure.update.id", a.GetProtocolInstanceId())
	sent(s, a.GetAcceptedRequest().GetInput().GetHeader(), "sender")
	b.items[e.EventId] = &item{opener: e, whole: s}
}

func (b *builder) updateCompleted(e *historypb.HistoryEvent) {
	a := e.GetWorkflowExecutionUpdateCompletedEventAttributes()
	it := b.items[a.GetAcceptedEventId()]
	if it == nil || it.whole == nil {
		return
	}
	end(it.whole, e)
	it.whole.Outcome = OK
	if f := a.GetOutcome().GetFailure(); f != nil {
		b.failed(it.whole, f, "failed")
	}
}

func (b *builder) paused(e *historypb.HistoryEvent) {
	s := b.begin(e, partWhole, "paused", Internal, nil)
	s.text("perdure.paused_by", e.GetWorkflowExecutionPausedEventAttributes().GetIdentity())
	b.items[pauseItem] = &item{opener: e, whole: s}
}

// pauseItem stands for the pause under way: no event has this id.
const pauseItem = -1

func (b *builder) unpaused(e *historypb.HistoryEvent) {
	if it := b.items[pauseItem]; it != nil {
		end(it.whole, e)
	}
}

func (b *builder) childInitiated(e *historypb.HistoryEvent) {
	a := e.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	it := &item{opener: e, whole: b.begin(e, partWhole, "child workflow "+a.GetWorkflowType().GetName(), Client, nil)}
	it.whole.text("perdure.child.workflow_id", a.GetWorkflowId())
	it.whole.text("perdure.child.namespace", different(a.GetNamespace(), b.run.Namespace))
	sent(it.whole, a.GetHeader(), "worker")
	it.begun = b.begin(e, partWait, "start of the child", Internal, it.whole)
	b.items[e.EventId] = it
}

func (b *builder) childStarted(e *historypb.HistoryEvent) {
	a := e.GetChildWorkflowExecutionStartedEventAttributes()
	it := b.items[a.GetInitiatedEventId()]
	if it == nil || it.whole == nil {
		return
	}
	end(it.begun, e)
	it.whole.text("perdure.child.run_id", a.GetWorkflowExecution().GetRunId())
	header := it.opener.GetStartChildWorkflowExecutionInitiatedEventAttributes().GetHeader()
	if !b.origin.Joined() && !FromHeader(header).Sampled() { // else the child is in a trace that knows it as its part
		it.whole.link(ownRoot(a.GetWorkflowExecution().GetRunId()), "child")
	}
}

func (b *builder) childRefused(e *historypb.HistoryEvent) {
	a := e.GetStartChildWorkflowExecutionFailedEventAttributes()
	if s := b.childEnded(e, a.GetInitiatedEventId(), "not started"); s != nil {
		b.failed(s, nil, short(a.GetCause().String()))
	}
}

func (b *builder) childEnded(e *historypb.HistoryEvent, initiatedID int64, status string) *Span {
	it := b.items[initiatedID]
	if it == nil || it.whole == nil {
		return nil
	}
	end(it.begun, e)
	end(it.whole, e)
	it.whole.set("perdure.child.status", status)
	if status == "completed" {
		it.whole.Outcome = OK
	}
	return it.whole
}
