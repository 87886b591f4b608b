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

	enumspb "go.temporal.io/api/enums/v1"
	_ "modernc.org/sqlite" // the driver

	"perdure/server/store/migrate"
	"perdure/visibility"
	"perdure/visibility/eval"
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
	writer *sql.DB
	reader *sql.DB
}

var _ visibility.Store = (*Store)(nil)

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
	return &Store{writer: writer, reader: reader}, nil
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
func (s *Store) Close() error { return errors.Join(s.reader.Close(), s.writer.Close()) }

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
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write visibility: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // without effect after a commit
	if err := writeAll(ctx, tx, visibility.Newest(records), time.Now()); err != nil {
		return fmt.Errorf("write visibility: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write visibility: %w", err)
	}
	return nil
}

func writeAll(ctx context.Context, tx *sql.Tx, records []*visibility.Record, now time.Time) error {
	usual, again := sqlform.Divide(records)
	err := errors.Join(writeRows(ctx, tx, upsert, usual, now), writeRows(ctx, tx, upsertAgain, again, now))
	if err != nil || !slices.ContainsFunc(records, func(rec *visibility.Record) bool { return rec.Deleted }) {
		return err
	}
	_, err = tx.ExecContext(ctx, forgetTombstones, now.Add(-visibility.TombstoneAge).UnixNano(), tombstonesPerWrite)
	return err
}

func writeRows(ctx context.Context, tx *sql.Tx, text string, records []*visibility.Record, now time.Time) error {
	if len(records) == 0 {
		return nil
	}
	statement, err := tx.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, rec := range records {
		row, err := sqlform.NewRow(rec, now)
		if err != nil {
			return err
		}
		if _, err := statement.ExecContext(ctx, row.Values()...); err != nil {
			return fmt.Errorf("run %s: %w", rec.RunID, err)
		}
	}
	return nil
}

// List implements visibility.Store.
func (s *Store) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	text, args, err := sqlform.List(dialect{}, req)
	if err != nil {
		return nil, nil, err
	}
	rows, err := s.reader.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("list visibility: %w", err)
	}
	defer rows.Close()
	var found []*visibility.Record
	for rows.Next() {
		var version int64
		var data []byte
		if err := rows.Scan(&version, &data); err != nil {
			return nil, nil, fmt.Errorf("list visibility: %w", err)
		}
		rec, err := visibility.Decode(req.NamespaceID, version, data)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, rec)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("list visibility: %w", err)
	}
	page, token := sqlform.Page(req, found)
	return page, token, nil
}

// Count implements visibility.Store.
func (s *Store) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	var result visibility.CountResult
	text, args := sqlform.Count(dialect{}, namespaceID, q)
	rows, err := s.reader.QueryContext(ctx, text, args...)
	if err != nil {
		return result, fmt.Errorf("count visibility: %w", err)
	}
	defer rows.Close()
	var groups []eval.Group
	for rows.Next() {
		group := eval.Group{}
		targets := []any{&group.Count}
		if len(q.GroupBy) > 0 {
			targets = []any{&group.Value, &group.Count}
		}
		if err := rows.Scan(targets...); err != nil {
			return result, fmt.Errorf("count visibility: %w", err)
		}
		groups = append(groups, group)
	}
	if err := rows.Err(); err != nil {
		return result, fmt.Errorf("count visibility: %w", err)
	}
	return sqlform.Result(q, groups), nil
}

// dialect is SQLite's part of the compiler.
type dialect struct{}

func (dialect) Arg(n int, _ any) string { return fmt.Sprintf("?%d", n) }

// KeyArg is a JSON path. A key has no characters that a path would need escaped.
func (dialect) KeyArg(key string) any { return `$."` + key + `"` }

func (dialect) Extract(keyArg string, _ enumspb.IndexedValueType) string {
	return "json_extract(attributes, " + keyArg + ")"
}

func (dialect) IsAbsent(keyArg string) string { return "json_type(attributes, " + keyArg + ") IS NULL" }

func (d dialect) HasAny(key string, values []any, isList bool, bind func(any) string) string {
	path := bind(d.KeyArg(key))
	args := make([]string, len(values))
	for i, value := range values {
		args[i] = bind(value)
	}
	in := " IN (" + strings.Join(args, ", ") + ")"
	if isList {
		return "EXISTS (SELECT 1 FROM json_each(attributes, " + path + ") WHERE value" + in + ")"
	}
	return "json_extract(attributes, " + path + ")" + in
}

func (dialect) StartsWith(text, prefixArg string) string {
	return "substr(" + text + ", 1, length(" + prefixArg + ")) = " + prefixArg
}
