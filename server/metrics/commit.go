package metrics

// Commit is the way from a decided change to a durable one.
const Commit Domain = "Commit and store"

// StoreCall labels one call of a backend: the store and the interface's method.
type StoreCall struct{ Store, Op string }

// StoreError labels a failed call: lease_lost, conflict, unknown_outcome, not_found, other.
type StoreError struct{ Store, Op, Reason string }

// Pool labels connections of a backend: what they are for (commits, others, search), and their state (idle, in_use, max).
type Pool struct{ Pool, State string }

// PoolName names a pool: commits, others, search.
type PoolName struct{ Pool string }

// Reason says why, from a small set that the definition lists.
type Reason struct{ Reason string }

var (
	// Commits counts groups sent to the store.
	Commits = counter[Outcome](Def{Domain: Commit, Name: "perdure_commit_groups_total", Unit: "groups",
		Help: "Groups sent to the store, by outcome (ok, lease_lost, conflict, unknown_outcome, error)."})
	// CommitDuration times the store's part.
	CommitDuration = histogram[Outcome](Def{Domain: Commit, Name: "perdure_commit_duration_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time one group took in the store, by outcome."})
	// CommitWait times a transition from its decision to its durability.
	CommitWait = histogram[None](Def{Domain: Commit, Name: "perdure_commit_wait_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time a transition waited from its decision until it was durable."})
	// CommitTransitions tells how many transitions share a group.
	CommitTransitions = histogram[None](Def{Domain: Commit, Name: "perdure_commit_group_transitions", Unit: "transitions", Buckets: count,
		Help: "Transitions that shared one group: the effect of group commit."})
	// CommitBytes tells how large groups are.
	CommitBytes = histogram[None](Def{Domain: Commit, Name: "perdure_commit_group_bytes", Unit: "bytes", Buckets: size,
		Help: "Size of the states, events and log rows of one group."})
	// CommitQueued counts transitions that wait for a group.
	CommitQueued = gauge[None](Def{Domain: Commit, Name: "perdure_commit_queued_transitions", Unit: "transitions",
		Help: "Transitions decided and not yet durable."})
	// StoreRequests counts calls of the backend.
	StoreRequests = counter[StoreCall](Def{Domain: Commit, Name: "perdure_store_requests_total", Unit: "calls",
		Help: "Calls of the store, by operation."})
	// StoreStatements counts what the database was asked.
	StoreStatements = counter[Store](Def{Domain: Commit, Name: "perdure_store_statements_total", Unit: "statements",
		Help: "Statements sent to the database."})
	// StoreDuration times calls of the backend.
	StoreDuration = histogram[StoreCall](Def{Domain: Commit, Name: "perdure_store_request_duration_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time of one call of the store, by operation."})
	// StoreErrors counts failed calls of the backend.
	StoreErrors = counter[StoreError](Def{Domain: Commit, Name: "perdure_store_errors_total", Unit: "calls",
		Help: "Calls of the store that failed, by operation and reason."})
	// StoreRows counts what commits wrote.
	StoreRows = counter[Store](Def{Domain: Commit, Name: "perdure_store_rows_total", Unit: "rows",
		Help: "Rows written by commits."})
	// StoreBytes counts the data of what commits wrote.
	StoreBytes = counter[Store](Def{Domain: Commit, Name: "perdure_store_bytes_total", Unit: "bytes",
		Help: "States, events and log rows written by commits."})
	// PoolConnections counts connections to a database.
	PoolConnections = gauge[Pool](Def{Domain: Commit, Name: "perdure_db_pool_connections", Unit: "connections",
		Help: "Connections to the database, by pool (commits, others, search) and state (idle, in_use, max)."})
	// PoolAcquired counts uses of connections.
	PoolAcquired = counter[PoolName](Def{Domain: Commit, Name: "perdure_db_pool_acquired_total", Unit: "uses",
		Help: "Times a connection was taken from a pool."})
	// PoolWaited counts uses that had to wait.
	PoolWaited = counter[PoolName](Def{Domain: Commit, Name: "perdure_db_pool_waited_total", Unit: "uses",
		Help: "Times a connection was taken from a pool that had none left, so that the call waited."})
	// PoolWait adds up the waits.
	PoolWait = counter[PoolName](Def{Domain: Commit, Name: "perdure_db_pool_wait_seconds_total", Unit: "seconds",
		Help: "Time that calls waited for a connection."})
	// ShardsTotal counts the shards of the store.
	ShardsTotal = gauge[None](Def{Domain: Commit, Name: "perdure_shards_configured", Unit: "shards",
		Help: "Shards of the store, whoever owns them."})
	// ShardsOwned counts shards this process owns.
	ShardsOwned = gauge[None](Def{Domain: Commit, Name: "perdure_shards_owned", Unit: "shards",
		Help: "Shards this process owns."})
	// ShardsAcquired counts take-overs.
	ShardsAcquired = counter[Reason](Def{Domain: Commit, Name: "perdure_shard_acquired_total", Unit: "shards",
		Help: "Shards acquired, by reason (start, free, expired, unknown_outcome)."})
	// ShardsLost counts shards that ended here.
	ShardsLost = counter[Reason](Def{Domain: Commit, Name: "perdure_shard_closed_total", Unit: "shards",
		Help: "Shards given up, by reason (released, lease_lost)."})
)
