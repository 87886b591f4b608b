package main

import "perdure/server/metrics"

const (
	shop      = `namespace="shop"`
	shopQueue = `namespace="shop",task_queue="orders",task_type="workflow"`
)

var taskAlerts = []alert{
	{
		name: "NoPollers", wait: "5m", severity: warning, expr: plain(`max by (namespace, task_queue, task_type) (@) > 120 and on (namespace, task_queue, task_type) sum by (namespace, task_queue, task_type) (@) == 0`, metrics.BacklogAge, metrics.TaskQueuePollers),
		summary: "Tasks wait in {{ $labels.task_queue }} ({{ $labels.task_type }}) of {{ $labels.namespace }} and no worker polls it.", find: `ExecutionStatus = "Running"`,
		fires: []input{in(metrics.BacklogAge, shopQueue, grows(60)), in(metrics.TaskQueuePollers, shopQueue, stays(0))},
		quiet: []input{in(metrics.BacklogAge, shopQueue, grows(60)), in(metrics.TaskQueuePollers, shopQueue, stays(2))},
	},
	{
		name: "BacklogOld", wait: "10m", severity: warning, expr: plain(`max by (namespace, task_queue, task_type) (@) > 600`, metrics.BacklogAge),
		summary: "The oldest task in {{ $labels.task_queue }} ({{ $labels.task_type }}) of {{ $labels.namespace }} waits for {{ $value | humanizeDuration }}.", find: `ExecutionStatus = "Running"`,
		fires: []input{in(metrics.BacklogAge, shopQueue, stays(1200))}, quiet: []input{in(metrics.BacklogAge, shopQueue, stays(30))},
	},
	{
		name: "BacklogGrows", wait: "15m", severity: warning, expr: plain(`deriv(sum by (namespace, task_queue) (@)[15m:1m]) > 1 and on (namespace, task_queue) sum by (namespace, task_queue) (@) > 1000`, metrics.BacklogTasks),
		summary: "{{ $labels.task_queue }} of {{ $labels.namespace }} gets {{ $value | humanize }} tasks a second more than workers take.", find: `ExecutionStatus = "Running"`,
		fires: []input{in(metrics.BacklogTasks, shopQueue, grows(120))}, quiet: []input{in(metrics.BacklogTasks, shopQueue, stays(5000))},
	},
	{
		name: "TasksExpire", wait: "10m", severity: warning, expr: plain(`sum by (task_type) (rate(@[10m])) > 0.1`, metrics.BacklogExpired),
		summary: "{{ $value | humanize }} {{ $labels.task_type }} tasks a second run out of time before a worker takes them.",
		fires:   []input{in(metrics.BacklogExpired, `task_type="activity"`, grows(60))}, quiet: []input{in(metrics.BacklogExpired, `task_type="activity"`, grows(1))},
	},
	{
		name: "QueriesUnanswered", wait: "10m", severity: warning, expr: plain(`sum by (namespace) (rate(@{outcome!="answered"}[10m])) / sum by (namespace) (rate(@[10m])) > 0.2`, metrics.Queries),
		summary: "Of the queries in {{ $labels.namespace }}, {{ $value | humanizePercentage }} get no answer.", find: `ExecutionStatus = "Running"`,
		fires: []input{in(metrics.Queries, shop+`,outcome="answered"`, grows(10)), in(metrics.Queries, shop+`,outcome="timed_out"`, grows(10))},
		quiet: []input{in(metrics.Queries, shop+`,outcome="answered"`, grows(100)), in(metrics.Queries, shop+`,outcome="failed"`, grows(5))},
	},
	{
		name: "RunsStuck", wait: "15m", severity: warning, expr: plain(`sum by (namespace, cause) (@{class="stuck"}) >= 10`, metrics.TroubledRuns),
		summary: "{{ $value }} runs of {{ $labels.namespace }} are stuck until somebody acts: {{ $labels.cause }}.", find: waitingRuns,
		fires: []input{in(metrics.TroubledRuns, shop+`,cause="activity-failing",class="stuck"`, stays(25))},
		quiet: []input{in(metrics.TroubledRuns, shop+`,cause="activity-failing",class="stuck"`, stays(3)), in(metrics.TroubledRuns, shop+`,cause="backlog-old",class="held"`, stays(500))},
	},
	{
		name: "WorkflowTasksFail", wait: "10m", severity: warning, expr: plain(`sum by (namespace) (rate(@{outcome!="completed"}[5m])) > 0.1 * sum by (namespace) (rate(@[5m]))`, metrics.WorkflowTasks),
		summary: "In {{ $labels.namespace }} {{ $value | humanize }} workflow tasks a second fail or time out.", find: `ExecutionStatus = "Running"`,
		fires: []input{in(metrics.WorkflowTasks, shop+`,outcome="completed"`, grows(80)), in(metrics.WorkflowTasks, shop+`,outcome="failed"`, grows(20))},
		quiet: []input{in(metrics.WorkflowTasks, shop+`,outcome="completed"`, grows(99)), in(metrics.WorkflowTasks, shop+`,outcome="failed"`, grows(1))},
	},
	{
		name: "NonDeterminism", wait: "0m", severity: warning, expr: plain(`sum by (namespace) (increase(@{cause="non_deterministic_error"}[10m])) > 0`, metrics.WorkflowTaskFailures),
		summary: "In {{ $labels.namespace }} workflow code no longer fits the histories of running workflows.", find: `ExecutionStatus = "Running"`,
		fires: []input{in(metrics.WorkflowTaskFailures, shop+`,cause="non_deterministic_error"`, grows(1))},
		quiet: []input{in(metrics.WorkflowTaskFailures, shop+`,cause="workflow_worker_unhandled_failure"`, grows(1))},
	},
	{
		name: "WorkflowsFail", wait: "15m", severity: warning, expr: plain(`sum by (namespace) (rate(@{status=~"failed|timed_out"}[15m])) / sum by (namespace) (rate(@[15m])) > 0.5`, metrics.WorkflowsClosed),
		summary: "Of the workflows of {{ $labels.namespace }} that end, {{ $value | humanizePercentage }} fail.", find: `ExecutionStatus IN ("Failed","TimedOut")`,
		fires: []input{in(metrics.WorkflowsClosed, shop+`,status="failed"`, grows(8)), in(metrics.WorkflowsClosed, shop+`,status="completed"`, grows(2))},
		quiet: []input{in(metrics.WorkflowsClosed, shop+`,status="failed"`, grows(2)), in(metrics.WorkflowsClosed, shop+`,status="completed"`, grows(8))},
	},
	{
		name: "ActivitiesFail", wait: "15m", severity: warning, expr: plain(`sum by (namespace) (rate(@{outcome=~"failed|timed_out"}[15m])) / sum by (namespace) (rate(@[15m])) > 0.3`, metrics.Activities),
		summary: "Of the activities of {{ $labels.namespace }}, {{ $value | humanizePercentage }} give up for good.", find: `ExecutionStatus = "Failed"`,
		fires: []input{in(metrics.Activities, shop+`,outcome="failed"`, grows(5)), in(metrics.Activities, shop+`,outcome="completed"`, grows(5))},
		quiet: []input{in(metrics.Activities, shop+`,outcome="failed"`, grows(1)), in(metrics.Activities, shop+`,outcome="completed"`, grows(9))},
	},
	{
		name: "ActivitiesUnheard", wait: "10m", severity: warning, expr: plain(`sum by (namespace, kind) (rate(@{kind=~"heartbeat|start_to_close"}[10m])) > 0.1`, metrics.ActivityTimeouts),
		summary: "{{ $value | humanize }} activities a second of {{ $labels.namespace }} end by {{ $labels.kind }}: workers die or hang.", find: `ExecutionStatus = "Running"`,
		fires: []input{in(metrics.ActivityTimeouts, shop+`,kind="heartbeat"`, grows(30))}, quiet: []input{in(metrics.ActivityTimeouts, shop+`,kind="schedule_to_start"`, grows(30))},
	},
	{
		name: "WorkersForgotten", wait: "15m", severity: info, expr: plain(`sum(rate(@[10m])) > 0`, metrics.WorkersEvicted),
		summary: "The list of workers is full: it forgets some that are still there.",
		fires:   []input{in(metrics.WorkersEvicted, "", grows(1))}, quiet: []input{in(metrics.WorkersEvicted, "", stays(7))},
	},
	{
		name: "CallsFail", wait: "15m", severity: warning, expr: plain(`sum by (kind) (rate(@{outcome="failing"}[10m])) / sum by (kind) (rate(@[10m])) > 0.5`, metrics.OutboundCalls),
		summary: "Of the calls to addresses outside ({{ $labels.kind }}), {{ $value | humanizePercentage }} fail.",
		fires:   []input{in(metrics.OutboundCalls, `kind="callback",outcome="failing"`, grows(8)), in(metrics.OutboundCalls, `kind="callback",outcome="healthy"`, grows(2))},
		quiet:   []input{in(metrics.OutboundCalls, `kind="callback",outcome="failing"`, grows(2)), in(metrics.OutboundCalls, `kind="callback",outcome="healthy"`, grows(8))},
	},
	{
		name: "DestinationsBlocked", wait: "15m", severity: warning, expr: plain(`sum(@) > 0`, metrics.OutboundBlocked),
		summary: "{{ $value }} addresses outside fail so often that they are left alone.",
		fires:   []input{in(metrics.OutboundBlocked, "", stays(2))}, quiet: []input{in(metrics.OutboundBlocked, "", stays(0))},
	},
	{
		name: "CallbacksLost", wait: "0m", severity: warning, expr: plain(`sum by (namespace) (increase(@{outcome="failed"}[15m])) > 0`, metrics.CallbackAttempts),
		summary: "{{ $value | humanize }} callbacks of {{ $labels.namespace }} were given up: somebody waits for news in vain.", find: `ExecutionStatus != "Running"`,
		fires: []input{in(metrics.CallbackAttempts, shop+`,outcome="failed"`, grows(1))}, quiet: []input{in(metrics.CallbackAttempts, shop+`,outcome="retried"`, grows(1))},
	},
}
