package execution

import (
	"errors"
	"fmt"
	"strings"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/activity"
	"perdure/server/match"
)

const badActivity = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES

// reservedQueuePrefix marks names that only the server may use.
const reservedQueuePrefix = "/_sys/"

func (t *transition) scheduleActivity(b *batch, a *commandpb.ScheduleActivityTaskCommandAttributes) error {
	timeouts, err := t.checkActivity(a)
	if err != nil {
		return err
	}
	for _, pending := range t.s.Activities.entries {
		if pending.ActivityID == a.ActivityId {
			return fail(enumspb.WORKFLOW_TASK_FAILED_CAUSE_SCHEDULE_ACTIVITY_DUPLICATE_ID,
				"invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: %s", a.ActivityId)
		}
	}
	if n := t.s.Activities.len(); n >= t.env.Limits.PendingActivities {
		return tooMany(enumspb.WORKFLOW_TASK_FAILED_CAUSE_PENDING_ACTIVITIES_LIMIT_EXCEEDED,
			"activities", n, t.env.Limits.PendingActivities, "pending_activities_max")
	}
	e := t.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
	e.Attributes = &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityId: a.ActivityId, ActivityType: a.ActivityType,
			TaskQueue: &taskqueuepb.TaskQueue{Name: a.TaskQueue.GetName(), Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
			Header:    a.Header, Input: a.Input,
			ScheduleToCloseTimeout: durationpb.New(timeouts.ScheduleToClose), ScheduleToStartTimeout: durationpb.New(timeouts.ScheduleToStart),
			StartToCloseTimeout: durationpb.New(timeouts.StartToClose), HeartbeatTimeout: durationpb.New(timeouts.Heartbeat),
			WorkflowTaskCompletedEventId: b.completedID, RetryPolicy: activity.FillRetryPolicy(a.RetryPolicy), Priority: a.Priority,
			UseWorkflowBuildId: a.UseWorkflowBuildId, //nolint:staticcheck // older clients send it
		},
	}
	t.append(e)
	scheduled := t.s.Activities.edit(e.EventId)
	scheduled.Stamp = t.stamp()
	t.assignActivity(scheduled)
	if a.RequestEagerExecution {
		b.wanted = append(b.wanted, e.EventId)
	}
	return nil
}

// startWanted gives the worker that completed its task the activities of it that it wanted to have at once.
func (t *transition) startWanted(b *batch) {
	worker := workerOf(b.request)
	if t.s.Paused() || !t.mayStartHere(worker) {
		return
	}
	for _, id := range b.wanted {
		if a := t.s.Activities.edit(id); a != nil && (a.usesRunsBuild() || a.BuildID == worker.Older()) {
			b.eager.Eager = append(b.eager.Eager, t.beginAttempt(a, b.request.Identity, t.env.NewID(), worker))
		}
	}
}

func (t *transition) checkActivity(a *commandpb.ScheduleActivityTaskCommandAttributes) (activity.Timeouts, error) {
	if err := t.checkActivityNames(a); err != nil {
		return activity.Timeouts{}, err
	}
	if err := t.keepsQueue(a.UseWorkflowBuildId, a.TaskQueue.GetName(), badActivity, "Activity"); err != nil {
		return activity.Timeouts{}, err
	}
	if err := activity.ValidateRetryPolicy(a.RetryPolicy); err != nil {
		return activity.Timeouts{}, fail(badActivity, "%v", err)
	}
	timeouts, err := activity.ParseTimeouts(a.ScheduleToCloseTimeout, a.ScheduleToStartTimeout, a.StartToCloseTimeout, a.HeartbeatTimeout)
	if err != nil {
		return timeouts, fail(badActivity, "%v", err)
	}
	timeouts, err = timeouts.Normalise(duration(t.s.StartedAttributes().GetWorkflowRunTimeout()))
	if errors.Is(err, activity.ErrNoTimeout) {
		return timeouts, fail(badActivity, "%v ActivityId=%s ActivityType=%s", err, a.ActivityId, a.ActivityType.GetName())
	}
	if reason := match.WrongPriority(a.Priority); reason != "" {
		return timeouts, fail(badActivity, "invalid priorities: %s", reason)
	}
	return timeouts, t.tooLarge(badActivity, proto.Size(a.Input), "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.")
}

