package execution

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/activity"
	"perdure/server/match"
)

func (a *Activity) attributes() *historypb.ActivityTaskScheduledEventAttributes {
	if a.Options != nil {
		return a.Options
	}
	return a.Scheduled.GetActivityTaskScheduledEventAttributes()
}

// Deadline is when the schedule-to-close timeout ends; zero: never.
func (a *Activity) Deadline() time.Time {
	return after(a.ScheduledTime, duration(a.attributes().GetScheduleToCloseTimeout()))
}

// after is start plus d; zero when d is.
func after(start time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return start.Add(d)
}

func (t *transition) startActivity(c StartActivity) error {
	pending := t.s.Activities.get(c.ScheduledEventID)
	if !t.s.Open() || t.s.Paused() || pending == nil || pending.Paused || !pending.StartedTime.IsZero() || pending.Stamp != c.Stamp {
		return ErrStale
	}
	if t.s.Versioning.Moving {
		return ErrStale
	}
	t.durable = true
	if worker := c.Worker.Deployed(); t.moves(worker) {
		t.goOver(worker)
		t.s.unstick()
		t.scheduleTask()
		t.failedCall = ErrStale // it is offered again where the run will be
		return nil
	}
	t.reply = t.beginAttempt(t.s.Activities.edit(c.ScheduledEventID), c.Identity, c.RequestID, c.Worker)
	return nil
}

// moves tells whether a run that follows the routing has to go over to the
// version of a worker that gets one of its activities. Other versions, of
// queues that are not the run's, do not matter to it.
func (t *transition) moves(worker match.Version) bool {
	if t.s.PinnedVersion() != (match.Version{}) || worker == t.s.Versioning.Version {
		return false
	}
	version, _ := t.target()
	return version == worker
}

// beginAttempt marks the attempt as started. No event tells of it until it ends.
func (t *transition) beginAttempt(a *Activity, identity, requestID string, worker match.Version) *ActivityTask {
	t.landActivity(a, worker)
	a.StartedTime, a.Identity, a.RequestID, a.Worker = t.env.Now, identity, requestID, worker
	t.s.Seen.seeWorker(identity)
	a.Stamp = t.stamp()
	return &ActivityTask{
		ScheduledEventID: a.ScheduledEventID, Stamp: a.Stamp, Attempt: a.Attempt, ActivityID: a.ActivityID,
		Scheduled: a.attributes(), ScheduledTime: a.ScheduledTime, AttemptTime: a.AttemptTime,
		StartedTime: a.StartedTime, HeartbeatDetails: a.HeartbeatDetails,
	}
}

// answeredActivity finds the pending activity an answer belongs to. mustRun
// requires a started attempt; answers by token always do.
func (t *transition) answeredActivity(ref ActivityRef, mustRun bool) (*Activity, error) {
	if !t.s.Open() {
		return nil, errCompleted()
	}
	if ref.ScheduledEventID == 0 {
		return t.activityByID(ref.ActivityID, mustRun)
	}
	pending := t.s.Activities.get(ref.ScheduledEventID)
	if pending == nil || pending.StartedTime.IsZero() || pending.Stamp != ref.Stamp {
		return nil, errActivityNotFound()
	}
	return t.s.Activities.edit(ref.ScheduledEventID), nil
}

func (t *transition) activityByID(id string, mustRun bool) (*Activity, error) {
	for scheduledID, pending := range t.s.Activities.entries {
		if pending.ActivityID == id {
			if mustRun && pending.StartedTime.IsZero() {
				return nil, errActivityNotFound()
			}
			return t.s.Activities.edit(scheduledID), nil
		}
	}
	return nil, serviceerror.NewNotFound("cannot find pending activity with ActivityID " + id + ", check workflow execution history for more details")
}

func (t *transition) heartbeatActivity(c HeartbeatActivity) error {
	pending, err := t.answeredActivity(c.Activity, true)
	if err != nil {
		return err
	}
	pending.HeartbeatDetails, pending.HeartbeatTime = c.Details, t.env.Now
	t.grow(c.Details)
	t.durable = true
	t.reply = &HeartbeatReply{CancelRequested: pending.CancelEventID != 0, Paused: pending.Paused, Reset: pending.ResetRequested}
	return nil
}

func (t *transition) completeActivity(c CompleteActivity) error {
	pending, err := t.answeredActivity(c.Activity, false)
	if err != nil {
		return err
	}
	if pending.StartedTime.IsZero() {
		pending.StartedTime, pending.Identity, pending.RequestID = t.env.Now, c.Identity, ""
	}
	e := t.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
	completed := &historypb.ActivityTaskCompletedEventAttributes{
		Result: c.Result, ScheduledEventId: pending.ScheduledEventID, Identity: c.Identity,
	}
	e.Attributes = &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{ActivityTaskCompletedEventAttributes: completed}
	t.endActivity(pending, e, &completed.StartedEventId)
	t.scheduleTask()
	return nil
}

func (t *transition) cancelActivity(c CancelActivity) error {
	pending, err := t.answeredActivity(c.Activity, true)
	if err != nil {
		return err
	}
	if pending.CancelEventID == 0 {
		return serviceerror.NewInvalidArgument("unable to mark activity as canceled without activity being request canceled first")
	}
	t.recordActivityCanceled(pending, c.Details, c.Identity)
	t.scheduleTask()
	return nil
}

