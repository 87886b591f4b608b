// Package postgres keeps a store in PostgreSQL.
//
// A commit is one batch of multi-row statements: one implicit transaction, one
// round trip, fenced by the epochs it names. Rows are exact at commit and can be
// read with plain SQL.
package postgres

import (
	"context"
	"embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"perdure/server/store"
	"perdure/server/store/migrate"
	"perdure/server/store/migrate/pgmigrate"
)

const (
	// A node has one or two committers: more cost PostgreSQL more CPU a commit
	// and gain nothing. Theirs are apart, so that no commit waits behind reads.
	committersMax = 2
	// For everything else, unless the address says pool_max_conns.
	connectionsMax = 8

	versionTable = "store_version"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

type connection = pgxpool.Conn

// Store is one handle on a database.
type Store struct {
	committers *pgxpool.Pool
	others     *pgxpool.Pool
	counters   store.Counters
}

var _ store.Store = (*Store)(nil)

// Open connects to the database of a URL postgres://…, brings it to this
// program's schema and gives a new store its shards. The tables live in the
// connection's first schema (search_path).
func Open(ctx context.Context, address string, options store.Options) (*Store, error) {
	options = options.WithDefaults()
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return nil, fmt.Errorf("store address %q: expected postgres://…", address)
	}
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("store address: %w", err) // names it with the password hidden
	}
	if err := prepareSchema(ctx, config.ConnConfig, options); err != nil {
		return nil, fmt.Errorf("open store in database %s on %s: %w", config.ConnConfig.Database, config.ConnConfig.Host, translate(err))
	}
	config.AfterConnect = pinSession
	if !strings.Contains(address, "pool_max_conns=") {
		config.MaxConns = connectionsMax
	}
	s := &Store{}
	if s.others, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("open connections: %w", err)
	}
	config = config.Copy()
	config.MinConns, config.MinIdleConns, config.MaxConns = 0, 0, committersMax
	if s.committers, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		s.others.Close()
		return nil, fmt.Errorf("open connections: %w", err)
	}
	return s, nil
}

// pinSession keeps plans as they must be when tables grow from nothing: every
// statement is an index look-up, planned once. Without it a plan made on small
// tables stays a scan when they have become large.
func pinSession(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.PgConn().Exec(ctx, `
		SET plan_cache_mode = force_generic_plan;
		SET enable_seqscan = off;
		SET enable_hashjoin = off;
		SET enable_mergejoin = off;
		SET jit = off;
		SET default_transaction_isolation = 'read committed';
		SET client_encoding = 'UTF8'`).ReadAll()
	return err
}

// Migrations are the steps of this backend's schema.
func Migrations() ([]migrate.Migration, error) {
	return migrate.LoadFolder(migrationFiles, "migrations")
}

func prepareSchema(ctx context.Context, config *pgx.ConnConfig, options store.Options) error {
	shards, err := store.NewShards(options.Shards)
	if err != nil {
		return err
	}
	known, err := Migrations()
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	count, err := pgmigrate.Run(ctx, conn, versionTable, known)
	if err != nil {
		return err
	}
	if count > 0 {
		options.Logger.InfoContext(ctx, "store schema migrated", "database", config.Database, "migrations", count)
	}
	return addShards(ctx, conn, shards)
}

// addShards fills an empty shard table. Of nodes that start at once one does.
func addShards(ctx context.Context, conn *pgx.Conn, shards []store.Shard) error {
	var filled bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM shard_progress)").Scan(&filled); err != nil || filled {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE shard, shard_progress IN EXCLUSIVE MODE"); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM shard_progress)").Scan(&filled); err != nil || filled {
			return err
		}
		batch := &pgx.Batch{}
		for _, shard := range shards {
			batch.Queue("INSERT INTO shard (shard_id, first_slot, last_slot, epoch, owner) VALUES ($1, $2, $3, 0, '')", shard.ID, shard.FirstSlot, shard.LastSlot)
			batch.Queue("INSERT INTO shard_progress (shard_id, cursors, trimmed) VALUES ($1, '', 0)", shard.ID)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

// Stats tells how much went to the database through this handle.
func (s *Store) Stats() store.Stats { return s.counters.Stats() }

// Close waits for running calls.
func (s *Store) Close() error {
	s.committers.Close()
	s.others.Close()
	return nil
}

// fenced sends statements as one transaction and round trip, which fails with
// store.ErrLeaseLost when the lease is not held any more.
func (s *Store) fenced(ctx context.Context, lease store.Lease, queue func(batch *pgx.Batch)) error {
	batch := &pgx.Batch{}
	batch.Queue(fenceSQL, []int32{lease.Shard}, []int64{lease.Epoch})
	queue(batch)
	return s.send(ctx, batch)
}

func (s *Store) send(ctx context.Context, batch *pgx.Batch) error {
	return onConnection(ctx, s.others, func(conn *connection) error {
		s.counters.Statement(batch.Len())
		return conn.SendBatch(ctx, batch).Close()
	})
}

// onConnection runs a write; its error tells what is known about the outcome.
func onConnection(ctx context.Context, pool *pgxpool.Pool, write func(conn *connection) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("get a connection: %w", err)
	}
	defer conn.Release()
	if err := write(conn); err != nil {
		return outcome(err)
	}
	return nil
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, s *Store, scan func(row pgx.CollectableRow) (T, error), text string, args ...any) ([]T, error) {
	s.counters.Statement(1)
	rows, err := s.others.Query(ctx, text, args...)
	if err != nil {
		return nil, translate(err)
	}
	all, err := pgx.CollectRows(rows, scan)
	return all, translate(err)
}
