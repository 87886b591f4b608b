// Package measure reads what a load costs a server: CPU time and memory from /proc, counters from the server's metrics page, and
// what PostgreSQL tells of itself.
package measure

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

// Names of the server's own metrics.
const (
	metricCommits     = "perdure_commit_groups_total"
	metricTransitions = "perdure_state_transitions_total"
	metricStatements  = "perdure_store_statements_total"
	metricPending     = "perdure_log_pending_rows"
	metricUnindexed   = "perdure_visibility_pending_tasks"
	metricHeap        = "go_memstats_heap_inuse_bytes"
)

// Sources are where costs are read; each is optional.
type Sources struct {
	PID          int    // of the server, on this machine
	MetricsURL   string // of a server that has perdure's metrics
	Postgres     string // URL of the server's database
	DatabaseFile string // of a server on SQLite
}

// Sample is the state of all counters at one moment; absent ones are 0.
type Sample struct {
	At                                              time.Time
	ServerCPU, GeneratorCPU, StoreCPU               time.Duration
	ResidentBytes, WrittenBytes, HeapBytes          float64
	Transitions, Commits, Statements                float64
	PendingRows, UnindexedRecords                   float64
	WALBytes, WALSyncs, StoreCommits, DatabaseBytes float64
}

// Sample reads all sources.
func (s Sources) Sample(ctx context.Context) (Sample, error) {
	got := Sample{At: time.Now()}
	for _, ask := range []func(context.Context, *Sample) error{s.askProcess, s.askMetrics, s.askDatabase, askGenerator} {
		if err := ask(ctx, &got); err != nil {
			return got, err
		}
	}
	return got, nil
}

func (s Sources) askProcess(_ context.Context, got *Sample) (err error) {
	if s.PID == 0 {
		return nil
	}
	if got.ServerCPU, err = processCPU(s.PID, false); err != nil {
		return err
	}
	if got.ResidentBytes, err = residentBytes(s.PID); err != nil {
		return err
	}
	got.WrittenBytes, err = writtenBytes(s.PID)
	return err
}

func (s Sources) askMetrics(ctx context.Context, got *Sample) error {
	if s.MetricsURL == "" {
		return nil
	}
	sums, err := scrape(ctx, s.MetricsURL)
	if err != nil {
		return err
	}
	got.Transitions, got.Commits, got.Statements = sums[metricTransitions], sums[metricCommits], sums[metricStatements]
	got.PendingRows, got.UnindexedRecords, got.HeapBytes = sums[metricPending], sums[metricUnindexed], sums[metricHeap]
	return nil
}

func (s Sources) askDatabase(ctx context.Context, got *Sample) (err error) {
	switch {
	case s.Postgres != "":
		return got.askPostgres(ctx, s.Postgres)
	case s.DatabaseFile != "":
		got.DatabaseBytes, err = fileBytes(s.DatabaseFile)
	}
	return err
}

func askGenerator(_ context.Context, got *Sample) error {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return err
	}
	got.GeneratorCPU = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	return nil
}

// fileBytes is the size of a SQLite database with the log it has not taken over yet.
func fileBytes(file string) (float64, error) {
	sizes, err := fileSizes(file)
	total := 0.0
	for _, bytes := range sizes {
		total += bytes
	}
	return total, err
}

func fileSizes(file string) (map[string]float64, error) {
	sizes := map[string]float64{}
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(file + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sizes["file"+suffix] = float64(info.Size())
	}
	return sizes, nil
}

// Tables are the sizes of the database's parts in bytes; nil without a database that tells.
func (s Sources) Tables(ctx context.Context) (map[string]float64, error) {
	switch {
	case s.Postgres != "":
		return postgresTables(ctx, s.Postgres)
	case s.DatabaseFile != "":
		return fileSizes(s.DatabaseFile)
	}
	return nil, nil
}

// StoreSettings tell how a PostgreSQL is set up; nil for other stores.
func (s Sources) StoreSettings(ctx context.Context) (map[string]string, error) {
	if s.Postgres == "" {
		return nil, nil
	}
	return postgresSettings(ctx, s.Postgres)
}

// profilesURL is where the server's profiles are, beside its metrics.
func (s Sources) profilesURL() string {
	base, _ := strings.CutSuffix(s.MetricsURL, "/metrics")
	return base + "/debug/pprof/"
}
