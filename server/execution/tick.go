package execution

import (
	"cmp"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

// tick does everything that is due at the environment's time.
func (t *transition) tick() error {
	if !t.s.Open() {
		return ErrStale
	}
	before := len(t.events) + len(t.s.Buffered)
	if end := t.s.RunExpirationTime(); due(end, t.env.Now) {
		t.timeOutRun()
		return nil
	}
	t.endBackoff()
	t.tickTask()
	t.tickActivities()
	t.fireTimers()
	if len(t.events)+len(t.s.Buffered) == before && !t.durable {
		return ErrStale
	}
	return nil
}

// due tells whether a deadline has come; the zero time is no deadline.
func due(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

// endBackoff schedules the first task of a run whose start was delayed. A task
// that carries updates then is the first one.
func (t *transition) endBackoff() {
	if t.s.FirstTaskDelayed && !t.s.Paused() && due(t.s.ExecutionTime, t.env.Now) {
		t.s.FirstTaskDelayed = false
		t.scheduleTask()
		t.materialise("")
	}
}

func (t *transition) tickTask() {
	task := t.s.Task
	if task == nil {
		return
	}
	switch {
	case task.StartedEventID != 0 && due(task.StartedTime.Add(task.Timeout), t.env.Now):
		t.timeOutTask()
	case task.StartedEventID == 0 && due(task.StickyUntil, t.env.Now):
		t.timeOutSticky()
	}
}

func (t *transition) tickActivities() {
	for _, id := range t.s.Activities.keys() {
		if kind := t.s.Activities.get(id).dueTimeout(t.env.Now); kind != enumspb.TIMEOUT_TYPE_UNSPECIFIED {
			t.timeOutActivity(t.s.Activities.edit(id), kind)
		}
	}
}

// dueTimeout is the timeout of the activity that has come. That nobody took it
// tells more than that it did not end, so it is told when both come at once.
func (a *Activity) dueTimeout(now time.Time) enumspb.TimeoutType {
	start, end := a.scheduleToStart(), a.Deadline()
	switch {
	case due(start, now) && (end.IsZero() || !start.After(end)):
		return enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
	case due(end, now):
		return enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE
	case due(a.startToClose(), now):
		return enumspb.TIMEOUT_TYPE_START_TO_CLOSE
	case due(a.heartbeat(), now):
		return enumspb.TIMEOUT_TYPE_HEARTBEAT
	}
	return enumspb.TIMEOUT_TYPE_UNSPECIFIED
}

func (a *Activity) scheduleToStart() time.Time {
	if !a.StartedTime.IsZero() || a.Paused {
		return time.Time{}
	}
	return after(a.AttemptTime, duration(a.attributes().GetScheduleToStartTimeout()))
}

func (a *Activity) startToClose() time.Time {
	if a.StartedTime.IsZero() {
		return time.Time{}
	}
	return after(a.StartedTime, duration(a.attributes().GetStartToCloseTimeout()))
}

func (a *Activity) heartbeat() time.Time {
	if a.StartedTime.IsZero() {
		return time.Time{}
	}
	last := a.StartedTime
	if a.HeartbeatTime.After(last) {
		last = a.HeartbeatTime
	}
	return after(last, duration(a.attributes().GetHeartbeatTimeout()))
}

func (t *transition) fireTimers() {
	var fired []*Timer
	for _, timer := range t.s.Timers.entries {
		if due(timer.FireTime, t.env.Now) {
			fired = append(fired, timer)
		}
	}
	slices.SortFunc(fired, func(a, b *Timer) int {
		return cmp.Or(a.FireTime.Compare(b.FireTime), cmp.Compare(a.StartedEventID, b.StartedEventID))
	})
	for _, timer := range fired {
		e := t.event(enumspb.EVENT_TYPE_TIMER_FIRED)
		e.Attributes = &historypb.HistoryEvent_TimerFiredEventAttributes{
			TimerFiredEventAttributes: &historypb.TimerFiredEventAttributes{TimerId: timer.TimerID, StartedEventId: timer.StartedEventID},
		}
		t.s.Timers.drop(timer.TimerID)
		t.record(e)
	}
	if len(fired) > 0 {
		t.scheduleTask()
	}
}
