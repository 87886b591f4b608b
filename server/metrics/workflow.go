package metrics

// Workflow is what executions do.
const Workflow Domain = "Workflows"

// Started labels a new run. Kind is start, signal_with_start, child, continue_as_new, retry, cron.
type Started struct{ Namespace, Kind string }

// TaskFailure labels a failed workflow task. Cause is the name of the API's enumeration in snake case.
type TaskFailure struct{ Namespace, Cause string }

// Timeout labels a time-out: schedule_to_start, schedule_to_close, start_to_close, heartbeat.
type Timeout struct{ Namespace, Kind string }

// EventType is the type of a history event in snake case.
type EventType struct{ Event string }

// Troubled labels runs in trouble. Cause is a code of docs/doctor.md, Class stuck or held.
type Troubled struct{ Namespace, Cause, Class string }

// Chore names something the worker service does on its own: retention, diagnosis,
// list_namespaces, delete_runs, drop_task_queues, drop_deployments, drop_build_ids, remove_namespace,
// search_audit_ and the label of a search store.
type Chore struct{ Chore string }

// Closed labels a closed run with its status in lower case.
type Closed struct{ Namespace, Status string }

var (
	// WorkflowsStarted counts new runs.
	WorkflowsStarted = counter[Started](Def{Domain: Workflow, Name: "perdure_workflow_started_total", Unit: "runs",
		Help: "Runs started, by namespace and kind (start, signal_with_start, child, continue_as_new, retry, cron)."})
	// WorkflowsClosed counts closed runs.
	WorkflowsClosed = counter[Closed](Def{Domain: Workflow, Name: "perdure_workflow_closed_total", Unit: "runs",
		Help: "Runs closed, by namespace and status."})
	// WorkflowDuration times runs from start to close.
	WorkflowDuration = histogram[Closed](Def{Domain: Workflow, Name: "perdure_workflow_duration_seconds", Unit: "seconds", Buckets: life,
		Help: "Time from a run's start to its close, by namespace and status."})
	// StageTimes tells where the time of each workflow type goes.
	StageTimes = stageTimes(Def{Domain: Workflow, Name: "perdure_workflow_stage_seconds", Unit: "seconds", Buckets: stages,
		Help: "Where the time of a workflow type goes, each time by stage: frontend, lookup, lock, decide, commit_queue, commit_store, match_sync, match_backlog, hand_over in the server; workflow_task_work, activity_work in workers; activity_backoff."})
	// WorkflowTasks counts finished workflow tasks.
	WorkflowTasks = counter[NamespaceOutcome](Def{Domain: Workflow, Name: "perdure_workflow_task_total", Unit: "tasks",
		Help: "Workflow tasks finished, by outcome (completed, failed, timed_out)."})
	// Activities counts activities that ended; retried attempts are not among them.
	Activities = counter[NamespaceOutcome](Def{Domain: Workflow, Name: "perdure_activity_total", Unit: "activities",
		Help: "Activities ended, retries over, by outcome (completed, failed, canceled, timed_out)."})
	// WorkflowTaskFailures counts workflow tasks that workers or the server failed.
	WorkflowTaskFailures = counter[TaskFailure](Def{Domain: Workflow, Name: "perdure_workflow_task_failed_total", Unit: "tasks",
		Help: "Workflow tasks that failed, by cause, such as non_deterministic_error; attempts after the first of a task write no event and are left out."})
	// ActivityTimeouts counts activities that ended by a time-out.
	ActivityTimeouts = counter[Timeout](Def{Domain: Workflow, Name: "perdure_activity_timeout_total", Unit: "activities",
		Help: "Activities ended by a time-out, by kind (schedule_to_start, schedule_to_close, start_to_close, heartbeat)."})
	// ActivityAttempts tells how often activities were tried.
	ActivityAttempts = histogram[None](Def{Domain: Workflow, Name: "perdure_activity_attempts", Unit: "attempts", Buckets: count,
		Help: "Attempts an activity had taken when it ended."})
	// Events counts what is written to histories.
	Events = counter[EventType](Def{Domain: Workflow, Name: "perdure_events_total", Unit: "events",
		Help: "Events written to histories, by type: what workflows do."})
	// Signals counts accepted signals.
	Signals = counter[Namespaced](Def{Domain: Workflow, Name: "perdure_signals_total", Unit: "signals",
		Help: "Signals written to a history."})
	// Updates counts finished updates.
	Updates = counter[NamespaceOutcome](Def{Domain: Workflow, Name: "perdure_updates_total", Unit: "updates",
		Help: "Updates answered, by outcome (accepted: not done yet; completed; failed: rejected by the workflow, or its handler failed)."})
	// Queries counts answered queries.
	Queries = counter[NamespaceOutcome](Def{Domain: Workflow, Name: "perdure_queries_total", Unit: "queries",
		Help: "Queries, by outcome (answered, failed, timed_out)."})
	// Transitions counts state changes of executions.
	Transitions = counter[None](Def{Domain: Workflow, Name: "perdure_state_transitions_total", Unit: "transitions",
		Help: "State changes of executions."})
	// HistoryEvents tells how long closed histories are.
	HistoryEvents = histogram[None](Def{Domain: Workflow, Name: "perdure_history_events", Unit: "events", Buckets: count,
		Help: "Events of a run when it closed."})
	// HistoryBytes tells how large closed histories are.
	HistoryBytes = histogram[None](Def{Domain: Workflow, Name: "perdure_history_bytes", Unit: "bytes", Buckets: size,
		Help: "Size of a run's history when it closed."})
	// RunsDeleted counts runs removed by retention and with their namespace.
	RunsDeleted = counter[Namespaced](Def{Domain: Workflow, Name: "perdure_runs_deleted_total", Unit: "runs",
		Help: "Runs removed since their retention was over or their namespace was deleted."})
	// ChoresFailed counts attempts of the worker service that failed and are repeated.
	ChoresFailed = counter[Chore](Def{Domain: Workflow, Name: "perdure_chores_failed_total", Unit: "attempts",
		Help: "Attempts of the worker service (retention, removal of namespaces) that failed and are tried again."})
	// ChoreDuration times one look at everything.
	ChoreDuration = histogram[Chore](Def{Domain: Workflow, Name: "perdure_chore_duration_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time one round of a chore took, over all namespaces."})
	// ChoreLastSuccess tells when a chore last went through.
	ChoreLastSuccess = gauge[Chore](Def{Domain: Workflow, Name: "perdure_chore_last_success_timestamp_seconds", Unit: "seconds",
		Help: "Unix time of the end of a chore's last round that had no failure; at first the start of the process."})
	// ChorePeriod tells how often a chore should go through.
	ChorePeriod = gauge[Chore](Def{Domain: Workflow, Name: "perdure_chore_period_seconds", Unit: "seconds",
		Help: "Time until a chore's next round."})
	// TroubledRuns counts runs that do not come on.
	TroubledRuns = gauge[Troubled](Def{Domain: Workflow, Name: "perdure_troubled_runs", Unit: "runs",
		Help: "Open runs that do not come on, by first cause (docs/doctor.md) and class (stuck: somebody has to act; held: it ends by itself), as the last look at the fleet found them."})
	// RunsDiagnosed counts runs that the look at the fleet examined.
	RunsDiagnosed = counter[Outcome](Def{Domain: Workflow, Name: "perdure_runs_diagnosed_total", Unit: "runs",
		Help: "Open runs that have waited for a while and were examined, by outcome (healthy, troubled)."})
	// LongPolls counts clients that wait for an execution to change.
	LongPolls = gauge[None](Def{Domain: Workflow, Name: "perdure_long_polls_waiting", Unit: "calls",
		Help: "Calls that wait for an execution to change: history, updates, results."})
)