func (t *transition) checkActivityNames(a *commandpb.ScheduleActivityTaskCommandAttributes) error {
	limit := t.env.Limits.IDBytes
	switch {
	case a == nil:
		return fail(badActivity, "ScheduleActivityTaskCommandAttributes is not set on ScheduleActivityTaskCommand.")
	case a.TaskQueue == nil:
		return fail(badActivity, "taskQueue is not set")
	case a.ActivityId == "":
		return fail(badActivity, "activityId is not set")
	case a.ActivityType.GetName() == "":
		return fail(badActivity, "activityType is not set")
	case len(a.ActivityId) > limit:
		return fail(badActivity, "activityId exceeds length limit. Length=%d Limit=%d", len(a.ActivityId), limit)
	case len(a.ActivityType.GetName()) > limit:
		return fail(badActivity, "activityType exceeds length limit. Length=%d Limit=%d", len(a.ActivityType.GetName()), limit)
	}
	if reason := checkQueue(a.TaskQueue, limit); reason != "" {
		return fail(badActivity, "%s", reason)
	}
	return nil
}

// queueText is a task queue in an error text. The text form of messages is not
// stable, so it is written here as clients have always seen it.
func queueText(queue *taskqueuepb.TaskQueue) string {
	return fmt.Sprintf("name:%q  kind:%s", queue.GetName(), "TASK_QUEUE_KIND_"+strings.ToUpper(enumspb.TASK_QUEUE_KIND_NORMAL.String()))
}

// checkQueue tells what is wrong with the name of a task queue; empty: nothing.
func checkQueue(queue *taskqueuepb.TaskQueue, limit int) string {
	switch name := queue.GetName(); {
	case name == "":
		return "missing task queue name"
	case len(name) > limit:
		return "taskQueue length exceeds limit"
	case strings.HasPrefix(name, reservedQueuePrefix):
		return "task queue name cannot start with reserved prefix " + reservedQueuePrefix
	}
	return ""
}

const badActivityCancel = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES

func (t *transition) requestCancelActivity(b *batch, a *commandpb.RequestCancelActivityTaskCommandAttributes) error {
	if a == nil {
		return fail(badActivityCancel, "RequestCancelActivityTaskCommandAttributes is not set on RequestCancelActivityTaskCommand.")
	}
	id := a.ScheduledEventId
	if id <= 0 {
		return fail(badActivityCancel, "ScheduledEventId is not set on RequestCancelActivityTaskCommand.")
	}
	pending := t.s.Activities.get(id)
	if (pending == nil && !t.activityResultBuffered(id)) || (pending != nil && pending.CancelEventID != 0) {
		return fail(badActivityCancel, "invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: %d", id)
	}
	e := t.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)
	e.Attributes = &historypb.HistoryEvent_ActivityTaskCancelRequestedEventAttributes{
		ActivityTaskCancelRequestedEventAttributes: &historypb.ActivityTaskCancelRequestedEventAttributes{
			ScheduledEventId: id, WorkflowTaskCompletedEventId: b.completedID,
		},
	}
	t.append(e)
	if pending != nil && pending.StartedTime.IsZero() {
		t.recordActivityCanceled(t.s.Activities.get(id), TextPayload("ACTIVITY_ID_NOT_STARTED"), b.request.Identity)
	}
	return nil
}

func (t *transition) activityResultBuffered(scheduledID int64) bool {
	for _, e := range t.s.Buffered {
		if scheduled, finished := finishedActivity(e); finished && scheduled == scheduledID {
			return true
		}
	}
	return false
}

// finishedActivity is the scheduled event of the activity that the event ends.
func finishedActivity(e *historypb.HistoryEvent) (int64, bool) {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_ActivityTaskCompletedEventAttributes:
		return a.ActivityTaskCompletedEventAttributes.ScheduledEventId, true
	case *historypb.HistoryEvent_ActivityTaskFailedEventAttributes:
		return a.ActivityTaskFailedEventAttributes.ScheduledEventId, true
	case *historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes:
		return a.ActivityTaskTimedOutEventAttributes.ScheduledEventId, true
	case *historypb.HistoryEvent_ActivityTaskCanceledEventAttributes:
		return a.ActivityTaskCanceledEventAttributes.ScheduledEventId, true
	}
	return 0, false
}

func (t *transition) recordActivityCanceled(pending *Activity, details *commonpb.Payloads, identity string) {
	e := t.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED)
	canceled := &historypb.ActivityTaskCanceledEventAttributes{
		Details: details, LatestCancelRequestedEventId: pending.CancelEventID,
		ScheduledEventId: pending.ScheduledEventID, Identity: identity,
	}
	e.Attributes = &historypb.HistoryEvent_ActivityTaskCanceledEventAttributes{ActivityTaskCanceledEventAttributes: canceled}
	t.endActivity(pending, e, &canceled.StartedEventId)
}
