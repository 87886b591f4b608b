package differential

import (
	"context"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

// soon separates what a step waits for from what never happens during a test.
const soon = 5 * time.Second

// settle returns when all that was set off has happened, or after settleTimeout with what is missing. It looks twice, as the
// parts of one look are not of the same moment.
func (p *player) settle(ctx context.Context) (string, error) {
	deadline := time.Now().Add(settleTimeout)
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	for looks := 0; ; {
		if err := p.refresh(ctx); err != nil {
			return "", err
		}
		missing := p.missing()
		if looks++; missing != "" {
			looks = 0
		}
		if looks == 2 || time.Now().After(deadline) {
			return missing, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-ticker.C:
		}
	}
}

// missing names something that will happen by itself and has not yet; empty when there is nothing.
func (p *player) missing() string {
	for _, r := range p.runs {
		if r.final {
			continue
		}
		if reason := p.missingOf(r); reason != "" {
			return fmt.Sprintf("w%d: %s", r.workflow, reason)
		}
	}
	for _, u := range p.updates {
		if !u.recorded && p.mustAnswer(u) && !u.isAnswered() {
			return "the answer to update " + u.id
		}
	}
	return ""
}

func (p *player) missingOf(r *run) string {
	if next := nextRun(r); next != "" && p.findRun(next) == nil {
		return "the next run"
	}
	opened := openedBy(r.history)
	if r.isOpen() {
		if reason := opened.soonest(); reason != "" {
			return reason
		}
		if backoff := r.history[0].GetWorkflowExecutionStartedEventAttributes().GetFirstWorkflowTaskBackoff().AsDuration(); 0 < backoff &&
			backoff < soon && !r.isPaused() && !r.hadWorkflowTask() {
			return "the first workflow task"
		}
		if r.timesOutSoon() {
			return "the timeout of the run"
		}
		for _, a := range r.pending() {
			if timeout := a.GetActivityOptions().GetStartToCloseTimeout().AsDuration(); 0 < timeout && timeout < soon && a.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED &&
				a.GetLastStartedTime() != nil && a.GetState() != enumspb.PENDING_ACTIVITY_STATE_PAUSED {
				return "the timeout of a started activity"
			}
			if next := a.GetNextAttemptScheduleTime(); next != nil && 0 < time.Until(next.AsTime()) && time.Until(next.AsTime()) < soon {
				return "the next attempt of an activity"
			}
		}
	}
	for _, child := range opened.children {
		if reason := p.missingOfChild(r, child); reason != "" {
			return reason
		}
	}
	return ""
}

// missingOfChild is about the effect of a closed child on its parent and of a closed parent on its child.
func (p *player) missingOfChild(parent *run, c child) string {
	last := p.findRun(c.runID)
	for last != nil && nextRun(last) != "" {
		last = p.findRun(nextRun(last))
	}
	switch {
	case last == nil:
		return "the child's run"
	case parent.isOpen() && !last.isOpen():
		return "the end of a child"
	case !parent.isOpen() && last.isOpen() && c.policy == enumspb.PARENT_CLOSE_POLICY_TERMINATE:
		return "the termination of a child"
	case !parent.isOpen() && last.isOpen() && c.policy == enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL && !cancelIsRequested(last):
		return "the cancellation of a child"
	}
	return ""
}

// timesOutSoon tells of an open run whether its end comes by itself.
func (r *run) timesOutSoon() bool {
	started := r.history[0].GetWorkflowExecutionStartedEventAttributes()
	timeout := started.GetWorkflowRunTimeout().AsDuration()
	return 0 < timeout && timeout+started.GetFirstWorkflowTaskBackoff().AsDuration() < soon
}

// hadWorkflowTask tells whether one was scheduled, be it one for an update that history does not keep.
func (r *run) hadWorkflowTask() bool {
	return slices.ContainsFunc(r.history, func(e *historypb.HistoryEvent) bool {
		return e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED
	})
}

func isTaskCompleted(e *historypb.HistoryEvent) bool {
	return e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
}

func cancelIsRequested(r *run) bool {
	return slices.ContainsFunc(r.history, func(e *historypb.HistoryEvent) bool {
		return e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
	})
}

// nextRun is the run that follows in a chain of retries or continue-as-new.
func nextRun(r *run) string {
	last := r.history[len(r.history)-1]
	return max(
		last.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId(),
		last.GetWorkflowExecutionFailedEventAttributes().GetNewExecutionRunId(),
		last.GetWorkflowExecutionCompletedEventAttributes().GetNewExecutionRunId(),
		last.GetWorkflowExecutionTimedOutEventAttributes().GetNewExecutionRunId(),
	)
}

// child is one that was started and whose end its parent has not seen.
type child struct {
	runID  string
	policy enumspb.ParentClosePolicy
}

// openings are the things that a history began and did not end, by the event id of their beginning.
type openings struct {
	timers   map[int64]string // by id, with what they wait for when it comes soon
	policies map[int64]enumspb.ParentClosePolicy
	children map[int64]child
	// endedChildren counts those that ended or never started.
	endedChildren int
	// activities holds the ids of activities that have not ended.
	activities map[int64]string
}

// openedBy reads a history from its start.
func openedBy(history []*historypb.HistoryEvent) *openings {
	o := &openings{
		timers: map[int64]string{}, policies: map[int64]enumspb.ParentClosePolicy{},
		children: map[int64]child{}, activities: map[int64]string{},
	}
	for _, event := range history {
		o.addCommand(event)
		o.addChild(event)
		o.addActivity(event)
	}
	return o
}

// soonest names one of those that happen soon, the same one each time.
func (o *openings) soonest() string {
	var reasons []string
	for _, reason := range o.timers {
		if reason != "" {
			reasons = append(reasons, reason)
		}
	}
	slices.Sort(reasons)
	return slices.Max(append(reasons, ""))
}

func (o *openings) addCommand(event *historypb.HistoryEvent) {
	id := event.GetEventId()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_TIMER_STARTED:
		o.timers[id] = ""
		if event.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration() < soon {
			o.timers[id] = "a timer"
		}
	case enumspb.EVENT_TYPE_TIMER_FIRED:
		delete(o.timers, event.GetTimerFiredEventAttributes().GetStartedEventId())
	case enumspb.EVENT_TYPE_TIMER_CANCELED:
		delete(o.timers, event.GetTimerCanceledEventAttributes().GetStartedEventId())
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		o.timers[id] = "the answer to an external signal"
	case enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED:
		delete(o.timers, event.GetExternalWorkflowExecutionSignaledEventAttributes().GetInitiatedEventId())
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED:
		delete(o.timers, event.GetSignalExternalWorkflowExecutionFailedEventAttributes().GetInitiatedEventId())
	case enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		o.timers[id] = "the answer to an external cancellation"
	case enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
		delete(o.timers, event.GetExternalWorkflowExecutionCancelRequestedEventAttributes().GetInitiatedEventId())
	case enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED:
		delete(o.timers, event.GetRequestCancelExternalWorkflowExecutionFailedEventAttributes().GetInitiatedEventId())
	}
}

