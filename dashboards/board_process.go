package main

import "perdure/server/metrics"

var outbound = board{
	uid: "perdure-outbound", title: "Outbound calls", about: "Are the addresses outside well that the server calls for workflows? For application teams and on-call.",
	rows: []row{
		{"Calls", []panel{
			{title: "Calls by outcome", unit: "ops", limits: free, queries: one(rate(metrics.OutboundCalls, "", "kind", "outcome")),
				about: "Calls to addresses outside. failing: the address did not answer, or not as it should."},
			{title: "Failing ratio", unit: "percentunit", limits: above(0.1, 0.5), queries: one(ratio(metrics.OutboundCalls, `outcome="failing"`, "", "kind")),
				about: "Part of calls that failed. They are tried again with growing pauses."},
			{title: "Duration", unit: "s", limits: above(1, 10), queries: one(quantile(0.99, metrics.OutboundDuration, "", "kind", "outcome")),
				about: "Until the outcome was durable. A slow destination holds only its own calls up."},
			{title: "Under way and waiting", unit: "short", limits: above(100, 1000), queries: []query{gauge("sum", metrics.OutboundUnderWay, "").called("under way"), gauge("sum", metrics.OutboundWaiting, "").called("waiting")},
				about: "Waiting calls mean that a destination is slow, or that the limit of calls is too low."},
			{title: "Destinations left alone", unit: "short", limits: above(1, 5), queries: one(gauge("sum", metrics.OutboundBlocked, "")),
				about: "Addresses that failed so often in a row that they have a pause."},
			{title: "Callbacks by outcome", unit: "ops", limits: above(0.1, 1), queries: one(rate(metrics.CallbackAttempts, "", "namespace", "outcome")),
				about: "Attempts to tell others how a workflow ended. failed: given up for good."},
		}},
	},
}

var chores = board{
	uid: "perdure-chores", title: "Chores", about: "Does the server clean up behind itself? For on-call.",
	rows: []row{
		{"Chores", []panel{
			{title: "Since the last success", unit: "s", limits: free, queries: one(promql("{{chore}}", `time() - max by (chore) (@)`, metrics.ChoreLastSuccess)),
				about: "Age of the last round without a failure; compare with the period beside it."},
			{title: "Period", unit: "s", limits: free, queries: one(gauge("max", metrics.ChorePeriod, "", "chore")),
				about: "Time between two rounds: the larger a store, the longer, so that cleaning takes little of it."},
			{title: "Round duration", unit: "s", limits: above(600, 3600), quiet: "the first round begins half a minute after the start", queries: one(mean(metrics.ChoreDuration, "", "chore")),
				about: "Time one look at all namespaces took."},
			{title: "Failed attempts", unit: "ops", limits: above(0.001, 0.1), quiet: "only a store in trouble makes one", queries: one(rate(metrics.ChoresFailed, "", "chore")),
				about: "They are tried again; the log says why they failed."},
			{title: "Runs removed", unit: "ops", limits: free, quiet: "only after a retention time or with a namespace", queries: one(rate(metrics.RunsDeleted, "", "namespace")),
				about: "Closed runs whose retention was over, and those of deleted namespaces."},
		}},
	},
}

