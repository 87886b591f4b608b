// Package pgmigrate applies migrations to PostgreSQL.
package pgmigrate

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"

	"perdure/server/store/migrate"
)

// Run applies the missing migrations of the version table's owner and tells
// how many there were. Nodes that start at once take turns by an advisory lock.
func Run(ctx context.Context, conn *pgx.Conn, table string, known []migrate.Migration) (count int, err error) {
	if err := migrate.CheckTable(table); err != nil {
		return 0, err
	}
	// The common start has nothing to do and takes no lock.
	if pending, err := pending(ctx, conn, table, known); err != nil || len(pending) == 0 {
		return 0, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		count, err = apply(ctx, tx, table, known)
		return err
	})
	if err != nil {
		return 0, err
	}
	return count, nil
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// simple keeps one-time statements out of the connection's statement cache.
const simple = pgx.QueryExecModeSimpleProtocol

// pending looks at the version table of the connection's schema; no table is no migration.
func pending(ctx context.Context, conn *pgx.Conn, table string, known []migrate.Migration) ([]migrate.Migration, error) {
	var found bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", simple, table).Scan(&found); err != nil {
		return nil, fmt.Errorf("look for table %s: %w", table, err)
	}
	if !found {
		return known, nil
	}
	return remaining(ctx, conn, table, known)
}

func remaining(ctx context.Context, q querier, table string, known []migrate.Migration) ([]migrate.Migration, error) {
	rows, err := q.Query(ctx, "SELECT version, name, checksum FROM "+table+" ORDER BY version", simple)
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", table, err)
	}
	applied, err := pgx.CollectRows(rows, pgx.RowToStructByPos[migrate.Applied])
	if err != nil {
		return nil, fmt.Errorf("read table %s: %w", table, err)
	}
	return migrate.Pending(applied, known)
}

// apply looks again at what is applied once it has its turn. It must not ask
// whether the version table exists: that answer may come from the session's
// cache, which knows nothing of a node that was first.
func apply(ctx context.Context, tx pgx.Tx, table string, known []migrate.Migration) (int, error) {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte("perdure migrations " + table))
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", simple, int64(hash.Sum64())); err != nil {
		return 0, fmt.Errorf("lock for migrations: %w", err)
	}
	_, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+table+
		" (version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())", simple)
	if err != nil {
		return 0, fmt.Errorf("create table %s: %w", table, err)
	}
	pending, err := remaining(ctx, tx, table, known)
	if err != nil {
		return 0, err
	}
	for _, m := range pending {
		if _, err := tx.Exec(ctx, m.SQL, simple); err != nil {
			return 0, fmt.Errorf("migration %d (%s): %w", m.Version, m.Name, err)
		}
		_, err := tx.Exec(ctx, "INSERT INTO "+table+" (version, name, checksum) VALUES ($1, $2, $3)", simple, m.Version, m.Name, m.Checksum)
		if err != nil {
			return 0, fmt.Errorf("record migration %d: %w", m.Version, err)
		}
	}
	return len(pending), nil
}
