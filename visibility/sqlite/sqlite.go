// Package sqlite keeps visibility in an SQLite file, with attributes as JSON.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"perdure/server/store/migrate"
	"perdure/visibility"
	"perdure/visibility/query"
	"perdure/visibility/sqlform"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// versionTable keeps which migrations the file has.
const versionTable = "visibility_version"

// maxReaders is how many queries run at once.
const maxReaders = 4

// busyTimeout is how long a statement waits for another process.
const busyTimeout = 5 * time.Second

// tombstonesPerWrite is how many old tombstones a write removes at most, to stay short.
const tombstonesPerWrite = 1000

// Store is a visibility.Store in a file. One connection writes; others read beside it.
type Store struct {
	sqlform.Reader
	writer *sql.DB
	reader *sql.DB
}

// database is what the reading half asks.
type database struct{ writer, reader *sql.DB }

var (
	_ visibility.Store = (*Store)(nil)
	_ sqlform.Database = database{}
)

// Options change how a file is opened.
type Options struct {
	// Unsafe does not wait for the disk: a power cut may lose what was written. For tests.
	Unsafe bool
}

// Open opens a file, given as path or as sqlite:///absolute/file, and creates
// it when it is not there. Write returns when the disk has the records.
func Open(ctx context.Context, path string, options Options) (*Store, error) {
	path, err := fileOf(path)
	if err != nil {
		return nil, err
	}
	writer, err := sql.Open("sqlite", source(path, options))
	if err != nil {
		return nil, fmt.Errorf("open visibility file: %w", err)
	}
	writer.SetMaxOpenConns(1)
	if err := prepare(ctx, writer); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare visibility file %s: %w", path, err), writer.Close())
	}
	reader, err := sql.Open("sqlite", source(path, options))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open visibility file: %w", err), writer.Close())
	}
	reader.SetMaxOpenConns(maxReaders)
	return &Store{Reader: sqlform.Reader{Database: database{writer, reader}}, writer: writer, reader: reader}, nil
}

func fileOf(path string) (string, error) {
	if !strings.HasPrefix(path, "sqlite:") {
		return path, nil
	}
	address, err := url.Parse(path)
	if err != nil || address.Host != "" || address.RawQuery != "" || !strings.HasPrefix(address.Path, "/") {
		return "", fmt.Errorf("visibility address %q: expected sqlite:///absolute/file", path)
	}
	return address.Path, nil
}

func source(path string, options Options) string {
	synchronous := "FULL"
	if options.Unsafe {
		synchronous = "OFF"
	}
	values := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(" + synchronous + ")",
	}, "_txlock": {"immediate"}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + values.Encode()
}

// prepare brings the file to the schema of this program.
func prepare(ctx context.Context, db *sql.DB) error {
	known, err := migrate.LoadFolder(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = migrate.SQLite(ctx, conn, versionTable, known)
	return errors.Join(err, conn.Close())
}

// Name implements visibility.Store.
func (s *Store) Name() string { return "sqlite" }

// Close implements visibility.Store.
func (s *Store) Close() error {
	s.StoreWishes(context.Background())
	return errors.Join(s.reader.Close(), s.writer.Close())
}

var (
	insert      = "INSERT INTO " + sqlform.Table + " (" + strings.Join(sqlform.Columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(sqlform.Columns)-1) + ")"
	upsert      = insert + sqlform.OnConflict(false)
	upsertAgain = insert + sqlform.OnConflict(true)
)

const forgetTombstones = "DELETE FROM " + sqlform.Table + " WHERE rowid IN (SELECT rowid FROM " + sqlform.Table + " WHERE deleted AND deleted_ns < ? LIMIT ?)"

// Write implements visibility.Store.
func (s *Store) Write(ctx context.Context, records []*visibility.Record) error {
	if len(records) == 0 {
		return nil
	}
	records = visibility.Newest(records)
	if err := s.Number(ctx, records); err != nil {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write visibility: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // without effect after a commit
	if err := s.writeAll(ctx, tx, records, time.Now()); err != nil {
		return fmt.Errorf("write visibility: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write visibility: %w", err)
	}
	return nil
}

func (s *Store) writeAll(ctx context.Context, tx *sql.Tx, records []*visibility.Record, now time.Time) error {
	usual, again := sqlform.Divide(records)
	err := errors.Join(s.writeRows(ctx, tx, upsert, usual, now), s.writeRows(ctx, tx, upsertAgain, again, now))
	if err != nil || !slices.ContainsFunc(records, func(rec *visibility.Record) bool { return rec.Deleted }) {
		return err
	}
	_, err = tx.ExecContext(ctx, forgetTombstones, now.Add(-visibility.TombstoneAge).UnixNano(), tombstonesPerWrite)
	return err
}

func (s *Store) writeRows(ctx context.Context, tx *sql.Tx, text string, records []*visibility.Record, now time.Time) error {
	if len(records) == 0 {
		return nil
	}
	statement, err := tx.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, rec := range records {
		row, err := sqlform.NewRow(rec, s.Known(rec.NamespaceID), now)
		if err != nil {
			return err
		}
		if _, err := statement.ExecContext(ctx, row.Values()...); err != nil {
			return fmt.Errorf("run %s: %w", rec.RunID, err)
		}
	}
	return nil
}

// Dialect implements sqlform.Database.
func (database) Dialect(context.Context) sqlform.Dialect { return dialect{} }

// Guard implements sqlform.Database: SQLite does not know what a list costs.
func (database) Guard(context.Context, int64, *query.Query) error { return nil }

// IsFew implements sqlform.Database.
func (database) IsFew(context.Context, int64, *query.Query) (bool, error) { return false, nil }

// Rows implements sqlform.Database.
func (d database) Rows(ctx context.Context, text string, args []any, each func(sqlform.Scanner) error) error {
	rows, err := d.reader.QueryContext(ctx, text, args...)
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
func (d database) Exec(ctx context.Context, text string, args ...any) error {
	_, err := d.writer.ExecContext(ctx, text, args...)
	return err
}
