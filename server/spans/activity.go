package spans

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"perdure/server/activity"
)

var activityHandlers = map[enumspb.EventType]func(*builder, *historypb.HistoryEvent){
	enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: (*builder).activityScheduled,
	enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:   (*builder).activityStarted,
	enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: (*builder).activityCompleted,
	enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:    (*builder).activityFailed,
	enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: (*builder).activityTimedOut,
	enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:  (*builder).activityCanceled,
	enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: func(b *builder, e *historypb.HistoryEvent) {
		if it := b.items[e.GetActivityTaskCancelRequestedEventAttributes().GetScheduledEventId()]; it != nil {
			b.note(it.whole, e, "cancel requested")
		}
	},
}

func (b *builder) activityScheduled(e *historypb.HistoryEvent) {
	a := e.GetActivityTaskScheduledEventAttributes()
	it := &item{opener: e, whole: b.begin(e, partWhole, "activity "+a.GetActivityType().GetName(), Internal, nil)}
	it.whole.text("perdure.activity.id", a.GetActivityId())
	it.whole.text("perdure.activity.type", a.GetActivityType().GetName())
	it.whole.text("perdure.task_queue", a.GetTaskQueue().GetName())
	sent(it.whole, a.GetHeader(), "worker")
	it.wait = b.begin(e, partWait, "wait for a worker", Internal, it.whole)
	queued(it.wait, a.GetTaskQueue().GetName())
	b.items[e.EventId] = it
}

// activityStarted is written when the last attempt has ended. Of the attempts
// before it history has the number and the last failure only: the back-off is
// what the retry policy says, the rest is one span.
func (b *builder) activityStarted(e *historypb.HistoryEvent) {
	a := e.GetActivityTaskStartedEventAttributes()
	it := b.items[a.GetScheduledEventId()]
	if it == nil || it.whole == nil || it.work != nil {
		return
	}
	if a.GetAttempt() > 1 {
		b.earlierAttempts(it, e)
	}
	end(it.wait, e)
	it.work = b.begin(it.opener, partWork, fmt.Sprintf("attempt %d", max(1, a.GetAttempt())), Consumer, it.whole)
	it.work.Start = e.EventTime.AsTime()
	it.work.text("messaging.operation.type", "process")
	it.work.text("perdure.worker", a.GetIdentity())
	it.work.number("perdure.attempt", int64(a.GetAttempt()))
	it.whole.number("perdure.attempts", int64(a.GetAttempt()))
}

func (b *builder) earlierAttempts(it *item, started *historypb.HistoryEvent) {
	a := started.GetActivityTaskStartedEventAttributes()
	scheduled := it.opener.GetActivityTaskScheduledEventAttributes()
	last := int(a.GetAttempt()) - 1
	name := "attempt 1 and its wait"
	if last > 1 {
		name = fmt.Sprintf("attempts 1 to %d and their waits", last)
	}
	past := it.wait
	past.Name, past.ID = name, spanID(b.run.RunID, it.opener.EventId, partPast)
	b.failed(past, a.GetLastFailure(), "failed")
	from := started.EventTime.AsTime().Add(-backoff(it.opener, a))
	past.End = later(past.Start, from)
	it.past = past
	it.wait = b.begin(it.opener, partDelay, "retry back-off", Internal, it.whole)
	it.wait.Start = past.End
	it.wait.set("perdure.estimated", true)
	queued(it.wait, scheduled.GetTaskQueue().GetName())
}

// backoff is how long the last attempt had to wait.
func backoff(scheduled *historypb.HistoryEvent, a *historypb.ActivityTaskStartedEventAttributes) time.Duration {
	policy := activity.FillRetryPolicy(scheduled.GetActivityTaskScheduledEventAttributes().GetRetryPolicy())
	policy.MaximumAttempts = 0 // it was tried again, so there was another attempt
	policy.NonRetryableErrorTypes = nil
	return max(0, activity.Attempt{Policy: policy, Number: a.GetAttempt() - 1, Failure: a.GetLastFailure()}.Decide().Interval)
}

// activityEnded ends an activity and returns the span of its last attempt, or what there is of it.
func (b *builder) activityEnded(e *historypb.HistoryEvent, scheduledID int64) (it *item, last *Span) {
	it = b.items[scheduledID]
	if it == nil || it.whole == nil {
		return nil, nil
	}
	end(it.wait, e)
	end(it.work, e)
	end(it.whole, e)
	if it.work != nil {
		return it, it.work
	}
	return it, it.wait
}

func (b *builder) activityCompleted(e *historypb.HistoryEvent) {
	if it, last := b.activityEnded(e, e.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()); it != nil {
		it.whole.Outcome, last.Outcome = OK, OK
	}
}

func (b *builder) activityFailed(e *historypb.HistoryEvent) {
	a := e.GetActivityTaskFailedEventAttributes()
	if it, last := b.activityEnded(e, a.GetScheduledEventId()); it != nil {
		b.failed(it.whole, a.GetFailure(), "failed")
		b.failed(last, a.GetFailure(), "failed")
		retryState(it.whole, a.GetRetryState())
	}
}

func (b *builder) activityTimedOut(e *historypb.HistoryEvent) {
	a := e.GetActivityTaskTimedOutEventAttributes()
	if it, last := b.activityEnded(e, a.GetScheduledEventId()); it != nil {
		b.failed(it.whole, a.GetFailure(), "timed out")
		b.failed(last, a.GetFailure(), "timed out")
		retryState(it.whole, a.GetRetryState())
	}
}

func (b *builder) activityCanceled(e *historypb.HistoryEvent) {
	if it, last := b.activityEnded(e, e.GetActivityTaskCanceledEventAttributes().GetScheduledEventId()); it != nil {
		it.whole.set("perdure.canceled", true)
		last.set("perdure.canceled", true)
	}
}

func retryState(s *Span, state enumspb.RetryState) {
	if state != enumspb.RETRY_STATE_UNSPECIFIED {
		s.set("perdure.retry_state", short(state.String()))
	}
}
