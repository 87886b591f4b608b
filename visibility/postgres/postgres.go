// Package postgres keeps visibility in PostgreSQL: columns for what every run
// has, one jsonb object for the attributes, and an index for each common question.
package postgres

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"perdure/server/store/migrate"
	"perdure/server/store/migrate/pgmigrate"
	"perdure/visibility"
	"perdure/visibility/sqlform"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// versionTable keeps which migrations the database has.
const versionTable = "visibility_version"

// tombstonesPerWrite is how many old tombstones a write removes at most, to stay short.
const tombstonesPerWrite = 1000

// connectionsDefault serves one batch of writes and a few queries at once.
const connectionsDefault = 8

// freshPlan plans every query for the values it has: the best index depends on them.
const freshPlan = pgx.QueryExecModeCacheDescribe

// cancelTimeout is how long the database may take to end a query that is no longer wanted, before the connection is given up.
const cancelTimeout = time.Second

// Options change how a database is opened. The zero value is useful.
type Options struct {
	Connections int // at most; 0: 8, unless the URL says pool_max_conns
	// QueryTimeout ends each search; 0: those of the callers' contexts alone.
	QueryTimeout time.Duration
	// CandidatesMax is how many runs may be sorted, or searched for a part of a keyword, without an index; 0: a million.
	CandidatesMax int
}

// Store is a visibility.Store in a database. Several processes may use it.
type Store struct {
	sqlform.Reader
	database *database
}

// database is what the reading half asks.
type database struct {
	pool    *pgxpool.Pool
	indexes struct {
		mu    sync.Mutex
		known dialect // nil: to be read
		read  time.Time
	}
	candidatesMax int
}

var (
	_ visibility.Store = (*Store)(nil)
	_ sqlform.Database = (*database)(nil)
)

// reachTimeout bounds the time to reach a server. Bringing ten million records to a new schema may take many minutes.
const reachTimeout = 30 * time.Second

func reach(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	return pool.Ping(ctx)
}

// Open connects to the database of a URL and brings it to the schema of this program.
func Open(ctx context.Context, url string, options Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("visibility database: %w", err)
	}
	switch {
	case options.Connections > 0:
		config.MaxConns = int32(options.Connections)
	case !strings.Contains(url, "pool_max_conns"):
		config.MaxConns = connectionsDefault
	}
	// Pages of a disk without moving parts cost about the same in any order; the default makes the planner walk through everything
	// in order instead of looking up a few thousand runs.
	if _, set := config.ConnConfig.RuntimeParams["random_page_cost"]; !set {
		config.ConnConfig.RuntimeParams["random_page_cost"] = "1.1"
	}
	// A query whose caller has gone is ended in the database, too, and its connection stays.
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelTimeout}
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("visibility database: %w", err)
	}
	if err := reach(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("visibility database: %w", err)
	}
	if err := prepare(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("prepare visibility database: %w", err)
	}
	d := &database{pool: pool, candidatesMax: cmp.Or(options.CandidatesMax, candidatesMax)}
	return &Store{Reader: sqlform.Reader{Database: d, Timeout: options.QueryTimeout}, database: d}, nil
}

func prepare(ctx context.Context, pool *pgxpool.Pool) error {
	known, err := migrate.LoadFolder(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		_, err := pgmigrate.Run(ctx, conn.Conn(), versionTable, known)
		return err
	})
}

// closeTimeout bounds the last statement.
const closeTimeout = time.Second

// Name implements visibility.Store.
func (s *Store) Name() string { return "postgresql" }

// Close implements visibility.Store.
func (s *Store) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	s.StoreWishes(ctx)
	s.database.pool.Close()
	return nil
}

const forgetTombstones = "DELETE FROM " + sqlform.Table + " WHERE (namespace, run_id) IN (SELECT namespace, run_id FROM " +
	sqlform.Table + " WHERE deleted AND deleted_ns < $1 ORDER BY deleted_ns LIMIT $2 FOR UPDATE SKIP LOCKED)"

// Write implements visibility.Store with one statement for records of each kind.
func (s *Store) Write(ctx context.Context, records []*visibility.Record) error {
	if len(records) == 0 {
		return ctx.Err()
	}
	now := time.Now()
	records = visibility.Newest(records)
	sortByKey(records)
	if err := s.writeAll(ctx, records, now); err != nil {
		return fmt.Errorf("write visibility: %w", err)
	}
	if !slices.ContainsFunc(records, func(rec *visibility.Record) bool { return rec.Deleted }) {
		return nil
	}
	if _, err := s.database.pool.Exec(ctx, forgetTombstones, now.Add(-visibility.TombstoneAge).UnixNano(), tombstonesPerWrite); err != nil {
		return fmt.Errorf("forget old deletions: %w", err)
	}
	return nil
}

func (s *Store) writeAll(ctx context.Context, records []*visibility.Record, now time.Time) error {
	if err := s.Number(ctx, records); err != nil {
		return err
	}
	usual, again := sqlform.Divide(records)
	for text, part := range map[string][]*visibility.Record{upsert: usual, upsertAgain: again} {
		if len(part) == 0 {
			continue
		}
		columns, err := s.columnsOf(part, now)
		if err != nil {
			return err
		}
		if _, err := s.database.pool.Exec(ctx, text, columns...); err != nil {
			return err
		}
	}
	return nil
}

// Rows implements sqlform.Database.
func (d *database) Rows(ctx context.Context, text string, args []any, each func(sqlform.Scanner) error) error {
	rows, err := d.pool.Query(ctx, text, append([]any{freshPlan}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Exec implements sqlform.Database.
func (d *database) Exec(ctx context.Context, text string, args ...any) error {
	_, err := d.pool.Exec(ctx, text, args...)
	return err
}

// sortByKey lets batches of several processes lock rows in the same order.
func sortByKey(records []*visibility.Record) {
	slices.SortFunc(records, func(a, b *visibility.Record) int {
		return cmp.Or(strings.Compare(a.NamespaceID, b.NamespaceID), strings.Compare(a.RunID, b.RunID))
	})
}
