package main

import "perdure/server/metrics"

// waitingRuns finds runs that have waited for something for a while.
const waitingRuns = `ExecutionStatus = "Paused" OR ExecutionStatus = "Running" AND PendingOldestScheduledTime < AGO('1m')`

var workflows = board{
	uid: "perdure-workflows", title: "Workflows", about: "What workflows do, how long they take and how they end. For application teams; choose a namespace.",
	rows: []row{
		{"Runs", []panel{
			{title: "Started by kind", unit: "ops", limits: free, queries: one(rate(metrics.WorkflowsStarted, "", "kind")),
				about: "start is a client's; child, retry, cron and continue_as_new are workflows' own."},
			{title: "Closed by status", unit: "ops", limits: free, queries: one(rate(metrics.WorkflowsClosed, "", "status")), find: `ExecutionStatus != "Running"`,
				about: "How runs end. The link lists closed runs."},
			{title: "Failure ratio", unit: "percentunit", limits: above(0.05, 0.2), queries: one(ratio(metrics.WorkflowsClosed, `status=~"failed|timed_out"`, "", "namespace")), find: `ExecutionStatus IN ("Failed","TimedOut")`,
				about: "Part of closed runs that failed or ran out of time. What is normal is the application's to say; a jump is not."},
			{title: "Duration p50 and p95", unit: "s", limits: free, queries: []query{
				quantile(0.5, metrics.WorkflowDuration, `status="completed"`), quantile(0.95, metrics.WorkflowDuration, `status="completed"`)},
				about: "From start to close of completed runs, waiting for people and timers included."},
			{title: "Duration p95 by status", unit: "s", limits: free, queries: one(quantile(0.95, metrics.WorkflowDuration, "", "status")), find: `ExecutionDuration > "1h"`,
				about: "Runs that time out late may hold others up. The link lists long ones."},
			{title: "Duration heatmap", unit: "s", shape: heated, limits: free, queries: one(heat(metrics.WorkflowDuration, "")),
				about: "How the durations are spread over all types of the namespace."},
		}},
		{"Where the time goes", []panel{
			{title: "Time by type and stage", unit: "short", limits: free, queries: one(secondsRate(metrics.StageTimes, "", 15, "workflow_type", "stage")),
				find:  `ExecutionDuration > "1m"`,
				about: "Where the time of all runs of a type goes: seconds each second, the fifteen largest. 3 means that three runs are in the stage at any time. perdure ledger tells it of one run."},
			{title: "Server's part p99 by stage", unit: "s", limits: above(0.5, 2), queries: one(
				quantile(0.99, metrics.StageTimes, `stage=~"frontend|lookup|lock|decide|commit_queue|commit_store|hand_over"`, "stage")),
				about: "What the server adds to a change of a run. commit_queue rises first when the store cannot keep up, lock when one run is very busy."},
			{title: "Wait for a worker p95 by type", unit: "s", limits: above(1, 10), queries: one(
				quantile(0.95, metrics.StageTimes, `stage=~"match_sync|match_backlog"`, "workflow_type")), find: `ExecutionStatus = "Running"`,
				about: "From a task's offer until a worker's poll had it. Types that wait need more workers, or more slots in them."},
			{title: "Worker's part p95 by type", unit: "s", limits: free, queries: one(
				quantile(0.95, metrics.StageTimes, `stage=~"workflow_task_work|activity_work"`, "workflow_type", "stage")),
				about: "How long workers take for one workflow task, or for one attempt of an activity."},
			{title: "Retry pauses by type", unit: "short", limits: above(10, 100), quiet: "only activities that fail pause", find: `ExecutionStatus = "Running"`,
				queries: one(secondsRate(metrics.StageTimes, `stage="activity_backoff"`, 15, "workflow_type")),
				about:   "Seconds of pauses before retries that begin each second: time in which nobody works. What the activities call is unwell."},
			{title: "Server's time by stage", unit: "short", limits: free, queries: one(
				secondsRate(metrics.StageTimes, `stage!~"workflow_task_work|activity_.*|match_.*"`, 15, "stage")),
				about: "Seconds each second that runs spend in the server, all types together. commit_store is the database's."},
		}},
		{"Trouble", []panel{
			{title: "Stuck runs by cause", unit: "short", limits: above(1, 10), quiet: "all runs come on", queries: one(gauge("sum", metrics.TroubledRuns, `class="stuck"`, "namespace", "cause")), find: waitingRuns,
				about: "Runs that do not come on until somebody acts, by their first cause, as the last look at the fleet found them. docs/doctor.md says what each means and what to do; perdure doctor shows examples, the link all runs that wait."},
			{title: "Runs held back by cause", unit: "short", limits: above(100, 10000), quiet: "all runs come on", queries: one(gauge("sum", metrics.TroubledRuns, `class="held"`, "namespace", "cause")), find: waitingRuns,
				about: "Runs that are slower than they should be and go on by themselves: backlogs, rates, workers that do not answer in time."},
			{title: "Runs looked at", unit: "ops", limits: free, quiet: "no run has waited for a while", queries: one(rate(metrics.RunsDiagnosed, "", "outcome")),
				about: "Runs that have waited for a while and were examined. Each may cost the store a read."},
		}},
		{"Workflow tasks", []panel{
			{title: "Workflow tasks by outcome", unit: "ops", limits: free, queries: one(rate(metrics.WorkflowTasks, "", "outcome")),
				about: "Steps of workflow code that workers ran. failed: the code panicked or is not deterministic; timed_out: the worker went away."},
			{title: "Failed by cause", unit: "ops", limits: above(0.01, 0.1), queries: one(rate(metrics.WorkflowTaskFailures, "", "namespace", "cause")), find: `ExecutionStatus = "Running"`,
				about: "non_deterministic_error is a deployment that changed code under running workflows; the others are in docs/runbooks."},
			{title: "Failed ratio", unit: "percentunit", limits: above(0.02, 0.1), queries: one(ratio(metrics.WorkflowTasks, `outcome!="completed"`, "", "namespace")), find: `ExecutionStatus = "Running"`,
				about: "Part of workflow tasks that have to be done again. Those workflows stand still meanwhile."},
			{title: "State transitions", unit: "ops", limits: free, queries: one(promql("transitions", "sum (rate(@[$__rate_interval]))", metrics.Transitions)),
				about: "Changes of runs a second: the unit in which the capacity of a server is counted."},
			{title: "Transitions per run", unit: "short", limits: above(200, 2000), queries: one(
				promql("per run", `sum(rate(@[$__rate_interval])) / sum(rate(@[$__rate_interval]))`, metrics.Transitions, metrics.WorkflowsClosed)),
				about: "How much work one run makes. It rises when workflows become chattier."},
			{title: "Events by type", unit: "ops", limits: free, queries: one(
				promql("{{event}}", `topk(12, sum by (event) (rate(@[$__rate_interval])) > 0)`, metrics.Events)),
				about: "What is written to histories: the twelve most frequent types of events."},
		}},
		{"Messages and histories", []panel{
			{title: "Signals, updates, queries", unit: "ops", limits: free, queries: []query{
				rate(metrics.Signals, "").called("signals"), rate(metrics.Updates, "", "outcome").called("updates {{outcome}}"), rate(metrics.Queries, "", "outcome").called("queries {{outcome}}")},
				about: "Messages to workflows by what became of them."},
			{title: "Updates not done", unit: "ops", limits: above(0.1, 1), quiet: "workflows accept their updates", queries: one(rate(metrics.Updates, `outcome="failed"`, "namespace", "outcome")),
				about: "Updates that the workflow's validator rejected, or whose handler failed."},
			{title: "Queries not answered", unit: "ops", limits: above(0.1, 1), quiet: "workers answer", queries: one(rate(metrics.Queries, `outcome!="answered"`, "namespace", "outcome")),
				about: "A query needs a worker that polls and whose code can be replayed."},
			{title: "Events of a run", unit: "short", limits: above(10000, 40000), queries: quantiles(metrics.HistoryEvents, ""), find: "HistoryLength > 10000",
				about: "History length at the close. Workflows near 51,200 events are terminated: they should continue as new."},
			{title: "History size", unit: "bytes", limits: above(10<<20, 40<<20), queries: quantiles(metrics.HistoryBytes, ""), find: "HistorySizeBytes > 10000000",
				about: "Size at the close. Above 50 MiB a run is terminated; large payloads belong elsewhere, by reference."},
			{title: "Children, timers, markers", unit: "ops", limits: free, queries: one(
				rate(metrics.Events, `event=~"start_child_workflow_execution_initiated|timer_started|marker_recorded|activity_task_scheduled"`, "event")),
				about: "What workflow code asks for, by kind."},
		}},
	},
}

