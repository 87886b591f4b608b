package main

import "perdure/server/metrics"

var store = board{
	uid: "perdure-store", title: "Store", about: "Each call of the store: rate, errors, duration; and its connections: use, saturation. For database people and maintainers.",
	rows: []row{
		{"Calls", []panel{
			{title: "Calls by operation", unit: "ops", limits: free, queries: one(rate(metrics.StoreRequests, "", "store", "op")),
				about: "Commit carries the load; Load and History rise when the cache is too small."},
			{title: "p99 by operation", unit: "s", limits: above(0.1, 0.5), queries: one(quantile(0.99, metrics.StoreDuration, "", "op")),
				about: "The slowest of a hundred calls of each operation."},
			{title: "Duration heatmap", unit: "s", shape: heated, limits: free, queries: one(heat(metrics.StoreDuration, `op="Commit"`)),
				about: "Commits: how their times are spread."},
			{title: "Failed calls", unit: "ops", limits: above(0.01, 1), quiet: "the store is there", queries: one(rate(metrics.StoreErrors, `reason!~"not_found|conflict"`, "op", "reason")),
				about: "Calls that failed for another reason than what they asked for. other: see the log."},
			{title: "Not found and conflicts", unit: "ops", limits: above(10, 100), queries: one(rate(metrics.StoreErrors, `reason=~"not_found|conflict"`, "op", "reason")),
				about: "Answers rather than failures: a run that does not exist, a record that another changed first."},
			{title: "Statements", unit: "ops", limits: free, queries: one(rate(metrics.StoreStatements, "", "store")),
				about: "What the database was asked. A commit is a few statements whatever its size."},
			{title: "Statements a transition", unit: "short", limits: above(2, 10), queries: one(
				promql("statements", `sum(rate(@[$__rate_interval])) / sum(rate(@[$__rate_interval]))`, metrics.StoreStatements, metrics.Transitions)),
				about: "It falls under load, when many changes share a commit."},
			{title: "Rows written", unit: "ops", limits: free, queries: one(rate(metrics.StoreRows, "", "store")),
				about: "Rows of runs, histories and logs."},
			{title: "Bytes written", unit: "Bps", limits: free, queries: one(rate(metrics.StoreBytes, "", "store")),
				about: "States, events and log rows, before the database's own overhead."},
		}},
		{"Connections", []panel{
			{title: "Use of connections", unit: "percentunit", limits: above(0.8, 0.95), queries: one(
				promql("{{pool}}", `sum by (pool) (@{state="in_use"}) / sum by (pool) (@{state="max"})`, metrics.PoolConnections)),
				about: "Part of each pool in use. Full pools make calls wait: raise pool_max_conns or look why calls are slow."},
			{title: "Connections", unit: "short", limits: free, queries: one(gauge("sum", metrics.PoolConnections, "", "pool", "state")),
				about: "Connections of each pool: idle ones, those in use, and the most there may be."},
			{title: "Taken", unit: "ops", limits: free, queries: one(rate(metrics.PoolAcquired, "", "pool")),
				about: "How often a connection was taken from its pool."},
			{title: "Had to wait", unit: "ops", limits: above(10, 100), queries: one(rate(metrics.PoolWaited, "", "pool")),
				about: "Calls that found all connections taken."},
			{title: "Waited a call", unit: "s", limits: above(0.01, 0.1), queries: one(
				promql("{{pool}}", `sum by (pool) (rate(@[$__rate_interval])) / (sum by (pool) (rate(@[$__rate_interval])) > 0)`, metrics.PoolWait, metrics.PoolAcquired)),
				about: "Time a call waited for its connection, on average."},
		}},
	},
}

