package metrics

// Workflow is what executions do.
const Workflow Domain = "Workflows"

// Started labels a new run. Kind is start, signal_with_start, child, continue_as_new, retry, cron.
type Started struct{ Namespace, Kind string }

// Chore names something the worker service does on its own: retention,
// list_namespaces, delete_runs, drop_task_queues, drop_deployments, remove_namespace.
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
	// WorkflowTasks counts finished workflow tasks.
	WorkflowTasks = counter[NamespaceOutcome](Def{Domain: Workflow, Name: "perdure_workflow_task_total", Unit: "tasks",
		Help: "Workflow tasks finished, by outcome (completed, failed, timed_out)."})
	// Activities counts activities that ended; retried attempts are not among them.
	Activities = counter[NamespaceOutcome](Def{Domain: Workflow, Name: "perdure_activity_total", Unit: "activities",
		Help: "Activities ended, retries over, by outcome (completed, failed, canceled, timed_out)."})
	// Signals counts accepted signals.
	Signals = counter[Namespaced](Def{Domain: Workflow, Name: "perdure_signals_total", Unit: "signals",
		Help: "Signals written to a history."})
	// Updates counts finished updates.
	Updates = counter[NamespaceOutcome](Def{Domain: Workflow, Name: "perdure_updates_total", Unit: "updates",
		Help: "Updates, by outcome (accepted, rejected, completed, aborted)."})
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
	// LongPolls counts clients that wait for an execution to change.
	LongPolls = gauge[None](Def{Domain: Workflow, Name: "perdure_long_polls_waiting", Unit: "calls",
		Help: "Calls that wait for an execution to change: history, updates, results."})
)
