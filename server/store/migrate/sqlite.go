package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// SQLite applies the missing migrations of the version table's owner and tells
// how many there were. It waits for the file's write lock as long as the
// connection's busy timeout says.
func SQLite(ctx context.Context, conn *sql.Conn, table string, known []Migration) (count int, err error) {
	if err := CheckTable(table); err != nil {
		return 0, err
	}
	// The common start has nothing to do and takes no write lock.
	if applied, err := sqliteApplied(ctx, conn, table); err != nil {
		return 0, err
	} else if pending, err := Pending(applied, known); err != nil || len(pending) == 0 {
		return 0, err
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return 0, fmt.Errorf("lock for migrations: %w", err)
	}
	count, err = sqliteApply(ctx, conn, table, known)
	if err != nil {
		_, rollback := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return 0, errors.Join(err, rollback)
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return 0, fmt.Errorf("commit migrations: %w", err)
	}
	return count, nil
}

// sqliteApplied reads the version table; no table is no migration.
func sqliteApplied(ctx context.Context, conn *sql.Conn, table string) ([]Applied, error) {
	var tables int
	err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", table).Scan(&tables)
	if err != nil || tables == 0 {
		return nil, err
	}
	rows, err := conn.QueryContext(ctx, "SELECT version, name, checksum FROM "+table+" ORDER BY version")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var applied []Applied
	for rows.Next() {
		var one Applied
		if err := rows.Scan(&one.Version, &one.Name, &one.Checksum); err != nil {
			return nil, err
		}
		applied = append(applied, one)
	}
	return applied, rows.Err()
}

// sqliteApply runs under the write lock, so it looks again at what is applied.
func sqliteApply(ctx context.Context, conn *sql.Conn, table string, known []Migration) (int, error) {
	applied, err := sqliteApplied(ctx, conn, table)
	if err != nil {
		return 0, err
	}
	pending, err := Pending(applied, known)
	if err != nil {
		return 0, err
	}
	_, err = conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+table+
		" (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)")
	if err != nil {
		return 0, err
	}
	for _, m := range pending {
		if _, err := conn.ExecContext(ctx, m.SQL); err != nil {
			return 0, fmt.Errorf("migration %d (%s): %w", m.Version, m.Name, err)
		}
		_, err := conn.ExecContext(ctx, "INSERT INTO "+table+" (version, name, checksum) VALUES (?, ?, ?)", m.Version, m.Name, m.Checksum)
		if err != nil {
			return 0, fmt.Errorf("record migration %d: %w", m.Version, err)
		}
	}
	return len(pending), nil
}
