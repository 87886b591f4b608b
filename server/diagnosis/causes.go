package diagnosis

// Code names a cause. Codes are stable: metrics, scripts and pages go by them.
type Code string

// Class tells how much a cause matters. The order of the constants is the order of causes.
type Class int

const (
	// Stuck does not end until somebody acts.
	Stuck Class = iota + 1
	// Held ends by itself, but costs time that nobody meant to spend.
	Held
	// Warning holds nothing up yet.
	Warning
	// ByDesign is what the workflow was told to wait for.
	ByDesign
)

var classNames = map[Class]string{Stuck: "stuck", Held: "held back", Warning: "warning", ByDesign: "by design"}

// Word is the class as a label: stuck, held, warning or design.
func (c Class) Word() string {
	return map[Class]string{Stuck: "stuck", Held: "held", Warning: "warning", ByDesign: "design"}[c]
}

// String is the class in words.
func (c Class) String() string { return classNames[c] }

// Spec says what a cause means. In its texts {name} stands for evidence, or for
// {namespace}, {workflow}, {run} and {waits}, the time since the cause began.
type Spec struct {
	Code     Code
	Class    Class
	Sentence string
	Next     string
	Runbook  string
}

const (
	ShardUnowned           Code = "shard-unowned"
	CommitsFailing         Code = "commits-failing"
	WorkflowPaused         Code = "workflow-paused"
	NamespaceThrottled     Code = "namespace-throttled"
	WorkflowNonDeterminism Code = "workflow-nondeterminism"
	WorkflowPanic          Code = "workflow-panic"
	WorkflowBadBinary      Code = "workflow-bad-binary"
	WorkflowCommandRefused Code = "workflow-command-refused"
	WorkflowTaskTimingOut  Code = "workflow-task-timing-out"
	WorkflowTaskFailing    Code = "workflow-task-failing"
	UpdateWithoutWorker    Code = "update-without-worker"
	PinnedVersionUnserved  Code = "pinned-version-without-worker"
	VersionUnserved        Code = "version-without-worker"
	VersionNotCurrent      Code = "version-not-current"
	BuildUnserved          Code = "build-without-worker"
	BuildWithoutRule       Code = "build-without-rule"
	StickyPollersOnly      Code = "sticky-pollers-only"
	OtherPollersOnly       Code = "other-pollers-only"
	NoPoller               Code = "no-poller"
	PollersSilent          Code = "pollers-silent"
	QueuePaused            Code = "queue-paused"
	ActivityPaused         Code = "activity-paused"
	ActivityHeartbeatLost  Code = "activity-heartbeat-lost"
	ActivityTimingOut      Code = "activity-timing-out"
	ActivityFailing        Code = "activity-failing"
	ChildStuck             Code = "child-stuck"
	ChildNotStarted        Code = "child-not-started"
	SignalUndelivered      Code = "signal-undelivered"
	CancelUndelivered      Code = "cancel-undelivered"
	ParentUntold           Code = "parent-untold"
	TimerLate              Code = "timer-late"
	CallbackFailing        Code = "callback-failing"
	CallbackBlocked        Code = "callback-blocked"
	BufferedEventsFull     Code = "buffered-events-full"
	WorkflowTaskUnanswered Code = "workflow-task-unanswered"
	StickyStale            Code = "sticky-stale"
	KeyRateLimited         Code = "key-rate-limited"
	QueueRateLimited       Code = "queue-rate-limited"
	BacklogOld             Code = "backlog-old"
	ActivityHeartbeatLate  Code = "activity-heartbeat-late"
	VersionMoving          Code = "version-moving"
	ChildHeld              Code = "child-held-back"
	QueryUnanswered        Code = "query-unanswered"
	HistoryNearLimit       Code = "history-near-limit"
	RunNearLimit           Code = "run-near-limit"
	ActivitySilent         Code = "activity-silent"
	CancelUnheeded         Code = "cancel-unheeded"
	SearchBlocked          Code = "search-blocked"
	SearchBehind           Code = "search-behind"
	StartDelay             Code = "start-delay"
	ActivityBackoff        Code = "activity-backoff"
	ActivityRunning        Code = "activity-running"
	UpdateRunning          Code = "update-running"
	ChildRunning           Code = "child-running"
	TimerRunning           Code = "timer-running"
	CallbackWaiting        Code = "callback-waiting"
	SignalAwaited          Code = "signal-awaited"
)

