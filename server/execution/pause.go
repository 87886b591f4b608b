package execution

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Pause tells who holds the run, and why. It takes effect when it is asked
// for, also while its event still waits for a started task to end.
type Pause struct {
	Identity  string
	Reason    string
	RequestID string
	Time      time.Time
}

// PauseRun holds a run: no task of it is given to a worker until it is
// unpaused. What workers have already, they may finish. Reply: nil.
type PauseRun struct{ Identity, Reason, RequestID string }

// UnpauseRun lets a held run go on. Reply: nil.
type UnpauseRun struct{ Identity, Reason, RequestID string }

func (PauseRun) command()   {}
func (UnpauseRun) command() {}

// Paused tells whether the run is open and held.
func (s *State) Paused() bool { return s.Open() && s.Pause != nil }

// ShownStatus is the status as clients see it.
func (s *State) ShownStatus() enumspb.WorkflowExecutionStatus {
	if s.Paused() {
		return enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED
	}
	return s.Status
}

func (t *transition) pauseRun(c PauseRun) error {
	switch {
	case !t.s.Open():
		return errCompleted()
	case t.s.Pause != nil && c.RequestID != "" && t.s.Pause.RequestID == c.RequestID:
		return nil // asked again
	case t.s.Pause != nil:
		return serviceerror.NewFailedPrecondition("workflow is already paused.")
	}
	t.withdrawTask(c.RequestID)
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED)
	e.WorkerMayIgnore = true
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionPausedEventAttributes{
		WorkflowExecutionPausedEventAttributes: &historypb.WorkflowExecutionPausedEventAttributes{
			Identity: c.Identity, Reason: c.Reason, RequestId: c.RequestID,
		},
	}
	t.record(e)
	applyPaused(t.s, e)
	t.offerActivitiesAnew() // offers that are out are not to be taken
	t.visibility = true
	return nil
}

// withdrawTask ends a task that no worker has taken. One that has no events
// yet gets them, but for a retry: history has told of its first attempt.
func (t *transition) withdrawTask(requestID string) {
	task := t.s.Task
	if task == nil || task.StartedEventID != 0 {
		return
	}
	t.takeBackUpdates()
	if task.Kind == TaskTransient {
		t.s.Task = nil
		return
	}
	speculative := task.Kind == TaskSpeculative
	t.materialise("")
	task = t.s.Task
	if speculative { // one that carries updates is told of as if it had been started
		task.StartedTime, task.Identity, task.RequestID = t.env.Now, serverIdentity, requestID
		t.appendStarted(task)
		task = t.s.Task
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED)
	e.Attributes = &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{
		WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{
			ScheduledEventId: task.ScheduledEventID, StartedEventId: task.StartedEventID, Identity: serverIdentity,
			Cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_PAUSE_REQUESTED_BEFORE_TASK_STARTED,
		},
	}
	t.append(e)
}

// serverIdentity is who acts when it is the server, as clients of this API know it.
const serverIdentity = "history-service"

func (t *transition) unpauseRun(c UnpauseRun) error {
	switch {
	case !t.s.Open():
		return errCompleted()
	case t.s.Pause == nil:
		return serviceerror.NewFailedPrecondition("workflow is not paused.")
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED)
	e.WorkerMayIgnore = true
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionUnpausedEventAttributes{
		WorkflowExecutionUnpausedEventAttributes: &historypb.WorkflowExecutionUnpausedEventAttributes{
			Identity: c.Identity, Reason: c.Reason, RequestId: c.RequestID,
		},
	}
	t.record(e)
	t.s.Pause = nil
	t.offerActivitiesAnew()
	t.visibility = true
	if t.s.CancelRequested || due(t.s.ExecutionTime, t.env.Now) {
		t.s.FirstTaskDelayed = false
	}
	t.s.TaskAttempt = 1 // there is something new to see
	t.scheduleTask()
	return nil
}

// offerActivitiesAnew makes offers of activities that no worker has void, and
// those that may run now are made again.
func (t *transition) offerActivitiesAnew() {
	for _, id := range t.s.Activities.keys() {
		if a := t.s.Activities.get(id); a.StartedTime.IsZero() && !a.Paused {
			t.s.Activities.edit(id).Stamp = t.stamp()
		}
	}
}

// takeBackUpdates: the worker that had them will not answer, and no other one
// gets them before the run goes on.
func (t *transition) takeBackUpdates() {
	for _, u := range t.s.openUpdates() {
		t.s.Updates.edit(u.ID).Stage = UpdateAdmitted
	}
}

func applyPaused(s *State, e *historypb.HistoryEvent) {
	a := e.GetWorkflowExecutionPausedEventAttributes()
	s.Pause = &Pause{Identity: a.GetIdentity(), Reason: a.GetReason(), RequestID: a.GetRequestId(), Time: e.EventTime.AsTime()}
}

func (p *Pause) describe() *workflowpb.WorkflowExecutionPauseInfo {
	if p == nil {
		return nil
	}
	return &workflowpb.WorkflowExecutionPauseInfo{Identity: p.Identity, Reason: p.Reason, PausedTime: timestamppb.New(p.Time)}
}

func (p *Pause) encode(e *encoder) {
	e.text(1, p.Identity)
	e.text(2, p.Reason)
	e.text(3, p.RequestID)
	e.time(4, p.Time)
}

func (p *Pause) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		p.Identity = v.text()
	case 2:
		p.Reason = v.text()
	case 3:
		p.RequestID = v.text()
	case 4:
		p.Time = v.time()
	}
}