var activities = board{
	uid: "perdure-activities", title: "Activities", about: "Do activities get done, and how often must they be tried again? For application teams; choose a namespace.",
	rows: []row{
		{"Activities", []panel{
			{title: "Ended by outcome", unit: "ops", limits: free, queries: one(rate(metrics.Activities, "", "outcome")),
				about: "Activities that ended, retries over."},
			{title: "Failure ratio", unit: "percentunit", limits: above(0.02, 0.1), queries: one(ratio(metrics.Activities, `outcome=~"failed|timed_out"`, "", "namespace")), find: `ExecutionStatus = "Failed"`,
				about: "Part of activities that gave up for good. Single failed attempts are not in it."},
			{title: "Time-outs by kind", unit: "ops", limits: above(0.01, 0.1), queries: one(rate(metrics.ActivityTimeouts, "", "namespace", "kind")), find: `ExecutionStatus IN ("Running","Failed")`,
				about: "schedule_to_start: no worker took it; start_to_close: it took too long or its worker died; heartbeat: it was not heard of."},
			{title: "Attempts", unit: "short", limits: above(3, 10), queries: []query{quantile(0.5, metrics.ActivityAttempts, ""), quantile(0.99, metrics.ActivityAttempts, "")},
				about: "Attempts an activity took in the end. A rise means that something it calls is unwell."},
			{title: "Scheduled against ended", unit: "ops", limits: free, queries: []query{
				rate(metrics.Events, `event="activity_task_scheduled"`).called("scheduled"), rate(metrics.Activities, "").called("ended")},
				about: "When more are scheduled than end, they pile up: look at Matching for their queue."},
			{title: "Waited for a worker p99", unit: "s", limits: above(0.5, 5), queries: one(quantile(0.99, metrics.MatchLatency, `task_type="activity"`, "kind")),
				about: "From an activity's offer until a worker had it. More workers or slots shorten it."},
		}},
	},
}