// specs are all causes, in the order in which they explain a run: what is
// further up is nearer to the root of the trouble.
var specs = []Spec{
	{ShardUnowned, Stuck, "No server holds the shard of this workflow id (slot {slot}), so nothing of it can be read or changed.",
		"See which servers run and what their logs say of leases; a shard is taken over when its lease is over.", "PerdureShardsUnowned"},
	{CommitsFailing, Stuck, "The store has refused changes for {waits}: {error}.",
		"Look after the store; everything goes on by itself once it takes writes again.", "PerdureCommitsFailing"},
	{WorkflowPaused, Stuck, "The run was paused {waits} ago by {identity} ({reason}); no task of it is given out.",
		"temporal workflow unpause -n {namespace} -w {workflow}", ""},
	{NamespaceThrottled, Stuck, "{refused} calls for the namespace were refused by its rate lately, and workers' polls and answers are among them.",
		"Raise limits.namespace_per_second, or find who calls so often on the board Front end.", "PerdureNamespaceThrottled"},
	{WorkflowNonDeterminism, Stuck, "The workflow's code does not fit its history: {failures} workflow tasks failed in a row, the last with: {message}.",
		"Run workers with the code that the run began with, or reset it to before the change: temporal workflow reset -n {namespace} -w {workflow} --type LastWorkflowTask", "PerdureNonDeterminism"},
	{WorkflowPanic, Stuck, "The workflow's code panics: {failures} workflow tasks failed in a row, the last with: {message}.",
		"Fix the code and deploy it; the task is tried again until it passes.", "PerdureWorkflowTasksFail"},
	{WorkflowBadBinary, Stuck, "The workers that take the tasks run a binary that was marked bad ({message}).",
		"Deploy workers of another binary, or take the mark back: temporal operator namespace update --help", "PerdureWorkflowTasksFail"},
	{WorkflowCommandRefused, Stuck, "The workflow asks for something that the server refuses ({problem}): {message}.",
		"Fix what the command asks for and deploy it; the task is tried again until it passes.", "PerdureWorkflowTasksFail"},
	{WorkflowTaskTimingOut, Stuck, "Workers take the workflow task and are not heard of before its time-out of {timeout}: {failures} in a row.",
		"Look for a worker that blocks or dies: a workflow must not sleep or call out. Its log tells of deadlocks.", "PerdureWorkflowTasksFail"},
	{WorkflowTaskFailing, Stuck, "{failures} workflow tasks failed in a row ({problem}): {message}.",
		"Read the worker's log at the time of the failure; the task is tried again until it passes.", "PerdureWorkflowTasksFail"},
	{UpdateWithoutWorker, Stuck, "{updates} updates wait for a worker of task queue {queue}, and none polls it.",
		"Start workers for task queue {queue}.", "PerdureNoPollers"},
	{PinnedVersionUnserved, Stuck, "The run is pinned to version {version}, and no worker of that version polls {kind} task queue {queue}.",
		"Start workers of {version}, or move the run: temporal workflow update-options -n {namespace} -w {workflow} --versioning-override-behavior auto_upgrade", "PerdureNoPollers"},
	{VersionUnserved, Stuck, "Tasks go to version {version}, and no worker of that version polls {kind} task queue {queue}.",
		"Start workers of {version}, or make another version current: temporal worker deployment set-current-version --help", "PerdureNoPollers"},
	{VersionNotCurrent, Stuck, "Only workers of versions poll {kind} task queue {queue} ({served}), and none of these versions is current, so they get no task of this run.",
		"Make a version current: temporal worker deployment set-current-version --help", "PerdureNoPollers"},
	{BuildUnserved, Stuck, "The rules give the task to build id {version}, and no worker of it polls {kind} task queue {queue}.",
		"Start workers of {version}, or redirect it: temporal task-queue versioning add-redirect-rule --help", "PerdureNoPollers"},
	{BuildWithoutRule, Stuck, "Only workers with build ids poll {kind} task queue {queue} ({served}), and no rule gives them the tasks of this run.",
		"Give new runs a build id: temporal task-queue versioning insert-assignment-rule --help", "PerdureNoPollers"},
	{StickyPollersOnly, Stuck, "Workers poll only their own sticky queue ({identity}), and none polls workflow task queue {queue}, where the task waits.",
		"Let workers poll task queue {queue} too; restart the worker if it should.", "PerdureNoPollers"},
	{OtherPollersOnly, Stuck, "Workers poll {queue} for {other} tasks only ({identity}); nobody polls it for {kind} tasks.",
		"Register the {kind}s with the worker, or start another: a worker without any polls for none.", "PerdureNoPollers"},
	{NoPoller, Stuck, "No worker polls {kind} task queue {queue}; the task has waited for {waits}.",
		"Start workers for task queue {queue}; check its name in the worker and in the caller.", "PerdureNoPollers"},
	{PollersSilent, Stuck, "Workers of {kind} task queue {queue} have not polled for {silent}: all their slots are taken, or they are gone.",
		"Look at the workers ({identity}): add some, or raise their concurrent executions.", "PerdureNoPollers"},
	{QueuePaused, Stuck, "The rate of {kind} task queue {queue} is 0: nothing is given out.",
		"temporal task-queue config set -n {namespace} --task-queue {queue} --task-queue-type {kind} --queue-rps-limit default", ""},
	{ActivityPaused, Stuck, "Activity {activity} ({type}) was paused {waits} ago by {identity} ({reason}).",
		"temporal activity unpause -n {namespace} -w {workflow} --activity-id {activity}", ""},
	{ActivityHeartbeatLost, Stuck, "Activity {activity} ({type}) is at attempt {attempt}: its workers stop to heartbeat ({timeout} allowed).",
		"Look for workers that die or block; let the code heartbeat more often, or raise the heartbeat time-out.", "PerdureActivitiesUnheard"},
	{ActivityTimingOut, Stuck, "Activity {activity} ({type}) is at attempt {attempt}: the last one timed out ({timedout}).",
		"Raise the time-out or find what takes so long; the worker was {identity}.", "PerdureActivitiesUnheard"},
	{ActivityFailing, Stuck, "Activity {activity} ({type}) is at attempt {attempt}, which starts {next}; the last one failed with {failure}: {message}.",
		"Mend what fails; to try at once: temporal activity reset -n {namespace} -w {workflow} --activity-id {activity}", "PerdureActivitiesFail"},
	{ChildStuck, Stuck, "Child {child} is stuck: {cause}.",
		"Do for the child what is said below; perdure doctor -n {childnamespace} {child}", ""},
	{ChildNotStarted, Stuck, "Child {child} was to start {waits} ago and has not.",
		"See how the shard of {child} does: perdure doctor -n {childnamespace} {child}", "PerdureShardsUnowned"},
	{SignalUndelivered, Stuck, "A signal to {target} has not been delivered for {waits}.",
		"See how the shard of {target} does: perdure doctor -n {targetnamespace} {target}", "PerdureShardsUnowned"},
	{CancelUndelivered, Stuck, "A cancel request to {target} has not been delivered for {waits}.",
		"See how the shard of {target} does: perdure doctor -n {targetnamespace} {target}", "PerdureShardsUnowned"},
	{ParentUntold, Stuck, "The run closed {waits} ago and its parent has not heard of it.",
		"See how the shard of the parent does.", "PerdureShardsUnowned"},
	{TimerLate, Stuck, "Timer {timer} was due {waits} ago and has not fired.",
		"The server is behind: see the board Timers and the server's log.", "PerdureTimersLate"},
	{CallbackFailing, Stuck, "The callback to {address} failed {attempts} times, the last time with: {failure}.",
		"Mend the receiver; the next attempt is {next}.", "PerdureCallbacksLost"},
	{CallbackBlocked, Held, "The callback to {address} waits: {blocked}.",
		"Mend the receiver; it is tried again by itself.", "PerdureDestinationsBlocked"},
	{BufferedEventsFull, Held, "{used} events wait for the started workflow task to end; at {max} it is failed.",
		"Let the worker answer sooner, or send the run fewer signals at once.", "PerdureLimitsNear"},
	{WorkflowTaskUnanswered, Held, "Worker {identity} has had the workflow task for {waits}; its time-out is {timeout}.",
		"Look at the worker: a workflow must not sleep or call out. After the time-out another gets the task.", "PerdureWorkflowTasksFail"},
	{StickyStale, Held, "The task waits in the sticky queue of a worker that polls no more; it goes to task queue {queue} {until}.",
		"Nothing, unless it happens often: let workers end by SIGTERM, so that they say goodbye.", ""},
	{KeyRateLimited, Held, "The rate of fairness key {key} of {kind} task queue {queue} holds the task back.",
		"temporal task-queue config set --help: --fairness-key-rps-limit-default, or give the key more weight.", "backlog"},
	{QueueRateLimited, Held, "The rate of {kind} task queue {queue}, {rate} tasks a second, holds tasks back: {waiting} wait.",
		"Raise the rate (set by {setby}).", "backlog"},
	{BacklogOld, Held, "{waiting} tasks wait in {kind} task queue {queue}, the oldest for {oldest}; workers take {taken} a second and {added} come.",
		"Add workers, or raise their concurrent executions.", "PerdureBacklogOld"},
	{ActivityHeartbeatLate, Held, "Activity {activity} ({type}) has not sent a heartbeat for {waits}, of {timeout} allowed.",
		"Look at worker {identity}; after the time-out the activity is tried again.", "PerdureActivitiesUnheard"},
	{VersionMoving, Held, "The run goes over to version {version}; its activities wait until a worker of it has completed a workflow task.",
		"See that workers of {version} run and complete workflow tasks.", ""},
	{ChildHeld, Held, "Child {child} is held back: {cause}.",
		"perdure doctor -n {childnamespace} {child}", ""},
	{QueryUnanswered, Held, "A query ({query}) waits for an answer.",
		"A query is answered by a worker: see that one polls the run's task queue and that its query handler returns.", "PerdureQueriesUnanswered"},
	{HistoryNearLimit, Warning, "The history has {used} of {max} that end the run ({limit}).",
		"Let the workflow continue as new.", "PerdureLimitsNear"},
	{RunNearLimit, Warning, "The run uses {used} of {max} ({limit}).",
		"docs/limits.md says what comes of passing it.", "PerdureLimitsNear"},
	{ActivitySilent, Warning, "Activity {activity} ({type}) has run for {waits} and need not heartbeat: that its worker died would show only {until}.",
		"Give long activities a heartbeat time-out.", ""},
	{CancelUnheeded, Warning, "The run was asked to cancel and is still open.",
		"A workflow may take its time to clean up or ignore the request; to end it at once: temporal workflow terminate -n {namespace} -w {workflow}", ""},
	{SearchBlocked, Warning, "Search store {store} takes no records: lists are {behind} old.",
		"perdure visibility status", "PerdureSearchBlocked"},
	{SearchBehind, Warning, "Search store {store} is {behind} behind: lists do not show the newest changes.",
		"perdure visibility status", "PerdureSearchBehind"},
	{StartDelay, ByDesign, "The first workflow task is due {due} ({delay}).",
		"Nothing; a signal to a run with a start delay starts it at once.", ""},
	{ActivityBackoff, ByDesign, "Activity {activity} ({type}) is tried again {next}; the last attempt failed with {failure}: {message}.",
		"Nothing yet: it is attempt {attempt}.", ""},
	{ActivityRunning, ByDesign, "Worker {identity} has worked on activity {activity} ({type}) for {waits}.",
		"Nothing.", ""},
	{UpdateRunning, ByDesign, "The handler of update {update} runs.",
		"Nothing; what it waits for is below.", ""},
	{ChildRunning, ByDesign, "The run waits for {children} children, such as {child}, which {verdict}.",
		"Nothing.", ""},
	{TimerRunning, ByDesign, "Timer {timer} fires {fires}; {timers} timers run.",
		"Nothing.", ""},
	{CallbackWaiting, ByDesign, "The callback to {address} is tried again {next}.",
		"Nothing.", ""},
	{SignalAwaited, ByDesign, "Nothing is pending: the workflow waits for a signal, an update or a cancel request.",
		"Nothing, if somebody will send one; temporal workflow stack -n {namespace} -w {workflow} tells what the code waits for.", ""},
}

// Specs returns all causes in the order in which they explain a run.
func Specs() []Spec { return append([]Spec(nil), specs...) }

// places are the specs by code; they are only looked up.
var places = func() map[Code]int {
	found := make(map[Code]int, len(specs))
	for i, s := range specs {
		found[s.Code] = i
	}
	return found
}()

func placeOf(code Code) int { return places[code] }
