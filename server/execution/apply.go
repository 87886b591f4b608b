package execution

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"perdure/server/activity"
	"perdure/server/match"
	"perdure/visibility/attr"
)

// apply changes s, which must belong to the caller alone, to what it is after
// the event. It is total: an event that refers to something unknown changes
// nothing but the event id.
func apply(s *State, e *historypb.HistoryEvent) {
	s.NextEventID = e.EventId + 1
	s.Seen.see(e)
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes:
		applyStarted(s, e, a.WorkflowExecutionStartedEventAttributes)
	case *historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes:
		applyTaskScheduled(s, e, a.WorkflowTaskScheduledEventAttributes)
	case *historypb.HistoryEvent_WorkflowTaskStartedEventAttributes:
		applyTaskStarted(s, e, a.WorkflowTaskStartedEventAttributes)
	case *historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes:
		applyTaskCompleted(s, e, a.WorkflowTaskCompletedEventAttributes)
	case *historypb.HistoryEvent_WorkflowTaskFailedEventAttributes:
		s.Task = nil
		applyReset(s, e)
	case *historypb.HistoryEvent_WorkflowTaskTimedOutEventAttributes:
		s.Task = nil
	case *historypb.HistoryEvent_WorkflowExecutionUpdateAdmittedEventAttributes:
		request := a.WorkflowExecutionUpdateAdmittedEventAttributes.GetRequest()
		applyUpdateAdmitted(s, request.GetMeta().GetUpdateId())
		s.noteRequests(e)
		s.register(e)
	case *historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes:
		s.SignalCount++
		s.noteRequest(a.WorkflowExecutionSignaledEventAttributes.RequestId, e)
	case *historypb.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes:
		s.CancelRequested = true
	case *historypb.HistoryEvent_UpsertWorkflowSearchAttributesEventAttributes:
		s.SearchAttributes = attr.Merge(s.SearchAttributes, a.UpsertWorkflowSearchAttributesEventAttributes.SearchAttributes)
	case *historypb.HistoryEvent_WorkflowPropertiesModifiedEventAttributes:
		s.Memo = mergeMemo(s.Memo, a.WorkflowPropertiesModifiedEventAttributes.UpsertedMemo)
	case *historypb.HistoryEvent_WorkflowExecutionOptionsUpdatedEventAttributes:
		applyOptions(s, e, a.WorkflowExecutionOptionsUpdatedEventAttributes)
	case *historypb.HistoryEvent_WorkflowExecutionPausedEventAttributes:
		applyPaused(s, e)
	case *historypb.HistoryEvent_WorkflowExecutionUnpausedEventAttributes:
		s.Pause = nil
	case *historypb.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes:
		id := a.WorkflowExecutionUpdateAcceptedEventAttributes.ProtocolInstanceId
		applyUpdateAccepted(s, id, e.EventId)
		s.noteRequests(e)
		s.register(e)
	case *historypb.HistoryEvent_WorkflowExecutionUpdateCompletedEventAttributes:
		id := a.WorkflowExecutionUpdateCompletedEventAttributes.GetMeta().GetUpdateId()
		if u := s.Updates.edit(id); u != nil {
			u.Stage, u.CompletedEventID = UpdateCompleted, e.EventId
		}
		s.endCallbacks(e, func(r registration) bool { return r.updateID == id })
	default:
		if !applyPending(s, e) {
			applyClose(s, e)
		}
	}
}

func applyStarted(s *State, e *historypb.HistoryEvent, a *historypb.WorkflowExecutionStartedEventAttributes) {
	s.Started = e
	s.Status = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	s.StartTime = e.EventTime.AsTime()
	s.ExecutionTime = s.StartTime.Add(activity.Cap(a.FirstWorkflowTaskBackoff))
	s.FirstTaskDelayed = duration(a.FirstWorkflowTaskBackoff) > 0
	s.TaskAttempt = 1
	s.Memo, s.SearchAttributes, s.Priority = a.Memo, a.SearchAttributes, a.Priority
	s.ResetPoints = a.PrevAutoResetPoints.GetPoints()
	s.register(e)
	applyInherited(s, a)
	applyInheritedBuild(s, a)
}

