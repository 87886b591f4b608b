package spans

import (
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

var taskHandlers = map[enumspb.EventType]func(*builder, *historypb.HistoryEvent){
	enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED: (*builder).taskScheduled,
	enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:   (*builder).taskStarted,
	enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: (*builder).taskCompleted,
	enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:    (*builder).taskFailed,
	enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: (*builder).taskTimedOut,
}

func (b *builder) taskScheduled(e *historypb.HistoryEvent) {
	a := e.GetWorkflowTaskScheduledEventAttributes()
	if first := b.items[1]; first != nil {
		end(first.delay, e)
	}
	wait := b.begin(e, partWait, "wait for a worker", Internal, nil)
	queued(wait, a.GetTaskQueue().GetName())
	if a.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_STICKY {
		wait.set("perdure.sticky", true)
	}
	attempt(wait, a.GetAttempt())
	b.task = &item{opener: e, wait: wait}
	b.items[e.EventId] = b.task
}

// queued describes what waits in a task queue.
func queued(s *Span, queue string) {
	s.text("messaging.system", "perdure")
	s.text("messaging.destination.name", queue)
	s.text("messaging.operation.type", "receive")
}

func attempt(s *Span, n int32) {
	if n > 1 {
		s.number("perdure.attempt", int64(n))
	}
}

func (b *builder) taskStarted(e *historypb.HistoryEvent) {
	a := e.GetWorkflowTaskStartedEventAttributes()
	it := b.items[a.GetScheduledEventId()]
	if it == nil || it.work != nil {
		return
	}
	end(it.wait, e)
	it.work = b.begin(it.opener, partWork, "workflow task", Consumer, nil)
	it.work.Start = e.EventTime.AsTime()
	it.work.text("messaging.operation.type", "process")
	it.work.text("perdure.worker", a.GetIdentity())
	attempt(it.work, it.opener.GetWorkflowTaskScheduledEventAttributes().GetAttempt())
}

func (b *builder) taskCompleted(e *historypb.HistoryEvent) {
	a := e.GetWorkflowTaskCompletedEventAttributes()
	it := b.items[a.GetScheduledEventId()]
	if it == nil {
		return
	}
	end(it.wait, e)
	b.items[e.EventId] = it // what its commands began names this event
	if it.work != nil {
		end(it.work, e)
		it.work.Outcome = OK
		it.work.text("perdure.build_id", a.GetDeploymentVersion().GetBuildId())
	}
}

func (b *builder) taskFailed(e *historypb.HistoryEvent) {
	a := e.GetWorkflowTaskFailedEventAttributes()
	it := b.items[a.GetScheduledEventId()]
	if it == nil {
		return
	}
	end(it.wait, e)
	s := it.work
	if s == nil {
		s = it.wait
	}
	end(s, e)
	cause := short(a.GetCause().String())
	s.text("perdure.cause", cause)
	if a.GetCause() == enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW { // asked for: nothing is wrong
		b.root.link(ownRoot(a.GetBaseRunId()), "base")
		return
	}
	b.failed(s, a.GetFailure(), cause)
}

func (b *builder) taskTimedOut(e *historypb.HistoryEvent) {
	a := e.GetWorkflowTaskTimedOutEventAttributes()
	it := b.items[a.GetScheduledEventId()]
	if it == nil {
		return
	}
	end(it.wait, e)
	end(it.work, e)
	s := it.work
	if s == nil {
		s = it.wait
	}
	b.failed(s, nil, "timed out: "+short(a.GetTimeoutType().String()))
}

// commandsMax is how many commands a workflow task's span tells of.
const commandsMax = 32

// command tells a workflow task's span what came of it.
func (b *builder) command(e *historypb.HistoryEvent) {
	it := b.items[completedBy(e)]
	if it == nil || it.work == nil {
		return
	}
	if len(it.work.Events) >= commandsMax {
		it.work.LeftOut++
		return
	}
	b.note(it.work, e, "command", Attribute{"perdure.event_type", short(e.EventType.String())})
}

// completedBy is the completed workflow task whose command an event comes from; 0: none.
func completedBy(e *historypb.HistoryEvent) int64 {
	m := e.ProtoReflect()
	attributes := m.WhichOneof(m.Descriptor().Oneofs().ByName("attributes"))
	if attributes == nil {
		return 0
	}
	fields := attributes.Message().Fields()
	field := fields.ByName("workflow_task_completed_event_id")
	if field == nil {
		return 0
	}
	return m.Get(attributes).Message().Get(field).Int()
}
