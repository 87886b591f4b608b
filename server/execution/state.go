package execution

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	updatepb "go.temporal.io/api/update/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"perdure/server/match"
	"perdure/server/spans"
)

// State is one run. A State that a Decision returned is never changed again:
// the next decision works on a fork of it.
type State struct {
	NamespaceID string
	WorkflowID  string
	RunID       string
	// RequestID is the one of the call that event 1 goes with; a run that a reset created shares it with its base.
	RequestID string
	// ResetRequestID is the one of the reset that created the run.
	ResetRequestID string

	// Origin is the span that the run comes from, when its caller keeps a trace
	// and history does not tell.
	Origin spans.Origin

	// Version counts transitions. It orders visibility records and guards the stored row.
	Version     int64
	NextEventID int64
	HistorySize int64 // bytes of all events
	Status      enumspb.WorkflowExecutionStatus

	// Started is event 1. It is not stored with the state but attached from history.
	Started          *historypb.HistoryEvent
	StartTime        time.Time
	ExecutionTime    time.Time // start plus first backoff
	CloseTime        time.Time
	CloseEventID     int64
	NewRunID         string // of the run that continued this one
	ResetRunID       string // of the run that goes on from this one after a reset
	LastResetTime    time.Time
	FirstTaskDelayed bool // no task was scheduled yet since its backoff runs

	Task *WorkflowTask // nil: none pending
	// TaskAttempt is the attempt that the next scheduled task will have.
	TaskAttempt          int32
	TaskHeartbeatSince   time.Time // original schedule time kept across heartbeats
	PreviousStartedID    int64     // started event of the last completed task
	LastTaskCompletedID  int64
	StickyQueue          string
	StickyTimeout        time.Duration
	StickyWorker         match.Version // that has the run in its cache
	CloseAttempted       bool          // a close was refused since events had arrived
	WorkflowTaskFailures int32
	LastStamp            int64

	Activities      table[int64, Activity]
	Timers          table[string, Timer]
	Children        table[int64, Child]
	ExternalSignals table[int64, ExternalSignal]
	ExternalCancels table[int64, ExternalCancel]
	Updates         table[string, Update]
	UpdateCount     int64 // updates ever accepted, and the order of admission
	// Requests are the ids of starts that this run answered, SignalRequests those of its signals; one may be in both.
	Requests           requestTable
	SignalRequests     requestTable
	Callbacks          table[int64, Callback]
	Buffered           []*historypb.HistoryEvent // without ids, while a task is started
	SignalCount        int64
	CancelRequested    bool
	CancelRequestID    string
	Memo               *commonpb.Memo
	SearchAttributes   *commonpb.SearchAttributes
	ResetPoints        []*workflowpb.ResetPointInfo
	Priority           *commonpb.Priority
	Pause              *Pause // nil: not held; kept when the run closes
	VersioningOverride *workflowpb.VersioningOverride
	OverrideRemoved    bool // one was taken back at some time
	Versioning         Versioning
	Building           Building
	// Problems say why the run's tasks keep failing, for search.
	Problems []string
	Seen     Seen

	// bytes is a bound of the encoded state's size, heavy that it passed its warning; in memory only.
	bytes int
	heavy bool

	// Set between Decode and Attach: the value is the one of event 1.
	memoAsStarted, attributesAsStarted bool
	// unregistered are events that bring callbacks, until Attach gives them.
	unregistered []int64

	// NotifyParent is set from close until the parent knows.
	NotifyParent bool
	// CloseEvent is the last event while NotifyParent is set. It is attached from history.
	CloseEvent *historypb.HistoryEvent
	// ClosePolicyDue is set from close until the policies of open children were carried out.
	ClosePolicyDue bool
}

// TaskKind tells how a pending workflow task relates to history.
type TaskKind int8

const (
	// TaskNormal has its events in history.
	TaskNormal TaskKind = iota
	// TaskTransient is a retry: its events get their ids only when it completes.
	TaskTransient
	// TaskSpeculative carries updates only and may leave no trace.
	TaskSpeculative
)

// WorkflowTask is the pending workflow task.
type WorkflowTask struct {
	Kind                  TaskKind
	ScheduledEventID      int64 // provisional unless Kind is TaskNormal
	StartedEventID        int64 // 0: not started
	Attempt               int32
	Queue                 string
	Sticky                bool // Queue is the sticky queue
	Refused               bool // the sticky queue has no poller: offered on the normal one
	ScheduledTime         time.Time
	OriginalScheduledTime time.Time
	StartedTime           time.Time
	Timeout               time.Duration // start to close
	Stamp                 int64         // of the offer, then of the start
	RequestID             string
	Identity              string
	HistorySize           int64
	SuggestReasons        []enumspb.SuggestContinueAsNewReason
	StickyUntil           time.Time // schedule-to-start deadline; zero: none
	// TargetChanged tells that the routing names another version than the one the run is pinned to.
	TargetChanged bool
	// Build is that of the worker that has the task by rules, and Redirects how
	// often these have led the run to another; empty: rules know nothing of it.
	Build     string
	Redirects int64
}

