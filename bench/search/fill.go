package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"perdure/bench/measure"
	"perdure/server"
	"perdure/visibility"
	"perdure/visibility/sqlform"
)

// namespaceID is the namespace of all rows.
const namespaceID = "3f1c6e1e-5d0a-4c55-9a3f-0d2f6a1b7c10"

// copyRows is how many rows one COPY holds, so that progress can be told.
const copyRows = 250_000

type bench struct {
	settings
	conn   *pgx.Conn
	store  visibility.Store
	result result
}

func open(ctx context.Context, s settings) (*bench, error) {
	store, err := server.OpenVisibility(ctx, s.url)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &bench{settings: s, conn: conn, store: store, result: result{Rows: s.rows, Machine: measure.ThisMachine()}}, nil
}

func (b *bench) close() {
	_ = b.conn.Close(context.Background()) // nothing is lost
	_ = b.store.Close()
}

// fill writes all rows with their indexes and triggers away, which are made anew behind them.
func (b *bench) fill(ctx context.Context) error {
	if b.filled {
		return nil
	}
	begun := time.Now()
	// The first row makes the namespace's number.
	if err := b.store.Write(ctx, []*visibility.Record{record(namespaceID, 0)}); err != nil {
		return err
	}
	var number int64
	if err := b.conn.QueryRow(ctx, sqlform.FindNamespace, namespaceID).Scan(&number); err != nil {
		return err
	}
	indexes, err := b.dropIndexes(ctx)
	if err != nil {
		return err
	}
	if err := b.execute(ctx, "ALTER TABLE "+sqlform.Table+" DISABLE TRIGGER USER"); err != nil {
		return err
	}
	for first := 1; first < b.rows; first += copyRows {
		if err := b.copy(ctx, number, first, min(first+copyRows, b.rows)); err != nil {
			return err
		}
	}
	statements := append([]string{"SET maintenance_work_mem = '512MB'", "SET max_parallel_maintenance_workers = 1"}, indexes...)
	statements = append(statements, "ALTER TABLE "+sqlform.Table+" ENABLE TRIGGER USER", "DELETE FROM "+sqlform.CountsTable,
		"INSERT INTO "+sqlform.CountsTable+" (namespace, part, status, division, runs) SELECT namespace, 0, status, division, count(*) FROM "+
			sqlform.Table+" WHERE NOT deleted GROUP BY namespace, status, division",
		"VACUUM ANALYZE", "CHECKPOINT")
	if err := b.execute(ctx, statements...); err != nil {
		return err
	}
	b.result.FillSeconds = time.Since(begun).Seconds()
	return nil
}

// dropIndexes returns the statements that make the indexes again.
func (b *bench) dropIndexes(ctx context.Context) ([]string, error) {
	rows, err := b.conn.Query(ctx, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1 AND indexname NOT LIKE '%pkey'", sqlform.Table)
	if err != nil {
		return nil, err
	}
	type index struct{ Name, Definition string }
	indexes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil {
		return nil, err
	}
	var again []string
	for _, index := range indexes {
		again = append(again, index.Definition)
		if err := b.execute(ctx, "DROP INDEX "+pgx.Identifier{index.Name}.Sanitize()); err != nil {
			return nil, err
		}
	}
	return again, nil
}

func (b *bench) execute(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		begun := time.Now()
		if _, err := b.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
		if took := time.Since(begun); took > time.Second {
			say("%.0f s: %.100s", took.Seconds(), statement)
		}
		if err := b.checkMemory(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) copy(ctx context.Context, number int64, first, end int) error {
	next, now := first, time.Now()
	_, err := b.conn.CopyFrom(ctx, pgx.Identifier{sqlform.Table}, sqlform.Columns, pgx.CopyFromFunc(func() ([]any, error) {
		if next == end {
			return nil, nil
		}
		row, err := sqlform.NewRow(record(namespaceID, next), number, now)
		next++
		return row.Values(), err
	}))
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	say("%d of %d rows, %.0f rows/s", end, b.rows, float64(end-first)/time.Since(now).Seconds())
	return b.checkMemory()
}

func (b *bench) sizes(ctx context.Context) error {
	r := &b.result
	err := b.conn.QueryRow(ctx, "SELECT pg_table_size($1::regclass), pg_indexes_size($1::regclass)", sqlform.Table).Scan(&r.TableBytes, &r.IndexBytes)
	if err != nil {
		return err
	}
	r.IndexRatio = float64(r.IndexBytes) / float64(r.TableBytes)
	rows, err := b.conn.Query(ctx, "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = $1::regclass ORDER BY 2 DESC", sqlform.Table)
	if err != nil {
		return err
	}
	r.Indexes, err = pgx.CollectRows(rows, pgx.RowToStructByPos[indexSize])
	return err
}

// checkMemory fails when the machine has less available than it must.
func (b *bench) checkMemory() error {
	if available := memoryMiB("/proc/meminfo", "MemAvailable:"); available < int64(b.memoryFloorMiB) {
		return fmt.Errorf("%d MiB of memory available, less than --memory-floor %d", available, b.memoryFloorMiB)
	}
	return nil
}

func peakMiB() int64 { return memoryMiB("/proc/self/status", "VmHWM:") }

// memoryMiB reads a line of a file of /proc, which is in KiB.
func memoryMiB(file, name string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 1 << 40 // no such file here: no floor
	}
	_, rest, _ := strings.Cut(string(text), name)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kibibytes, _ := strconv.ParseInt(fields[0], 10, 64)
	return kibibytes >> 10
}
