package ledger

// Stage is where time goes.
type Stage int

// The stages that a history tells.
const (
	// StartDelay is the time until the first workflow task was due: a delay that was asked for, cron, or the pause before a retry of the run.
	StartDelay Stage = iota
	// WorkflowTaskWait is from a workflow task's schedule to its start: commit, matching and the way to the worker.
	WorkflowTaskWait
	// WorkflowTaskWork is from a workflow task's start to its end, in a worker.
	WorkflowTaskWork
	// WorkflowTaskRetry is from a workflow task's failure to the schedule of the attempt that history tells next.
	WorkflowTaskRetry
	// ActivityWait is from an activity's schedule to its start, if that was the first attempt.
	ActivityWait
	// ActivityWork is an activity's last attempt, in a worker.
	ActivityWork
	// ActivityRetry is an activity's attempts before the last one, with their waits, without the pauses.
	ActivityRetry
	// ActivityBackoff is the pauses between an activity's attempts, as its policy sets them.
	ActivityBackoff
	// Timer is from a timer's start until it was due or canceled.
	Timer
	// TimerLate is by how much timers fired after they were due.
	TimerLate
	// ChildStart is from the command that starts a child until it had started.
	ChildStart
	// Child is from a child's start to its end.
	Child
	// External is signals and cancel requests on their way to other runs.
	External
	// Nexus is Nexus operations.
	Nexus
	// Update is from an update's acceptance to its result.
	Update
	// Paused is how long the run was held.
	Paused
	// Idle is when nothing of the above but updates was under way: the run waited for a signal or an update.
	Idle

	// HistoryStages is how many stages a history tells.
	HistoryStages = int(Idle) + 1
)

// The stages that only the server sees.
const (
	// Frontend is from the receipt of a call until its run was found: checks, routing, rates.
	Frontend Stage = Stage(HistoryStages) + iota
	// Lookup is the look-up of a workflow's newest run before a start.
	Lookup
	// Lock is the wait for another change of the run to be decided.
	Lock
	// Decide is the decision itself.
	Decide
	// CommitQueue is from a decision until its group began to be stored.
	CommitQueue
	// CommitStore is the group in the store.
	CommitStore
	// MatchSync is from a task's offer until a poll had it, without the durable backlog.
	MatchSync
	// MatchBacklog is the same for a task that went through the durable backlog.
	MatchBacklog
	// HandOver is from the match until the start was decided.
	HandOver

	// Stages is how many stages there are.
	Stages = int(HandOver) + 1
	// ServerStages is how many of them only the server sees.
	ServerStages = Stages - HistoryStages
)

var names = [Stages]string{
	StartDelay: "start_delay", WorkflowTaskWait: "workflow_task_wait", WorkflowTaskWork: "workflow_task_work", WorkflowTaskRetry: "workflow_task_retry",
	ActivityWait: "activity_wait", ActivityWork: "activity_work", ActivityRetry: "activity_retry", ActivityBackoff: "activity_backoff",
	Timer: "timer", TimerLate: "timer_late", ChildStart: "child_start", Child: "child", External: "external", Nexus: "nexus",
	Update: "update", Paused: "paused", Idle: "idle",
	Frontend: "frontend", Lookup: "lookup", Lock: "lock", Decide: "decide", CommitQueue: "commit_queue", CommitStore: "commit_store",
	MatchSync: "match_sync", MatchBacklog: "match_backlog", HandOver: "hand_over",
}

// String is the stage's name in answers and labels.
func (s Stage) String() string { return names[s] }
