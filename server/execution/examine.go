package execution

import (
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"

	"perdure/server/deployment"
	"perdure/server/diagnosis"
	"perdure/server/match"
	"perdure/server/nexus"
)

// Examine tells what a diagnosis has to know of the run. routes divide task
// queues among versions of workers; blocked says why no calls are made to an
// address now, empty: they are.
func (s *State) Examine(routes *deployment.Table, limits Limits, blocked func(address string) string) diagnosis.Run {
	r := diagnosis.Run{
		WorkflowID: s.WorkflowID, RunID: s.RunID, Type: s.StartedAttributes().GetWorkflowType().GetName(), Open: s.Open(), Status: s.ShownStatus().String(),
		Start: s.StartTime, Close: s.CloseTime, LastProgress: s.Seen.ProgressTime, CancelRequested: s.CancelRequested, Pause: s.Pause.examine(),
		TaskFailures: s.WorkflowTaskFailures, Problem: s.problem(), ParentUntold: s.NotifyParent, Usages: s.usages(limits),
		Buffered: diagnosis.Usage{Limit: "buffered_events_max", Used: int64(len(s.Buffered)), Max: int64(limits.BufferedEvents)},
	}
	s.examineCallbacks(&r, blocked)
	if !s.Open() {
		return r
	}
	r.Normal = s.normalRoute(routes)
	if s.StickyQueue != "" {
		r.Sticky = diagnosis.Route{Queue: s.StickyQueue, Sticky: true, FairnessKey: r.Normal.FairnessKey}
	}
	if s.FirstTaskDelayed {
		r.FirstTask, r.Delay = s.ExecutionTime, s.delay()
	}
	if s.Versioning.Moving {
		r.Moving = s.Versioning.To
	}
	r.Task = s.examineTask(&r)
	for _, a := range s.Activities.values() {
		r.Activities = append(r.Activities, s.examineActivity(a, routes))
	}
	for _, t := range s.Timers.values() {
		r.Timers = append(r.Timers, diagnosis.Timer{ID: t.TimerID, StartedID: t.StartedEventID, Fires: t.FireTime})
	}
	s.examineOthers(&r)
	return r
}

func (s *State) usages(limits Limits) []diagnosis.Usage {
	return []diagnosis.Usage{
		{Limit: "history_events_max", Used: s.NextEventID - 1, Max: limits.HistoryEvents},
		{Limit: "history_bytes_max", Used: s.HistorySize, Max: limits.HistoryBytes},
		{Limit: "state_bytes_max", Used: int64(s.bytes), Max: int64(limits.StateBytes)},
		{Limit: "signals_max", Used: s.SignalCount, Max: limits.Signals},
		{Limit: "updates_max", Used: int64(s.Updates.len()), Max: limits.Updates},
		{Limit: "pending_activities_max", Used: int64(s.Activities.len()), Max: int64(limits.PendingActivities)},
		{Limit: "pending_children_max", Used: int64(s.Children.len()), Max: int64(limits.PendingChildren)},
	}
}

// problem is what the last workflow task came to, if it failed. An activity that
// has failed since leaves only the cause that search knows.
func (s *State) problem() diagnosis.Problem {
	if isTaskFailure(s.Seen.FailureType) {
		return diagnosis.Problem{Cause: s.Seen.FailureType, Message: s.Seen.FailureMessage}
	}
	for _, problem := range s.Problems {
		if cause, found := strings.CutPrefix(problem, "cause=WorkflowTaskFailedCause"); found {
			return diagnosis.Problem{Cause: cause}
		}
	}
	return diagnosis.Problem{}
}

func isTaskFailure(kind string) bool {
	_, known := enumspb.WorkflowTaskFailedCause_shorthandValue[kind]
	return known || kind == diagnosis.TaskTimedOut
}

func (p *Pause) examine() *diagnosis.Pause {
	if p == nil {
		return nil
	}
	return &diagnosis.Pause{Identity: p.Identity, Reason: p.Reason, Time: p.Time}
}

func (s *State) normalRoute(routes *deployment.Table) diagnosis.Route {
	name := s.StartedAttributes().GetTaskQueue().GetName()
	version, _ := routes.Target(deployment.WorkflowQueue(name), s.Directive())
	return diagnosis.Route{Queue: name, Version: version, Pinned: s.PinnedVersion() != (match.Version{}), FairnessKey: s.Priority.GetFairnessKey()}
}

// delay says why the first task waits.
func (s *State) delay() diagnosis.Delay {
	switch s.StartedAttributes().GetInitiator() {
	case enumspb.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE:
		return diagnosis.DelayCron
	case enumspb.CONTINUE_AS_NEW_INITIATOR_RETRY:
		return diagnosis.DelayRetry
	}
	if s.StartedAttributes().GetCronSchedule() != "" {
		return diagnosis.DelayCron
	}
	return diagnosis.DelayStart
}

