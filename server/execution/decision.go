package execution

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	updatepb "go.temporal.io/api/update/v1"

	"perdure/server/deployment"
	"perdure/server/nexus"
	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

// Env is what a decision may know besides the state: plain data.
type Env struct {
	Now       time.Time
	NewID     func() string // a fresh UUID
	Limits    Limits
	Namespace Namespace
	// Routes tells which versions of workers serve which queues; nil: there are none.
	Routes *deployment.Table
	// Traced tells that somebody makes traces, so that runs remember whence they come.
	Traced bool
}

// Namespace is what the core needs to know of the run's namespace.
type Namespace struct {
	ID               string
	Name             string
	Retention        time.Duration
	SearchAttributes attr.Types
	AttributeKeys    attr.Keys
	Look             inside.Look // what search looks at inside its runs
	BadBinaries      map[string]*namespacepb.BadBinaryInfo
}

// canonical is what is kept of attributes that a client sets.
func (n *Namespace) canonical(sa *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	return n.AttributeKeys.Tag(attr.Canonical(n.SearchAttributes, sa))
}

// Limits are the bounds that the core enforces. Units are in the names.
type Limits struct {
	BlobBytesWarn               int
	BlobBytes                   int
	MemoBytesWarn               int
	MemoBytes                   int
	TransactionBytes            int64
	StateBytesWarn              int
	StateBytes                  int
	IDBytes                     int
	PendingActivities           int
	PendingChildren             int
	PendingSignals              int
	PendingCancels              int
	BufferedEvents              int
	BufferedBytes               int
	Signals                     int64
	UpdatesInFlight             int
	UpdateBytesInFlight         int
	Updates                     int64
	HistoryBytesSuggest         int64
	HistoryEventsSuggest        int64
	HistoryBytesWarn            int64
	HistoryBytes                int64
	HistoryEventsWarn           int64
	HistoryEvents               int64
	ActivityFailureBytesWarn    int
	ActivityFailureBytes        int
	TaskTimeoutDefault          time.Duration
	TaskTimeoutMax              time.Duration
	TaskRetryExtra              time.Duration
	TaskHeartbeat               time.Duration
	SpeculativeScheduleToStart  time.Duration
	ChainedStartInterval        time.Duration
	ResetPoints                 int
	UpdatesSuggestContinueRatio float64
	Callbacks                   int
	CallbacksPerUpdate          int
	CallbackRetry               nexus.Policy
}

// DefaultLimits are the limits of the public API's reference.
func DefaultLimits() Limits {
	return Limits{
		BlobBytesWarn: 512 << 10, BlobBytes: 2 << 20, MemoBytesWarn: 2 << 10, MemoBytes: 2 << 20, IDBytes: 1000,
		TransactionBytes: 4 << 20, StateBytesWarn: 1 << 20, StateBytes: 8 << 20,
		PendingActivities: 2000, PendingChildren: 2000, PendingSignals: 2000, PendingCancels: 2000,
		BufferedEvents: 100, BufferedBytes: 2 << 20,
		Signals: 10000, UpdatesInFlight: 10, UpdateBytesInFlight: 20 << 20, Updates: 2000, UpdatesSuggestContinueRatio: 0.9,
		HistoryBytesSuggest: 4 << 20, HistoryEventsSuggest: 4 << 10,
		HistoryBytesWarn: 10 << 20, HistoryBytes: 50 << 20, HistoryEventsWarn: 10 << 10, HistoryEvents: 50 << 10,
		ActivityFailureBytesWarn: 2 << 10, ActivityFailureBytes: 4 << 10,
		TaskTimeoutDefault: 10 * time.Second, TaskTimeoutMax: 120 * time.Second, TaskRetryExtra: 10 * time.Minute, TaskHeartbeat: 30 * time.Minute,
		SpeculativeScheduleToStart: 5 * time.Second, ChainedStartInterval: time.Second, ResetPoints: 20,
		Callbacks: 2000, CallbacksPerUpdate: 32, CallbackRetry: nexus.Policy{InitialInterval: time.Second, MaximumInterval: time.Hour},
	}
}

// Decision is what is to become of a run.
type Decision struct {
	// State is the run afterwards. The run's former state stays as it was.
	State *State
	// Events are appended to history, in order.
	Events []*historypb.HistoryEvent
	// Volatile decisions need not be made durable: after a crash the run goes
	// on from before. They are kept in memory and reach the store with the next commit.
	Volatile bool
	// Next is the first decision of the run that continues this one, committed together with it.
	Next *Decision
	// Err is what the caller gets after the commit: the decision stands although the call failed.
	Err error
	// Reply answers the command; its type goes with the command.
	Reply any
	// Updates are outcomes for those who wait for an update.
	Updates []UpdateResult
	// VisibilityChanged tells that what search shows of the run is different now.
	VisibilityChanged bool
	// Passed are the limits that the decision ran into and operators should hear of.
	Passed []Passed
}

// Passed is a limit by its name in docs/limits.md, and how large it was that passed it.
type Passed struct {
	Limit string
	Size  int64 // in the limit's unit
}

// UpdateResult tells what became of an update.
type UpdateResult struct {
	ID      string
	Stage   UpdateStage
	Outcome *updatepb.Outcome // with UpdateCompleted
	Err     error             // instead of an outcome
}

// transition is a decision in the making.
type transition struct {
	s      *State
	env    Env
	events []*historypb.HistoryEvent
	// durable is set by every change that must survive a crash.
	durable bool
	// deferring sends bufferable events to the buffer although no task is started: a batch of commands is under way.
	deferring bool
	// deferred counts the events that the batch itself sent there.
	deferred   int
	next       *Decision
	updates    []UpdateResult
	reply      any
	visibility bool
	// failedCall is what the caller gets although the transition stands.
	failedCall error
	passed     []Passed
	// grown are bytes that the state may have grown by beside those of events.
	grown int
	known map[string]bool // other namespaces that exist
}

func begin(s *State, env Env) *transition {
	return &transition{s: s.fork(), env: env}
}

// decision ends the transition.
func (t *transition) decision() Decision {
	t.s.Version++
	return Decision{
		State: t.s, Events: t.events, Volatile: !t.durable, Next: t.next,
		Reply: t.reply, Updates: t.updates, VisibilityChanged: t.visibility, Err: t.failedCall, Passed: t.passed,
	}
}

// stamp returns a number that no earlier attempt of this run had, not even one that a crash forgot.
func (t *transition) stamp() int64 {
	stamp := max(t.env.Now.UnixNano(), t.s.LastStamp+1)
	t.s.LastStamp = stamp
	return stamp
}