func applyTaskScheduled(s *State, e *historypb.HistoryEvent, a *historypb.WorkflowTaskScheduledEventAttributes) {
	at := e.EventTime.AsTime()
	s.FirstTaskDelayed = false
	s.TaskAttempt = a.Attempt
	s.Task = &WorkflowTask{
		ScheduledEventID: e.EventId, Attempt: a.Attempt, Queue: a.TaskQueue.GetName(),
		Sticky:        a.TaskQueue.GetKind() == enumspb.TASK_QUEUE_KIND_STICKY,
		ScheduledTime: at, OriginalScheduledTime: at, Timeout: duration(a.StartToCloseTimeout), Stamp: at.UnixNano(),
	}
}

func applyTaskStarted(s *State, e *historypb.HistoryEvent, a *historypb.WorkflowTaskStartedEventAttributes) {
	if s.Task == nil {
		return
	}
	s.Task.StartedEventID, s.Task.StartedTime = e.EventId, e.EventTime.AsTime()
	s.Task.RequestID, s.Task.Identity = a.RequestId, a.Identity
	s.Task.HistorySize, s.Task.SuggestReasons = a.HistorySizeBytes, a.SuggestContinueAsNewReasons
	s.Task.TargetChanged = a.TargetWorkerDeploymentVersionChanged
	//nolint:staticcheck // this is the older versioning
	worker, redirects := a.WorkerVersion, a.BuildIdRedirectCounter
	s.Task.Build, s.Task.Redirects = match.StampedBuild(worker), redirects
	applyBuild(s, worker, redirects)
}

func applyTaskCompleted(s *State, e *historypb.HistoryEvent, a *historypb.WorkflowTaskCompletedEventAttributes) {
	s.Task = nil
	s.TaskAttempt, s.WorkflowTaskFailures, s.Problems = 1, 0, nil
	s.PreviousStartedID, s.LastTaskCompletedID = a.StartedEventId, e.EventId
	s.Building.Worker, s.Building.Default = stampOf(a.WorkerVersion), "" //nolint:staticcheck // older clients send it
	applyVersion(s, a)
	noteBuild(s, e, a)
}

func applyOptions(s *State, e *historypb.HistoryEvent, a *historypb.WorkflowExecutionOptionsUpdatedEventAttributes) {
	s.noteRequests(e)
	s.register(e)
	if a.Priority != nil {
		s.Priority = a.Priority
	}
	switch {
	case a.UnsetVersioningOverride:
		s.OverrideRemoved = s.OverrideRemoved || s.VersioningOverride != nil
		s.VersioningOverride = nil
	case a.VersioningOverride != nil:
		s.VersioningOverride = a.VersioningOverride
	}
}

// applyUpdateAdmitted notes an update that a reset brought along: a worker finds it in history.
func applyUpdateAdmitted(s *State, id string) {
	s.UpdateCount++
	s.Updates.put(id, &Update{ID: id, Stage: UpdateAdmitted, Order: s.UpdateCount, InHistory: true})
}

func applyUpdateAccepted(s *State, id string, eventID int64) {
	s.UpdateCount++
	if u := s.Updates.edit(id); u != nil {
		u.Stage, u.AcceptedEventID, u.Request = UpdateAccepted, eventID, nil
		return
	}
	s.Updates.put(id, &Update{ID: id, Stage: UpdateAccepted, Order: s.UpdateCount, AcceptedEventID: eventID})
}

