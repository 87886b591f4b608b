package execution

import (
	"cmp"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/match"
)

// scheduleTask makes a workflow task pending when the run is open and has none.
func (t *transition) scheduleTask() {
	if !t.s.Open() || t.s.Paused() || t.s.FirstTaskDelayed || t.s.Task != nil {
		return
	}
	t.assignBuild()
	task := t.newTask()
	if task.Attempt > 1 {
		task.Kind = TaskTransient
		task.ScheduledEventID = t.s.NextEventID
		task.Stamp = t.stamp()
		t.s.Task = task
		t.durable = true
		return
	}
	t.appendScheduled(task)
	t.s.Task.Stamp = t.stamp()
	t.durable = true
}

// newTask is the next workflow task, without ids.
func (t *transition) newTask() *WorkflowTask {
	task := &WorkflowTask{
		Attempt: max(t.s.TaskAttempt, 1), Queue: t.s.StartedAttributes().GetTaskQueue().GetName(),
		ScheduledTime: t.env.Now, OriginalScheduledTime: t.env.Now,
	}
	if t.s.StickyQueue != "" {
		task.Queue, task.Sticky = t.s.StickyQueue, true
		task.StickyUntil = t.env.Now.Add(t.s.StickyTimeout)
	}
	if !t.s.TaskHeartbeatSince.IsZero() {
		task.OriginalScheduledTime = t.s.TaskHeartbeatSince
	}
	task.Timeout = taskTimeout(duration(t.s.StartedAttributes().GetWorkflowTaskTimeout()), task.Attempt, t.env.Limits.TaskRetryExtra)
	return task
}

// taskTimeout grows from attempt 4 on, so that a task that keeps failing by
// time-out is tried ever more slowly: plus 5 s, doubling, at most extraMax.
func taskTimeout(base time.Duration, attempt int32, extraMax time.Duration) time.Duration {
	if attempt < 4 {
		return base
	}
	extra := 5 * time.Second
	for n := int32(4); n < attempt && extra < extraMax; n++ {
		extra *= 2
	}
	return base + min(extra, extraMax)
}

func (t *transition) taskQueue(task *WorkflowTask) *taskqueuepb.TaskQueue {
	if task.Sticky {
		normal := t.s.StartedAttributes().GetTaskQueue().GetName()
		return &taskqueuepb.TaskQueue{Name: task.Queue, Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: normal}
	}
	return &taskqueuepb.TaskQueue{Name: task.Queue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
}

func (t *transition) scheduledEvent(task *WorkflowTask) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventTime: timestamppb.New(task.ScheduledTime),
		Attributes: &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{
			WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{
				TaskQueue: t.taskQueue(task), StartToCloseTimeout: durationpb.New(task.Timeout), Attempt: task.Attempt,
			},
		},
	}
}

func startedEvent(task *WorkflowTask) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, EventTime: timestamppb.New(task.StartedTime),
		Attributes: &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{
			WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{
				ScheduledEventId: task.ScheduledEventID, Identity: task.Identity, RequestId: task.RequestID,
				HistorySizeBytes: task.HistorySize, SuggestContinueAsNew: len(task.SuggestReasons) > 0,
				SuggestContinueAsNewReasons: task.SuggestReasons, TargetWorkerDeploymentVersionChanged: task.TargetChanged,
				WorkerVersion: versionedStamp(task.Build), BuildIdRedirectCounter: task.Redirects, //nolint:staticcheck // this is the older versioning
			},
		},
	}
}

// appendScheduled writes the scheduled event and makes task the pending one.
func (t *transition) appendScheduled(task *WorkflowTask) {
	e := t.append(t.scheduledEvent(task))
	pending := *task
	pending.Kind, pending.ScheduledEventID, pending.StartedEventID = TaskNormal, e.EventId, 0
	pending.Stamp = t.stamp()
	t.s.Task = &pending
}

