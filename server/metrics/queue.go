package metrics

// Queues are the readers of the shards' log.
const Queues Domain = "Log and timers"

var (
	// LogPending counts rows that a reader has still to do.
	LogPending = gauge[None](Def{Domain: Queues, Name: "perdure_log_pending_rows", Unit: "rows",
		Help: "Durable rows of the shards' logs that the slowest reader has still to do."})
	// Checkpoints counts checkpoints of the shards' logs.
	Checkpoints = counter[Outcome](Def{Domain: Queues, Name: "perdure_log_checkpoints_total", Unit: "checkpoints",
		Help: "Checkpoints that stored cursors and trimmed a log, by outcome (ok, error)."})
	// TimersPending counts timers in memory.
	TimersPending = gauge[None](Def{Domain: Queues, Name: "perdure_timer_pending", Unit: "timers",
		Help: "Wake-ups in memory, within the look-ahead window."})
	// TimerFireLag tells how late timers are.
	TimerFireLag = histogram[None](Def{Domain: Queues, Name: "perdure_timer_fire_lag_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time between a timer's due time and its firing."})
)
