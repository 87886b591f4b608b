package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"perdure/bench/load"
	"perdure/bench/report"
)

const (
	// pageBytes is what databases write at least.
	pageBytes = 8 << 10
	// rowBytes and copyRows are like the events of a transition, and a group of them.
	rowBytes, copyRows = 850, 256
	// manyClients is enough for a database to commit in groups.
	manyClients = 64
)

// ceiling is something that the machine or the database does by itself: no server can be faster.
type ceiling struct {
	name, unit string
	callers    int
	units      int64 // of one call
	call       func(ctx context.Context, caller int) error
}

// ceilings measures what stands beside other results: syncs of a file, commits of one row, rows in groups.
func (r *runner) ceilings(ctx context.Context, t *target) error {
	disk := "" // the one of temporary files, where a PostgreSQL of the bench's own is
	if t.sources.DatabaseFile != "" {
		disk = filepath.Dir(t.sources.DatabaseFile)
	}
	folder, err := os.MkdirTemp(disk, "perdure-bench-")
	if err != nil {
		return err
	}
	err = r.fileCeilings(ctx, t, folder)
	if err == nil && t.sources.Postgres != "" {
		err = r.postgresCeilings(ctx, t)
	}
	return errors.Join(err, os.RemoveAll(folder))
}

func (r *runner) fileCeilings(ctx context.Context, t *target, folder string) error {
	file, err := os.Create(filepath.Join(folder, "synced"))
	if err != nil {
		return err
	}
	page := make([]byte, pageBytes)
	err = r.exhaust(ctx, t, ceiling{"fsync-8KiB", "sync", 1, 1, func(context.Context, int) error {
		if _, err := file.WriteAt(page, 0); err != nil {
			return err
		}
		return file.Sync()
	}})
	return errors.Join(err, file.Close())
}

func (r *runner) postgresCeilings(ctx context.Context, t *target) (err error) {
	config, err := pgxpool.ParseConfig(t.sources.Postgres)
	if err != nil {
		return err
	}
	config.MaxConns = manyClients
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS bench_ceiling (number bigint, data bytea)"); err != nil {
		return fmt.Errorf("make a table: %w", err)
	}
	defer func() {
		_, dropErr := pool.Exec(context.WithoutCancel(ctx), "DROP TABLE bench_ceiling")
		err = errors.Join(err, dropErr)
	}()
	row := make([]byte, rowBytes)
	commit := func(ctx context.Context, caller int) error {
		_, err := pool.Exec(ctx, "INSERT INTO bench_ceiling VALUES ($1, $2)", caller, row)
		return err
	}
	copyGroup := func(ctx context.Context, caller int) error {
		_, err := pool.CopyFrom(ctx, pgx.Identifier{"bench_ceiling"}, []string{"number", "data"},
			pgx.CopyFromSlice(copyRows, func(i int) ([]any, error) { return []any{int64(i), row}, nil }))
		return err
	}
	for _, c := range []ceiling{
		{"commits-of-one-row", "commit", 1, 1, commit}, {"commits-of-one-row", "commit", manyClients, 1, commit},
		{"rows-by-copy", "row", 1, copyRows, copyGroup},
	} {
		if err := r.exhaust(ctx, t, c); err != nil {
			return err
		}
	}
	return nil
}

// exhaust calls as often as it goes for the measured time and keeps the result.
func (r *runner) exhaust(ctx context.Context, t *target, c ceiling) error {
	var latencies load.Histogram
	errs := make([]error, c.callers)
	begun := time.Now()
	end := begun.Add(r.duration)
	var callers sync.WaitGroup
	for caller := range c.callers {
		callers.Go(func() {
			for now := begun; now.Before(end) && errs[caller] == nil; {
				errs[caller] = c.call(ctx, caller)
				last := now
				now = time.Now()
				latencies.Add(now.Sub(last))
			}
		})
	}
	callers.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	all, elapsed := latencies.Snapshot(), time.Since(begun).Seconds()
	units := all.Count() * c.units
	r.add(report.Result{
		Target: t.name, Server: t.facts.Version, Scenario: c.name, Unit: c.unit, Inflight: c.callers,
		Rate: report.Rate{Seconds: elapsed, Completed: units, PerSecond: float64(units) / elapsed}, Latency: report.LatencyOf(all),
	})
	return nil
}
