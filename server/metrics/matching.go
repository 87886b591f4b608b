package metrics

// Matching is where tasks meet pollers.
const Matching Domain = "Matching"

// Match labels a delivered task. Kind is sync (straight from its offer) or backlog.
type Match struct{ TaskType, Kind string }

// Poll labels a finished poll: task, empty, canceled, error.
type Poll struct{ Namespace, TaskType, Outcome string }

// TaskQueue names a task queue; sticky queues are "_sticky_".
type TaskQueue struct{ Namespace, TaskQueue, TaskType string }

var (
	// Matches counts delivered tasks.
	Matches = counter[Match](Def{Domain: Matching, Name: "perdure_match_total", Unit: "tasks",
		Help: "Tasks handed to pollers, by kind (sync, backlog)."})
	// MatchLatency times tasks from offer to poller.
	MatchLatency = histogram[Match](Def{Domain: Matching, Name: "perdure_match_latency_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time from a task's offer until a poller got it, by kind."})
	// Offers counts what became of offered tasks.
	Offers = counter[TaskOutcome](Def{Domain: Matching, Name: "perdure_task_offers_total", Unit: "tasks",
		Help: "Offered tasks, by what became of them (delivered, stored, refused, dropped)."})
	// Polls counts finished polls.
	Polls = counter[Poll](Def{Domain: Matching, Name: "perdure_poll_total", Unit: "polls",
		Help: "Finished polls, by namespace and outcome (task, empty, canceled, error)."})
	// PollersWaiting counts polls under way.
	PollersWaiting = gauge[TaskType](Def{Domain: Matching, Name: "perdure_pollers_waiting", Unit: "polls",
		Help: "Polls that wait for a task."})
	// TaskQueuesLoaded counts task queues in memory.
	TaskQueuesLoaded = gauge[None](Def{Domain: Matching, Name: "perdure_task_queues_loaded", Unit: "queues",
		Help: "Task queue partitions in memory."})
	// BacklogTasks tells how many tasks wait.
	BacklogTasks = gauge[TaskQueue](Def{Domain: Matching, Name: "perdure_task_queue_backlog_tasks", Unit: "tasks",
		Help: "Tasks that wait for a poller, by task queue."})
	// BacklogAge tells how long the oldest task waits.
	BacklogAge = gauge[TaskQueue](Def{Domain: Matching, Name: "perdure_task_queue_backlog_age_seconds", Unit: "seconds",
		Help: "Age of the oldest task that waits for a poller, by task queue."})
	// TaskQueuePollers counts who polls.
	TaskQueuePollers = gauge[TaskQueue](Def{Domain: Matching, Name: "perdure_task_queue_pollers", Unit: "pollers",
		Help: "Workers that polled in the last five minutes, by task queue."})
	// TaskQueueAdded tells how many tasks come.
	TaskQueueAdded = gauge[TaskQueue](Def{Domain: Matching, Name: "perdure_task_queue_add_rate", Unit: "tasks per second",
		Help: "Tasks that came over the last half minute, by task queue."})
	// TaskQueueDispatched tells how many tasks go.
	TaskQueueDispatched = gauge[TaskQueue](Def{Domain: Matching, Name: "perdure_task_queue_dispatch_rate", Unit: "tasks per second",
		Help: "Tasks that pollers got over the last half minute, by task queue."})
	// BacklogWritten counts tasks that went to the durable backlog.
	BacklogWritten = counter[TaskType](Def{Domain: Matching, Name: "perdure_task_queue_stored_total", Unit: "tasks",
		Help: "Tasks written to the durable backlog, since nobody polled in time."})
	// BacklogExpired counts tasks dropped at the end of their schedule-to-start time.
	BacklogExpired = counter[TaskType](Def{Domain: Matching, Name: "perdure_tasks_expired_total", Unit: "tasks",
		Help: "Tasks dropped since their schedule-to-start time was over."})
	// QueriesDispatched counts queries handed to pollers.
	QueriesDispatched = counter[Outcome](Def{Domain: Matching, Name: "perdure_query_dispatch_total", Unit: "queries",
		Help: "Queries handed to workers, by outcome (ok, no_poller, timeout, failed)."})
)

// TaskOutcome tells what became of a task.
type TaskOutcome struct{ TaskType, Outcome string }