// applyPending handles the events about activities, timers and other runs. False: it is none of them.
func applyPending(s *State, e *historypb.HistoryEvent) bool {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_ActivityTaskScheduledEventAttributes:
		applyActivityScheduled(s, e, a.ActivityTaskScheduledEventAttributes)
	case *historypb.HistoryEvent_ActivityTaskCancelRequestedEventAttributes:
		if activity := s.Activities.edit(a.ActivityTaskCancelRequestedEventAttributes.ScheduledEventId); activity != nil {
			activity.CancelEventID = e.EventId
		}
	case *historypb.HistoryEvent_ActivityTaskStartedEventAttributes:
		// Written together with the event that ends the activity: nothing to keep,
		// but for a run that it moved.
		started := a.ActivityTaskStartedEventAttributes
		if redirects := started.BuildIdRedirectCounter; redirects > 0 { //nolint:staticcheck // this is the older versioning
			applyBuild(s, started.WorkerVersion, redirects) //nolint:staticcheck // likewise
		}
	case *historypb.HistoryEvent_ActivityTaskCompletedEventAttributes:
		s.Activities.drop(a.ActivityTaskCompletedEventAttributes.ScheduledEventId)
	case *historypb.HistoryEvent_ActivityTaskFailedEventAttributes:
		s.Activities.drop(a.ActivityTaskFailedEventAttributes.ScheduledEventId)
	case *historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes:
		s.Activities.drop(a.ActivityTaskTimedOutEventAttributes.ScheduledEventId)
	case *historypb.HistoryEvent_ActivityTaskCanceledEventAttributes:
		s.Activities.drop(a.ActivityTaskCanceledEventAttributes.ScheduledEventId)
	case *historypb.HistoryEvent_TimerStartedEventAttributes:
		fire := e.EventTime.AsTime().Add(activity.Cap(a.TimerStartedEventAttributes.StartToFireTimeout))
		id := a.TimerStartedEventAttributes.TimerId
		s.Timers.put(id, &Timer{TimerID: id, StartedEventID: e.EventId, FireTime: fire})
	case *historypb.HistoryEvent_TimerFiredEventAttributes:
		s.Timers.drop(a.TimerFiredEventAttributes.TimerId)
	case *historypb.HistoryEvent_TimerCanceledEventAttributes:
		s.Timers.drop(a.TimerCanceledEventAttributes.TimerId)
	default:
		return applyRemote(s, e)
	}
	return true
}

func applyActivityScheduled(s *State, e *historypb.HistoryEvent, a *historypb.ActivityTaskScheduledEventAttributes) {
	at := e.EventTime.AsTime()
	s.Activities.put(e.EventId, &Activity{
		ScheduledEventID: e.EventId, Scheduled: e, ActivityID: a.ActivityId, Attempt: 1,
		ScheduledTime: at, AttemptTime: at, Stamp: at.UnixNano(),
	})
}

