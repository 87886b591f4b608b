package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	sqlite "modernc.org/sqlite"

	"perdure/server/store"
)

// writer is the one connection that writes. It speaks to the driver without
// database/sql, which costs more than SQLite itself does on rows this small.
type writer struct {
	turn       chan struct{} // holds one token; whoever has it has the connection
	conn       driver.Conn
	statements map[string]*statement // by SQL text
	counters   *store.Counters
	closed     bool
}

// statement is a parsed statement with its argument buffer.
type statement struct {
	driver.Stmt
	arguments []driver.NamedValue
}

func newWriter(address string, counters *store.Counters) (*writer, error) {
	conn, err := (&sqlite.Driver{}).Open(address)
	if err != nil {
		return nil, err
	}
	w := &writer{turn: make(chan struct{}, 1), conn: conn, statements: map[string]*statement{}, counters: counters}
	w.turn <- struct{}{}
	return w, nil
}

// transact runs f in one transaction. The context ends the wait for the turn
// only: what has begun is finished, so that its outcome is known.
func (w *writer) transact(ctx context.Context, f func(w *writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.turn:
	}
	defer func() { w.turn <- struct{}{} }()
	if w.closed {
		return errClosed
	}
	if _, err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", translate(err))
	}
	if err := f(w); err != nil {
		return errors.Join(translate(err), w.rollback())
	}
	if _, err := w.exec("COMMIT"); err != nil {
		// The log may or may not have reached the disk.
		_ = w.rollback() // nothing to roll back when SQLite has done so itself
		return fmt.Errorf("commit: %w: %w", store.ErrUnknownOutcome, translate(err))
	}
	return nil
}

func (w *writer) rollback() error {
	_, err := w.exec("ROLLBACK")
	return err
}

// fenced is transact for the holder of a lease.
func (w *writer) fenced(ctx context.Context, lease store.Lease, f func(w *writer) error) error {
	return w.transact(ctx, func(w *writer) error {
		if err := w.checkLease(lease); err != nil {
			return err
		}
		return f(w)
	})
}

func (w *writer) checkLease(lease store.Lease) error {
	held, err := w.holds(lease)
	if err == nil && !held {
		err = fmt.Errorf("shard %d, epoch %d: %w", lease.Shard, lease.Epoch, store.ErrLeaseLost)
	}
	return err
}

func (w *writer) holds(lease store.Lease) (bool, error) {
	row, err := w.row(1, "SELECT 1 FROM shard WHERE shard_id = ? AND epoch = ?", int64(lease.Shard), lease.Epoch)
	return row != nil, err
}

func (w *writer) prepared(text string) (*statement, error) {
	if known := w.statements[text]; known != nil {
		return known, nil
	}
	parsed, err := w.conn.Prepare(text)
	if err != nil {
		return nil, err
	}
	w.statements[text] = &statement{Stmt: parsed}
	return w.statements[text], nil
}

func (s *statement) bind(values []driver.Value) []driver.NamedValue {
	s.arguments = s.arguments[:0]
	for i, value := range values {
		s.arguments = append(s.arguments, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return s.arguments
}

// exec returns how many rows were changed.
func (w *writer) exec(text string, values ...driver.Value) (int64, error) {
	w.counters.Statement(1)
	s, err := w.prepared(text)
	if err != nil {
		return 0, err
	}
	result, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), s.bind(values))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row reads the first row of a query, nil when there is none.
func (w *writer) row(columns int, text string, values ...driver.Value) ([]driver.Value, error) {
	w.counters.Statement(1)
	s, err := w.prepared(text)
	if err != nil {
		return nil, err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.bind(values))
	if err != nil {
		return nil, err
	}
	found := make([]driver.Value, columns)
	err = rows.Next(found)
	if errors.Is(err, io.EOF) {
		return nil, rows.Close()
	}
	return found, errors.Join(err, rows.Close())
}

func (w *writer) close() error {
	<-w.turn
	defer func() { w.turn <- struct{}{} }()
	w.closed = true
	var failures []error
	for _, s := range w.statements {
		failures = append(failures, s.Close())
	}
	return errors.Join(append(failures, w.conn.Close())...)
}

// micros is a time as it is stored.
func micros(t time.Time) int64 { return t.UnixMicro() }

// microsOrNull stores the zero time as null.
func microsOrNull(t time.Time) driver.Value {
	if t.IsZero() {
		return nil
	}
	return micros(t)
}

// blob keeps nil from becoming null.
func blob(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}