var postgresBoard = board{
	uid: "perdure-postgresql", title: "PostgreSQL", about: "The database as it sees itself, asked by the server each quarter of a minute. For database people. Empty with other stores.",
	rows: []row{
		{"Work", []panel{
			{title: "Transactions", unit: "ops", limits: free, queries: one(rate(metrics.PGTransactions, "", "outcome")),
				about: "Of the whole database, whoever made them."},
			{title: "Found in its cache", unit: "percentunit", limits: below(0.99, 0.9), queries: one(ratio(metrics.PGBlocks, `source="cache"`, "").called("cache")),
				about: "Blocks found in PostgreSQL's own cache. Below, give it more shared_buffers."},
			{title: "Write-ahead log", unit: "Bps", limits: free, queries: one(rate(metrics.PGWAL, "").called("wal")),
				about: "What replicas and backups have to carry."},
			{title: "Log a transition", unit: "bytes", limits: free, queries: one(
				promql("bytes", `sum(rate(@[$__rate_interval])) / sum(rate(@[$__rate_interval]))`, metrics.PGWAL, metrics.Transitions)),
				about: "What a change costs in write-ahead log. It jumps after checkpoints, when whole pages are written."},
			{title: "Sessions", unit: "short", limits: free, queries: one(gauge("max", metrics.PGConnections, "", "state")),
				about: "Sessions by state. idle_in_transaction keeps the vacuum from working."},
			{title: "Sessions of those allowed", unit: "percentunit", limits: above(0.8, 0.95), queries: one(
				promql("used", `sum(max by (state) (@)) / max(@)`, metrics.PGConnections, metrics.PGConnectionsMax)),
				about: "At one, nobody gets in any more, the operator included."},
		}},
		{"Trouble", []panel{
			{title: "Longest transaction", unit: "s", limits: above(60, 300), queries: one(gauge("max", metrics.PGLongestTransaction, "")),
				about: "A transaction that stays open keeps dead rows alive: tables grow and reads slow down."},
			{title: "Waiting for locks", unit: "short", limits: above(5, 20), queries: one(gauge("max", metrics.PGLocksWaiting, "")),
				about: "Sessions behind another one's lock. Perdure itself hardly ever waits: look for DDL or reports."},
			{title: "Deadlocks", unit: "ops", limits: above(0.001, 0.1), queries: one(rate(metrics.PGDeadlocks, "").called("deadlocks")),
				about: "PostgreSQL ended a transaction to free others. Perdure repeats its own."},
			{title: "Replica behind by", unit: "s", limits: above(10, 60), queries: one(gauge("max", metrics.PGReplicationLag, "")),
				about: "Replay lag of the slowest replica: what a fail-over to an asynchronous one would lose."},
			{title: "Age of transaction ids", unit: "short", limits: above(3e8, 1e9), queries: one(gauge("max", metrics.PGXIDAge, "")),
				about: "PostgreSQL stops writing near 2.1e9. Autovacuum freezes from 2e8 on, unless something holds it up."},
			{title: "Looks at the database", unit: "ops", limits: free, queries: one(rate(metrics.PGSamples, "", "outcome")),
				about: "Where error grows, the panels here are old."},
		}},
		{"Space", []panel{
			{title: "Database", unit: "bytes", limits: free, queries: one(gauge("max", metrics.PGDatabaseBytes, "")),
				about: "Size with all indexes. Retention brings it to rest."},
			{title: "In thirty days", unit: "bytes", limits: free, queries: one(promql("in 30 days", `max(predict_linear(@[6h], 30 * 86400))`, metrics.PGDatabaseBytes)),
				about: "The size if the last six hours went on."},
			{title: "Tables", unit: "bytes", limits: free, queries: one(promql("{{table}}", `topk(10, max by (table) (@))`, metrics.PGTableBytes)),
				about: "The largest tables, with their indexes."},
			{title: "Dead rows", unit: "percentunit", limits: above(0.2, 0.5), queries: one(promql("{{table}}", `topk(10, max by (table) (@))`, metrics.PGDeadRows)),
				about: "Part of a table that waits for the vacuum."},
			{title: "Since the last vacuum", unit: "s", limits: above(86400, 7*86400), quiet: "a fresh database had no vacuum yet", queries: one(promql("{{table}}", `topk(10, max by (table) (@))`, metrics.PGVacuumAge)),
				about: "Busy tables should have one at least each hour."},
		}},
	},
}

