package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Pools are the connections of this handle by what they are for.
func (s *Store) Pools() map[string]*pgxpool.Stat {
	return map[string]*pgxpool.Stat{"commits": s.committers.Stat(), "others": s.others.Stat()}
}

// tablesMax is how many tables Health tells of: the largest.
const tablesMax = 20

// Health is what the database server tells of itself. Counts are since the server's statistics were last reset.
type Health struct {
	DatabaseBytes        int64
	XIDAge               int64
	LongestTransaction   time.Duration
	ReplicationLag       time.Duration // of the slowest replica; zero without one
	WALBytes             int64         // ever written
	Commits, Rollbacks   int64
	BlocksHit, BlocksGot int64 // in the server's cache, and from the disk or its cache
	Deadlocks            int64
	LocksWaiting         int64
	Connections          map[string]int64 // by state: active, idle, idle_in_transaction, other
	ConnectionsMax       int64
	Tables               []TableHealth
}

// TableHealth is one table.
type TableHealth struct {
	Name        string
	Bytes       int64
	LiveRows    int64
	DeadRows    int64
	VacuumedAgo time.Duration // below zero: never
}

const healthStatement = `
	SELECT pg_database_size(datname), age(d.datfrozenxid),
	       coalesce((SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
	                 WHERE datname = current_database() AND pid <> pg_backend_pid()), 0)::float8,
	       coalesce((SELECT extract(epoch FROM max(replay_lag)) FROM pg_stat_replication), 0)::float8,
	       (CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_current_wal_lsn() - '0/0' END)::int8,
	       xact_commit, xact_rollback, blks_hit, blks_read, deadlocks,
	       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'),
	       current_setting('max_connections')::int8
	FROM pg_stat_database s JOIN pg_database d USING (datname)
	WHERE datname = current_database()`

const connectionsStatement = `
	SELECT CASE WHEN state IN ('active', 'idle') THEN state
	            WHEN state LIKE 'idle in transaction%' THEN 'idle_in_transaction' ELSE 'other' END AS kind, count(*)
	FROM pg_stat_activity WHERE datname = current_database() GROUP BY kind`

const tablesStatement = `
	SELECT relname, pg_total_relation_size(relid) AS bytes, n_live_tup, n_dead_tup,
	       coalesce(extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum)), -1)::float8
	FROM pg_stat_user_tables ORDER BY bytes DESC, relname LIMIT $1`

// Health asks the database server how it is. It takes some milliseconds of its time.
func (s *Store) Health(ctx context.Context) (Health, error) {
	var h Health
	err := onConnection(ctx, s.others, func(conn *connection) error {
		if err := h.readServer(ctx, conn); err != nil {
			return err
		}
		if err := h.readConnections(ctx, conn); err != nil {
			return err
		}
		return h.readTables(ctx, conn)
	})
	if err != nil {
		return Health{}, fmt.Errorf("ask the database how it is: %w", translate(err))
	}
	return h, nil
}

func (h *Health) readServer(ctx context.Context, conn *connection) error {
	var longest, lag float64
	err := conn.QueryRow(ctx, healthStatement).Scan(&h.DatabaseBytes, &h.XIDAge, &longest, &lag, &h.WALBytes,
		&h.Commits, &h.Rollbacks, &h.BlocksHit, &h.BlocksGot, &h.Deadlocks, &h.LocksWaiting, &h.ConnectionsMax)
	h.LongestTransaction, h.ReplicationLag = seconds(longest), seconds(lag)
	return err
}

func (h *Health) readConnections(ctx context.Context, conn *connection) error {
	h.Connections = map[string]int64{"active": 0, "idle": 0, "idle_in_transaction": 0, "other": 0}
	rows, err := conn.Query(ctx, connectionsStatement)
	if err != nil {
		return err
	}
	var state string
	var count int64
	_, err = pgx.ForEachRow(rows, []any{&state, &count}, func() error {
		h.Connections[state] = count
		return nil
	})
	return err
}

func (h *Health) readTables(ctx context.Context, conn *connection) error {
	rows, err := conn.Query(ctx, tablesStatement, tablesMax)
	if err != nil {
		return err
	}
	var t TableHealth
	var ago float64
	_, err = pgx.ForEachRow(rows, []any{&t.Name, &t.Bytes, &t.LiveRows, &t.DeadRows, &ago}, func() error {
		t.VacuumedAgo = seconds(ago)
		h.Tables = append(h.Tables, t)
		return nil
	})
	return err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
