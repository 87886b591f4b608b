package execution

import (
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// event makes an event of now without an id.
func (t *transition) event(kind enumspb.EventType) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{EventType: kind, EventTime: timestamppb.New(t.env.Now)}
}

// append gives the event the next id, applies it and adds it to history.
func (t *transition) append(e *historypb.HistoryEvent) *historypb.HistoryEvent {
	e.EventId = t.s.NextEventID
	e.TaskId = e.EventId // monotone within the run, which is all that is promised
	apply(t.s, e)
	t.seeInside(e)
	t.s.HistorySize += int64(proto.Size(e))
	t.events = append(t.events, e)
	return e
}

// record adds an event that came from outside: to history, or to the buffer
// while a worker has the task or a batch of commands is under way.
func (t *transition) record(e *historypb.HistoryEvent) {
	t.durable = true
	if t.deferring {
		t.deferred++
	}
	if t.deferring || (t.s.TaskStarted() && t.s.Task.Kind != TaskSpeculative) || len(t.s.Buffered) > 0 {
		t.s.Buffered = append(t.s.Buffered, e)
		return
	}
	if t.s.TaskStarted() {
		t.materialise("")
		t.s.Buffered = append(t.s.Buffered, e)
		return
	}
	t.materialise("")
	t.append(e)
}

// materialise turns a speculative task into a normal one by writing its events. The started event is said to be of who is
// the reason for that: a worker's answer, the server, or nobody when something else happened.
func (t *transition) materialise(identity string) {
	task := t.s.Task
	if task == nil || task.Kind != TaskSpeculative {
		return
	}
	if task.StartedEventID != 0 {
		t.persistStarted(identity)
		return
	}
	scheduled := *task
	t.s.Task = nil
	t.appendScheduled(&scheduled)
	t.durable = true
}

// keepSpeculative writes the events of a speculative task that another change of the run met, even one without events of its
// own: from then on history tells of it, whatever its worker answers. A worker that takes the task is no such change.
func (t *transition) keepSpeculative(before *WorkflowTask, c Command) {
	if _, taken := c.(StartTask); taken || !t.durable || before == nil || t.s.Task == nil || t.s.Task.Stamp != before.Stamp {
		return
	}
	t.materialise("")
}

// persistStarted writes the events of a started task that history does not know yet.
func (t *transition) persistStarted(identity string) {
	if t.s.Task.Kind == TaskNormal {
		return
	}
	started := *t.s.Task
	started.Identity = identity
	t.s.Task = nil
	t.appendScheduled(&started)
	t.appendStarted(&started)
	t.durable = true
}

// flush gives ids to the buffered events. Results go last so that they follow
// what they are results of. It tells whether there were any.
func (t *transition) flush() bool {
	if len(t.s.Buffered) == 0 {
		return false
	}
	buffered := t.s.Buffered
	t.s.Buffered = nil
	startedByScheduled := make(map[int64]int64)
	startedByInitiated := make(map[int64]int64)
	write := func(e *historypb.HistoryEvent) {
		patchStarted(e, startedByScheduled, startedByInitiated)
		t.append(e)
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
			startedByScheduled[a.ScheduledEventId] = e.EventId
		}
		if a := e.GetChildWorkflowExecutionStartedEventAttributes(); a != nil {
			startedByInitiated[a.InitiatedEventId] = e.EventId
		}
	}
	t.rerouting(func() {
		for _, e := range buffered {
			if !isFinish(e.EventType) {
				write(proto.CloneOf(e))
			}
		}
	})
	for _, e := range buffered {
		if isFinish(e.EventType) {
			write(proto.CloneOf(e))
		}
	}
	return true
}

var finishTypes = []enumspb.EventType{
	enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED,
	enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT, enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED, enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED, enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT,
	enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED,
}

func isFinish(kind enumspb.EventType) bool { return slices.Contains(finishTypes, kind) }

// patchStarted fills the id of the started event into a result whose start was buffered with it.
func patchStarted(e *historypb.HistoryEvent, activities, children map[int64]int64) {
	set := func(started *int64, key int64, known map[int64]int64) {
		if id := known[key]; id != 0 {
			*started = id
		}
	}
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_ActivityTaskCompletedEventAttributes:
		set(&a.ActivityTaskCompletedEventAttributes.StartedEventId, a.ActivityTaskCompletedEventAttributes.ScheduledEventId, activities)
	case *historypb.HistoryEvent_ActivityTaskFailedEventAttributes:
		set(&a.ActivityTaskFailedEventAttributes.StartedEventId, a.ActivityTaskFailedEventAttributes.ScheduledEventId, activities)
	case *historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes:
		set(&a.ActivityTaskTimedOutEventAttributes.StartedEventId, a.ActivityTaskTimedOutEventAttributes.ScheduledEventId, activities)
	case *historypb.HistoryEvent_ActivityTaskCanceledEventAttributes:
		set(&a.ActivityTaskCanceledEventAttributes.StartedEventId, a.ActivityTaskCanceledEventAttributes.ScheduledEventId, activities)
	case *historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes:
		set(&a.ChildWorkflowExecutionCompletedEventAttributes.StartedEventId, a.ChildWorkflowExecutionCompletedEventAttributes.InitiatedEventId, children)
	case *historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes:
		set(&a.ChildWorkflowExecutionFailedEventAttributes.StartedEventId, a.ChildWorkflowExecutionFailedEventAttributes.InitiatedEventId, children)
	case *historypb.HistoryEvent_ChildWorkflowExecutionCanceledEventAttributes:
		set(&a.ChildWorkflowExecutionCanceledEventAttributes.StartedEventId, a.ChildWorkflowExecutionCanceledEventAttributes.InitiatedEventId, children)
	case *historypb.HistoryEvent_ChildWorkflowExecutionTimedOutEventAttributes:
		set(&a.ChildWorkflowExecutionTimedOutEventAttributes.StartedEventId, a.ChildWorkflowExecutionTimedOutEventAttributes.InitiatedEventId, children)
	case *historypb.HistoryEvent_ChildWorkflowExecutionTerminatedEventAttributes:
		set(&a.ChildWorkflowExecutionTerminatedEventAttributes.StartedEventId, a.ChildWorkflowExecutionTerminatedEventAttributes.InitiatedEventId, children)
	}
}

// Small conversions between Go values and messages.

func duration(d *durationpb.Duration) time.Duration { return d.AsDuration() }

// TextPayload is one json/plain payload with a text.
func TextPayload(text string) *commonpb.Payloads {
	quoted := make([]byte, 0, len(text)+2)
	quoted = append(quoted, '"')
	quoted = append(quoted, text...)
	quoted = append(quoted, '"')
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{{
		Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: quoted,
	}}}
}
