package metrics

// Queues are the readers of the shards' log.
const Queues Domain = "Queues and timers"

var (
	// QueueTasks counts finished tasks of log readers.
	QueueTasks = counter[QueueOutcome](Def{Domain: Queues, Name: "perdure_queue_tasks_total", Unit: "tasks",
		Help: "Tasks of the log that were done, by reader and outcome (ok, stale, retry, error)."})
	// QueuePending counts tasks not yet done.
	QueuePending = gauge[Queue](Def{Domain: Queues, Name: "perdure_queue_pending_tasks", Unit: "tasks",
		Help: "Tasks of the log that are not done yet, by reader."})
	// QueueOldestAge tells how far behind a reader is.
	QueueOldestAge = gauge[Queue](Def{Domain: Queues, Name: "perdure_queue_oldest_age_seconds", Unit: "seconds",
		Help: "Age of the oldest task that is not done yet, by reader."})
	// QueueEndToEnd times tasks from their commit until they are done.
	QueueEndToEnd = histogram[Queue](Def{Domain: Queues, Name: "perdure_queue_end_to_end_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time from a task's commit until it was done, by reader."})
	// QueueLogRows counts rows that a checkpoint has not trimmed yet.
	QueueLogRows = gauge[None](Def{Domain: Queues, Name: "perdure_queue_log_rows", Unit: "rows",
		Help: "Rows of the shards' logs behind the slowest reader."})
	// Checkpoints counts checkpoints of the shards' logs.
	Checkpoints = counter[Outcome](Def{Domain: Queues, Name: "perdure_queue_checkpoints_total", Unit: "checkpoints",
		Help: "Checkpoints that stored cursors and trimmed a log, by outcome (ok, error)."})
	// TimersPending counts timers in memory.
	TimersPending = gauge[None](Def{Domain: Queues, Name: "perdure_timer_pending", Unit: "timers",
		Help: "Wake-ups in memory, within the look-ahead window."})
	// TimerFireLag tells how late timers are.
	TimerFireLag = histogram[None](Def{Domain: Queues, Name: "perdure_timer_fire_lag_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time between a timer's due time and its firing."})
)