var history = board{
	uid: "perdure-history", title: "History", about: "The engine: how decisions become durable, what is in memory, who owns what. For maintainers and on-call.",
	rows: []row{
		{"Commits", []panel{
			{title: "Commit wait", unit: "s", limits: above(0.1, 0.5), queries: quantiles(metrics.CommitWait, ""),
				about: "From a decision until it is durable: what every caller waits for. It is the store's time and the time until its group goes."},
			{title: "Commit duration by outcome", unit: "s", limits: above(0.1, 0.5), queries: one(quantile(0.99, metrics.CommitDuration, "", "outcome")),
				about: "The store's part of the wait."},
			{title: "Commit duration heatmap", unit: "s", shape: heated, limits: free, queries: one(heat(metrics.CommitDuration, "")),
				about: "Two bands are typical of a disk that flushes: most are quick, some wait."},
			{title: "Groups by outcome", unit: "ops", limits: free, queries: one(rate(metrics.Commits, "", "outcome")),
				about: "Groups sent to the store. Anything but ok makes shards be taken over again."},
			{title: "Failed groups", unit: "ops", limits: above(0.01, 0.1), quiet: "only a store in trouble makes one", queries: one(promql("{{outcome}}", `sum by (outcome) (rate(@{outcome!="ok"}[$__rate_interval])) > 0`, metrics.Commits)),
				about: "lease_lost: another node took the shard; unknown_outcome: the connection broke; conflict: two writers of a run, a fault of ours."},
			{title: "Transitions a group", unit: "short", limits: free, queries: one(mean(metrics.CommitTransitions, "")),
				about: "How many changes share a commit. It grows with load: that is how the store keeps up."},
			{title: "Bytes a group p99", unit: "bytes", limits: above(1<<20, 16<<20), queries: one(quantile(0.99, metrics.CommitBytes, "")),
				about: "Large groups come from large payloads."},
			{title: "Decided and not durable", unit: "short", limits: above(500, 5000), queries: one(gauge("sum", metrics.CommitQueued, "")),
				about: "Transitions that wait for a group. A line that rises and stays means that the store cannot keep up."},
			{title: "Bytes a transition", unit: "bytes", limits: free, queries: one(
				promql("bytes", `sum(rate(@_sum[$__rate_interval])) / sum(rate(@[$__rate_interval]))`, metrics.CommitBytes, metrics.Transitions)),
				about: "What one change costs in the store."},
		}},
		{"Memory and locks", []panel{
			{title: "Cache hit ratio", unit: "percentunit", limits: below(0.9, 0.6), queries: one(ratio(metrics.CacheRequests, `result="hit"`, "", "cache")),
				about: "Look-ups of runs answered from memory. Below, raise limits.cache_runs_max or cache_bytes_max."},
			{title: "Runs in memory", unit: "short", limits: free, queries: one(gauge("sum", metrics.CacheEntries, "", "cache")),
				about: "Entries held. It stops to grow at the limit."},
			{title: "Memory of the cache", unit: "bytes", limits: free, queries: one(gauge("sum", metrics.CacheBytes, "", "cache")),
				about: "Estimated bytes of these entries."},
			{title: "Evictions", unit: "ops", limits: free, quiet: "only a full cache evicts", queries: one(rate(metrics.CacheEvicted, "", "cache")),
				about: "Entries dropped to make room. Many, with a low hit ratio, mean a cache that is too small."},
			{title: "Lock waits", unit: "ops", limits: above(100, 1000), queries: one(countRate(metrics.RunLockWait, "").called("waits")),
				about: "Decisions that met another one on the same run. Many point at one busy workflow id."},
			{title: "Lock wait p99", unit: "s", limits: above(0.05, 0.25), queries: one(quantile(0.99, metrics.RunLockWait, "")),
				about: "How long they waited: a run's changes are decided one after another."},
		}},
		{"Shards", []panel{
			{title: "Shards by instance", unit: "short", limits: free, queries: one(gauge("sum", metrics.ShardsOwned, "", "instance")),
				about: "How the shards are spread over the nodes."},
			{title: "Owned of all", unit: "percentunit", shape: number, limits: below(1, 0.99), queries: one(
				promql("owned", `sum(@) / max(@)`, metrics.ShardsOwned, metrics.ShardsTotal)),
				about: "Below one, some workflows stand still."},
			{title: "Taken over by reason", unit: "short", limits: free, queries: one(increase(metrics.ShardsAcquired, "$__range", "", "reason")),
				about: "start and free are a normal start; expired follows a node that died; unknown_outcome a broken connection to the store."},
			{title: "Given up by reason", unit: "short", limits: above(1, 10), quiet: "a shard stays with its owner", queries: one(rate(metrics.ShardsLost, "", "reason")),
				about: "lease_lost: another node believed this one dead. See docs/runbooks/leases.md."},
		}},
	},
}

