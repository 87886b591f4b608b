// Package report keeps measurements as JSON and shows them: as a table, as ratios of two servers, as a page with pictures.
package report

import (
	"cmp"
	"time"

	"perdure/bench/load"
	"perdure/bench/measure"
)

// Latency is in milliseconds; a unit that was due and never began counts with the time it had waited.
type Latency struct {
	P50  float64 `json:"p50_milliseconds"`
	P95  float64 `json:"p95_milliseconds"`
	P99  float64 `json:"p99_milliseconds"`
	P999 float64 `json:"p999_milliseconds"`
	Max  float64 `json:"max_milliseconds"`
}

// Rate is how much was done in a time.
type Rate struct {
	Seconds   float64 `json:"seconds"`
	Completed int64   `json:"completed"`
	// Unstarted were due and found no free caller: the server did not keep up with an open loop.
	Unstarted int64   `json:"unstarted,omitempty"`
	PerSecond float64 `json:"per_second"`
}

// Costs are per unit; those without a source are 0.
type Costs struct {
	ServerCPU     float64 `json:"server_cpu_milliseconds"`
	StoreCPU      float64 `json:"store_cpu_milliseconds"`
	GeneratorCPU  float64 `json:"generator_cpu_milliseconds"`
	Transitions   float64 `json:"transitions"`
	Commits       float64 `json:"commits"`
	Statements    float64 `json:"statements"`
	StoreCommits  float64 `json:"store_commits"`
	WALBytes      float64 `json:"wal_bytes"`
	WALSyncs      float64 `json:"wal_syncs"`
	DatabaseBytes float64 `json:"database_bytes"`
	WrittenBytes  float64 `json:"server_written_bytes"`
}

// State is of the server's, not per unit.
type State struct {
	ResidentBeginBytes float64 `json:"resident_begin_bytes"`
	ResidentPeakBytes  float64 `json:"resident_peak_bytes"`
	ResidentEndBytes   float64 `json:"resident_end_bytes"`
	HeapEndBytes       float64 `json:"heap_end_bytes"`
	PendingEndRows     float64 `json:"log_pending_end_rows"`
	UnindexedEnd       float64 `json:"unindexed_end_records"`
	// CatchUpSeconds is how long the readers of the log needed for the rest after the load had ended.
	CatchUpSeconds float64 `json:"catch_up_seconds"`
	// Flat tells that they had kept up. A run that is not flat does not count. Nil: the server does not tell.
	Flat *bool `json:"flat,omitempty"`
	// GeneratorPercent is of one core: the generator shares the machine.
	GeneratorPercent float64 `json:"generator_percent"`
}

// Part is a further series of a run, such as the load beside a hot queue.
type Part struct {
	Name string `json:"name"`
	Rate
	Latency
}

// Point is one look at a long run.
type Point struct {
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	Latency
	ResidentBytes float64            `json:"resident_bytes"`
	HeapBytes     float64            `json:"heap_bytes"`
	PendingRows   float64            `json:"log_pending_rows"`
	DatabaseBytes float64            `json:"database_bytes"`
	TableBytes    map[string]float64 `json:"table_bytes,omitempty"`
}

// Result is one measurement.
type Result struct {
	Target   string `json:"target"`
	Server   string `json:"server"` // its version, as it tells
	Scenario string `json:"scenario"`
	Unit     string `json:"unit"`
	Inflight int    `json:"inflight"`
	// OfferedPerSecond is the fixed rate of an open loop; 0: a closed loop.
	OfferedPerSecond float64 `json:"offered_per_second,omitempty"`
	Count            int     `json:"count,omitempty"`
	Sticky           bool    `json:"sticky"`
	// ClosedBefore and OpenBefore are the workflows that the store was filled with.
	ClosedBefore int   `json:"closed_before,omitempty"`
	OpenBefore   int   `json:"open_before,omitempty"`
	Failed       int64 `json:"failed"`
	// FirstError is why the first of the failed ones failed.
	FirstError string `json:"first_error,omitempty"`
	Rate
	Latency
	Costs
	State
	Parts  []Part  `json:"parts,omitempty"`
	Points []Point `json:"points,omitempty"`
}

// New makes a result of what a session and its window measured.
func New(target, scenario, unit string, o load.Outcome, w *measure.Window) Result {
	units := float64(max(1, o.Main.Done))
	r := Result{
		Target: target, Scenario: scenario, Unit: unit, Inflight: o.Options.Inflight, OfferedPerSecond: o.Options.Rate,
		Count: o.Options.Count, Sticky: o.Options.Sticky, Failed: o.Failed,
		Rate: rateOf(o.Main), Latency: LatencyOf(o.Main.Latency), Costs: costsOf(w.Begin, w.End, units), State: stateOf(w),
	}
	if o.FirstErr != nil {
		r.FirstError = o.FirstErr.Error()
	}
	for _, part := range o.Parts {
		r.Parts = append(r.Parts, Part{part.Name, rateOf(part), LatencyOf(part.Latency)})
	}
	return r
}

func rateOf(s load.Series) Rate {
	r := Rate{Seconds: s.Seconds, Completed: s.Done, Unstarted: s.Unstarted}
	if s.Seconds > 0 {
		r.PerSecond = float64(s.Done) / s.Seconds
	}
	return r
}

// LatencyOf is what is told of a distribution.
func LatencyOf(d load.Distribution) Latency {
	return Latency{
		P50: milliseconds(d.Quantile(0.50)), P95: milliseconds(d.Quantile(0.95)), P99: milliseconds(d.Quantile(0.99)),
		P999: milliseconds(d.Quantile(0.999)), Max: milliseconds(d.Max()),
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func costsOf(begin, end measure.Sample, units float64) Costs {
	per := func(end, begin float64) float64 { return (end - begin) / units }
	return Costs{
		ServerCPU:    milliseconds(end.ServerCPU-begin.ServerCPU) / units,
		StoreCPU:     milliseconds(end.StoreCPU-begin.StoreCPU) / units,
		GeneratorCPU: milliseconds(end.GeneratorCPU-begin.GeneratorCPU) / units,
		Transitions:  per(end.Transitions, begin.Transitions), Commits: per(end.Commits, begin.Commits),
		Statements: per(end.Statements, begin.Statements), StoreCommits: per(end.StoreCommits, begin.StoreCommits),
		WALBytes: per(end.WALBytes, begin.WALBytes), WALSyncs: per(end.WALSyncs, begin.WALSyncs),
		DatabaseBytes: per(end.DatabaseBytes, begin.DatabaseBytes), WrittenBytes: per(end.WrittenBytes, begin.WrittenBytes),
	}
}

func stateOf(w *measure.Window) State {
	elapsed := cmp.Or(w.End.At.Sub(w.Begin.At).Seconds(), 1)
	return State{
		ResidentBeginBytes: w.Begin.ResidentBytes, ResidentPeakBytes: w.PeakBytes, ResidentEndBytes: w.End.ResidentBytes,
		HeapEndBytes: w.End.HeapBytes, PendingEndRows: w.End.PendingRows, UnindexedEnd: w.End.UnindexedRecords,
		GeneratorPercent: 100 * (w.End.GeneratorCPU - w.Begin.GeneratorCPU).Seconds() / elapsed,
	}
}