var process = board{
	uid: "perdure-capacity", title: "Capacity", about: "What do the processes use, and how far is the limit? For planners and on-call.",
	rows: []row{
		{"Processes", []panel{
			{title: "Processor", unit: "short", limits: free, queries: one(raw("{{instance}}", `sum by (instance) (rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval]))`)),
				about: "Processor seconds a second: cores in use."},
			{title: "Processor a thousand transitions", unit: "s", limits: above(1, 3), queries: one(
				promql("seconds", `1000 * sum(rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval])) / sum(rate(@[$__rate_interval]))`, metrics.Transitions)),
				about: "What a change costs. A rise from one version to the next is worth a look."},
			{title: "Memory", unit: "bytes", limits: free, queries: one(raw("{{instance}}", `max by (instance) (process_resident_memory_bytes{job=~"$job"})`)),
				about: "Resident memory. It comes to rest when the cache is full."},
			{title: "Heap", unit: "bytes", limits: free, queries: one(raw("{{instance}}", `max by (instance) (go_memstats_heap_inuse_bytes{job=~"$job"})`)),
				about: "Go's heap in use, garbage included."},
			{title: "Allocation", unit: "Bps", limits: free, queries: one(raw("{{instance}}", `sum by (instance) (rate(go_memstats_alloc_bytes_total{job=~"$job"}[$__rate_interval]))`)),
				about: "Bytes allocated a second: what the garbage collector has to do."},
			{title: "Goroutines", unit: "short", limits: above(50000, 200000), queries: one(raw("{{instance}}", `max by (instance) (go_goroutines{job=~"$job"})`)),
				about: "Mostly calls that wait. A line that only rises is a leak."},
			{title: "Longest pause of the collector", unit: "s", limits: above(0.01, 0.1), queries: one(raw("{{instance}}", `max by (instance) (go_gc_duration_seconds{job=~"$job",quantile=~"1|1.0"})`)),
				about: "Everything in the process waits that long."},
			{title: "Open files", unit: "percentunit", limits: above(0.7, 0.9), queries: one(raw("{{instance}}", `max by (instance) (process_open_fds{job=~"$job"} / process_max_fds{job=~"$job"})`)),
				about: "Of those allowed. Each client's connection is one."},
			{title: "Up since", unit: "s", shape: number, limits: free, queries: one(raw("{{instance}}", `time() - max by (instance) (process_start_time_seconds{job=~"$job"})`).now()),
				about: "Time since the start. Short ones nobody planned are crashes."},
			{title: "Versions", unit: "none", shape: rows, limits: free, queries: one(gauge("count", metrics.BuildInfo, "", "version", "revision", "go_version").now()),
				about: "What runs, built from what, with which Go."},
		}},
	},
}

var telemetry = board{
	uid: "perdure-telemetry", title: "Telemetry", about: "Are these boards to be trusted? What watching costs. For maintainers.",
	rows: []row{
		{"Metrics", []panel{
			{title: "Scraped", unit: "percentunit", limits: below(1, 0.9), queries: one(raw("{{instance}}", `avg by (instance) (avg_over_time(up{job=~"$job"}[5m]))`)),
				about: "Part of scrapes that reached the server."},
			{title: "Label sets", unit: "short", limits: above(10000, 15000), queries: one(gauge("sum", metrics.Series, "", "instance")),
				about: "Label sets in use; the budget is 15,000 series a process."},
			{title: "Overflow", unit: "ops", limits: above(0.001, 1), quiet: "only thousands of queues or namespaces make one", queries: one(rate(metrics.SeriesOverflow, "", "metric")),
				about: "Metrics with too many label sets: what is new counts as _other_."},
			{title: "Scrape duration", unit: "s", limits: above(0.05, 0.5), queries: one(quantile(0.99, metrics.ScrapeDuration, "")),
				about: "Time the server needs to show its metrics."},
		}},
		{"Logs and traces", []panel{
			{title: "Log lines by level", unit: "ops", limits: free, queries: one(rate(metrics.LogEvents, "", "level")), quiet: "a server that logs warnings only says nothing",
				about: "Lines written. Errors that keep coming are worth reading."},
			{title: "Errors logged", unit: "ops", limits: above(0.01, 1), quiet: "a healthy server logs none", queries: one(rate(metrics.LogEvents, `level="error"`, "instance")),
				about: "Each is something a person should know of."},
			{title: "Spans by outcome", unit: "ops", limits: free, quiet: "only with a trace collector", queries: one(rate(metrics.TraceSpans, "", "outcome")),
				about: "Spans made for the collector: those that it refused (failed) or that found no room (dropped) are lost, and nothing else."},
			{title: "Traced runs by reason", unit: "ops", limits: free, quiet: "only with a trace collector", queries: one(rate(metrics.TraceRuns, "", "reason")),
				about: "Closed runs whose traces are made: part of their callers' traces, failed, slow, a share of the others; of dropped ones perdure trace still tells."},
		}},
	},
}
