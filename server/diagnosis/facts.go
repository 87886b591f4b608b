package diagnosis

import (
	"slices"
	"time"

	"perdure/server/match"
)

// Facts are all that is known of one run and of what it waits for.
type Facts struct {
	Now       time.Time
	Patience  time.Duration // how long something may wait for a worker or another run before that is a cause
	Namespace Namespace
	Run       Run
	// Queues are those that tasks of the run wait in, each once.
	Queues []Queue
	Owner  Owner
	Search []SearchStore
	// Children are reports of pending children that were looked at, each named by
	// the event that initiated it.
	Children []ChildReport
}

// Namespace is what holds for all runs of a namespace.
type Namespace struct {
	Name string
	// Refused is how many calls were refused lately since the namespace or the
	// node made too many, RefusedAt when the last was.
	Refused   int64
	RefusedAt time.Time
}

// Owner tells how the shard of the run does.
type Owner struct {
	Unowned bool // this node does not hold the shard
	Slot    int32
	// Failing is the error of the last commit, empty when the last one went well.
	Failing  string
	FailedAt time.Time // since when commits fail
}

// SearchStore is a store of search records that lists are answered from.
type SearchStore struct {
	Name    string
	Blocked bool          // it takes no records: its breaker is open
	Behind  time.Duration // age of the oldest change that it lacks
}

// ChildReport is what was found of a child.
type ChildReport struct {
	InitiatedID int64
	Report      *Report
}

// Run is one run.
type Run struct {
	WorkflowID, RunID, Type string
	Open                    bool
	Status                  string // in the words of search, such as Running
	Start, Close            time.Time
	// FirstTask is when the first workflow task is due; zero when it was scheduled. Delay says why it waits.
	FirstTask       time.Time
	Delay           Delay
	LastProgress    time.Time // of the last event that was no failed workflow task
	CancelRequested bool
	Task            *Task // nil: no workflow task is pending
	// TaskFailures is how many workflow tasks failed or timed out in a row, Problem what the last one came to.
	TaskFailures int32
	Problem      Problem
	Sticky       Route // where the worker that has the run in its cache polls; zero: none has
	Normal       Route // where its workflow tasks go else
	Pause        *Pause
	Moving       match.Version // the run goes over to this version; zero: it does not
	Activities   []Activity
	Timers       []Timer
	Children     []Child
	Messages     []Message // to other runs, not yet delivered
	Updates      []Update
	Queries      []Query
	Callbacks    []Callback
	Buffered     Usage // events that wait for the started workflow task to end
	Usages       []Usage
	ParentUntold bool // it has closed and its parent does not know
}

// Delay says why a first workflow task waits.
type Delay string

const (
	DelayStart Delay = "start delay"
	DelayCron  Delay = "cron schedule"
	DelayRetry Delay = "retry policy"
)

// Route is where tasks go.
type Route struct {
	Queue    string
	Activity bool // else workflow tasks
	Sticky   bool
	Version  match.Version // of the workers that get them
	Pinned   bool          // no other version may
	// FairnessKey is the key of the task's share of the queue.
	FairnessKey string
}

// kind is the kind of its tasks.
func (r Route) kind() string {
	if r.Activity {
		return "activity"
	}
	return "workflow"
}

// Task is the pending workflow task.
type Task struct {
	Attempt     int32
	Scheduled   time.Time
	Started     time.Time // zero: no worker has it
	Timeout     time.Duration
	Worker      string // identity of who has it
	ForUpdate   bool   // it was made to carry an update and leaves no trace without
	Route       Route
	StickyUntil time.Time // when it leaves a sticky queue; zero: it is in none
}

// Problem is how workflow tasks fail.
type Problem struct{ Cause, Message string }

// Pause tells who holds a run or an activity.
type Pause struct {
	Identity, Reason string
	Time             time.Time
}

// Activity is a pending activity.
type Activity struct {
	ID, Type         string
	ScheduledID      int64
	Attempt          int32
	MaximumAttempts  int32
	Scheduled        time.Time // of the first attempt
	AttemptTime      time.Time // when this attempt may start
	Started          time.Time // zero: no worker has it
	Heartbeat        time.Time // the last one; zero: none
	HeartbeatTimeout time.Duration
	TimesOut         time.Time // when the attempt that runs ends by a timeout at the latest; zero: never
	Deadline         time.Time // of all attempts; zero: none
	Worker           string    // identity of the last
	Failure          Failure   // of the last attempt
	Pause            *Pause
	CancelRequested  bool
	Route            Route
}

