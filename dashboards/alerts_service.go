package main

import (
	"slices"
	"strings"

	"perdure/server/metrics"
)

// alerts are all there are, in the order of the runbooks' table.
func alerts() []alert {
	return slices.Concat(serviceAlerts, engineAlerts, taskAlerts, storeAlerts, searchAlerts, processAlerts)
}

// slowerThan compares the slowest of a hundred with a number of seconds.
func slowerThan(m metric, phi float64, window, where string, limit string, by ...string) query {
	expr := quantileExpr(phi, window, where, by)
	if m.Definition().Unit != "seconds" {
		expr, _, _ = strings.Cut(expr, " or ")
	}
	return plain("("+strings.ReplaceAll(expr, "{}", "")+") > "+limit, m)
}

func call(code string) string {
	return `method="StartWorkflowExecution",namespace="shop",code="` + code + `"`
}

var serviceAlerts = []alert{
	{
		name: "ErrorBudgetFast", wait: "2m", severity: critical, expr: plain("slo:frontend_errors:burnrate5m > 14.4 and slo:frontend_errors:burnrate1h > 14.4"),
		summary: "RPCs fail {{ $value | humanize }} times as often as the goal allows: the budget of a month is gone in two days.",
		fires:   []input{in(metrics.GRPCRequests, call("OK"), grows(950)), in(metrics.GRPCRequests, call("Unavailable"), grows(50))},
		quiet:   []input{in(metrics.GRPCRequests, call("OK"), grows(950)), in(metrics.GRPCRequests, call("NotFound"), grows(50))},
	},
	{
		name: "ErrorBudgetSlow", wait: "15m", severity: warning, expr: plain("slo:frontend_errors:burnrate30m > 6 and slo:frontend_errors:burnrate6h > 6"),
		summary: "RPCs fail {{ $value | humanize }} times as often as the goal allows, for hours.",
		fires:   []input{in(metrics.GRPCRequests, call("OK"), grows(996)), in(metrics.GRPCRequests, call("Internal"), grows(4))},
		quiet:   []input{in(metrics.GRPCRequests, call("OK"), grows(9999)), in(metrics.GRPCRequests, call("Internal"), grows(1))},
	},
	{
		name: "StartSlow", wait: "10m", severity: critical, expr: slowerThan(metrics.GRPCDuration, 0.99, "5m", `method=~"StartWorkflowExecution|SignalWorkflowExecution|SignalWithStartWorkflowExecution"`, "1"),
		summary: "One start or signal of a hundred takes {{ $value | humanizeDuration }}.",
		fires:   took(metrics.GRPCDuration, `method="StartWorkflowExecution"`, 1, 2.5), quiet: took(metrics.GRPCDuration, `method="StartWorkflowExecution"`, 0.01, 0.025),
	},
	{
		name: "Down", wait: "2m", severity: critical, expr: plain(`absent(up{job="` + jobName + `"} == 1)`),
		summary: "No server of the job perdure answers scrapes.",
		fires:   []input{{`up{job="perdure",instance="a"}`, stays(0)}}, quiet: []input{{`up{job="perdure",instance="a"}`, stays(1)}, {`up{job="perdure",instance="b"}`, stays(0)}},
	},
	{
		name: "InstanceDown", wait: "5m", severity: warning, expr: plain(`up{job="` + jobName + `"} == 0`),
		summary: "{{ $labels.instance }} does not answer scrapes.",
		fires:   []input{{`up{job="perdure",instance="b"}`, stays(0)}}, quiet: []input{{`up{job="perdure",instance="b"}`, stays(1)}},
	},
	{
		name: "NamespaceThrottled", wait: "15m", severity: warning, expr: plain(`sum by (namespace) (rate(@[5m])) / sum by (namespace) (rate(@[5m])) > 0.05`, metrics.RateLimitRejected, metrics.GRPCRequests),
		summary: "Of the calls in namespace {{ $labels.namespace }}, {{ $value | humanizePercentage }} are refused by a limit.",
		find:    `ExecutionStatus = "Running"`,
		fires:   []input{in(metrics.GRPCRequests, call("OK"), grows(90)), in(metrics.RateLimitRejected, `namespace="shop",scope="namespace",cause="rps_limit"`, grows(10))},
		quiet:   []input{in(metrics.GRPCRequests, call("OK"), grows(990)), in(metrics.RateLimitRejected, `namespace="shop",scope="namespace",cause="rps_limit"`, grows(10))},
	},
	{
		name: "Panics", wait: "0m", severity: critical, expr: plain(`sum by (method) (increase(@[10m])) > 0`, metrics.Panics),
		summary: "{{ $labels.method }} met a fault of the server {{ $value | humanize }} times in ten minutes.",
		fires:   []input{in(metrics.Panics, `method="StartWorkflowExecution"`, grows(1))}, quiet: []input{in(metrics.Panics, `method="StartWorkflowExecution"`, stays(3))},
	},
	{
		name: "LimitsPassed", wait: "5m", severity: warning, expr: plain(`sum by (namespace, limit) (increase(@{limit!~".*_warn"}[15m])) > 0`, metrics.LimitsPassed),
		summary: "In namespace {{ $labels.namespace }} something is larger than {{ $labels.limit }} and is refused or ended.",
		find:    "HistoryLength > 40000",
		fires:   []input{in(metrics.LimitsPassed, `namespace="shop",limit="history_events_max"`, grows(1))}, quiet: []input{in(metrics.LimitsPassed, `namespace="shop",limit="history_events_warn"`, grows(1))},
	},
	{
		name: "LimitsNear", wait: "15m", severity: info, expr: plain(`sum by (namespace, limit) (increase(@{limit=~".*_warn"}[1h])) > 10`, metrics.LimitsPassed),
		summary: "In namespace {{ $labels.namespace }} things pass {{ $labels.limit }}: the next limit refuses them.",
		find:    "HistoryLength > 10000",
		fires:   []input{in(metrics.LimitsPassed, `namespace="shop",limit="history_events_warn"`, grows(1))}, quiet: []input{in(metrics.LimitsPassed, `namespace="shop",limit="history_events_warn"`, grows(0.01))},
	},
}