// appendStarted writes the started event of the pending task as task has it.
func (t *transition) appendStarted(task *WorkflowTask) {
	started := *task
	started.Kind, started.ScheduledEventID = TaskNormal, t.s.Task.ScheduledEventID
	e := t.append(startedEvent(&started))
	started.StartedEventID = e.EventId
	t.s.Task = &started
}

func (t *transition) startTask(c StartTask) error {
	task := t.s.Task
	if !t.s.Open() || task == nil || task.StartedEventID != 0 || task.ScheduledEventID != c.ScheduledEventID || task.Stamp != c.Stamp {
		return ErrStale
	}
	if task.Kind == TaskSpeculative && !t.s.hasOpenUpdates() {
		return ErrStale
	}
	if version := t.s.PinnedVersion(); version != (match.Version{}) && version != c.Worker {
		return ErrStale
	}
	if task.Kind == TaskTransient && task.ScheduledEventID != t.s.NextEventID {
		// Something happened since the last attempt failed: start over with a task that history knows.
		t.s.Task, t.s.TaskAttempt = nil, 1
		t.scheduleTask()
	}
	assigned := t.s.Building.Assigned
	t.reply = t.start(c.Identity, c.RequestID, c.Worker)
	t.durable = assigned != t.s.Building.Assigned // else a crash sets it back, and it is offered again
	return nil
}

// start begins the pending task for a worker.
func (t *transition) start(identity, requestID string, worker match.Version) *TaskStarted {
	task := t.s.Task
	t.move(worker.Deployed(), task)
	task.Build, task.Redirects = "", 0
	if t.land(worker) {
		task.Build, task.Redirects = worker.BuildID, t.s.Building.Redirects
	}
	task.StartedTime, task.Identity, task.RequestID = t.env.Now, identity, requestID
	t.s.Seen.seeWorker(identity)
	task.HistorySize, task.SuggestReasons = t.s.HistorySize, t.suggestContinueAsNew()
	started := *task
	if task.Kind == TaskNormal {
		t.appendStarted(&started)
	} else {
		task.StartedEventID = task.ScheduledEventID + 1
	}
	t.s.Task.Stamp = t.stamp()
	return t.started()
}

// started tells what the worker gets with the started task, and marks its updates as sent.
func (t *transition) started() *TaskStarted {
	task := t.s.Task
	return &TaskStarted{
		ScheduledEventID: task.ScheduledEventID, StartedEventID: task.StartedEventID, Stamp: task.Stamp,
		Attempt: task.Attempt, PreviousStartedID: t.s.PreviousStartedID,
		ScheduledTime: task.ScheduledTime, StartedTime: task.StartedTime,
		Provisional: t.s.ProvisionalEvents(), Messages: t.sendUpdates(),
	}
}

// ProvisionalEvents are the events of a pending task that are not in history.
func (s *State) ProvisionalEvents() []*historypb.HistoryEvent {
	task := s.Task
	if task == nil || task.Kind == TaskNormal {
		return nil
	}
	if task.Kind == TaskTransient && task.StartedEventID == 0 && task.ScheduledEventID != s.NextEventID {
		return nil
	}
	t := &transition{s: s}
	scheduled := t.scheduledEvent(task)
	scheduled.EventId = task.ScheduledEventID
	events := []*historypb.HistoryEvent{scheduled}
	if task.StartedEventID != 0 {
		started := startedEvent(task)
		started.EventId = task.StartedEventID
		events = append(events, started)
	}
	return events
}

func (s *State) hasOpenUpdates() bool {
	for _, u := range s.Updates.entries {
		if u.Stage < UpdateAccepted && !u.InHistory {
			return true
		}
	}
	return false
}

// openUpdates are the updates that a worker has not accepted, in order of admission.
func (s *State) openUpdates() []*Update {
	var open []*Update
	for _, u := range s.Updates.entries {
		if u.Stage < UpdateAccepted && !u.InHistory {
			open = append(open, u)
		}
	}
	slices.SortFunc(open, func(a, b *Update) int { return cmp.Compare(a.Order, b.Order) })
	return open
}

