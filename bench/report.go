package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"
)

// result is one measurement. Costs are per unit; those without a source are 0.
type result struct {
	Target    string  `json:"target,omitempty"`
	Scenario  string  `json:"scenario"`
	Unit      string  `json:"unit"`
	Inflight  int     `json:"inflight"`
	Seconds   float64 `json:"seconds"`
	Completed int     `json:"completed"`
	Failed    int64   `json:"failed"`
	PerSecond float64 `json:"per_second"`

	P50  float64 `json:"p50_milliseconds"`
	P95  float64 `json:"p95_milliseconds"`
	P99  float64 `json:"p99_milliseconds"`
	P999 float64 `json:"p999_milliseconds"`

	ServerCPU    float64 `json:"server_cpu_milliseconds"`
	StoreCPU     float64 `json:"store_cpu_milliseconds"`
	GeneratorCPU float64 `json:"generator_cpu_milliseconds"`

	Transitions   float64 `json:"transitions"`
	Commits       float64 `json:"commits"`
	Statements    float64 `json:"statements"`
	StoreCommits  float64 `json:"store_commits"`
	WALBytes      float64 `json:"wal_bytes"`
	WALSyncs      float64 `json:"wal_syncs"`
	DatabaseBytes float64 `json:"database_bytes"`

	// At the end of the run, not per unit.
	PendingTasks     float64 `json:"pending_tasks"`
	UnindexedTasks   float64 `json:"unindexed_tasks"`
	HeapBytes        float64 `json:"heap_bytes"`
	ResidentBytes    float64 `json:"resident_bytes"`
	GeneratorPercent float64 `json:"generator_percent"` // of one core
}

func newResult(l *load, inflight int, elapsed time.Duration, before, after sample) result {
	latencies := l.sorted()
	units := float64(max(1, len(latencies)))
	milliseconds := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	metric := func(name string) float64 { return (after.metrics[name] - before.metrics[name]) / units }
	return result{
		Scenario: l.name, Unit: l.unit, Inflight: inflight, Seconds: elapsed.Seconds(), Completed: len(latencies),
		Failed: l.failures.Load(), PerSecond: float64(len(latencies)) / elapsed.Seconds(),
		P50: milliseconds(percentile(latencies, 0.50)), P95: milliseconds(percentile(latencies, 0.95)),
		P99: milliseconds(percentile(latencies, 0.99)), P999: milliseconds(percentile(latencies, 0.999)),
		ServerCPU:    milliseconds(after.serverCPU-before.serverCPU) / units,
		StoreCPU:     milliseconds(after.storeCPU-before.storeCPU) / units,
		GeneratorCPU: milliseconds(after.generatorCPU-before.generatorCPU) / units,
		Transitions:  metric(metricTransitions), Commits: metric(metricCommits), Statements: metric(metricStatements),
		StoreCommits:  (after.storeCommits - before.storeCommits) / units,
		WALBytes:      (after.walBytes - before.walBytes) / units,
		WALSyncs:      (after.walSyncs - before.walSyncs) / units,
		DatabaseBytes: (after.databaseBytes - before.databaseBytes) / units,
		PendingTasks:  after.metrics[metricPending], UnindexedTasks: after.metrics[metricUnindexed],
		HeapBytes: after.metrics[metricHeap], ResidentBytes: after.residentBytes,
		GeneratorPercent: 100 * (after.generatorCPU - before.generatorCPU).Seconds() / elapsed.Seconds(),
	}
}

// columns are the table; a column in which every row is 0 had no source and is left out.
var columns = []struct {
	name string
	text func(result) string
}{
	{"target", func(r result) string { return r.Target }},
	{"scenario", func(r result) string { return r.Scenario }},
	{"in flight", func(r result) string { return strconv.Itoa(r.Inflight) }},
	{"per s", number(func(r result) float64 { return r.PerSecond })},
	{"p50 ms", number(func(r result) float64 { return r.P50 })},
	{"p95 ms", number(func(r result) float64 { return r.P95 })},
	{"p99 ms", number(func(r result) float64 { return r.P99 })},
	{"p99.9 ms", number(func(r result) float64 { return r.P999 })},
	{"server CPU ms", number(func(r result) float64 { return r.ServerCPU })},
	{"store CPU ms", number(func(r result) float64 { return r.StoreCPU })},
	{"generator CPU ms", number(func(r result) float64 { return r.GeneratorCPU })},
	{"generator % core", number(func(r result) float64 { return r.GeneratorPercent })},
	{"transitions", number(func(r result) float64 { return r.Transitions })},
	{"commits", number(func(r result) float64 { return r.Commits })},
	{"statements", number(func(r result) float64 { return r.Statements })},
	{"store commits", number(func(r result) float64 { return r.StoreCommits })},
	{"WAL bytes", number(func(r result) float64 { return r.WALBytes })},
	{"WAL syncs", number(func(r result) float64 { return r.WALSyncs })},
	{"database bytes", number(func(r result) float64 { return r.DatabaseBytes })},
	{"pending", number(func(r result) float64 { return r.PendingTasks })},
	{"unindexed", number(func(r result) float64 { return r.UnindexedTasks })},
	{"heap MB", number(func(r result) float64 { return r.HeapBytes / (1 << 20) })},
	{"RSS MB", number(func(r result) float64 { return r.ResidentBytes / (1 << 20) })},
	{"failed", func(r result) string { return strconv.FormatInt(r.Failed, 10) }},
}

// number shows about three significant digits.
func number(value func(result) float64) func(result) string {
	return func(r result) string {
		switch v := value(r); {
		case v == 0:
			return "0"
		case v >= 100 || v <= -100:
			return strconv.FormatFloat(v, 'f', 0, 64)
		default:
			return strconv.FormatFloat(v, 'g', 3, 64)
		}
	}
}

// printTable writes one line a measurement; costs are per workflow or signal.
func printTable(out io.Writer, results []result) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for row := -1; row < len(results); row++ {
		for _, column := range columns {
			if !told(results, column.text) {
				continue
			}
			if row < 0 {
				fmt.Fprintf(table, "%s\t", column.name)
			} else {
				fmt.Fprintf(table, "%s\t", column.text(results[row]))
			}
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

func told(results []result, text func(result) string) bool {
	for _, r := range results {
		if said := text(r); said != "" && said != "0" {
			return true
		}
	}
	return false
}
