// Command search measures the PostgreSQL store of search records over many rows: first pages by each attribute, counts, writes, sizes.
//
//	go run ./bench/search --rows 10000000 --json
//
// It needs no more than a hundred megabytes itself, and stops when the machine has less memory available than --memory-floor.
// Rows are made from their numbers, so each run has the same ones.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"perdure/bench/measure"
	"perdure/internal/pgtest"
)

// settings are the flags.
type settings struct {
	rows, calls, writers, pageSize int
	seconds                        int
	memoryFloorMiB                 int
	url                            string
	filled                         bool
	only                           string
	json                           bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "search:", err)
		os.Exit(1)
	}
}

func parse() settings {
	var s settings
	flag.IntVar(&s.rows, "rows", 1_000_000, "rows that the store has")
	flag.IntVar(&s.calls, "calls", 300, "calls of each query; each has other values")
	flag.IntVar(&s.pageSize, "page", 100, "rows of a page")
	flag.IntVar(&s.writers, "writers", 4, "writers at the same time of the batched writes")
	flag.IntVar(&s.seconds, "seconds", 15, "seconds of batched writes")
	flag.IntVar(&s.memoryFloorMiB, "memory-floor", 1024, "MiB of memory that must stay available on the machine")
	flag.StringVar(&s.url, "url", "", "empty PostgreSQL database to use, instead of a server of the bench's own with default settings")
	flag.BoolVar(&s.filled, "filled", false, "the database of --url has the rows of an earlier run already")
	flag.StringVar(&s.only, "only", "", "regular expression of the names of the questions to ask; indexes on demand are made only for those that need one")
	flag.BoolVar(&s.json, "json", false, "print one JSON object instead of tables")
	flag.Parse()
	return s
}

// result is all that is measured.
type result struct {
	Rows           int             `json:"rows"`
	Machine        measure.Machine `json:"machine"`
	FillSeconds    float64         `json:"fill_seconds"`
	TableBytes     int64           `json:"table_bytes"`
	IndexBytes     int64           `json:"index_bytes"`
	IndexRatio     float64         `json:"index_ratio"`
	Indexes        []indexSize     `json:"indexes"`
	OnDemandBytes  int64           `json:"on_demand_index_bytes"`
	Queries        []timing        `json:"queries"`
	Counts         []timing        `json:"counts"`
	Freshness      timing          `json:"freshness"`
	WritePerSecond float64         `json:"batched_writes_per_second"`
	WriteWALBytes  float64         `json:"batched_write_wal_bytes"`
	BenchPeakMiB   int64           `json:"bench_peak_mib"`
}

type indexSize struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// timing is a query with the distribution of its times.
type timing struct {
	Name  string  `json:"name"`
	Query string  `json:"query"` // one of the texts
	Rows  float64 `json:"rows"`  // of an answer, on average
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
	// Plans are the indexes of the plans that calls had, each set once: more than one where the values decide.
	Plans []string `json:"plans,omitempty"`
}

func run(ctx context.Context, s settings) (err error) {
	if s.url == "" {
		url, stop, err := pgtest.Standalone()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		s.url = url
	}
	b, err := open(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	for _, step := range []func(context.Context) error{b.fill, b.sizes, b.freshness, b.queries, b.counts, b.writes} {
		if err := b.checkMemory(); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return b.show()
}

func (b *bench) show() error {
	b.result.BenchPeakMiB = peakMiB()
	if b.json {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", " ")
		return encoder.Encode(b.result)
	}
	r := b.result
	fmt.Printf("%d rows in %.0f s; table %d MiB, indexes %d MiB (%.2f of the table), on demand %d MiB\n",
		r.Rows, r.FillSeconds, r.TableBytes>>20, r.IndexBytes>>20, r.IndexRatio, r.OnDemandBytes>>20)
	fmt.Printf("batched writes: %.0f rows/s, %.0f bytes of WAL each; bench's memory: %d MiB\n", r.WritePerSecond, r.WriteWALBytes, r.BenchPeakMiB)
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "query\trows\tp50 ms\tp99 ms\tmax ms\tindexes\tfor example")
	for _, t := range append(append(r.Queries, r.Counts...), r.Freshness) {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.2f\t%.2f\t%s\t%s\n", t.Name, t.Rows, t.P50, t.P99, t.Max, strings.Join(t.Plans, " | "), t.Query)
	}
	return w.Flush()
}

// say tells on standard error how it goes.
func say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, arguments...)...)
}
