package main

import "perdure/server/metrics"

var matching = board{
	uid: "perdure-matching", title: "Matching", about: "Do tasks find workers? For on-call and application teams; choose a task queue.",
	rows: []row{
		{"Task queues", []panel{
			{title: "Waiting tasks", unit: "short", limits: above(1000, 100000), queries: one(
				promql("{{namespace}} {{task_queue}} {{task_type}}", `topk(20, sum by (namespace, task_queue, task_type) (@))`, metrics.BacklogTasks)),
				about: "Tasks that no worker has taken, the twenty longest queues."},
			{title: "Age of the oldest", unit: "s", limits: above(60, 600), queries: one(
				promql("{{namespace}} {{task_queue}} {{task_type}}", `topk(20, max by (namespace, task_queue, task_type) (@))`, metrics.BacklogAge)), find: `ExecutionStatus = "Running"`,
				about: "How long the oldest waits: what users feel. Minutes mean too few workers or none."},
			{title: "Workers that poll", unit: "short", limits: below(1, 1), queries: one(gauge("sum", metrics.TaskQueuePollers, "", "namespace", "task_queue", "task_type")),
				about: "Workers seen in the last five minutes. Zero with waiting tasks: nobody serves the queue, or its name is misspelt."},
			{title: "Come and gone", unit: "ops", limits: free, queries: []query{
				gauge("sum", metrics.TaskQueueAdded, "", "task_queue", "task_type").called("{{task_queue}} {{task_type}} come"),
				gauge("sum", metrics.TaskQueueDispatched, "", "task_queue", "task_type").called("{{task_queue}} {{task_type}} gone")},
				about: "Tasks a second that came to a queue and that workers took."},
			{title: "Growth", unit: "ops", limits: above(1, 100), queries: one(
				promql("{{namespace}} {{task_queue}}", `sum by (namespace, task_queue) (@) - sum by (namespace, task_queue) (@)`, metrics.TaskQueueAdded, metrics.TaskQueueDispatched)),
				about: "Above zero for long, the queue grows without end."},
			{title: "Queues in memory", unit: "short", limits: above(10000, 100000), queries: one(gauge("sum", metrics.TaskQueuesLoaded, "")),
				about: "Partitions loaded. A number that only rises means that somebody makes a queue for each workflow."},
		}},
		{"Matches", []panel{
			{title: "Tasks handed over", unit: "ops", limits: free, queries: one(rate(metrics.Matches, "", "task_type", "kind")),
				about: "sync: a worker waited for it; backlog: the task waited for a worker."},
			{title: "Straight to a worker", unit: "percentunit", limits: below(0.9, 0.5), queries: one(ratio(metrics.Matches, `kind="sync"`, "", "task_type")),
				about: "Part of tasks that met a waiting worker. Below nine of ten there are too few pollers."},
			{title: "Waited for a worker", unit: "s", limits: above(0.5, 5), queries: one(quantile(0.99, metrics.MatchLatency, "", "task_type", "kind")),
				about: "From the offer of a task until a worker had it."},
			{title: "Wait heatmap", unit: "s", shape: heated, limits: free, queries: one(heat(metrics.MatchLatency, `task_type="workflow"`)),
				about: "Workflow tasks: how their waits are spread."},
			{title: "Offers by outcome", unit: "ops", limits: free, queries: one(rate(metrics.Offers, "", "task_type", "outcome")),
				about: "delivered and stored are the normal ways; refused goes back to history; dropped was not wanted any more."},
			{title: "Written to the backlog", unit: "ops", limits: above(100, 10000), quiet: "workers take tasks at once", queries: one(rate(metrics.BacklogWritten, "", "task_type")),
				about: "Tasks that nobody took in time, so that they went to the store: each costs a write and a read."},
			{title: "Expired", unit: "ops", limits: above(0.01, 1), quiet: "only a schedule-to-start time-out makes one", queries: one(rate(metrics.BacklogExpired, "", "task_type")),
				about: "Tasks whose time in the queue was over before a worker came."},
		}},
		{"Polls and queries", []panel{
			{title: "Polls by outcome", unit: "ops", limits: free, queries: one(rate(metrics.Polls, "", "task_type", "outcome")),
				about: "Many empty polls are harmless; errors are not."},
			{title: "Waiting polls", unit: "short", limits: below(1, 1), queries: one(gauge("sum", metrics.PollersWaiting, "", "task_type")),
				about: "Polls that wait for a task now: spare capacity of workers."},
			{title: "Queries to workers", unit: "ops", limits: free, queries: one(rate(metrics.QueriesDispatched, "", "outcome")),
				about: "Queries handed to workers by outcome."},
			{title: "Queries without a worker", unit: "ops", limits: above(0.01, 1), quiet: "workers poll", queries: one(rate(metrics.QueriesDispatched, `outcome=~"no_poller|timeout"`, "outcome")),
				about: "Nobody polls the queue, or the worker did not answer in time."},
		}},
	},
}

var workers = board{
	uid: "perdure-workers", title: "Workers", about: "Which worker processes are there, and do they keep up? For application teams.",
	rows: []row{
		{"Workers", []panel{
			{title: "Registered by SDK", unit: "short", limits: free, queries: one(gauge("sum", metrics.WorkersRegistered, "", "sdk")),
				about: "Worker processes that sent a heartbeat lately."},
			{title: "Forgotten for want of room", unit: "ops", limits: above(0.001, 0.1), queries: one(rate(metrics.WorkersEvicted, "").called("forgotten")),
				about: "Workers dropped from the list since it was full. They work on; the list lacks them."},
			{title: "Queues without workers", unit: "short", limits: above(1, 1), quiet: "each queue with tasks has a worker", queries: one(
				promql("{{namespace}} {{task_queue}} {{task_type}}", `(sum by (namespace, task_queue, task_type) (@) > 0) and on (namespace, task_queue, task_type) (sum by (namespace, task_queue, task_type) (@) == 0)`, metrics.BacklogTasks, metrics.TaskQueuePollers)), find: `ExecutionStatus = "Running"`,
				about: "Task queues with waiting tasks that nobody has polled for five minutes."},
			{title: "Polls that bring a task", unit: "percentunit", limits: free, queries: one(ratio(metrics.Polls, `outcome="task"`, "", "task_type")),
				about: "Part of polls that end with a task. Near zero, there are far more pollers than work."},
			{title: "Workflow tasks timed out", unit: "ops", limits: above(0.01, 0.1), quiet: "workers answer", queries: one(rate(metrics.WorkflowTasks, `outcome="timed_out"`, "namespace")), find: `ExecutionStatus = "Running"`,
				about: "A worker took a task and was not heard of: it crashed, hangs, or was stopped without its grace time."},
			{title: "Heartbeats missed", unit: "ops", limits: above(0.01, 0.1), quiet: "activities are heard of", queries: one(rate(metrics.ActivityTimeouts, `kind="heartbeat"`, "namespace")),
				about: "Activities whose worker stopped telling that it is alive."},
		}},
	},
}
