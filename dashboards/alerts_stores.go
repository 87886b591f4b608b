package main

import "perdure/server/metrics"

var storeAlerts = []alert{
	{
		name: "StoreFailing", wait: "5m", severity: critical, expr: plain(`sum by (store) (rate(@{reason!~"not_found|conflict"}[5m])) / sum by (store) (rate(@[5m])) > 0.01`, metrics.StoreErrors, metrics.StoreRequests),
		summary: "Of the calls of {{ $labels.store }}, {{ $value | humanizePercentage }} fail.",
		fires:   []input{in(metrics.StoreErrors, `store="postgres",op="Commit",reason="other"`, grows(5)), in(metrics.StoreRequests, `store="postgres",op="Commit"`, grows(100))},
		quiet:   []input{in(metrics.StoreErrors, `store="postgres",op="Meta",reason="not_found"`, grows(50)), in(metrics.StoreRequests, `store="postgres",op="Commit"`, grows(100))},
	},
	{
		name: "StoreSlow", wait: "10m", severity: warning, expr: slowerThan(metrics.StoreDuration, 0.99, "5m", "", "0.5", "store"),
		summary: "One call of a hundred of {{ $labels.store }} takes {{ $value | humanizeDuration }}.",
		fires:   took(metrics.StoreDuration, `store="postgres",op="Commit"`, 1, 2.5), quiet: took(metrics.StoreDuration, `store="postgres",op="Commit"`, 0.01, 0.025),
	},
	{
		name: "ConnectionsUsedUp", wait: "10m", severity: warning, expr: plain(`sum by (pool) (@{state="in_use"}) / sum by (pool) (@{state="max"}) > 0.9 and on (pool) sum by (pool) (rate(@[5m])) > 1`, metrics.PoolConnections, metrics.PoolConnections, metrics.PoolWaited),
		summary: "The connections of the pool {{ $labels.pool }} are used to {{ $value | humanizePercentage }}, and calls wait.",
		fires:   []input{in(metrics.PoolConnections, `pool="others",state="in_use"`, stays(8)), in(metrics.PoolConnections, `pool="others",state="max"`, stays(8)), in(metrics.PoolWaited, `pool="others"`, grows(600))},
		quiet:   []input{in(metrics.PoolConnections, `pool="others",state="in_use"`, stays(8)), in(metrics.PoolConnections, `pool="others",state="max"`, stays(8)), in(metrics.PoolWaited, `pool="others"`, grows(1))},
	},
	{
		name: "PostgresLongTransaction", wait: "5m", severity: warning, expr: plain(`max(@) > 300`, metrics.PGLongestTransaction),
		summary: "A transaction has been open for {{ $value | humanizeDuration }}: the vacuum cannot clean up behind it.",
		fires:   []input{in(metrics.PGLongestTransaction, "", stays(900))}, quiet: []input{in(metrics.PGLongestTransaction, "", stays(2))},
	},
	{
		name: "PostgresReplicaBehind", wait: "5m", severity: critical, expr: plain(`max(@) > 60`, metrics.PGReplicationLag),
		summary: "A replica is {{ $value | humanizeDuration }} behind.",
		fires:   []input{in(metrics.PGReplicationLag, "", stays(120))}, quiet: []input{in(metrics.PGReplicationLag, "", stays(1))},
	},
	{
		name: "PostgresWraparound", wait: "10m", severity: critical, expr: plain(`max(@) > 5e8`, metrics.PGXIDAge),
		summary: "The oldest transaction id is {{ $value | humanize }} old: PostgreSQL stops writing near 2.1e9.",
		fires:   []input{in(metrics.PGXIDAge, "", stays(6e8))}, quiet: []input{in(metrics.PGXIDAge, "", stays(2e8))},
	},
	{
		name: "PostgresDeadRows", wait: "1h", severity: warning, expr: plain(`max by (table) (@) > 0.5 and on (table) max by (table) (@) > 100e6`, metrics.PGDeadRows, metrics.PGTableBytes),
		summary: "Of table {{ $labels.table }}, {{ $value | humanizePercentage }} are dead rows: the vacuum does not keep up.",
		fires:   []input{in(metrics.PGDeadRows, `table="history"`, stays(0.7)), in(metrics.PGTableBytes, `table="history"`, stays(1e9))},
		quiet:   []input{in(metrics.PGDeadRows, `table="shard"`, stays(0.7)), in(metrics.PGTableBytes, `table="shard"`, stays(1e5))},
	},
	{
		name: "PostgresConnections", wait: "5m", severity: critical, expr: plain(`sum(max by (state) (@)) / max(@) > 0.9`, metrics.PGConnections, metrics.PGConnectionsMax),
		summary: "Of the sessions that the database server allows, {{ $value | humanizePercentage }} are taken.",
		fires:   []input{in(metrics.PGConnections, `state="idle"`, stays(95)), in(metrics.PGConnectionsMax, "", stays(100))},
		quiet:   []input{in(metrics.PGConnections, `state="idle"`, stays(30)), in(metrics.PGConnectionsMax, "", stays(100))},
	},
	{
		name: "PostgresUnseen", wait: "5m", severity: warning, expr: plain(`sum(rate(@{outcome="error"}[5m])) > 0 unless sum(rate(@{outcome="ok"}[5m])) > 0`, metrics.PGSamples),
		summary: "The database does not say how it is.",
		fires:   []input{in(metrics.PGSamples, `outcome="error"`, grows(4)), in(metrics.PGSamples, `outcome="ok"`, stays(9))}, quiet: []input{in(metrics.PGSamples, `outcome="error"`, grows(1)), in(metrics.PGSamples, `outcome="ok"`, grows(3))},
	},
	{
		name: "PostgresLocks", wait: "5m", severity: warning, expr: plain(`max(@) > 10`, metrics.PGLocksWaiting),
		summary: "{{ $value }} sessions wait for locks.",
		fires:   []input{in(metrics.PGLocksWaiting, "", stays(20))}, quiet: []input{in(metrics.PGLocksWaiting, "", stays(1))},
	},
}