func (s *State) examineTask(r *diagnosis.Run) *diagnosis.Task {
	task := s.Task
	if task == nil {
		return nil
	}
	found := &diagnosis.Task{
		Attempt: task.Attempt, Scheduled: task.ScheduledTime, Timeout: task.Timeout, Worker: task.Identity, Route: r.Normal,
		ForUpdate: s.LastTaskCompletedID != 0 && s.hasAdmitted(),
	}
	if task.Sticky && !task.Refused {
		found.Route, found.StickyUntil = diagnosis.Route{Queue: task.Queue, Sticky: true, FairnessKey: r.Normal.FairnessKey}, task.StickyUntil
	}
	if task.StartedEventID != 0 {
		found.Started = task.StartedTime
	}
	return found
}

// hasAdmitted tells whether an update waits for a workflow task to carry it.
func (s *State) hasAdmitted() bool {
	for _, u := range s.Updates.entries {
		if u.Stage < UpdateAccepted {
			return true
		}
	}
	return false
}

func (s *State) examineActivity(a *Activity, routes *deployment.Table) diagnosis.Activity {
	scheduled := a.attributes()
	found := diagnosis.Activity{
		ID: a.ActivityID, Type: scheduled.GetActivityType().GetName(), ScheduledID: a.ScheduledEventID, Attempt: a.Attempt,
		MaximumAttempts: scheduled.GetRetryPolicy().GetMaximumAttempts(), Scheduled: a.ScheduledTime, AttemptTime: a.AttemptTime,
		Started: a.StartedTime, Heartbeat: a.HeartbeatTime, HeartbeatTimeout: duration(scheduled.GetHeartbeatTimeout()),
		Deadline: a.Deadline(), Worker: a.Identity, Failure: examineFailure(a.LastFailure), CancelRequested: a.CancelEventID != 0,
		TimesOut: earliest(earliest(a.startToClose(), a.heartbeat()), a.Deadline()),
	}
	queue := deployment.Queue{Name: scheduled.GetTaskQueue().GetName(), Type: enumspb.TASK_QUEUE_TYPE_ACTIVITY}
	version, _ := routes.Target(queue, s.activityDirective(a))
	found.Route = diagnosis.Route{
		Queue: queue.Name, Activity: true, Version: version, Pinned: version != (match.Version{}) && version == s.PinnedVersion(),
		FairnessKey: s.PriorityOf(scheduled.GetPriority()).GetFairnessKey(),
	}
	if a.Paused {
		found.Pause = &diagnosis.Pause{Identity: a.PauseIdentity, Reason: a.PauseReason, Time: a.PauseTime}
	}
	return found
}

func examineFailure(f *failurepb.Failure) diagnosis.Failure {
	if f == nil {
		return diagnosis.Failure{}
	}
	found := diagnosis.Failure{Type: typeOf(f), Message: messagesOf(f)}
	if timeout := f.GetTimeoutFailureInfo(); timeout != nil {
		found.TimedOut = timeout.TimeoutType.String()
	}
	return found
}

// examineOthers tells what is under way to and from others.
func (s *State) examineOthers(r *diagnosis.Run) {
	for _, c := range s.Children.values() {
		found := diagnosis.Child{WorkflowID: c.WorkflowID, RunID: c.RunID, Type: c.WorkflowType, Namespace: c.Namespace, InitiatedID: c.InitiatedEventID}
		if c.Initiated != nil {
			found.Initiated = c.Initiated.EventTime.AsTime()
		}
		r.Children = append(r.Children, found)
	}
	for _, m := range s.ExternalSignals.values() {
		a := m.Initiated.GetSignalExternalWorkflowExecutionInitiatedEventAttributes()
		r.Messages = append(r.Messages, diagnosis.Message{
			WorkflowID: a.GetWorkflowExecution().GetWorkflowId(), Namespace: a.GetNamespace(), InitiatedID: m.InitiatedEventID, Initiated: m.Initiated.GetEventTime().AsTime(),
		})
	}
	for _, m := range s.ExternalCancels.values() {
		a := m.Initiated.GetRequestCancelExternalWorkflowExecutionInitiatedEventAttributes()
		r.Messages = append(r.Messages, diagnosis.Message{
			Cancel: true, WorkflowID: a.GetWorkflowExecution().GetWorkflowId(), Namespace: a.GetNamespace(), InitiatedID: m.InitiatedEventID, Initiated: m.Initiated.GetEventTime().AsTime(),
		})
	}
	for _, u := range s.Updates.values() {
		if u.Stage < UpdateCompleted {
			r.Updates = append(r.Updates, diagnosis.Update{ID: u.ID, Name: u.Request.GetInput().GetName(), Accepted: u.Stage == UpdateAccepted})
		}
	}
}

func (s *State) examineCallbacks(r *diagnosis.Run, blocked func(address string) string) {
	for _, c := range s.Callbacks.values() {
		if !c.Progress.Pending() {
			continue
		}
		found := diagnosis.Callback{Address: nexus.Destination(c.URL()), Attempts: c.Progress.Attempts, Next: c.Progress.NextTime, Failure: c.Progress.LastFailure.GetMessage()}
		found.Blocked = blocked(c.URL())
		r.Callbacks = append(r.Callbacks, found)
	}
}
