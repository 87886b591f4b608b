package execution

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/match"
)

// Describe is the answer of DescribeWorkflowExecution. blocked says why no calls
// are made to an address now; empty: they are.
func (s *State) Describe(now time.Time, blocked func(address string) string) *workflowservice.DescribeWorkflowExecutionResponse {
	started := s.StartedAttributes()
	r := &workflowservice.DescribeWorkflowExecutionResponse{
		ExecutionConfig: &workflowpb.WorkflowExecutionConfig{
			TaskQueue:                started.GetTaskQueue(),
			WorkflowExecutionTimeout: started.GetWorkflowExecutionTimeout(), WorkflowRunTimeout: started.GetWorkflowRunTimeout(),
			DefaultWorkflowTaskTimeout: started.GetWorkflowTaskTimeout(), UserMetadata: s.Started.GetUserMetadata(),
		},
		WorkflowExecutionInfo: s.describeInfo(),
		WorkflowExtendedInfo:  s.describeExtended(),
		Callbacks:             s.describeCallbacks(now, blocked),
	}
	r.PendingWorkflowTask = s.describeTask()
	for _, a := range s.Activities.values() {
		info := a.describe(now)
		s.describeActivityBuild(a, info)
		r.PendingActivities = append(r.PendingActivities, info)
	}
	for _, child := range s.Children.values() {
		r.PendingChildren = append(r.PendingChildren, &workflowpb.PendingChildExecutionInfo{
			WorkflowId: child.WorkflowID, RunId: child.RunID, WorkflowTypeName: child.WorkflowType,
			InitiatedId: child.InitiatedEventID, ParentClosePolicy: child.ClosePolicy,
		})
	}
	return r
}

func (s *State) describeInfo() *workflowpb.WorkflowExecutionInfo {
	started := s.StartedAttributes()
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: s.Execution(), Type: started.GetWorkflowType(), StartTime: timestamppb.New(s.StartTime), Status: s.ShownStatus(),
		HistoryLength: s.NextEventID - 1, ExecutionTime: timestamppb.New(s.ExecutionTime), Memo: s.Memo, SearchAttributes: s.ShownSearchAttributes(),
		AutoResetPoints: &workflowpb.ResetPoints{Points: s.ResetPoints}, TaskQueue: started.GetTaskQueue().GetName(),
		StateTransitionCount: s.Version, HistorySizeBytes: s.HistorySize, RootExecution: s.Root(), FirstRunId: started.GetFirstExecutionRunId(),
		ParentNamespaceId: started.GetParentWorkflowNamespaceId(), ParentExecution: started.GetParentWorkflowExecution(), Priority: s.Priority,
	}
	s.describeBuild(info)
	info.VersioningInfo, info.WorkerDeploymentName = s.describeVersioning(), s.WorkerDeployment()
	if info.Memo == nil {
		info.Memo = &commonpb.Memo{}
	}
	if info.SearchAttributes == nil {
		info.SearchAttributes = &commonpb.SearchAttributes{}
	}
	if !s.CloseTime.IsZero() {
		info.CloseTime = timestamppb.New(s.CloseTime)
		info.ExecutionDuration = durationpb.New(s.CloseTime.Sub(s.ExecutionTime))
	}
	return info
}

// Root is the run at the top of the tree of parents.
func (s *State) Root() *commonpb.WorkflowExecution {
	if root := s.StartedAttributes().GetRootWorkflowExecution(); root != nil {
		return root
	}
	return s.Execution()
}

