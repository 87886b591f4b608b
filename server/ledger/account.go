package ledger

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

// Account reads a history. Events are added in order; a run's whole history need
// not be in memory. The zero value is ready.
type Account struct {
	start, end time.Time
	last       time.Time
	// open are what has begun, by the id of the event that began it.
	open  map[int64]begun
	spans [HistoryStages][]span
	lines [HistoryStages]Line
}

// begun is something that has not ended.
type begun struct {
	stage Stage
	since time.Time
	// scheduled is the event of an activity, due when a timer should fire.
	scheduled *historypb.ActivityTaskScheduledEventAttributes
	due       time.Time
}

// Keys of what there is one of at a time: no event has such an id.
const (
	delayKey = -iota - 1
	retryKey
	pauseKey
)

// Add reads the next event.
func (a *Account) Add(e *historypb.HistoryEvent) {
	at := e.GetEventTime().AsTime()
	if a.open == nil {
		a.open, a.start = map[int64]begun{}, at
	}
	a.last = at
	switch e.EventType {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		if delay := e.GetWorkflowExecutionStartedEventAttributes().GetFirstWorkflowTaskBackoff().AsDuration(); delay > 0 {
			a.open[delayKey] = begun{stage: StartDelay, since: at}
		}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED:
		a.open[pauseKey] = begun{stage: Paused, since: at}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED:
		a.finish(pauseKey, at)
	default:
		if closes(e.EventType) {
			a.end = at
			return
		}
		a.task(e, at)
		a.activity(e, at)
		a.other(e, at)
	}
}

// closes tells whether an event is a run's last.
func closes(t enumspb.EventType) bool {
	switch t {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		return true
	}
	return false
}

// task reads the events of workflow tasks.
func (a *Account) task(e *historypb.HistoryEvent, at time.Time) {
	switch e.EventType {
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
		a.finish(delayKey, at)
		a.finish(retryKey, at)
		a.open[e.EventId] = begun{stage: WorkflowTaskWait, since: at}
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		id := e.GetWorkflowTaskStartedEventAttributes().ScheduledEventId
		a.finish(id, at)
		a.open[id] = begun{stage: WorkflowTaskWork, since: at}
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		a.finish(e.GetWorkflowTaskCompletedEventAttributes().ScheduledEventId, at)
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
		a.finish(e.GetWorkflowTaskFailedEventAttributes().ScheduledEventId, at)
		a.open[retryKey] = begun{stage: WorkflowTaskRetry, since: at}
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
		a.finish(e.GetWorkflowTaskTimedOutEventAttributes().ScheduledEventId, at)
		a.open[retryKey] = begun{stage: WorkflowTaskRetry, since: at}
	}
}

// activity reads the events of activities.
func (a *Account) activity(e *historypb.HistoryEvent, at time.Time) {
	switch e.EventType {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		a.open[e.EventId] = begun{stage: ActivityWait, since: at, scheduled: e.GetActivityTaskScheduledEventAttributes()}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		started := e.GetActivityTaskStartedEventAttributes()
		a.started(started.ScheduledEventId, at, started.Attempt, started.LastFailure)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		a.finish(e.GetActivityTaskCompletedEventAttributes().ScheduledEventId, at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		a.finish(e.GetActivityTaskFailedEventAttributes().ScheduledEventId, at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		a.finish(e.GetActivityTaskTimedOutEventAttributes().ScheduledEventId, at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
		a.finish(e.GetActivityTaskCanceledEventAttributes().ScheduledEventId, at)
	}
}

// other reads the events of what else a workflow waits for.
func (a *Account) other(e *historypb.HistoryEvent, at time.Time) {
	switch e.EventType {
	case enumspb.EVENT_TYPE_TIMER_STARTED:
		due := at.Add(e.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration())
		a.open[e.EventId] = begun{stage: Timer, since: at, due: due}
	case enumspb.EVENT_TYPE_TIMER_FIRED:
		a.fired(e.GetTimerFiredEventAttributes().StartedEventId, at)
	case enumspb.EVENT_TYPE_TIMER_CANCELED:
		a.finish(e.GetTimerCanceledEventAttributes().StartedEventId, at)
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		a.open[e.EventId] = begun{stage: ChildStart, since: at}
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
		id := e.GetChildWorkflowExecutionStartedEventAttributes().InitiatedEventId
		a.finish(id, at)
		a.open[id] = begun{stage: Child, since: at}
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		a.open[e.EventId] = begun{stage: External, since: at}
	case enumspb.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED:
		a.open[e.EventId] = begun{stage: Nexus, since: at}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		a.open[e.EventId] = begun{stage: Update, since: at}
	default:
		if id := ended(e); id != 0 {
			a.finish(id, at)
		}
	}
}

// ended is the event that began what the event ends; 0: it ends nothing.
func ended(e *historypb.HistoryEvent) int64 {
	switch e.EventType {
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED:
		return e.GetStartChildWorkflowExecutionFailedEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		return e.GetChildWorkflowExecutionCompletedEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
		return e.GetChildWorkflowExecutionFailedEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
		return e.GetChildWorkflowExecutionCanceledEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT:
		return e.GetChildWorkflowExecutionTimedOutEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
		return e.GetChildWorkflowExecutionTerminatedEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED:
		return e.GetExternalWorkflowExecutionSignaledEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED:
		return e.GetSignalExternalWorkflowExecutionFailedEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
		return e.GetExternalWorkflowExecutionCancelRequestedEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED:
		return e.GetRequestCancelExternalWorkflowExecutionFailedEventAttributes().InitiatedEventId
	case enumspb.EVENT_TYPE_NEXUS_OPERATION_COMPLETED:
		return e.GetNexusOperationCompletedEventAttributes().ScheduledEventId
	case enumspb.EVENT_TYPE_NEXUS_OPERATION_FAILED:
		return e.GetNexusOperationFailedEventAttributes().ScheduledEventId
	case enumspb.EVENT_TYPE_NEXUS_OPERATION_CANCELED:
		return e.GetNexusOperationCanceledEventAttributes().ScheduledEventId
	case enumspb.EVENT_TYPE_NEXUS_OPERATION_TIMED_OUT:
		return e.GetNexusOperationTimedOutEventAttributes().ScheduledEventId
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
		return e.GetWorkflowExecutionUpdateCompletedEventAttributes().AcceptedEventId
	}
	return 0
}