func (t *transition) failActivity(c FailActivity) error {
	pending, err := t.answeredActivity(c.Activity, true)
	if err != nil {
		return err
	}
	t.durable = true
	if c.HeartbeatDetails != nil {
		pending.HeartbeatDetails, pending.HeartbeatTime = c.HeartbeatDetails, t.env.Now
		t.grow(c.HeartbeatDetails)
	}
	retry := t.retryActivity(pending, c.Failure)
	if retry == enumspb.RETRY_STATE_IN_PROGRESS {
		return nil
	}
	e := t.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED)
	failed := &historypb.ActivityTaskFailedEventAttributes{
		Failure: c.Failure, ScheduledEventId: pending.ScheduledEventID, Identity: c.Identity, RetryState: retry,
	}
	e.Attributes = &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{ActivityTaskFailedEventAttributes: failed}
	t.endActivity(pending, e, &failed.StartedEventId)
	t.scheduleTask()
	return nil
}

// retryActivity prepares the next attempt if there is to be one.
func (t *transition) retryActivity(a *Activity, failure *failurepb.Failure) enumspb.RetryState {
	if a.CancelEventID != 0 {
		return enumspb.RETRY_STATE_CANCEL_REQUESTED
	}
	retry := activity.Attempt{
		Policy: a.attributes().GetRetryPolicy(), Number: a.Attempt, Now: t.env.Now, Deadline: a.Deadline(), Failure: failure,
	}.Decide()
	if retry.State != enumspb.RETRY_STATE_IN_PROGRESS {
		return retry.State
	}
	t.durable = true
	a.ResetRequested = false
	a.Attempt++
	a.AttemptTime = t.env.Now.Add(retry.Interval)
	a.RetryIntervalNano = int64(retry.Interval)
	a.LastAttemptEnd = t.env.Now
	a.StartedTime, a.RequestID = time.Time{}, ""
	a.LastFailure = t.keepable(failure)
	t.assignActivity(a)
	t.s.Seen.seeFailure(failure)
	t.noteAttempt(a.Attempt)
	t.grow(a.LastFailure)
	a.Stamp = t.stamp()
	return retry.State
}

// keepable is a failure small enough to be written with every commit while the activity retries.
func (t *transition) keepable(f *failurepb.Failure) *failurepb.Failure {
	limits, size := t.env.Limits, proto.Size(f)
	if size <= limits.ActivityFailureBytes {
		t.warn("activity_failure_bytes_warn", size, limits.ActivityFailureBytesWarn)
		return f
	}
	t.pass("activity_failure_bytes_max", int64(size))
	return &failurepb.Failure{
		Message: "Failure exceeds size limit.", Cause: activity.ShortenFailure(f, limits.ActivityFailureBytes),
		FailureInfo: &failurepb.Failure_ServerFailureInfo{ServerFailureInfo: &failurepb.ServerFailureInfo{}},
	}
}

// endActivity writes the started event, which no one has seen yet, and the
// event that ends the activity. startedID is the field that names the former.
func (t *transition) endActivity(a *Activity, e *historypb.HistoryEvent, startedID *int64) {
	if !a.StartedTime.IsZero() {
		started := &historypb.HistoryEvent{
			EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, EventTime: timestamppb.New(a.StartedTime),
			Attributes: &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{
				ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{
					ScheduledEventId: a.ScheduledEventID, Identity: a.Identity, RequestId: a.RequestID,
					Attempt: a.Attempt, LastFailure: a.LastFailure,
					WorkerVersion: a.workerStamp(), BuildIdRedirectCounter: a.Redirects, //nolint:staticcheck // this is the older versioning
				},
			},
		}
		t.record(started)
		*startedID = started.EventId // 0 while buffered: filled in when the buffer is flushed
	}
	t.record(e)
	t.s.Activities.drop(a.ScheduledEventID)
}

// timeOutActivity ends an attempt by a timeout; it may be retried.
func (t *transition) timeOutActivity(a *Activity, kind enumspb.TimeoutType) {
	failure := timeoutFailure("activity "+kind.String()+" timeout", kind, nil)
	retry := enumspb.RETRY_STATE_TIMEOUT
	if kind == enumspb.TIMEOUT_TYPE_START_TO_CLOSE || kind == enumspb.TIMEOUT_TYPE_HEARTBEAT {
		retry = t.retryActivity(a, failure)
	}
	if retry == enumspb.RETRY_STATE_IN_PROGRESS {
		return
	}
	if retry == enumspb.RETRY_STATE_TIMEOUT && kind != enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START {
		failure = timeoutFailure("Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying",
			enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil)
	}
	failure.GetTimeoutFailureInfo().LastHeartbeatDetails = a.HeartbeatDetails
	failure.Cause = a.LastFailure
	e := t.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
	timedOut := &historypb.ActivityTaskTimedOutEventAttributes{Failure: failure, ScheduledEventId: a.ScheduledEventID, RetryState: retry}
	e.Attributes = &historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes{ActivityTaskTimedOutEventAttributes: timedOut}
	t.endActivity(a, e, &timedOut.StartedEventId)
	t.scheduleTask()
}

func timeoutFailure(message string, kind enumspb.TimeoutType, heartbeat *commonpb.Payloads) *failurepb.Failure {
	return &failurepb.Failure{
		Message: message, Source: "Server",
		FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{
			TimeoutType: kind, LastHeartbeatDetails: heartbeat,
		}},
	}
}