func (o *openings) addChild(event *historypb.HistoryEvent) {
	id := event.GetEventId()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		o.timers[id] = "the start of a child"
		o.policies[id] = event.GetStartChildWorkflowExecutionInitiatedEventAttributes().GetParentClosePolicy()
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED:
		delete(o.timers, event.GetStartChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId())
		o.endedChildren++
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
		started := event.GetChildWorkflowExecutionStartedEventAttributes()
		initiated := started.GetInitiatedEventId()
		delete(o.timers, initiated)
		o.children[initiated] = child{runID: started.GetWorkflowExecution().GetRunId(), policy: o.policies[initiated]}
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		o.endChild(event.GetChildWorkflowExecutionCompletedEventAttributes().GetInitiatedEventId())
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
		o.endChild(event.GetChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId())
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
		o.endChild(event.GetChildWorkflowExecutionCanceledEventAttributes().GetInitiatedEventId())
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
		o.endChild(event.GetChildWorkflowExecutionTerminatedEventAttributes().GetInitiatedEventId())
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT:
		o.endChild(event.GetChildWorkflowExecutionTimedOutEventAttributes().GetInitiatedEventId())
	}
}

func (o *openings) endChild(initiated int64) {
	delete(o.children, initiated)
	o.endedChildren++
}

func (o *openings) addActivity(event *historypb.HistoryEvent) {
	id := event.GetEventId()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		scheduled := event.GetActivityTaskScheduledEventAttributes()
		o.activities[id] = scheduled.GetActivityId()
		if scheduled.GetScheduleToStartTimeout().AsDuration() < soon {
			o.timers[id] = "the timeout of an activity"
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		o.endActivity(event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		o.endActivity(event.GetActivityTaskFailedEventAttributes().GetScheduledEventId())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
		o.endActivity(event.GetActivityTaskCanceledEventAttributes().GetScheduledEventId())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		o.endActivity(event.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId())
	}
}

func (o *openings) endActivity(scheduled int64) {
	delete(o.activities, scheduled)
	delete(o.timers, scheduled)
}
