package execution

import (
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Reset asks for a new run that goes on from a point in the history of another.
type Reset struct {
	RunID     string // of the new run
	RequestID string
	Reason    string
	BaseRunID string
	// Prefix are the events of the base run before the task that is undone.
	Prefix []*historypb.HistoryEvent
	// Later are the events behind the prefix, of the base run and of those that continued it.
	Later   []*historypb.HistoryEvent
	Exclude []enumspb.ResetReapplyExcludeType
	// Options are changed in the new run after the fork, in order.
	Options []UpdateOptions
}

// Fork decides the first transition of the run that a reset creates.
func Fork(c Reset, base *State, env Env) (Decision, error) {
	s := Rebuild(base.NamespaceID, base.WorkflowID, c.RunID, base.RequestID, copyEvents(c.Prefix))
	s.ResetRequestID, s.Origin = c.RequestID, base.Origin
	if err := c.mayFork(s); err != nil {
		return Decision{}, err
	}
	s.HistorySize = int64(bytesOf(c.Prefix))
	t := &transition{s: s, env: env, durable: true, visibility: true}
	t.failForReset(c)
	for _, e := range c.Later {
		t.reapply(c, e)
	}
	t.restartActivities()
	for _, options := range c.Options {
		if err := t.updateOptions(options); err != nil {
			return Decision{}, err
		}
	}
	t.s.TaskAttempt = 1
	t.scheduleTask()
	t.events = append(copyEvents(c.Prefix), t.events...)
	t.forgetResetPoints()
	t.weigh(&State{})
	return t.decision(), nil
}

// isRetried tells whether the last task of the events failed or timed out, and so has a further attempt pending that history
// does not tell of.
func isRetried(events []*historypb.HistoryEvent) bool {
	for _, e := range slices.Backward(events) {
		switch e.EventType {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
			return true
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
			return e.GetWorkflowTaskFailedEventAttributes().GetCause() != enumspb.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			return false
		}
	}
	return false
}

// mayFork tells whether a run can go on from the end of the prefix, which led to s: a task to undo must be pending then, and
// events that happened at once cannot be told apart.
func (c Reset) mayFork(s *State) error {
	apart := c.isApart()
	switch {
	case s.Open() && (s.Task != nil || apart && s.Pause == nil && isRetried(c.Prefix)):
		return nil
	case apart:
		return serviceerror.NewInvalidArgument(fmt.Sprintf(
			"Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: %d", s.NextEventID))
	}
	return serviceerror.NewInvalidArgument(fmt.Sprintf(
		"StateRebuilder unable to Rebuild mutable state to event ID: %d, version: 0, this event must be at the boundary", s.NextEventID-1))
}

// isApart tells whether what follows the prefix happened after it. Those that were buffered are older than what they follow.
func (c Reset) isApart() bool {
	latest := time.Time{}
	for _, e := range c.Prefix {
		if at := e.EventTime.AsTime(); at.After(latest) {
			latest = at
		}
	}
	next := int64(len(c.Prefix) + 1)
	return len(c.Later) == 0 || c.Later[0].EventId != next || c.Later[0].EventTime.AsTime().After(latest)
}

func copyEvents(events []*historypb.HistoryEvent) []*historypb.HistoryEvent {
	copied := make([]*historypb.HistoryEvent, len(events))
	for i, e := range events {
		copied[i] = proto.CloneOf(e)
	}
	return copied
}

// failForReset ends the task at the fork, which begins the new run's own part of history.
func (t *transition) failForReset(c Reset) {
	if t.s.Task == nil {
		t.s.TaskAttempt = 1
		t.scheduleTask()
	}
	if t.s.Task.StartedEventID == 0 {
		task := *t.s.Task
		task.StartedTime, task.RequestID, task.Identity = t.env.Now, c.RequestID, serverIdentity
		task.HistorySize = t.s.HistorySize
		t.appendStarted(&task)
	}
	task := t.s.Task
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED)
	e.Attributes = &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{
		WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{
			ScheduledEventId: task.ScheduledEventID, StartedEventId: task.StartedEventID,
			Cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW, Identity: serverIdentity,
			Failure: &failurepb.Failure{Message: c.Reason, FailureInfo: &failurepb.Failure_ResetWorkflowFailureInfo{
				ResetWorkflowFailureInfo: &failurepb.ResetWorkflowFailureInfo{},
			}},
			BaseRunId: c.BaseRunID, NewRunId: c.RunID,
		},
	}
	t.append(e)
}

// applyReset begins the time of a run that a reset created. Events copied from
// an earlier reset name another run.
func applyReset(s *State, e *historypb.HistoryEvent) {
	a := e.GetWorkflowTaskFailedEventAttributes()
	if a.GetCause() != enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW || a.GetNewRunId() != s.RunID {
		return
	}
	s.StartTime, s.ExecutionTime = e.EventTime.AsTime(), e.EventTime.AsTime()
	s.LastResetTime = s.StartTime
	s.forgetCalls()
	for _, id := range s.Activities.keys() {
		a := s.Activities.edit(id) // has a first attempt of its own in this run
		a.ScheduledTime, a.AttemptTime = s.LastResetTime, s.LastResetTime
	}
}

// restartActivities makes tasks of the base run for activities pending at the fork worthless.
func (t *transition) restartActivities() {
	for _, id := range t.s.Activities.keys() {
		a := t.s.Activities.edit(id)
		a.Stamp = t.stamp()
		t.assignActivity(a)
	}
}

