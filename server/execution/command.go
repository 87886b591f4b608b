package execution

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/match"
)

// Command is something that happens to an open or closed run. The concrete
// types below are all there are.
type Command interface{ command() }

// Signal delivers a signal (SignalWorkflowExecution and what leads to it).
// Reply: nil.
type Signal struct {
	Name      string
	Input     *commonpb.Payloads
	Header    *commonpb.Header
	Identity  string
	RequestID string
	Links     []*commonpb.Link
	// From is the run that signals, nil for a client.
	From *commonpb.WorkflowExecution
	// ChildOf requires the target to be a child of that run.
	ChildOf string
	// WithStart comes of a call that would have started the run: it does not wait for the first task's time.
	WithStart bool
}

// RequestCancel asks the run to cancel itself. Reply: nil.
type RequestCancel struct {
	Cause            string
	Identity         string
	RequestID        string
	Links            []*commonpb.Link
	From             *commonpb.WorkflowExecution
	InitiatedEventID int64
	ChildOf          string
}

// Terminate closes the run at once. Reply: nil.
type Terminate struct {
	Reason   string
	Details  *commonpb.Payloads
	Identity string
	Links    []*commonpb.Link
	ChildOf  string
}

// AttachRequest records that another start request was answered with this run (on_conflict_options).
type AttachRequest struct {
	RequestID string
	Callbacks []*commonpb.Callback
	Links     []*commonpb.Link
	Identity  string
}

// StartTask gives the pending workflow task to a worker. Reply: *TaskStarted.
type StartTask struct {
	ScheduledEventID int64
	Stamp            int64
	Identity         string
	RequestID        string
	BinaryChecksum   string
	// Worker tells which tasks the worker gets; zero: those without a version.
	Worker match.Version
	// FromSticky tells that the poll was on the sticky queue, so that history may start behind the last task.
	FromSticky bool
}

// TaskStarted is what the worker gets, but for the events of history.
type TaskStarted struct {
	ScheduledEventID  int64
	StartedEventID    int64
	Stamp             int64
	Attempt           int32
	PreviousStartedID int64
	ScheduledTime     time.Time
	StartedTime       time.Time
	// Provisional events are not in history (yet) but belong to what the worker sees.
	Provisional []*historypb.HistoryEvent
	Messages    []*protocolpb.Message
}

// CompleteTask is a worker's answer to a workflow task. Reply: *TaskCompleted.
type CompleteTask struct {
	ScheduledEventID int64
	StartedEventID   int64
	Stamp            int64
	Request          *workflowservice.RespondWorkflowTaskCompletedRequest
	// KnownNamespaces are those of the other namespaces named by commands that exist.
	KnownNamespaces map[string]bool
}

// TaskCompleted tells what follows from a completion for its worker.
type TaskCompleted struct {
	ResetHistoryEventID int64
	NewTask             *TaskStarted    // started inline, when the worker asked for it
	Eager               []*ActivityTask // activities started inline
}

// FailTask reports that a worker could not process the task. Reply: nil.
type FailTask struct {
	ScheduledEventID int64
	StartedEventID   int64
	Stamp            int64
	Cause            enumspb.WorkflowTaskFailedCause
	Failure          *failurepb.Failure
	Identity         string
	BinaryChecksum   string
	Messages         []*protocolpb.Message
}

// RefuseSticky tells that the sticky queue has nobody to take the task. Reply: nil.
type RefuseSticky struct {
	ScheduledEventID int64
	Stamp            int64
}

// ResetSticky forgets the sticky queue. Reply: nil.
type ResetSticky struct{}

// StartActivity gives a pending activity to a worker. Reply: *ActivityTask.
type StartActivity struct {
	ScheduledEventID int64
	Stamp            int64
	Identity         string
	RequestID        string
	// Worker tells which tasks the worker gets; zero: those without a version.
	Worker match.Version
}