// Failure is what an attempt came to.
type Failure struct {
	Type, Message string
	TimedOut      string // the kind of a time-out, such as Heartbeat; empty for others
}

// Timer is a timer that has not fired.
type Timer struct {
	ID        string
	StartedID int64
	Fires     time.Time
}

// Child is a child that has not closed.
type Child struct {
	WorkflowID, RunID, Type, Namespace string
	InitiatedID                        int64
	Initiated                          time.Time // zero: not known any more, since it has started
}

// Message is a signal or a cancel request to another run.
type Message struct {
	Cancel                bool
	WorkflowID, Namespace string
	InitiatedID           int64
	Initiated             time.Time
}

// Update is an update that has not completed.
type Update struct {
	ID, Name string
	Accepted bool // its handler runs; else a workflow task must carry it
}

// Query is a question that a client waits for.
type Query struct {
	Type string
	Sent bool // a worker has it
}

// Callback is an address that is to be told of the end.
type Callback struct {
	Address  string
	Attempts int32
	Next     time.Time
	Failure  string
	Blocked  string // why no calls are made there now; empty: they are
}

// Usage is how much of a limit is used.
type Usage struct {
	Limit     string // by its name in docs/limits.md
	Used, Max int64
}

// isNear tells whether four fifths are used.
func (u Usage) isNear() bool { return u.Max > 0 && u.Used*5 >= u.Max*4 }

// Queue is a task queue of one type, over all versions of workers.
type Queue struct {
	Name     string
	Activity bool
	Sticky   bool
	Versions []QueueVersion
	// PerSecond is the rate that is set for it; nil: none. KeyPerSecond is that of each fairness key.
	PerSecond, KeyPerSecond *float64
	SetBy                   string // who set PerSecond
	// OtherKind are workers that poll the same name for the other kind of task.
	OtherKind []Poller
	// OwnSticky are workers that poll only sticky queues that belong to it. They are told when nobody polls the queue itself.
	OwnSticky []Poller
}

// IsPolled tells whether workers of any version poll the queue.
func (q Queue) IsPolled() bool {
	return slices.ContainsFunc(q.Versions, func(v QueueVersion) bool { return len(v.Pollers) > 0 })
}

// QueueVersion is what workers of one version see of a queue.
type QueueVersion struct {
	Version  match.Version
	Pollers  []Poller // seen in the last minutes
	Waiting  int64    // tasks
	Oldest   time.Duration
	Added    float64 // tasks a second
	Taken    float64
	Limited  bool           // the rate lets nothing pass now
	HeldKeys []match.LaneID // fairness keys that their rate holds back, as lanes have them
}

// Poller is a worker that polls.
type Poller struct {
	Identity string
	Open     bool // a poll of it waits now
	Last     time.Time
}

// version is what workers of a version see of the queue; the zero value when nothing is known of them.
func (q Queue) version(v match.Version) QueueVersion {
	for _, found := range q.Versions {
		if found.Version == v {
			return found
		}
	}
	return QueueVersion{Version: v}
}

// queue finds the facts of a route's queue; an empty one when there are none.
func (f *Facts) queue(r Route) Queue {
	for _, q := range f.Queues {
		if q.Name == r.Queue && q.Activity == r.Activity && q.Sticky == r.Sticky {
			return q
		}
	}
	return Queue{Name: r.Queue, Activity: r.Activity, Sticky: r.Sticky}
}

// Routes are where tasks of the run wait or would, each queue once.
func (r *Run) Routes() []Route {
	var routes []Route
	add := func(route Route) {
		for _, known := range routes {
			if known.Queue == route.Queue && known.Activity == route.Activity && known.Sticky == route.Sticky {
				return
			}
		}
		routes = append(routes, route)
	}
	if !r.Open {
		return nil
	}
	add(r.Normal)
	if r.Sticky.Queue != "" {
		add(r.Sticky)
	}
	for i := range r.Activities {
		add(r.Activities[i].Route)
	}
	return routes
}