// reapply brings what the outside did after the fork into the new run. A
// request to cancel is not: who resets a run wants it to go on.
func (t *transition) reapply(c Reset, e *historypb.HistoryEvent) {
	excluded := func(kind enumspb.ResetReapplyExcludeType) bool { return slices.Contains(c.Exclude, kind) }
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes:
		if !excluded(enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL) {
			t.repeat(e, nil)
		}
	case *historypb.HistoryEvent_WorkflowExecutionOptionsUpdatedEventAttributes:
		ofUpdates := len(a.WorkflowExecutionOptionsUpdatedEventAttributes.GetWorkflowUpdateOptions()) > 0
		if !ofUpdates || !excluded(enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE) {
			t.repeat(e, nil)
		}
	case *historypb.HistoryEvent_WorkflowExecutionUpdateAdmittedEventAttributes:
		t.readmit(excluded, a.WorkflowExecutionUpdateAdmittedEventAttributes)
	case *historypb.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes:
		accepted := a.WorkflowExecutionUpdateAcceptedEventAttributes
		if accepted.AcceptedRequest != nil {
			t.readmit(excluded, &historypb.WorkflowExecutionUpdateAdmittedEventAttributes{Request: accepted.AcceptedRequest})
		}
	default:
		t.reapplyChild(e)
	}
}

// repeat appends an event of the former run with the time of now. startedChildren
// tells which started events results of children follow here, by their initiated events.
func (t *transition) repeat(e *historypb.HistoryEvent, startedChildren map[int64]int64) {
	again := t.event(e.EventType)
	again.Attributes, again.Links, again.UserMetadata, again.WorkerMayIgnore = e.Attributes, e.Links, e.UserMetadata, e.WorkerMayIgnore
	again = proto.CloneOf(again)
	patchStarted(again, nil, startedChildren)
	t.append(again)
}

func (t *transition) readmit(excluded func(enumspb.ResetReapplyExcludeType) bool, a *historypb.WorkflowExecutionUpdateAdmittedEventAttributes) {
	if excluded(enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE) || t.s.Updates.get(a.GetRequest().GetMeta().GetUpdateId()) != nil {
		return
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionUpdateAdmittedEventAttributes{
		WorkflowExecutionUpdateAdmittedEventAttributes: &historypb.WorkflowExecutionUpdateAdmittedEventAttributes{
			Request: a.Request, Origin: enumspb.UPDATE_ADMITTED_EVENT_ORIGIN_REAPPLY,
		},
	}
	t.append(e)
}

// reapplyChild repeats the results of children that were started before the fork.
func (t *transition) reapplyChild(e *historypb.HistoryEvent) {
	initiated, ok := childOf(e)
	if child := t.s.Children.get(initiated); ok && child != nil {
		t.repeat(e, map[int64]int64{initiated: child.StartedEventID})
	}
}

// childOf is the initiated event of the child that the event tells about.
func childOf(e *historypb.HistoryEvent) (int64, bool) {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_ChildWorkflowExecutionStartedEventAttributes:
		return a.ChildWorkflowExecutionStartedEventAttributes.InitiatedEventId, true
	case *historypb.HistoryEvent_StartChildWorkflowExecutionFailedEventAttributes:
		return a.StartChildWorkflowExecutionFailedEventAttributes.InitiatedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes:
		return a.ChildWorkflowExecutionCompletedEventAttributes.InitiatedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes:
		return a.ChildWorkflowExecutionFailedEventAttributes.InitiatedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionCanceledEventAttributes:
		return a.ChildWorkflowExecutionCanceledEventAttributes.InitiatedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionTimedOutEventAttributes:
		return a.ChildWorkflowExecutionTimedOutEventAttributes.InitiatedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionTerminatedEventAttributes:
		return a.ChildWorkflowExecutionTerminatedEventAttributes.InitiatedEventId, true
	}
	return 0, false
}

// NoteReset records on a run which run goes on from it after a reset. It also
// takes back what a close by reset would ask for: children and parent go on with the new run.
type NoteReset struct{ RunID string }

func (NoteReset) command() {}

func (t *transition) noteReset(c NoteReset) error {
	t.s.ResetRunID = c.RunID
	t.durable = true
	return nil
}

// TerminateForReset ends an open run in favour of the one that a reset creates.
type TerminateForReset struct {
	Reason   string
	NewRunID string
}

func (TerminateForReset) command() {}

func (t *transition) terminateForReset(c TerminateForReset) error {
	if !t.s.Open() {
		return errCompleted()
	}
	t.closeStartedTask()
	t.close(t.terminated(c.Reason, nil, resetterIdentity), false)
	t.s.ResetRunID = c.NewRunID
	return nil
}

// resetterIdentity ends runs that go on elsewhere: their children and their parent are left alone.
const resetterIdentity = "history-resetter"

// OriginalStartTime is when the workflow started, before any reset.
func (s *State) OriginalStartTime() time.Time { return s.Started.GetEventTime().AsTime() }

// resetTime is nil for a run that no reset created.
func (s *State) resetTime() *timestamppb.Timestamp {
	if s.LastResetTime.IsZero() {
		return nil
	}
	return timestamppb.New(s.LastResetTime)
}