func (s *State) describeExtended() *workflowpb.WorkflowExecutionExtendedInfo {
	info := &workflowpb.WorkflowExecutionExtendedInfo{
		// The zero time tells clients of this API that the run has no timeout.
		RunExpirationTime: timestamppb.New(s.RunExpirationTime()), OriginalStartTime: timestamppb.New(s.OriginalStartTime()),
		ResetRunId: s.ResetRunID, LastResetTime: s.resetTime(),
		PauseInfo:       s.Pause.describe(),
		CancelRequested: s.CancelRequested, RequestIdInfos: make(map[string]*workflowpb.RequestIdInfo),
	}
	if expiration := s.ExpirationTime(); !expiration.IsZero() {
		info.ExecutionExpirationTime = timestamppb.New(expiration)
	}
	for _, requests := range []requestTable{s.SignalRequests, s.Requests} { // the latter win
		for _, id := range requests.keys() {
			r := requests.get(id)
			info.RequestIdInfos[id] = &workflowpb.RequestIdInfo{EventType: r.EventType, EventId: r.EventID, Buffered: r.EventID == 0}
		}
	}
	return info
}

func (s *State) describeTask() *workflowpb.PendingWorkflowTaskInfo {
	task := s.Task
	if task == nil {
		return nil
	}
	info := &workflowpb.PendingWorkflowTaskInfo{
		State: enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED, ScheduledTime: timestamppb.New(task.ScheduledTime),
		OriginalScheduledTime: timestamppb.New(task.OriginalScheduledTime), Attempt: task.Attempt,
	}
	if task.StartedEventID != 0 {
		info.State = enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED
		info.StartedTime = timestamppb.New(task.StartedTime)
	}
	return info
}

func (a *Activity) describe(now time.Time) *workflowpb.PendingActivityInfo {
	scheduled := a.attributes()
	info := &workflowpb.PendingActivityInfo{
		ActivityId: a.ActivityID, ActivityType: scheduled.GetActivityType(), State: a.pendingState(),
		HeartbeatDetails: a.HeartbeatDetails, Attempt: a.Attempt, MaximumAttempts: scheduled.GetRetryPolicy().GetMaximumAttempts(),
		ScheduledTime: timestamppb.New(a.ScheduledTime), LastFailure: a.LastFailure, LastWorkerIdentity: a.Identity,
		Priority: scheduled.GetPriority(),
	}
	info.ActivityOptions = a.describeOptions()
	info.ActivityOptions.TaskQueue.NormalName = info.ActivityOptions.TaskQueue.Name
	if worker := a.Worker.Deployed(); worker != (match.Version{}) {
		//nolint:staticcheck // older clients read the text
		info.LastWorkerDeploymentVersion, info.LastDeploymentVersion = worker.Dotted(), worker.Proto()
	}
	if a.Paused {
		info.Paused = true
		info.PauseInfo = &workflowpb.PendingActivityInfo_PauseInfo{
			PauseTime: timestamppb.New(a.PauseTime),
			PausedBy: &workflowpb.PendingActivityInfo_PauseInfo_Manual_{Manual: &workflowpb.PendingActivityInfo_PauseInfo_Manual{
				Identity: a.PauseIdentity, Reason: a.PauseReason,
			}},
		}
	}
	if deadline := a.Deadline(); !deadline.IsZero() {
		info.ExpirationTime = timestamppb.New(deadline)
	}
	if !a.HeartbeatTime.IsZero() {
		info.LastHeartbeatTime = timestamppb.New(a.HeartbeatTime)
	}
	if !a.StartedTime.IsZero() {
		info.LastStartedTime = timestamppb.New(a.StartedTime)
		return info
	}
	if !a.LastAttemptEnd.IsZero() {
		info.LastAttemptCompleteTime = timestamppb.New(a.LastAttemptEnd)
		if a.AttemptTime.After(now) {
			info.CurrentRetryInterval = durationpb.New(time.Duration(a.RetryIntervalNano))
			info.NextAttemptScheduleTime = timestamppb.New(a.AttemptTime)
		}
	}
	return info
}

func (a *Activity) pendingState() enumspb.PendingActivityState {
	switch {
	case a.CancelEventID != 0:
		return enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
	case a.Paused && !a.StartedTime.IsZero():
		return enumspb.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
	case a.Paused:
		return enumspb.PENDING_ACTIVITY_STATE_PAUSED
	case !a.StartedTime.IsZero():
		return enumspb.PENDING_ACTIVITY_STATE_STARTED
	}
	return enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
}