// ActivityTask is what an activity worker gets.
type ActivityTask struct {
	ScheduledEventID int64
	Stamp            int64
	Attempt          int32
	ActivityID       string
	Scheduled        *historypb.ActivityTaskScheduledEventAttributes
	ScheduledTime    time.Time
	AttemptTime      time.Time
	StartedTime      time.Time
	HeartbeatDetails *commonpb.Payloads
}

// ActivityRef names a pending activity, by token or by id.
type ActivityRef struct {
	ScheduledEventID int64
	Stamp            int64
	ActivityID       string // with ScheduledEventID 0
}

// HeartbeatActivity records progress. Reply: *HeartbeatReply.
type HeartbeatActivity struct {
	Activity ActivityRef
	Details  *commonpb.Payloads
	Identity string
}

// HeartbeatReply tells the worker what is wanted of the activity.
type HeartbeatReply struct{ CancelRequested, Paused, Reset bool }

// CompleteActivity ends an activity with a result. Reply: nil.
type CompleteActivity struct {
	Activity ActivityRef
	Result   *commonpb.Payloads
	Identity string
}

// FailActivity ends an attempt with a failure. Reply: nil.
type FailActivity struct {
	Activity         ActivityRef
	Failure          *failurepb.Failure
	HeartbeatDetails *commonpb.Payloads
	Identity         string
}

// CancelActivity acknowledges a cancel request. Reply: nil.
type CancelActivity struct {
	Activity ActivityRef
	Details  *commonpb.Payloads
	Identity string
}

// Tick does what is due at the environment's time. Reply: nil.
type Tick struct{}

// ChildStarted tells that the child run exists. Reply: nil.
type ChildStarted struct {
	InitiatedEventID int64
	RunID            string
}

// ChildStartFailed tells that the child could not be started. Reply: nil.
type ChildStartFailed struct {
	InitiatedEventID int64
	Cause            enumspb.StartChildWorkflowExecutionFailedCause
}

// ChildClosed tells how the last run of the child closed. Reply: nil.
type ChildClosed struct {
	InitiatedEventID int64
	FirstRunID       string
	RunID            string
	CloseEvent       *historypb.HistoryEvent
}

// SignalDelivered tells what became of a signal to another run; Failed is set when it was refused.
type SignalDelivered struct {
	InitiatedEventID int64
	Failed           enumspb.SignalExternalWorkflowExecutionFailedCause
}

// CancelDelivered tells what became of a cancel request to another run; Failed is set when it was refused.
type CancelDelivered struct {
	InitiatedEventID int64
	Failed           enumspb.CancelExternalWorkflowExecutionFailedCause
}

// ParentNotified tells that the parent knows of the close. Reply: nil.
type ParentNotified struct{}

// ClosePolicyDone tells that open children were dealt with. Reply: nil.
type ClosePolicyDone struct{}

// AdmitUpdate takes an update. Reply: *UpdateState.
type AdmitUpdate struct {
	Request *updatepb.Request
}

// UpdateState is how far an update has come, for those who ask.
type UpdateState struct {
	Update  Update
	IsNew   bool
	Outcome *updatepb.Outcome
}

func (Signal) command()            {}
func (RequestCancel) command()     {}
func (Terminate) command()         {}
func (AttachRequest) command()     {}
func (StartTask) command()         {}
func (CompleteTask) command()      {}
func (FailTask) command()          {}
func (RefuseSticky) command()      {}
func (ResetSticky) command()       {}
func (StartActivity) command()     {}
func (HeartbeatActivity) command() {}
func (CompleteActivity) command()  {}
func (FailActivity) command()      {}
func (CancelActivity) command()    {}
func (Tick) command()              {}
func (ChildStarted) command()      {}
func (ChildStartFailed) command()  {}
func (ChildClosed) command()       {}
func (SignalDelivered) command()   {}
func (CancelDelivered) command()   {}
func (ParentNotified) command()    {}
func (ClosePolicyDone) command()   {}
func (AdmitUpdate) command()       {}
