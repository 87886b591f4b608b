package spans

import (
	"strings"
	"unicode"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

var workflowHandlers = map[enumspb.EventType]func(*builder, *historypb.HistoryEvent){
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:          (*builder).started,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:        (*builder).completed,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:           (*builder).workflowFailed,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:        (*builder).workflowTimedOut,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:         (*builder).canceled,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:       (*builder).terminated,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: (*builder).continued,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: func(b *builder, e *historypb.HistoryEvent) { b.note(b.root, e, "cancel requested") },
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED:  func(b *builder, e *historypb.HistoryEvent) { b.note(b.root, e, "options updated") },
}

func (b *builder) started(e *historypb.HistoryEvent) {
	a := e.GetWorkflowExecutionStartedEventAttributes()
	if b.root != nil {
		return // only the first event starts a run
	}
	b.root = b.begin(e, partWhole, "workflow "+a.GetWorkflowType().GetName(), Server, nil)
	if b.origin.Joined() {
		b.root.Parent, b.root.Remote = b.origin.Span, true
	}
	b.describe(a)
	b.relate(e, a)
	b.firstDelay(e, a)
}

func (b *builder) describe(a *historypb.WorkflowExecutionStartedEventAttributes) {
	s := b.root
	s.text("perdure.namespace", b.run.Namespace)
	s.text("perdure.workflow.id", b.run.WorkflowID)
	s.text("perdure.workflow.run_id", b.run.RunID)
	s.text("perdure.workflow.type", a.GetWorkflowType().GetName())
	s.text("perdure.task_queue", a.GetTaskQueue().GetName())
	s.text("perdure.workflow.cron", a.GetCronSchedule())
	s.text("perdure.workflow.first_run_id", different(a.GetFirstExecutionRunId(), b.run.RunID))
	s.text("perdure.workflow.parent_id", a.GetParentWorkflowExecution().GetWorkflowId())
	s.text("perdure.workflow.parent_run_id", a.GetParentWorkflowExecution().GetRunId())
	if a.GetAttempt() > 1 {
		s.number("perdure.attempt", int64(a.GetAttempt()))
	}
}

func different(text, other string) string {
	if text == other {
		return ""
	}
	return text
}

// relate links the run to what it comes from.
func (b *builder) relate(e *historypb.HistoryEvent, a *historypb.WorkflowExecutionStartedEventAttributes) {
	previous := a.GetContinuedExecutionRunId()
	switch {
	case b.origin.Follows && previous != "":
		b.root.link(b.origin.Context, "follows")
	case b.origin.Follows:
		b.root.link(b.origin.Context, "caller")
	case previous != "" && !b.origin.Joined():
		b.root.link(ownRoot(previous), "follows")
	}
	if parent := a.GetParentWorkflowExecution(); parent != nil && !b.origin.Sampled() && previous == "" {
		b.root.link(ownChild(parent, a.GetParentInitiatedEventId()), "parent")
	}
	for _, l := range e.Links {
		if other := l.GetWorkflowEvent(); other != nil {
			b.root.link(ownRoot(other.GetRunId()), "caller")
		}
	}
}

// firstDelay is the time before a run may begin.
func (b *builder) firstDelay(e *historypb.HistoryEvent, a *historypb.WorkflowExecutionStartedEventAttributes) {
	delay := a.GetFirstWorkflowTaskBackoff().AsDuration()
	if delay <= 0 {
		return
	}
	name := "start delay"
	switch a.GetInitiator() {
	case enumspb.CONTINUE_AS_NEW_INITIATOR_RETRY:
		name = "retry back-off"
	case enumspb.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE:
		name = "cron wait"
	}
	s := b.begin(e, partDelay, name, Internal, nil)
	s.set("perdure.delay_ms", delay.Milliseconds())
	b.items[e.EventId] = &item{opener: e, delay: s}
}

// close ends the run.
func (b *builder) close(e *historypb.HistoryEvent, status string) {
	b.closed = true
	end(b.root, e)
	b.root.set("perdure.workflow.status", status)
}

// goesOn links a closed run to the one that follows it. That one's trace is its own unless its caller's holds both.
func (b *builder) goesOn(nextRunID string) {
	if nextRunID != "" {
		b.root.text("perdure.workflow.next_run_id", nextRunID)
	}
}

func (b *builder) completed(e *historypb.HistoryEvent) {
	b.close(e, "completed")
	b.root.Outcome = OK
	b.goesOn(e.GetWorkflowExecutionCompletedEventAttributes().GetNewExecutionRunId())
}

func (b *builder) workflowFailed(e *historypb.HistoryEvent) {
	a := e.GetWorkflowExecutionFailedEventAttributes()
	b.close(e, "failed")
	b.failed(b.root, a.GetFailure(), "failed")
	b.goesOn(a.GetNewExecutionRunId())
}

func (b *builder) workflowTimedOut(e *historypb.HistoryEvent) {
	b.close(e, "timed out")
	b.failed(b.root, nil, "timed out")
	b.goesOn(e.GetWorkflowExecutionTimedOutEventAttributes().GetNewExecutionRunId())
}

func (b *builder) canceled(e *historypb.HistoryEvent) { b.close(e, "canceled") }

func (b *builder) terminated(e *historypb.HistoryEvent) {
	b.close(e, "terminated")
	b.failed(b.root, nil, "terminated")
}

func (b *builder) continued(e *historypb.HistoryEvent) {
	b.close(e, "continued as new")
	b.root.Outcome = OK
	b.goesOn(e.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId())
}

// short is the name of an enum value in small words: what people read.
func short(value string) string {
	var b strings.Builder
	for i, r := range value {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// sent links a span to the context that an SDK wrote in a header.
func sent(s *Span, h *commonpb.Header, relation string) {
	if c := FromHeader(h); c.Sampled() && c.Span != s.Parent {
		s.link(c, relation)
	}
}
