package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ticksPerSecond is the kernel's unit of CPU time in /proc, the same on every Linux.
const ticksPerSecond = 100

// Names of the server's own metrics.
const (
	metricCommits     = "perdure_commit_groups_total"
	metricTransitions = "perdure_state_transitions_total"
	metricStatements  = "perdure_store_statements_total"
	metricPending     = "perdure_log_pending_rows"
	metricUnindexed   = "perdure_visibility_pending_tasks"
	metricHeap        = "go_memstats_heap_inuse_bytes"
)

// sources are where costs are read; each is optional.
type sources struct {
	pid        int    // of the server, on this machine
	metricsURL string // of a server that has perdure's metrics
	postgres   string // URL of the server's database
}

// sample is the state of all counters at one moment; absent ones are 0.
type sample struct {
	serverCPU, generatorCPU, storeCPU time.Duration
	residentBytes                     float64
	metrics                           map[string]float64
	walBytes, walSyncs, storeCommits  float64
	databaseBytes                     float64
}

func (s sources) sample(ctx context.Context) (sample, error) {
	var got sample
	var err error
	if s.pid != 0 {
		if got.serverCPU, err = processCPU(s.pid, false); err != nil {
			return got, err
		}
		if got.residentBytes, err = residentBytes(s.pid); err != nil {
			return got, err
		}
	}
	if s.metricsURL != "" {
		if got.metrics, err = scrape(ctx, s.metricsURL); err != nil {
			return got, err
		}
	}
	if s.postgres != "" {
		if err = got.askPostgres(ctx, s.postgres); err != nil {
			return got, err
		}
	}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return got, err
	}
	got.generatorCPU = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	return got, nil
}

// askPostgres reads the cluster's counters and, when it runs on this machine, the CPU time of all its processes.
func (s *sample) askPostgres(ctx context.Context, url string) error {
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("measure PostgreSQL: %w", err)
	}
	defer connection.Close(ctx)
	var backend int
	err = connection.QueryRow(ctx, `
		SELECT pg_backend_pid(), (pg_current_wal_insert_lsn() - '0/0')::float8, (SELECT wal_sync FROM pg_stat_wal)::float8,
		       (SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = current_database())::float8,
		       pg_database_size(current_database())::float8`).
		Scan(&backend, &s.walBytes, &s.walSyncs, &s.storeCommits, &s.databaseBytes)
	if err != nil {
		return fmt.Errorf("measure PostgreSQL: %w", err)
	}
	postmaster, err := statField(backend, 3)
	if err != nil {
		return nil // another machine
	}
	s.storeCPU, err = familyCPU(int(postmaster))
	return err
}

// familyCPU is the CPU time of a process, of its children that live and of those that ended.
func familyCPU(parent int) (time.Duration, error) {
	total, err := processCPU(parent, true)
	if err != nil {
		return 0, err
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, stat := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if of, err := statField(pid, 3); err != nil || int(of) != parent {
			continue
		}
		if own, err := processCPU(pid, false); err == nil {
			total += own
		}
	}
	return total, nil
}

// processCPU is user and system time, with that of ended children when asked.
func processCPU(pid int, withChildren bool) (time.Duration, error) {
	last := 14
	if withChildren {
		last = 16
	}
	var ticks int64
	for field := 13; field <= last; field++ {
		value, err := statField(pid, field)
		if err != nil {
			return 0, err
		}
		ticks += value
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// statField is a number of /proc/PID/stat, counted from 0 as proc(5) does less one; the name in field 1 may hold blanks.
func statField(pid, field int) (int64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(content[strings.LastIndexByte(string(content), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if field-2 >= len(fields) {
		return 0, fmt.Errorf("/proc/%d/stat has no field %d", pid, field)
	}
	return strconv.ParseInt(fields[field-2], 10, 64)
}

func residentBytes(pid int) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	var size, resident float64
	if _, err := fmt.Sscan(string(content), &size, &resident); err != nil {
		return 0, err
	}
	return resident * float64(os.Getpagesize()), nil
}

// scrape reads a metrics page and adds up the series of each name.
func scrape(ctx context.Context, url string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics from %s: %s", url, answer.Status)
	}
	return addUp(answer.Body)
}

func addUp(page io.Reader) (map[string]float64, error) {
	sums := map[string]float64{}
	for lines := bufio.NewScanner(page); lines.Scan(); {
		line := lines.Text()
		space := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || space < 0 {
			continue
		}
		value, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics line %q: %w", line, err)
		}
		name, _, _ := strings.Cut(line[:space], "{")
		sums[name] += value
	}
	return sums, nil
}