func (t *transition) sendUpdates() []*protocolpb.Message {
	var messages []*protocolpb.Message
	for _, u := range t.s.openUpdates() {
		body, err := anypb.New(u.Request)
		if err != nil {
			continue // a request that came over the wire always marshals
		}
		messages = append(messages, &protocolpb.Message{
			Id: u.ID + "/request", ProtocolInstanceId: u.ID, Body: body,
			SequencingId: &protocolpb.Message_EventId{EventId: t.s.Task.StartedEventID - 1},
		})
		t.s.Updates.edit(u.ID).Stage = UpdateSent
	}
	return messages
}

func (t *transition) suggestContinueAsNew() []enumspb.SuggestContinueAsNewReason {
	var reasons []enumspb.SuggestContinueAsNewReason
	limits := t.env.Limits
	if t.s.HistorySize >= limits.HistoryBytesSuggest {
		reasons = append(reasons, enumspb.SUGGEST_CONTINUE_AS_NEW_REASON_HISTORY_SIZE_TOO_LARGE)
	}
	if t.s.NextEventID >= limits.HistoryEventsSuggest {
		reasons = append(reasons, enumspb.SUGGEST_CONTINUE_AS_NEW_REASON_TOO_MANY_HISTORY_EVENTS)
	}
	if float64(t.s.Updates.len()) >= limits.UpdatesSuggestContinueRatio*float64(limits.Updates) {
		reasons = append(reasons, enumspb.SUGGEST_CONTINUE_AS_NEW_REASON_TOO_MANY_UPDATES)
	}
	return reasons
}

func (t *transition) failTask(c FailTask) error {
	if !t.s.Open() {
		return errCompleted()
	}
	task, err := t.answeredTask(c.ScheduledEventID, c.StartedEventID, c.Stamp)
	if err != nil {
		return err
	}
	if c.Cause == enumspb.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE {
		t.closeStartedTask()
		t.close(t.terminated(c.Cause.String(), nil, serverIdentity), false)
		return nil
	}
	t.failStartedTask(task, &historypb.WorkflowTaskFailedEventAttributes{
		Cause: c.Cause, Failure: c.Failure, Identity: c.Identity, BinaryChecksum: c.BinaryChecksum,
	})
	return nil
}

// answeredTask is the pending task if an answer with these ids belongs to it.
func (t *transition) answeredTask(scheduledID, startedID, stamp int64) (*WorkflowTask, error) {
	task := t.s.Task
	if !t.s.Open() || task == nil || task.StartedEventID == 0 ||
		task.ScheduledEventID != scheduledID || task.StartedEventID != startedID || task.Stamp != stamp {
		return nil, errTaskNotFound()
	}
	return task, nil
}

// failStartedTask ends the started task as failed and schedules the next
// attempt. Only the first failure in a row is written to history.
func (t *transition) failStartedTask(task *WorkflowTask, a *historypb.WorkflowTaskFailedEventAttributes) {
	t.materialise(a.Identity)
	task = t.s.Task
	t.durable = true
	t.s.Seen.seeTaskFailure(a.Cause, a.Failure)
	if task.Kind == TaskNormal {
		a.ScheduledEventId, a.StartedEventId = task.ScheduledEventID, task.StartedEventID
		e := t.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED)
		e.Attributes = &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{WorkflowTaskFailedEventAttributes: a}
		t.append(e)
	}
	t.nextAttempt(task.Attempt, taskFailedProblems(a.Cause)...)
}

func taskFailedProblems(cause enumspb.WorkflowTaskFailedCause) []string {
	return []string{"category=WorkflowTaskFailed", "cause=WorkflowTaskFailedCause" + cause.String()}
}

