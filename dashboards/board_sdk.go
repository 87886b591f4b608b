package main

import (
	"fmt"
	"strings"
)

// ofSDK are metrics of SDK workers with their labels, by the names that they have where an SDK reports seconds and says so
// in the name: in Go with OpenTelemetry's Prometheus exporter, in the SDKs over the Rust core with durations in seconds and
// suffixes for units and counters. Times are histograms, what ends in _total only grows.
var ofSDK = map[string][]string{
	"temporal_workflow_completed_total":                        {"namespace", "task_queue", "workflow_type"},
	"temporal_workflow_failed_total":                           {"namespace", "task_queue", "workflow_type"},
	"temporal_workflow_canceled_total":                         {"namespace", "task_queue", "workflow_type"},
	"temporal_workflow_continue_as_new_total":                  {"namespace", "task_queue", "workflow_type"},
	"temporal_workflow_endtoend_latency_seconds":               {"namespace", "task_queue", "workflow_type"},
	"temporal_workflow_task_execution_latency_seconds":         {"namespace", "task_queue", "workflow_type"},
	"temporal_workflow_task_execution_failed_total":            {"namespace", "task_queue", "workflow_type", "failure_reason"},
	"temporal_workflow_task_replay_latency_seconds":            {"namespace", "task_queue", "workflow_type"},
	"temporal_workflow_task_schedule_to_start_latency_seconds": {"namespace", "task_queue"},
	"temporal_activity_schedule_to_start_latency_seconds":      {"namespace", "task_queue", "activity_type"},
	"temporal_activity_execution_latency_seconds":              {"namespace", "task_queue", "activity_type"},
	"temporal_activity_execution_failed_total":                 {"namespace", "task_queue", "activity_type"},
	"temporal_worker_task_slots_available":                     {"namespace", "task_queue", "worker_type"},
	"temporal_worker_task_slots_used":                          {"namespace", "task_queue", "worker_type"},
	"temporal_worker_start_total":                              {"namespace", "task_queue", "worker_type"},
	"temporal_num_pollers":                                     {"namespace", "task_queue", "poller_type"},
	"temporal_sticky_cache_hit_total":                          {"namespace"},
	"temporal_sticky_cache_miss_total":                         {"namespace"},
	"temporal_sticky_cache_size":                               nil,
	"temporal_sticky_cache_forced_eviction_total":              {"namespace"},
	"temporal_request_total":                                   {"namespace", "operation"},
	"temporal_request_failure_total":                           {"namespace", "operation", "status_code"},
	"temporal_request_latency_seconds":                         {"namespace", "operation"},
	"temporal_long_request_latency_seconds":                    {"namespace", "operation"},
	"temporal_request_resource_exhausted_total":                {"namespace", "operation"},
}

// sdkSelector narrows a metric of SDK workers by the variables of the board.
func sdkSelector(name string) string {
	where := []string{`job=~"$sdk_job"`}
	for _, label := range ofSDK[strings.TrimSuffix(name, "_bucket")] {
		if label == "namespace" || label == "task_queue" {
			where = append(where, label+`=~"$`+label+`"`)
		}
	}
	return name + "{" + strings.Join(where, ",") + "}"
}

func sdkRate(name string, by ...string) query {
	return raw(legendOf("", by), fmt.Sprintf("%s (rate(%s[$__rate_interval]))", grouped("sum", by), sdkSelector(name)))
}

func sdkGauge(name string, by ...string) query {
	return raw(legendOf("", by), fmt.Sprintf("%s (%s)", grouped("sum", by), sdkSelector(name)))
}

func sdkQuantile(name string, by ...string) query {
	return raw(legendOf("p99", by), fmt.Sprintf("histogram_quantile(0.99, %s (rate(%s[$__rate_interval])))", grouped("sum", append([]string{"le"}, by...)), sdkSelector(name+"_bucket")))
}