// Activity is a pending activity.
type Activity struct {
	ScheduledEventID int64
	// Scheduled is the event, attached from history.
	Scheduled *historypb.HistoryEvent

	ActivityID        string
	Attempt           int32
	Stamp             int64
	ScheduledTime     time.Time // of the first attempt
	AttemptTime       time.Time // when this attempt may start
	StartedTime       time.Time // zero: not started
	RequestID         string
	Identity          string        // of the worker of the last attempt
	Worker            match.Version // of the last attempt
	BuildID           string        // of the attempt, unless it goes by the run's
	ByRule            bool          // rules gave BuildID
	Redirects         int64         // of the run, when its worker got the attempt
	CancelEventID     int64         // the cancel request, 0: none
	HeartbeatTime     time.Time
	HeartbeatDetails  *commonpb.Payloads
	LastFailure       *failurepb.Failure
	LastAttemptEnd    time.Time
	RetryIntervalNano int64

	Paused         bool
	PauseTime      time.Time
	PauseIdentity  string
	PauseReason    string
	PauseRequestID string
	ResetRequested bool // the worker is to hear of a reset with its next heartbeat
	// Options replace the attributes of Scheduled after an operator changed them; nil: as scheduled.
	Options *historypb.ActivityTaskScheduledEventAttributes
}

// Timer is a running timer.
type Timer struct {
	TimerID        string
	StartedEventID int64
	FireTime       time.Time
}

// Child is a child workflow that has not closed.
type Child struct {
	InitiatedEventID int64
	// Initiated is the event, attached from history until the child has started.
	Initiated      *historypb.HistoryEvent
	StartedEventID int64
	WorkflowID     string
	RunID          string
	WorkflowType   string
	Namespace      string
	NamespaceID    string
	ClosePolicy    enumspb.ParentClosePolicy
}

// ExternalSignal is a signal on its way to another run.
type ExternalSignal struct {
	InitiatedEventID int64
	Initiated        *historypb.HistoryEvent // attached from history
}

// ExternalCancel is a cancel request on its way to another run.
type ExternalCancel struct {
	InitiatedEventID int64
	Initiated        *historypb.HistoryEvent // attached from history
}

// UpdateStage is how far an update has come.
type UpdateStage int8

const (
	// UpdateAdmitted waits in memory for a task to carry it.
	UpdateAdmitted UpdateStage = iota + 1
	// UpdateSent went to a worker with the started task.
	UpdateSent
	// UpdateAccepted is in history.
	UpdateAccepted
	// UpdateCompleted has its outcome in history.
	UpdateCompleted
)

// Update is one update by its id.
type Update struct {
	ID               string
	Stage            UpdateStage
	Order            int64
	Request          *updatepb.Request // until accepted; in memory only
	AcceptedEventID  int64
	CompletedEventID int64
	// InHistory marks an update that a reset brought along by an event: no message carries it.
	InHistory bool
}

// fork returns a state that may be changed while s stays as it is.
func (s *State) fork() *State {
	next := *s
	if s.Task != nil {
		task := *s.Task
		next.Task = &task
	}
	next.Activities = s.Activities.fork()
	next.Timers = s.Timers.fork()
	next.Children = s.Children.fork()
	next.ExternalSignals = s.ExternalSignals.fork()
	next.ExternalCancels = s.ExternalCancels.fork()
	next.Updates = s.Updates.fork()
	next.Requests = s.Requests.fork()
	next.SignalRequests = s.SignalRequests.fork()
	next.Callbacks = s.Callbacks.fork()
	next.Buffered = s.Buffered[:len(s.Buffered):len(s.Buffered)]
	next.ResetPoints = s.ResetPoints[:len(s.ResetPoints):len(s.ResetPoints)]
	return &next
}

// Open tells whether the run has not closed.
func (s *State) Open() bool {
	return s.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

// Settled tells whether the run has closed and has nothing left to tell
// anybody, so that it may be removed.
func (s *State) Settled() bool { return !s.Open() && !s.NotifyParent && !s.ClosePolicyDue }

// StartedAttributes are the attributes of event 1.
func (s *State) StartedAttributes() *historypb.WorkflowExecutionStartedEventAttributes {
	return s.Started.GetWorkflowExecutionStartedEventAttributes()
}

// Execution names the run.
func (s *State) Execution() *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: s.WorkflowID, RunId: s.RunID}
}

// TaskStarted tells whether a worker has the pending task.
func (s *State) TaskStarted() bool { return s.Task != nil && s.Task.StartedEventID != 0 }

// FirstRunID is the first run of the chain this run belongs to.
func (s *State) FirstRunID() string { return s.StartedAttributes().GetFirstExecutionRunId() }

// ExpirationTime is when the execution timeout of the chain ends; zero: never.
func (s *State) ExpirationTime() time.Time {
	expiration := s.StartedAttributes().GetWorkflowExecutionExpirationTime()
	if expiration == nil || expiration.AsTime().Unix() <= 0 {
		return time.Time{}
	}
	return expiration.AsTime()
}

// RunExpirationTime is when the run timeout ends; zero: never.
func (s *State) RunExpirationTime() time.Time {
	timeout := s.StartedAttributes().GetWorkflowRunTimeout().AsDuration()
	expiration := s.ExpirationTime()
	if timeout <= 0 {
		return expiration
	}
	end := s.ExecutionTime.Add(timeout)
	if !expiration.IsZero() && expiration.Before(end) {
		return expiration
	}
	return end
}

// ComesFrom is the span that the run comes from, as its state or its first event tells.
func (s *State) ComesFrom() spans.Origin { return spans.OriginOf(s.Origin, s.StartedAttributes()) }

// KnowsRequest tells whether a start with the request id was answered with this run.
func (s *State) KnowsRequest(id string) bool { return s.Requests.get(id) != nil }

// KnowsSignal tells whether the run has a signal with the request id.
func (s *State) KnowsSignal(id string) bool { return s.SignalRequests.get(id) != nil }