var searchAlerts = []alert{
	{
		name: "SearchBehind", wait: "5m", severity: warning, expr: plain(`max by (store) (@) > 60`, metrics.VisibilityOldest),
		summary: "Searches in {{ $labels.store }} are {{ $value | humanizeDuration }} behind.",
		fires:   []input{in(metrics.VisibilityOldest, `store="postgres"`, stays(90))}, quiet: []input{in(metrics.VisibilityOldest, `store="postgres"`, stays(1))},
	},
	{
		name: "SearchStalled", wait: "5m", severity: critical, expr: plain(`max by (store) (@) > 600`, metrics.VisibilityOldest),
		summary: "Searches in {{ $labels.store }} have shown nothing new for {{ $value | humanizeDuration }}.",
		fires:   []input{in(metrics.VisibilityOldest, `store="postgres"`, grows(60))}, quiet: []input{in(metrics.VisibilityOldest, `store="postgres"`, stays(90))},
	},
	{
		name: "SearchBlocked", wait: "2m", severity: critical, expr: plain(`max by (store) (@) == 1`, metrics.VisibilityBlocked),
		summary: "{{ $labels.store }} takes no records for search at all.",
		fires:   []input{in(metrics.VisibilityBlocked, `store="elasticsearch"`, stays(1))}, quiet: []input{in(metrics.VisibilityBlocked, `store="elasticsearch"`, stays(0))},
	},
	{
		name: "SearchRecordsRefused", wait: "0m", severity: warning, expr: plain(`sum by (store) (increase(@{outcome!~"ok|stale|coalesced|retry"}[15m])) > 0`, metrics.VisibilityDocs),
		summary: "{{ $labels.store }} refused {{ $value | humanize }} records: lists lack something of these runs.",
		fires:   []input{in(metrics.VisibilityDocs, `store="postgres",kind="index",outcome="error"`, grows(1))}, quiet: []input{in(metrics.VisibilityDocs, `store="postgres",kind="index",outcome="retry"`, grows(1))},
	},
	{
		name: "SearchDiffers", wait: "0m", severity: warning, expr: plain(`sum by (store) (increase(@[1d])) > 0`, metrics.VisibilityDifferences),
		summary: "{{ $labels.store }} had {{ $value | humanize }} runs otherwise than they are.",
		fires:   []input{in(metrics.VisibilityDifferences, `store="postgres",kind="missing"`, grows(1))}, quiet: []input{in(metrics.VisibilityDifferences, `store="postgres",kind="missing"`, stays(3))},
	},
	{
		name: "SearchFailing", wait: "10m", severity: warning, expr: plain(`sum by (store) (rate(@{outcome="error"}[10m])) / sum by (store) (rate(@[10m])) > 0.1`, metrics.VisibilityQueries),
		summary: "Of the searches in {{ $labels.store }}, {{ $value | humanizePercentage }} fail.",
		fires:   []input{in(metrics.VisibilityQueries, `store="postgres",api="list",shape="filter",outcome="error"`, grows(5)), in(metrics.VisibilityQueries, `store="postgres",api="list",shape="filter",outcome="ok"`, grows(5))},
		quiet:   []input{in(metrics.VisibilityQueries, `store="postgres",api="list",shape="filter",outcome="ok"`, grows(5))},
	},
	{
		name: "SearchSlow", wait: "15m", severity: warning, expr: slowerThan(metrics.VisibilityQueryDuration, 0.95, "10m", "", "2", "store"),
		summary: "One search of twenty in {{ $labels.store }} takes {{ $value | humanizeDuration }}.",
		fires:   took(metrics.VisibilityQueryDuration, `store="postgres"`, 2.5, 5), quiet: took(metrics.VisibilityQueryDuration, `store="postgres"`, 0.025, 0.05),
	},
}