var engineAlerts = []alert{
	{
		name: "CommitsSlow", wait: "10m", severity: critical, expr: slowerThan(metrics.CommitWait, 0.99, "5m", "", "0.5"),
		summary: "One change of a hundred waits {{ $value | humanizeDuration }} until it is durable.",
		fires:   took(metrics.CommitWait, "", 1, 2.5), quiet: took(metrics.CommitWait, "", 0.01, 0.025),
	},
	{
		name: "CommitsFailing", wait: "2m", severity: critical, expr: plain(`sum by (outcome) (rate(@{outcome!="ok"}[5m])) > 0.05`, metrics.Commits),
		summary: "The store refuses commits ({{ $labels.outcome }}), {{ $value | humanize }} a second.",
		fires:   []input{in(metrics.Commits, `outcome="error"`, grows(10))}, quiet: []input{in(metrics.Commits, `outcome="ok"`, grows(1000)), in(metrics.Commits, `outcome="lease_lost"`, grows(0.1))},
	},
	{
		name: "CommitsQueue", wait: "10m", severity: warning, expr: plain(`sum by (instance) (@) > 5000`, metrics.CommitQueued),
		summary: "{{ $value | humanize }} changes wait on {{ $labels.instance }}: more is decided than the store takes.",
		fires:   []input{in(metrics.CommitQueued, `instance="a"`, stays(8000))}, quiet: []input{in(metrics.CommitQueued, `instance="a"`, stays(200))},
	},
	{
		name: "TimersLate", wait: "10m", severity: critical, expr: slowerThan(metrics.TimerFireLag, 0.99, "5m", "", "5"),
		summary: "One timer of a hundred fires {{ $value | humanizeDuration }} late.",
		fires:   took(metrics.TimerFireLag, "", 5, 10), quiet: took(metrics.TimerFireLag, "", 0.05, 0.1),
	},
	{
		name: "LogBehind", wait: "15m", severity: warning, expr: plain(`sum(@) > 100000 and deriv(sum(@)[15m:1m]) > 0`, metrics.LogPending),
		summary: "{{ $value | humanize }} rows of the shards' logs are still to be done, and they become more.",
		fires:   []input{in(metrics.LogPending, `instance="a"`, grows(1000))}, quiet: []input{in(metrics.LogPending, `instance="a"`, stays(200000))},
	},
	{
		name: "CheckpointsFailing", wait: "15m", severity: warning, expr: plain(`sum(rate(@{outcome="error"}[10m])) > 0`, metrics.Checkpoints),
		summary: "Checkpoints of the shards' logs fail: logs grow and the next start takes longer.",
		fires:   []input{in(metrics.Checkpoints, `outcome="error"`, grows(1))}, quiet: []input{in(metrics.Checkpoints, `outcome="ok"`, grows(10)), in(metrics.Checkpoints, `outcome="error"`, stays(4))},
	},
	{
		name: "ShardsMove", wait: "10m", severity: warning, expr: plain(`sum(increase(@{reason!="released"}[10m])) > 0.2 * sum(@)`, metrics.ShardsLost, metrics.ShardsOwned),
		summary: "{{ $value | humanize }} shards were lost in ten minutes.",
		fires:   []input{in(metrics.ShardsLost, `reason="lease_lost"`, grows(1)), in(metrics.ShardsOwned, "", stays(4))},
		quiet:   []input{in(metrics.ShardsLost, `reason="released"`, grows(1)), in(metrics.ShardsOwned, "", stays(4))},
	},
	{
		name: "ShardsUnowned", wait: "3m", severity: critical, expr: plain(`sum(@) < max(@)`, metrics.ShardsOwned, metrics.ShardsTotal),
		summary: "Only {{ $value }} shards have an owner: workflows of the others stand still.",
		fires:   []input{in(metrics.ShardsOwned, `instance="a"`, stays(3)), in(metrics.ShardsTotal, `instance="a"`, stays(4))},
		quiet:   []input{in(metrics.ShardsOwned, `instance="a"`, stays(4)), in(metrics.ShardsTotal, `instance="a"`, stays(4))},
	},
	{
		name: "RunsContended", wait: "15m", severity: warning, expr: slowerThan(metrics.RunLockWait, 0.99, "10m", "", "0.25"),
		summary: "Decisions wait {{ $value | humanizeDuration }} for one another: some workflow id is very busy.",
		fires:   took(metrics.RunLockWait, "", 0.5, 1), quiet: took(metrics.RunLockWait, "", 0.001, 0.0025),
	},
	{
		name: "CacheTooSmall", wait: "30m", severity: info, expr: plain(`sum(rate(@{cache="execution",result="miss"}[10m])) / sum(rate(@{cache="execution"}[10m])) > 0.5 and sum(rate(@[10m])) > 10`, metrics.CacheRequests, metrics.CacheRequests, metrics.CacheEvicted),
		summary: "Of the look-ups of runs, {{ $value | humanizePercentage }} go to the store, and the cache drops entries.",
		fires:   []input{in(metrics.CacheRequests, `cache="execution",result="miss"`, grows(9000)), in(metrics.CacheRequests, `cache="execution",result="hit"`, grows(1000)), in(metrics.CacheEvicted, `cache="execution"`, grows(5000))},
		quiet:   []input{in(metrics.CacheRequests, `cache="execution",result="miss"`, grows(1000)), in(metrics.CacheRequests, `cache="execution",result="hit"`, grows(9000)), in(metrics.CacheEvicted, `cache="execution"`, grows(5000))},
	},
}