var timers = board{
	uid: "perdure-timers", title: "Timers and log", about: "Is what follows from commits done in time? For maintainers and on-call.",
	rows: []row{
		{"Timers", []panel{
			{title: "Late by", unit: "s", limits: above(1, 5), queries: quantiles(metrics.TimerFireLag, ""),
				about: "Between a timer's due time and its firing: sleeps, time-outs and retries all come from here."},
			{title: "Fired", unit: "ops", limits: free, queries: one(countRate(metrics.TimerFireLag, "").called("fired")),
				about: "Wake-ups that came due: sleeps, time-outs, retries, starts that were put off."},
			{title: "In memory", unit: "short", limits: free, queries: one(gauge("sum", metrics.TimersPending, "")),
				about: "Wake-ups within the look-ahead window; later ones are in the store only."},
			{title: "Lateness heatmap", unit: "s", shape: heated, limits: free, queries: one(heat(metrics.TimerFireLag, "")),
				about: "Single late ones are runs that were busy; a late band is a server that is."},
		}},
		{"Log of the shards", []panel{
			{title: "Rows to be done", unit: "short", limits: above(10000, 100000), queries: one(gauge("sum", metrics.LogPending, "")),
				about: "Durable rows that the slowest reader has still to do. It may rise during a load and must fall after it."},
			{title: "Checkpoints", unit: "ops", limits: free, queries: one(rate(metrics.Checkpoints, "", "outcome")),
				about: "Cursors stored and logs trimmed."},
			{title: "Failed checkpoints", unit: "ops", limits: above(0.01, 0.1), quiet: "only a store in trouble makes one", queries: one(promql("{{outcome}}", `sum by (outcome) (rate(@{outcome="error"}[$__rate_interval])) > 0`, metrics.Checkpoints)),
				about: "Without checkpoints logs grow and the next start takes longer; no work is lost."},
		}},
	},
}
