package metrics

// Postgres is the database server as it sees itself, asked now and then; other stores have none of it.
const Postgres Domain = "PostgreSQL"

// Table names one of our tables.
type Table struct{ Table string }

// State is the state of a connection as the database names it, with underscores.
type State struct{ State string }

// Source is cache or disk.
type Source struct{ Source string }

var (
	// PGDatabaseBytes tells how large the database is.
	PGDatabaseBytes = gauge[None](Def{Domain: Postgres, Name: "perdure_pg_database_bytes", Unit: "bytes",
		Help: "Size of the database."})
	// PGTableBytes tells how large tables are.
	PGTableBytes = gauge[Table](Def{Domain: Postgres, Name: "perdure_pg_table_bytes", Unit: "bytes",
		Help: "Size of a table with its indexes; the largest tables."})
	// PGDeadRows tells how much of a table is waste.
	PGDeadRows = gauge[Table](Def{Domain: Postgres, Name: "perdure_pg_dead_rows_ratio", Unit: "ratio",
		Help: "Dead rows of a table as a part of all; the largest tables."})
	// PGVacuumAge tells when a table was last cleaned.
	PGVacuumAge = gauge[Table](Def{Domain: Postgres, Name: "perdure_pg_vacuum_age_seconds", Unit: "seconds",
		Help: "Time since the last vacuum of a table, by hand or by itself; a table that never had one is left out."})
	// PGXIDAge tells how near the wraparound is.
	PGXIDAge = gauge[None](Def{Domain: Postgres, Name: "perdure_pg_xid_age", Unit: "transactions",
		Help: "Age of the database's oldest transaction id; PostgreSQL stops writing near 2^31."})
	// PGLongestTransaction tells who keeps the vacuum from working.
	PGLongestTransaction = gauge[None](Def{Domain: Postgres, Name: "perdure_pg_longest_transaction_seconds", Unit: "seconds",
		Help: "Age of the longest transaction under way in the database."})
	// PGReplicationLag tells how far the slowest replica is behind.
	PGReplicationLag = gauge[None](Def{Domain: Postgres, Name: "perdure_pg_replication_lag_seconds", Unit: "seconds",
		Help: "Replay lag of the slowest streaming replica; zero without one."})
	// PGConnections counts sessions.
	PGConnections = gauge[State](Def{Domain: Postgres, Name: "perdure_pg_connections", Unit: "connections",
		Help: "Sessions in the database, by state (active, idle, idle_in_transaction, other)."})
	// PGConnectionsMax is the server's limit.
	PGConnectionsMax = gauge[None](Def{Domain: Postgres, Name: "perdure_pg_connections_max", Unit: "connections",
		Help: "Sessions the database server allows."})
	// PGLocksWaiting counts sessions behind a lock.
	PGLocksWaiting = gauge[None](Def{Domain: Postgres, Name: "perdure_pg_locks_waiting", Unit: "sessions",
		Help: "Sessions that wait for a lock."})
	// PGTransactions counts ends of transactions.
	PGTransactions = counter[Outcome](Def{Domain: Postgres, Name: "perdure_pg_transactions_total", Unit: "transactions",
		Help: "Transactions of the database, by outcome (committed, rolled_back)."})
	// PGBlocks counts reads.
	PGBlocks = counter[Source](Def{Domain: Postgres, Name: "perdure_pg_blocks_read_total", Unit: "blocks",
		Help: "Blocks read, by source (cache, disk)."})
	// PGDeadlocks counts deadlocks.
	PGDeadlocks = counter[None](Def{Domain: Postgres, Name: "perdure_pg_deadlocks_total", Unit: "deadlocks",
		Help: "Deadlocks found in the database."})
	// PGWAL counts the write-ahead log.
	PGWAL = counter[None](Def{Domain: Postgres, Name: "perdure_pg_wal_bytes_total", Unit: "bytes",
		Help: "Write-ahead log written by the database server."})
	// PGSamples counts looks at the database.
	PGSamples = counter[Outcome](Def{Domain: Postgres, Name: "perdure_pg_samples_total", Unit: "looks",
		Help: "Looks at the database for the metrics of this section, by outcome (ok, error)."})
)