// applyRemote handles the events about children and other runs. False: it is none of them.
func applyRemote(s *State, e *historypb.HistoryEvent) bool {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_StartChildWorkflowExecutionInitiatedEventAttributes:
		applyChildInitiated(s, e, a.StartChildWorkflowExecutionInitiatedEventAttributes)
	case *historypb.HistoryEvent_StartChildWorkflowExecutionFailedEventAttributes:
		s.Children.drop(a.StartChildWorkflowExecutionFailedEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_ChildWorkflowExecutionStartedEventAttributes:
		if child := s.Children.edit(a.ChildWorkflowExecutionStartedEventAttributes.InitiatedEventId); child != nil {
			child.StartedEventID = e.EventId
			child.RunID = a.ChildWorkflowExecutionStartedEventAttributes.WorkflowExecution.GetRunId()
			child.Initiated = nil
		}
	case *historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes:
		s.Children.drop(a.ChildWorkflowExecutionCompletedEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes:
		s.Children.drop(a.ChildWorkflowExecutionFailedEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_ChildWorkflowExecutionCanceledEventAttributes:
		s.Children.drop(a.ChildWorkflowExecutionCanceledEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_ChildWorkflowExecutionTimedOutEventAttributes:
		s.Children.drop(a.ChildWorkflowExecutionTimedOutEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_ChildWorkflowExecutionTerminatedEventAttributes:
		s.Children.drop(a.ChildWorkflowExecutionTerminatedEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_SignalExternalWorkflowExecutionInitiatedEventAttributes:
		s.ExternalSignals.put(e.EventId, &ExternalSignal{InitiatedEventID: e.EventId, Initiated: e})
	case *historypb.HistoryEvent_SignalExternalWorkflowExecutionFailedEventAttributes:
		s.ExternalSignals.drop(a.SignalExternalWorkflowExecutionFailedEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_ExternalWorkflowExecutionSignaledEventAttributes:
		s.ExternalSignals.drop(a.ExternalWorkflowExecutionSignaledEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_RequestCancelExternalWorkflowExecutionInitiatedEventAttributes:
		s.ExternalCancels.put(e.EventId, &ExternalCancel{InitiatedEventID: e.EventId, Initiated: e})
	case *historypb.HistoryEvent_RequestCancelExternalWorkflowExecutionFailedEventAttributes:
		s.ExternalCancels.drop(a.RequestCancelExternalWorkflowExecutionFailedEventAttributes.InitiatedEventId)
	case *historypb.HistoryEvent_ExternalWorkflowExecutionCancelRequestedEventAttributes:
		s.ExternalCancels.drop(a.ExternalWorkflowExecutionCancelRequestedEventAttributes.InitiatedEventId)
	default:
		return false
	}
	return true
}

func applyChildInitiated(s *State, e *historypb.HistoryEvent, a *historypb.StartChildWorkflowExecutionInitiatedEventAttributes) {
	s.Children.put(e.EventId, &Child{
		InitiatedEventID: e.EventId, Initiated: e, WorkflowID: a.WorkflowId, WorkflowType: a.WorkflowType.GetName(),
		Namespace: a.Namespace, NamespaceID: a.NamespaceId, ClosePolicy: a.ParentClosePolicy,
	})
}

// applyClose handles the events that end a run.
func applyClose(s *State, e *historypb.HistoryEvent) {
	status, newRunID := closing(e)
	if status == enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED {
		return
	}
	s.Status, s.NewRunID = status, newRunID
	s.CloseTime, s.CloseEventID = e.EventTime.AsTime(), e.EventId
	if s.TaskStarted() || (s.Task != nil && s.Task.Kind != TaskNormal) {
		s.Task = nil // one that nobody took stays to be seen
	}
	s.unstick()
	s.TaskHeartbeatSince = time.Time{}
	s.CloseAttempted, s.FirstTaskDelayed = false, false
	s.Timers.clear() // activities and children stay to be seen as well
	s.ExternalSignals.clear()
	s.ExternalCancels.clear()
	s.Buffered = nil
	s.closeUpdates()
	if e.GetWorkflowExecutionTerminatedEventAttributes().GetIdentity() == resetterIdentity {
		return // all goes on with the run that goes on from here
	}
	s.endUpdateCallbacks(e)
	if chainEnds(e) {
		s.endCallbacks(e, func(r registration) bool { return r.updateID == "" })
	}
	if newRunID != "" {
		return // children go on with the next run
	}
	s.ClosePolicyDue = len(s.orphans()) > 0
	if s.StartedAttributes().GetParentWorkflowExecution().GetWorkflowId() != "" {
		s.NotifyParent, s.CloseEvent = true, e
	}
}

// closing tells what kind of close the event is; the unspecified status: none.
func closing(e *historypb.HistoryEvent) (status enumspb.WorkflowExecutionStatus, newRunID string) {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes:
		return enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, a.WorkflowExecutionCompletedEventAttributes.NewExecutionRunId
	case *historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes:
		return enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, a.WorkflowExecutionFailedEventAttributes.NewExecutionRunId
	case *historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes:
		return enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, ""
	case *historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes:
		return enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, ""
	case *historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes:
		return enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, a.WorkflowExecutionTimedOutEventAttributes.NewExecutionRunId
	case *historypb.HistoryEvent_WorkflowExecutionContinuedAsNewEventAttributes:
		return enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, a.WorkflowExecutionContinuedAsNewEventAttributes.NewExecutionRunId
	}
	return enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, ""
}

// orphans are the children that the close of the run concerns. Those that the
// closing task itself asked for are not among them: they never start.
func (s *State) orphans() []*Child {
	var orphans []*Child
	for _, child := range s.Children.values() {
		batch := child.Initiated.GetStartChildWorkflowExecutionInitiatedEventAttributes().GetWorkflowTaskCompletedEventId()
		abandoned := child.ClosePolicy == enumspb.PARENT_CLOSE_POLICY_ABANDON && child.StartedEventID != 0
		if !abandoned && (batch == 0 || batch != s.closingTaskID()) {
			orphans = append(orphans, child)
		}
	}
	return orphans
}

// closingTaskID is the completed event of the task that closed the run; 0: something else did.
func (s *State) closingTaskID() int64 {
	if s.Status == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED || s.Status == enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT {
		return 0
	}
	return s.LastTaskCompletedID
}

// closeUpdates forgets updates that no history knows of.
func (s *State) closeUpdates() {
	for _, u := range s.Updates.values() {
		if u.Stage < UpdateAccepted {
			s.Updates.drop(u.ID)
		}
	}
}
