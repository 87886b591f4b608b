package metrics

// Labels of theirs and where they come from.
var (
	byOperation = map[string]string{"operation": "method", "namespace": "namespace"}
	byMethod    = map[string]string{"operation": "method"}
	byStoreOp   = map[string]string{"operation": "op", "store": "store"}
	byNamespace = map[string]string{"namespace": "namespace"}
	byType      = map[string]string{"task_type": "task_type"}
	byTaskQueue = map[string]string{"namespace": "namespace", "taskqueue": "task_queue", "task_type": "task_type"}
	byCacheName = map[string]string{"cache_type": "cache"}
	bySearch    = map[string]string{"operation": "api", "visibility_plugin_name": "store"}
)

func one(label string, values ...string) map[string][]string {
	return map[string][]string{label: values}
}

// failed are the codes of RPCs that were not answered as asked.
var failed = []string{
	"Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
	"FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated",
}

// aliases are the names that community dashboards use, as far as there is something to show.
var aliases = []alias{
	{"service_requests", "RPCs answered.", GRPCRequests.Def, nil, byOperation, "frontend"},
	{"service_errors", "RPCs that failed.", GRPCRequests.Def, one("code", failed...), byOperation, "frontend"},
	{"service_errors_entity_not_found", "RPCs about something that does not exist.", GRPCRequests.Def, one("code", "NotFound"), byOperation, "frontend"},
	{"service_errors_execution_already_started", "Starts of a workflow that runs.", GRPCRequests.Def, one("code", "AlreadyExists"), byOperation, "frontend"},
	{"service_errors_resource_exhausted", "RPCs refused by a limit.", GRPCRequests.Def, one("code", "ResourceExhausted"), byOperation, "frontend"},
	{"service_error_with_type", "RPCs that failed, by code.", GRPCRequests.Def, one("code", failed...),
		map[string]string{"operation": "method", "namespace": "namespace", "error_type": "code"}, "frontend"},
	{"service_latency", "Milliseconds until an RPC was answered.", GRPCDuration.Def, nil, byMethod, "frontend"},
	{"service_pending_requests", "RPCs under way.", GRPCInflight.Def, nil, byMethod, "frontend"},

	{"persistence_requests", "Calls of the store.", StoreRequests.Def, nil, byStoreOp, "history"},
	{"persistence_errors", "Calls of the store that failed.", StoreErrors.Def, nil, byStoreOp, "history"},
	{"persistence_error_with_type", "Calls of the store that failed, by reason.", StoreErrors.Def, nil,
		map[string]string{"operation": "op", "store": "store", "error_type": "reason"}, "history"},
	{"persistence_latency", "Milliseconds of a call of the store.", StoreDuration.Def, nil, byStoreOp, "history"},
	{"visibility_persistence_requests", "Searches.", VisibilityQueries.Def, nil, bySearch, "frontend"},
	{"visibility_persistence_errors", "Searches that failed.", VisibilityQueries.Def, one("outcome", "error"), bySearch, "frontend"},
	{"visibility_persistence_latency", "Milliseconds of a search.", VisibilityQueryDuration.Def, nil,
		map[string]string{"visibility_plugin_name": "store"}, "frontend"},

	{"workflow_success", "Runs that completed.", WorkflowsClosed.Def, one("status", "completed"), byNamespace, "history"},
	{"workflow_failed", "Runs that failed.", WorkflowsClosed.Def, one("status", "failed"), byNamespace, "history"},
	{"workflow_timeout", "Runs that ran out of time.", WorkflowsClosed.Def, one("status", "timed_out"), byNamespace, "history"},
	{"workflow_terminate", "Runs that were terminated.", WorkflowsClosed.Def, one("status", "terminated"), byNamespace, "history"},
	{"workflow_cancel", "Runs that were canceled.", WorkflowsClosed.Def, one("status", "canceled"), byNamespace, "history"},
	{"workflow_continued_as_new", "Runs that continued as new.", WorkflowsClosed.Def, one("status", "continued_as_new"), byNamespace, "history"},
	{"schedule_to_start_timeout", "Activities that nobody took in time.", ActivityTimeouts.Def, one("kind", "schedule_to_start"), byNamespace, "history"},
	{"start_to_close_timeout", "Activities that took too long.", ActivityTimeouts.Def, one("kind", "start_to_close"), byNamespace, "history"},
	{"heartbeat_timeout", "Activities that were not heard of.", ActivityTimeouts.Def, one("kind", "heartbeat"), byNamespace, "history"},
	{"state_transition_count", "State changes of executions.", Transitions.Def, nil, nil, "history"},
	{"numshards_gauge", "Shards owned.", ShardsOwned.Def, nil, nil, "history"},
	{"sharditem_created_count", "Shards taken over.", ShardsAcquired.Def, nil, nil, "history"},
	{"shard_closed_count", "Shards given up.", ShardsLost.Def, nil, nil, "history"},
	{"cache_requests", "Look-ups in a cache.", CacheRequests.Def, nil, byCacheName, "history"},
	{"cache_miss", "Look-ups that found nothing.", CacheRequests.Def, one("result", "miss"), byCacheName, "history"},

	{"poll_success", "Polls that brought a task.", Polls.Def, one("outcome", "task"),
		map[string]string{"namespace": "namespace", "task_type": "task_type"}, "matching"},
	{"poll_success_sync", "Tasks that met a waiting poll.", Matches.Def, one("kind", "sync"), byType, "matching"},
	{"poll_timeouts", "Polls that brought nothing.", Polls.Def, one("outcome", "empty"),
		map[string]string{"namespace": "namespace", "task_type": "task_type"}, "matching"},
	{"syncmatch_latency", "Milliseconds until a waiting poll got a task.", MatchLatency.Def, one("kind", "sync"), byType, "matching"},
	{"asyncmatch_latency", "Milliseconds a task spent in the backlog.", MatchLatency.Def, one("kind", "backlog"), byType, "matching"},
	{"approximate_backlog_count", "Tasks that wait.", BacklogTasks.Def, nil, byTaskQueue, "matching"},
	{"approximate_backlog_age_seconds", "Age of the oldest task that waits.", BacklogAge.Def, nil, byTaskQueue, "matching"},
	{"loaded_task_queue_count", "Task queues in memory.", TaskQueuesLoaded.Def, nil, nil, "matching"},
}
