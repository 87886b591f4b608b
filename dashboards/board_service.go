package main

import "perdure/server/metrics"

// serverFault are the codes that count against the server, not its callers.
const serverFault = `code=~"Unavailable|Internal|Unknown|DataLoss"`

var overview = board{
	uid: "perdure-overview", title: "Overview", about: "Is the service healthy for its users right now, and if not, where to look? For whoever is on call.",
	rows: []row{
		{"For users", []panel{
			{title: "Availability", unit: "percentunit", shape: number, limits: below(0.9995, 0.999), queries: one(
				promql("availability", `1 - (sum(rate(@{`+serverFault+`}[$__range])) or vector(0)) / sum(rate(@[$__range]))`, metrics.GRPCRequests).now()),
				about: "RPCs of the chosen time that did not fail by the server's fault. The goal is 99.95 % over thirty days; below it open Frontend and see which method."},
			{title: "Error budget burn", unit: "none", shape: number, limits: above(1, 14.4), queries: []query{
				raw("1h", "slo:frontend_errors:burnrate1h"), raw("6h", "slo:frontend_errors:burnrate6h")},
				about: "How many times faster than allowed the error budget goes. At 1 it lasts thirty days, at 14.4 two."},
			{title: "Start p99", unit: "s", shape: number, limits: above(0.5, 1), queries: one(
				quantile(0.99, metrics.GRPCDuration, `method=~"StartWorkflowExecution|SignalWithStartWorkflowExecution"`)),
				about: "Time to start a workflow, the slowest of a hundred. It is mostly the commit: open History when it rises."},
			{title: "Firing alerts", unit: "none", shape: number, limits: above(1, 1), queries: one(
				raw("firing", `count(ALERTS{alertstate="firing",alertname!="PerdureWatchdog"}) or vector(0)`).now()),
				about: "Alerts that fire now, the watchdog apart. Each names its runbook."},
			{title: "Runs open now", unit: "short", shape: number, limits: free, queries: one(
				promql("open", `clamp_min(sum(@) - sum(@), 0)`, metrics.WorkflowsStarted, metrics.WorkflowsClosed).now()),
				about: "Runs started less runs closed since the processes started; runs from before are not among them."},
			{title: "Servers by version", unit: "short", shape: number, limits: free, queries: one(gauge("count", metrics.BuildInfo, "", "version").now()),
				about: "Processes by version. Two versions are normal only while a roll-out is under way."},
			{title: "Workflows started and closed", unit: "ops", limits: free, queries: []query{
				rate(metrics.WorkflowsStarted, "").called("started"), rate(metrics.WorkflowsClosed, "").called("closed")},
				about: "The demand, and whether the service keeps up with it: the two lines should lie together over a workflow's life."},
			{title: "Closed by status", unit: "ops", limits: free, queries: one(rate(metrics.WorkflowsClosed, "", "status")), find: `ExecutionStatus="Failed"`,
				about: "How workflows end. A rise of failed or timed_out is the application's affair first: the link lists them."},
			{title: "RPC errors by the server's fault", unit: "reqps", limits: above(0.1, 1), quiet: "a healthy server has none", queries: one(rate(metrics.GRPCRequests, serverFault, "method", "code")),
				about: "Failed RPCs that count against the goal, by method and code. UNAVAILABLE for seconds is a shard that moves."},
		}},
		{"Where it may hurt", []panel{
			{title: "Commit wait p99", unit: "s", limits: above(0.1, 0.5), queries: one(quantile(0.99, metrics.CommitWait, "")),
				about: "Time from a decision to its durability: every call that changes something waits for it. See History and Store."},
			{title: "Oldest waiting task, worst ten queues", unit: "s", limits: above(60, 600), queries: one(
				promql("{{namespace}} {{task_queue}} {{task_type}}", `topk(10, max by (namespace, task_queue, task_type) (@))`, metrics.BacklogAge)),
				about: "Age of the oldest task that no worker has taken: too few workers, or none. See Matching."},
			{title: "Search behind by", unit: "s", limits: above(10, 60), queries: one(gauge("max", metrics.VisibilityOldest, "", "store")),
				about: "Age of the oldest change that searches do not show yet. Workflows are not slowed by it. See Visibility."},
			{title: "Timers late p99", unit: "s", limits: above(1, 5), queries: one(quantile(0.99, metrics.TimerFireLag, "")),
				about: "Time between a timer's due time and its firing. See Timers and log."},
			{title: "Store p99", unit: "s", limits: above(0.1, 0.5), queries: one(quantile(0.99, metrics.StoreDuration, "", "store")),
				about: "The slowest of a hundred calls of the store, its wait included. See Store."},
			{title: "Refused calls", unit: "reqps", limits: above(1, 10), quiet: "nobody reaches a limit", queries: one(rate(metrics.RateLimitRejected, "", "namespace", "cause")),
				about: "Calls refused by a limit, by namespace. Clients try again, so a few do no harm; many mean that a limit or a client is wrong."},
			{title: "Alerts", unit: "none", shape: rows, limits: free, queries: one(raw("", `ALERTS{alertstate="firing"}`).now()),
				about: "What fires, with severity. The page of an alert in docs/runbooks has its name."},
			{title: "Shards without an owner", unit: "short", limits: above(1, 1), queries: one(
				promql("unowned", `max(@) - sum(@)`, metrics.ShardsTotal, metrics.ShardsOwned)),
				about: "Shards that nobody serves: their workflows stand still. Some seconds of it belong to a restart."},
		}},
	},
}

