// Package sqlite keeps a store in one SQLite file, without cgo.
//
// One connection writes whole groups, others read beside it (write-ahead log).
// Every commit is on disk before it is acknowledged. The file belongs to one
// process at a time.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"perdure/server/store"
	"perdure/server/store/migrate"
)

const (
	readersMax   = 4    // read connections: more than cores help nobody
	busyMilli    = 5000 // longest wait for another connection's write, in milliseconds
	versionTable = "store_version"
)

var errClosed = errors.New("the SQLite store is closed")

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Store is one handle on a file.
type Store struct {
	file     string
	readers  *sql.DB
	writer   *writer
	lock     *fileLock
	counters store.Counters

	statements sync.Map // SQL text of a read -> *sql.Stmt

	closing sync.Once
	failure error // of Close
}

var _ store.Store = (*Store)(nil)

// Open opens the file of a URL sqlite:///absolute/file, or creates it. An error
// is store.ErrDamaged when the file is not what it should be; such a file is
// not altered.
func Open(ctx context.Context, address string, options store.Options) (*Store, error) {
	file, err := fileOf(address)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	s, err := openLocked(ctx, file, options.WithDefaults())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, translate(err)), lock.unlock())
	}
	s.lock = lock
	return s, nil
}

func fileOf(address string) (string, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("store address %q: %w", address, err)
	}
	absolute := parsed.Scheme == "sqlite" && parsed.Host == "" && filepath.IsAbs(parsed.Path)
	if !absolute || parsed.RawQuery != "" || strings.HasSuffix(parsed.Path, "/") {
		return "", fmt.Errorf("store address %q: expected sqlite:///absolute/file", address)
	}
	return filepath.Clean(parsed.Path), nil
}

func openLocked(ctx context.Context, file string, options store.Options) (*Store, error) {
	if err := check(ctx, file); err != nil {
		return nil, err
	}
	if err := prepareFile(ctx, file, options); err != nil {
		return nil, err
	}
	s := &Store{file: file}
	var err error
	if s.writer, err = newWriter(address(file, "rw"), &s.counters); err != nil {
		return nil, err
	}
	if s.readers, err = sql.Open("sqlite", address(file, "rw")+"&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, s.writer.close())
	}
	s.readers.SetMaxOpenConns(readersMax)
	s.readers.SetMaxIdleConns(readersMax)
	return s, nil
}

// address is the driver's name of the file. Mode is SQLite's: ro, rw or rwc.
// A page cache of 16 MiB a connection is filled only as needed.
func address(file, mode string) string {
	escaped := (&url.URL{Path: file}).EscapedPath()
	return fmt.Sprintf("file:%s?mode=%s&_pragma=busy_timeout(%d)&_pragma=synchronous(FULL)&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(4000)",
		escaped, mode, busyMilli)
}

// prepareFile creates the file, brings it to this program's schema and gives a
// new one its shards.
func prepareFile(ctx context.Context, file string, options store.Options) error {
	shards, err := store.NewShards(options.Shards)
	if err != nil {
		return err
	}
	known, err := Migrations()
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", address(file, "rwc"))
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	count, err := migrate.SQLite(ctx, conn, versionTable, known)
	if err != nil {
		return err
	}
	if count > 0 {
		options.Logger.InfoContext(ctx, "store schema migrated", "file", file, "migrations", count)
	}
	return addShards(ctx, conn, shards)
}

// Migrations are the steps of this backend's schema.
func Migrations() ([]migrate.Migration, error) {
	return migrate.LoadFolder(migrationFiles, "migrations")
}

func addShards(ctx context.Context, conn *sql.Conn, shards []store.Shard) error {
	var count int
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM shard").Scan(&count); err != nil || count > 0 {
		return err
	}
	var insert strings.Builder
	insert.WriteString("INSERT INTO shard (shard_id, first_slot, last_slot, epoch, owner, cursors, trimmed) SELECT column1, column2, column3, 0, '', x'', 0 FROM (VALUES ")
	for i, shard := range shards {
		if i > 0 {
			insert.WriteByte(',')
		}
		fmt.Fprintf(&insert, "(%d,%d,%d)", shard.ID, shard.FirstSlot, shard.LastSlot)
	}
	// One statement, so that of two handles only one fills the empty table.
	insert.WriteString(") WHERE NOT EXISTS (SELECT 1 FROM shard)")
	_, err := conn.ExecContext(ctx, insert.String())
	return err
}

// File is the path of the database file.
func (s *Store) File() string { return s.file }

// Stats tells how much went to the file through this handle.
func (s *Store) Stats() store.Stats { return s.counters.Stats() }

// Close waits for running calls. The last handle of a file folds the write-ahead
// log into it.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.failure = errors.Join(s.readers.Close(), s.writer.close(), s.lock.unlock())
	})
	return s.failure
}

// query runs a read with a statement that is parsed once a connection.
func (s *Store) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s.counters.Statement(1)
	statement, err := s.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	return statement.QueryContext(ctx, args...)
}

func (s *Store) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if known, ok := s.statements.Load(text); ok {
		return known.(*sql.Stmt), nil
	}
	statement, err := s.readers.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if known, raced := s.statements.LoadOrStore(text, statement); raced {
		return known.(*sql.Stmt), statement.Close()
	}
	return statement, nil
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, s *Store, scan func(rows *sql.Rows, into *T) error, text string, args ...any) (all []T, err error) {
	rows, err := s.query(ctx, text, args...)
	if err != nil {
		return nil, translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one T
		if err := scan(rows, &one); err != nil {
			return nil, translate(err)
		}
		all = append(all, one)
	}
	return all, translate(rows.Err())
}