// problemAfterFailures in a row make a run show up in searches for runs in trouble.
const problemAfterFailures = 5

// nextAttempt schedules the task after a failed or timed-out attempt.
func (t *transition) nextAttempt(attempt int32, problems ...string) {
	t.s.Task = nil
	if t.s.WorkflowTaskFailures++; t.s.WorkflowTaskFailures == problemAfterFailures {
		t.s.Problems, t.visibility = problems, true
	}
	t.s.TaskHeartbeatSince = time.Time{}
	if t.s.StickyQueue != "" {
		// A worker that kept the run in its cache may have gone wrong alone: give the next one a first attempt.
		t.s.unstick()
		t.s.TaskAttempt = 1
	} else {
		t.s.TaskAttempt = attempt + 1
		t.noteAttempt(t.s.TaskAttempt)
	}
	if t.flush() {
		t.s.TaskAttempt = 1
	}
	t.scheduleTask()
	if t.s.Task == nil {
		t.takeBackUpdates()
	}
}

// timeOutTask ends the started task by its start-to-close timeout.
func (t *transition) timeOutTask() {
	t.materialise("")
	task := t.s.Task
	t.durable = true
	if task.Kind == TaskNormal {
		t.append(t.taskTimedOut(task, enumspb.TIMEOUT_TYPE_START_TO_CLOSE))
	}
	t.nextAttempt(task.Attempt, "category=WorkflowTaskTimedOut", "cause=WorkflowTaskTimedOutCause"+enumspb.TIMEOUT_TYPE_START_TO_CLOSE.String())
}

func (t *transition) taskTimedOut(task *WorkflowTask, kind enumspb.TimeoutType) *historypb.HistoryEvent {
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)
	e.Attributes = &historypb.HistoryEvent_WorkflowTaskTimedOutEventAttributes{
		WorkflowTaskTimedOutEventAttributes: &historypb.WorkflowTaskTimedOutEventAttributes{
			ScheduledEventId: task.ScheduledEventID, StartedEventId: task.StartedEventID, TimeoutType: kind,
		},
	}
	return e
}

// timeOutSticky moves a task that nobody took from the sticky queue to the normal one.
func (t *transition) timeOutSticky() {
	t.materialise("")
	task := t.s.Task
	t.durable = true
	if task.Kind == TaskNormal {
		t.append(t.taskTimedOut(task, enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START))
	}
	t.s.Task = nil
	t.s.unstick()
	t.s.TaskAttempt = task.Attempt
	t.scheduleTask()
}

// refuseSticky: matching knows that nobody polls the sticky queue. History
// keeps the scheduled event; the offer goes to the normal queue.
func (t *transition) refuseSticky(c RefuseSticky) error {
	task := t.s.Task
	if !t.s.Open() || task == nil || task.StartedEventID != 0 || task.ScheduledEventID != c.ScheduledEventID || task.Stamp != c.Stamp {
		return ErrStale
	}
	task.Stamp = t.stamp()
	t.s.unstick()
	t.leaveSticky(task)
	return nil
}

// leaveSticky has a task offered on the normal queue that was scheduled on the sticky one.
func (t *transition) leaveSticky(task *WorkflowTask) {
	task.Refused, task.StickyUntil = true, time.Time{}
	if task.Kind == TaskSpeculative {
		task.StickyUntil = t.env.Now.Add(t.env.Limits.SpeculativeScheduleToStart)
	}
}

func (t *transition) resetSticky() error {
	if !t.s.Open() {
		return errCompleted()
	}
	if t.s.StickyQueue == "" {
		return nil
	}
	t.s.unstick()
	if task := t.s.Task; task != nil && task.Kind == TaskSpeculative && task.StartedEventID == 0 {
		task.Queue, task.Sticky = t.s.StartedAttributes().GetTaskQueue().GetName(), false // its event, written now, names that queue
	}
	t.durable = true
	return nil
}