var sdkWorkers = board{
	uid: "perdure-sdk-workers", title: "SDK workers", about: "What the workers themselves say: how long they work and wait, and how the server looks from there. For application teams. Needs workers whose metrics Prometheus scrapes.",
	rows: []row{
		{"Work", []panel{
			{title: "Workflows ended", unit: "ops", limits: free, queries: []query{
				sdkRate("temporal_workflow_completed_total", "workflow_type").called("{{workflow_type}} completed"),
				sdkRate("temporal_workflow_failed_total", "workflow_type").called("{{workflow_type}} failed"),
				sdkRate("temporal_workflow_canceled_total", "workflow_type").called("{{workflow_type}} canceled"),
				sdkRate("temporal_workflow_continue_as_new_total", "workflow_type").called("{{workflow_type}} went on anew")},
				about: "How runs ended, as their code told. Terminations and time-outs are the server's to tell."},
			{title: "From start to end", unit: "s", limits: free, queries: one(sdkQuantile("temporal_workflow_endtoend_latency_seconds", "workflow_type")),
				about: "The slowest of a hundred runs of each type, waits for people and timers included."},
			{title: "Workflow task", unit: "s", limits: above(0.5, 5), queries: one(sdkQuantile("temporal_workflow_task_execution_latency_seconds", "workflow_type")),
				about: "Time in workflow code. It does nothing but decide: above a second it blocks or replays long histories."},
			{title: "Workflow tasks failed", unit: "ops", limits: above(0.01, 1), quiet: "the code works", queries: one(sdkRate("temporal_workflow_task_execution_failed_total", "workflow_type")),
				about: "Code that panics, or that does not follow the history it wrote before it was changed.", find: `ExecutionStatus = "Running"`},
			{title: "Activity", unit: "s", limits: free, queries: one(sdkQuantile("temporal_activity_execution_latency_seconds", "activity_type")),
				about: "Time in activity code, one attempt."},
			{title: "Activities failed", unit: "ops", limits: free, queries: one(sdkRate("temporal_activity_execution_failed_total", "activity_type")),
				about: "Attempts that ended with an error, retried or not."},
		}},
		{"Room", []panel{
			{title: "Workflow tasks wait", unit: "s", limits: above(0.5, 5), queries: one(sdkQuantile("temporal_workflow_task_schedule_to_start_latency_seconds", "task_queue")),
				about: "From the server's offer until a worker began. Growth means too few workers or too few pollers."},
			{title: "Activities wait", unit: "s", limits: above(1, 10), queries: one(sdkQuantile("temporal_activity_schedule_to_start_latency_seconds", "task_queue")),
				about: "From the offer of an activity until a worker began it. Minutes are a queue that nobody serves."},
			{title: "Slots free", unit: "short", limits: below(10, 1), queries: one(sdkGauge("temporal_worker_task_slots_available", "task_queue", "worker_type")),
				about: "How many more tasks the workers would take at once. At zero they are full: more workers, or larger ones."},
			{title: "Slots in use", unit: "short", limits: free, queries: one(sdkGauge("temporal_worker_task_slots_used", "task_queue", "worker_type")),
				about: "Tasks under way in workers."},
			{title: "Pollers", unit: "short", limits: below(1, 1), queries: one(sdkGauge("temporal_num_pollers", "task_queue", "poller_type")),
				about: "Calls that wait for a task. None: the worker does not serve the queue any more."},
			{title: "Workers started", unit: "short", shape: rows, limits: free, queries: one(sdkGauge("temporal_worker_start_total", "namespace", "task_queue", "worker_type").now()),
				about: "Which workers there are. A number that grows by itself is a process that crashes and comes back."},
		}},
		{"Memory of workflows", []panel{
			{title: "Found in memory", unit: "percentunit", limits: below(0.9, 0.5), queries: one(raw("part", fmt.Sprintf("sum(rate(%[1]s[$__rate_interval])) / (sum(rate(%[1]s[$__rate_interval])) + sum(rate(%[2]s[$__rate_interval])))",
				sdkSelector("temporal_sticky_cache_hit_total"), sdkSelector("temporal_sticky_cache_miss_total")))),
				about: "Part of workflow tasks whose run the worker still had. The others replay their whole history."},
			{title: "Runs in memory", unit: "short", limits: free, queries: one(sdkGauge("temporal_sticky_cache_size", "instance")),
				about: "Runs that workers keep, up to the size of their cache."},
			{title: "Pushed out", unit: "ops", limits: above(1, 100), quiet: "the cache is large enough", queries: one(sdkRate("temporal_sticky_cache_forced_eviction_total", "namespace")),
				about: "Runs dropped for others. Constant rates mean that the cache is smaller than the number of open runs in use."},
			{title: "Replay", unit: "s", limits: above(0.5, 5), queries: one(sdkQuantile("temporal_workflow_task_replay_latency_seconds", "workflow_type")),
				about: "Time to replay a history that is no longer in memory."},
		}},
		{"The server, seen from the worker", []panel{
			{title: "Calls", unit: "reqps", limits: free, queries: one(sdkRate("temporal_request_total", "operation")),
				about: "Calls of workers and clients by kind, retries apart."},
			{title: "Calls failed", unit: "reqps", limits: above(1, 10), queries: one(sdkRate("temporal_request_failure_total", "operation", "status_code")),
				about: "NOT_FOUND of a response is a task that has ended otherwise; UNAVAILABLE that lasts is a server in trouble."},
			{title: "Call takes", unit: "s", limits: above(0.5, 2), queries: one(sdkQuantile("temporal_request_latency_seconds", "operation")),
				about: "The network and retries included; compare with the server's own times."},
			{title: "Long poll takes", unit: "s", limits: free, queries: one(sdkQuantile("temporal_long_request_latency_seconds", "operation")),
				about: "A minute is a poll that found nothing. Less means work."},
			{title: "Refused for rate", unit: "reqps", limits: above(0.1, 10), quiet: "nobody reaches a limit", queries: one(sdkRate("temporal_request_resource_exhausted_total", "operation")),
				about: "Calls that the server refused since a limit of calls was reached; the SDK tries again."},
		}},
	},
}