var frontend = board{
	uid: "perdure-frontend", title: "Frontend", about: "What clients and workers call, how fast it is answered, and who is refused. For on-call and owners of the API.",
	rows: []row{
		{"Requests", []panel{
			{title: "Requests by method", unit: "reqps", limits: free, queries: one(rate(metrics.GRPCRequests, "", "method")),
				about: "RPCs answered. Polls are among them: most of an idle system's calls are polls that end empty."},
			{title: "Errors by method and code", unit: "reqps", limits: above(1, 10), queries: one(rate(metrics.GRPCRequests, `code!="OK"`, "method", "code")),
				about: "RPCs not answered as asked. NotFound and AlreadyExists are answers to callers; Internal is ours."},
			{title: "Error ratio by method", unit: "percentunit", limits: above(0.01, 0.05), queries: one(ratio(metrics.GRPCRequests, `code!="OK"`, "", "method")),
				about: "Part of each method's calls that failed, for whatever reason."},
			{title: "Requests by namespace", unit: "reqps", limits: free, queries: one(rate(metrics.GRPCRequests, "", "namespace")),
				about: "Who calls. A namespace that suddenly calls much more is the first suspect of any slowness."},
			{title: "In flight", unit: "short", limits: free, queries: one(gauge("sum", metrics.GRPCInflight, "", "method")),
				about: "Calls under way, polls included. Of others than polls there should be few at any moment."},
			{title: "Panics", unit: "ops", limits: above(0.001, 0.001), quiet: "only a fault of the server makes one", queries: one(rate(metrics.Panics, "", "method")),
				about: "Faults of the server itself while it answered. Each one is worth a report; the log has the stack."},
		}},
		{"Latency", []panel{
			{title: "p50", unit: "s", limits: above(0.1, 0.5), queries: one(quantile(0.5, metrics.GRPCDuration, "", "method")),
				about: "Half of the calls of a method are faster. Long polls are left out."},
			{title: "p99", unit: "s", limits: above(0.5, 1), queries: one(quantile(0.99, metrics.GRPCDuration, "", "method")),
				about: "The slowest of a hundred calls of a method. Points on it are sampled traces."},
			{title: "Heatmap of a method", unit: "s", shape: heated, limits: free, queries: one(heat(metrics.GRPCDuration, `method=~"$method"`)),
				about: "How the time of one method is spread: two bands mean two ways through the server, such as cache hit and miss."},
			{title: "Long polls by outcome", unit: "ops", limits: free, queries: one(countRate(metrics.GRPCLongPoll, "", "outcome")),
				about: "How polls end. Many empty ones: more pollers than tasks. Canceled ones: workers that go away."},
			{title: "Long poll p50 by method", unit: "s", limits: free, queries: one(quantile(0.5, metrics.GRPCLongPoll, "", "method")),
				about: "How long polls wait. Short waits mean that there is always something to do."},
			{title: "Waiting for a change", unit: "short", limits: free, queries: one(gauge("sum", metrics.LongPolls, "")),
				about: "Calls that wait for a workflow to change: results, updates, histories followed."},
		}},
		{"Sizes, limits, HTTP", []panel{
			{title: "Request size p99", unit: "bytes", limits: above(1<<20, 2<<20), queries: one(quantile(0.99, metrics.GRPCMessageBytes, `dir="request"`, "method")),
				about: "Large payloads make everything behind them slow. Above 2 MiB the server refuses."},
			{title: "Response size p99", unit: "bytes", limits: above(2<<20, 4<<20), queries: one(quantile(0.99, metrics.GRPCMessageBytes, `dir="response"`, "method")),
				about: "Long histories make large answers to workers. Clients refuse more than 4 MiB."},
			{title: "Refused by cause", unit: "reqps", limits: above(0.1, 10), quiet: "nobody reaches a limit", queries: one(rate(metrics.RateLimitRejected, "", "namespace", "scope", "cause")),
				about: "RESOURCE_EXHAUSTED by namespace, scope and cause: which limit to look at in docs/limits.md."},
			{title: "Limits passed", unit: "ops", limits: above(0.01, 1), quiet: "nothing is too large", queries: one(rate(metrics.LimitsPassed, "", "namespace", "limit")), find: "HistoryLength > 10000",
				about: "Times something was larger than a limit; those that end in _warn refuse nothing yet."},
			{title: "HTTP requests", unit: "reqps", limits: free, queries: one(rate(metrics.HTTPRequests, "", "method", "code")),
				about: "Calls of the HTTP/JSON API by method and status."},
			{title: "HTTP latency", unit: "s", limits: above(0.5, 1), queries: quantiles(metrics.HTTPDuration, ""),
				about: "Time to answer an HTTP request; it passes the same way as an RPC."},
		}},
	},
}