var processAlerts = []alert{
	{
		name: "ChoreStale", wait: "10m", severity: warning, expr: plain(`(time() - max by (chore) (@)) > on (chore) 3 * max by (chore) (@)`, metrics.ChoreLastSuccess, metrics.ChorePeriod),
		summary: "The chore {{ $labels.chore }} has not gone through for {{ $value | humanizeDuration }}.",
		fires:   []input{in(metrics.ChoreLastSuccess, `chore="retention"`, stays(60)), in(metrics.ChorePeriod, `chore="retention"`, stays(600))},
		quiet:   []input{in(metrics.ChoreLastSuccess, `chore="retention"`, grows(60)), in(metrics.ChorePeriod, `chore="retention"`, stays(600))},
	},
	{
		name: "ChoresFail", wait: "30m", severity: warning, expr: plain(`sum by (chore) (increase(@[30m])) > 3`, metrics.ChoresFailed),
		summary: "The chore {{ $labels.chore }} failed {{ $value | humanize }} times in half an hour.",
		fires:   []input{in(metrics.ChoresFailed, `chore="retention"`, grows(1))}, quiet: []input{in(metrics.ChoresFailed, `chore="retention"`, grows(0.02))},
	},
	{
		name: "ErrorsLogged", wait: "10m", severity: warning, expr: plain(`sum by (instance) (rate(@{level="error"}[10m])) > 0.1`, metrics.LogEvents),
		summary: "{{ $labels.instance }} logs {{ $value | humanize }} errors a second.",
		fires:   []input{in(metrics.LogEvents, `level="error",instance="a"`, grows(30))}, quiet: []input{in(metrics.LogEvents, `level="warn",instance="a"`, grows(30))},
	},
	{
		name: "FilesUsedUp", wait: "10m", severity: warning, expr: plain(`process_open_fds{job="` + jobName + `"} / process_max_fds{job="` + jobName + `"} > 0.9`),
		summary: "{{ $labels.instance }} uses {{ $value | humanizePercentage }} of the files it may open.",
		fires:   []input{{`process_open_fds{job="perdure",instance="a"}`, stays(1000)}, {`process_max_fds{job="perdure",instance="a"}`, stays(1024)}},
		quiet:   []input{{`process_open_fds{job="perdure",instance="a"}`, stays(100)}, {`process_max_fds{job="perdure",instance="a"}`, stays(1024)}},
	},
	{
		name: "VersionsMixed", wait: "1h", severity: info, expr: plain(`count(count by (version) (@)) > 1`, metrics.BuildInfo),
		summary: "{{ $value }} versions have been running side by side for an hour.",
		fires:   []input{in(metrics.BuildInfo, `version="1",instance="a"`, stays(1)), in(metrics.BuildInfo, `version="2",instance="b"`, stays(1))},
		quiet:   []input{in(metrics.BuildInfo, `version="2",instance="a"`, stays(1)), in(metrics.BuildInfo, `version="2",instance="b"`, stays(1))},
	},
	{
		name: "MetricsOverflow", wait: "0m", severity: warning, expr: plain(`sum by (metric) (increase(@[1h])) > 0`, metrics.SeriesOverflow),
		summary: "{{ $labels.metric }} has too many label sets: new ones count as _other_.",
		fires:   []input{in(metrics.SeriesOverflow, `metric="signals"`, grows(1))}, quiet: []input{in(metrics.SeriesOverflow, `metric="signals"`, stays(9))},
	},
	{
		name: "ScrapesSlow", wait: "15m", severity: info, expr: slowerThan(metrics.ScrapeDuration, 0.95, "15m", "", "0.5"),
		summary: "A scrape takes {{ $value | humanizeDuration }}.",
		fires:   took(metrics.ScrapeDuration, "", 1, 2.5), quiet: took(metrics.ScrapeDuration, "", 0.005, 0.01),
	},
	{
		name: "TracesLost", wait: "15m", severity: warning, expr: plain(`sum(rate(@{outcome=~"failed|dropped"}[5m])) > 0`, metrics.TraceSpans),
		summary: "{{ $value | humanize }} spans a second do not reach the trace collector.",
		fires:   []input{in(metrics.TraceSpans, `outcome="failed"`, grows(60))}, quiet: []input{in(metrics.TraceSpans, `outcome="exported"`, grows(60))},
	},
	{
		name: "Watchdog", wait: "0m", severity: info, expr: plain("vector(1)"),
		summary: "Always fires: what receives it knows that alerts arrive.",
		fires:   []input{{`up{job="perdure",instance="a"}`, stays(1)}},
	},
}