var visibility = board{
	uid: "perdure-visibility", title: "Visibility", about: "Do searches show what has happened, and how fast are they? For on-call and those who search.",
	rows: []row{
		{"Indexing", []panel{
			{title: "From commit to search", unit: "s", limits: above(1, 30), queries: quantiles(metrics.VisibilityLag, "", "store"),
				about: "Time until a change was written to the visibility store."},
			{title: "Behind by", unit: "s", limits: above(10, 60), queries: one(gauge("max", metrics.VisibilityOldest, "", "store")),
				about: "Age of the oldest change that is not written yet."},
			{title: "Waiting records", unit: "short", limits: above(10000, 100000), queries: one(gauge("sum", metrics.VisibilityPending, "", "store")),
				about: "Records to be written. It may rise under load and must fall again."},
			{title: "Lag heatmap", unit: "s", shape: heated, limits: free, queries: one(heat(metrics.VisibilityLag, "")),
				about: "How the times to search are spread."},
			{title: "Records by outcome", unit: "ops", limits: free, queries: one(rate(metrics.VisibilityDocs, "", "store", "kind", "outcome")),
				about: "coalesced records were overtaken by a newer one of the same run: work saved."},
			{title: "Trouble with records", unit: "ops", limits: above(0.01, 1), quiet: "the store takes its records", queries: one(promql("{{store}} {{outcome}}", `sum by (store, outcome) (rate(@{outcome!~"ok|coalesced|stale"}[$__rate_interval])) > 0`, metrics.VisibilityDocs)),
				about: "Records that the store did not take, tried again or written without what it refuses."},
			{title: "Batch duration", unit: "s", limits: above(1, 5), queries: quantiles(metrics.VisibilityBulkDuration, "", "store"),
				about: "Time one batch took in the store."},
			{title: "Records a batch", unit: "short", limits: free, queries: one(mean(metrics.VisibilityBulkDocs, "", "store")),
				about: "Batches grow with load: that is how the indexer keeps up."},
		}},
		{"What holds it up", []panel{
			{title: "From commit to found", unit: "s", limits: above(2, 10), quiet: "only stores that show records later than they take them", queries: one(quantile(0.99, metrics.VisibilityFindable, "", "store")),
				about: "Time until a search finds a change: one record is followed each five seconds."},
			{title: "Stores that take nothing", unit: "short", limits: above(1, 1), queries: one(gauge("max", metrics.VisibilityBlocked, "", "store")),
				about: "1 while a store takes nothing at all and is only tried from time to time."},
			{title: "Records not taken", unit: "ops", limits: above(0.01, 1), quiet: "the store takes its records", queries: one(rate(metrics.VisibilityFailures, "", "store", "class")),
				about: "busy: tried again; blocked: the store takes nothing; refused: written without custom attributes."},
			{title: "Memory of waiting records", unit: "bytes", limits: above(32<<20, 64<<20), queries: one(gauge("sum", metrics.VisibilityPendingBytes, "", "store")),
				about: "When it is full, changes are read from the log later: nothing is lost."},
			{title: "Shards read from the log", unit: "short", limits: above(1, 4), queries: one(gauge("sum", metrics.VisibilityBehind, "", "store")),
				about: "Shards whose changes did not all fit into memory."},
			{title: "Rebuilds", unit: "short", limits: free, quiet: "only a new store, or one that was away for long", queries: []query{
				increase(metrics.VisibilityRebuilds, "$__range", "", "store", "reason"), rate(metrics.VisibilityRebuilt, "", "store").called("{{store}} runs read a second")},
				about: "Rebuilds of a store that began, and the runs they read a second."},
			{title: "Runs compared", unit: "short", limits: free, queries: one(increase(metrics.VisibilityAudited, "1d", "", "store")),
				about: "Runs that comparisons with the store ended in a day: all there are, where the limits let one come each day."},
			{title: "Runs found different", unit: "short", limits: above(1, 100), queries: one(increase(metrics.VisibilityDifferences, "1d", "", "store", "kind")),
				about: "Runs that the store had otherwise than they are, in a day. They are brought in line unless the configuration says no."},
		}},
		{"Searching", []panel{
			{title: "Searches by kind", unit: "reqps", limits: free, queries: one(rate(metrics.VisibilityQueries, "", "api", "shape")),
				about: "By API and by what the store has to do for it."},
			{title: "Searches not answered", unit: "reqps", limits: above(0.1, 1), quiet: "searches are answered", queries: one(rate(metrics.VisibilityQueries, `outcome!="ok"`, "store", "api", "outcome")),
				about: "Searches that failed, were cut off or refused."},
			{title: "Duration", unit: "s", limits: above(0.5, 2), queries: quantiles(metrics.VisibilityQueryDuration, "", "store"),
				about: "Time of a search in the store."},
			{title: "Duration heatmap", unit: "s", shape: heated, limits: free, queries: one(heat(metrics.VisibilityQueryDuration, "")),
				about: "A second, slow band is a kind of search that has no index."},
			{title: "Compared with a second store", unit: "reqps", limits: free, quiet: "only where the configuration names a shadow store", queries: one(rate(metrics.VisibilityShadow, "", "store", "api", "outcome")),
				about: "Searches that were also sent to another store. What is different is a reason not to read from it yet."},
		}},
	},
}