var usage = board{
	uid: "perdure-usage", title: "Usage by namespace", about: "Who uses how much, and who is at a limit? For whoever runs the platform for others.",
	rows: []row{
		{"Traffic", []panel{
			{title: "Actions", unit: "ops", limits: free, queries: one(raw("{{namespace}}", `namespace:actions:rate5m{namespace=~"$namespace"}`)),
				about: "Starts, signals, updates, queries, workflow tasks and activities of a namespace: a measure of what it costs."},
			{title: "Top namespaces by calls", unit: "reqps", limits: free, queries: one(
				promql("{{namespace}}", `topk(10, sum by (namespace) (rate(@[$__rate_interval])))`, metrics.GRPCRequests)),
				about: "The ten with most calls, polls included."},
			{title: "Part of refused calls", unit: "percentunit", limits: above(0.01, 0.05), quiet: "nobody reaches a limit", queries: one(
				promql("{{namespace}}", `sum by (namespace) (rate(@[$__rate_interval])) / sum by (namespace) (rate(@[$__rate_interval]))`, metrics.RateLimitRejected, metrics.GRPCRequests)),
				about: "Of a namespace's calls, those refused by a limit. Above one in a hundred its users notice."},
			{title: "Workflows started", unit: "ops", limits: free, queries: one(rate(metrics.WorkflowsStarted, "", "namespace", "kind")),
				about: "Runs by how they began: by a client, as a child, by retry, by continue-as-new."},
			{title: "Failures", unit: "ops", limits: above(1, 10), queries: one(rate(metrics.WorkflowsClosed, `status=~"failed|timed_out|terminated"`, "namespace")), find: `ExecutionStatus IN ("Failed","TimedOut","Terminated")`,
				about: "Runs that did not end well. The link lists them."},
			{title: "Signals", unit: "ops", limits: free, queries: one(rate(metrics.Signals, "", "namespace")),
				about: "Signals written. Thousands a second to one workflow are a design to talk about."},
			{title: "Runs removed", unit: "ops", limits: free, quiet: "only after a retention time or with a namespace", queries: one(rate(metrics.RunsDeleted, "", "namespace")),
				about: "Runs whose retention was over, or whose namespace was deleted."},
		}},
	},
}
