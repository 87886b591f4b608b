package metrics

// Process is this process itself, beside the Go runtime's go_* and process_* metrics.
const Process Domain = "Process"

// Build labels what is running.
type Build struct{ Version, Revision, GoVersion string }

// Level is a log level: debug, info, warn, error.
type Level struct{ Level string }

// MetricName names a metric.
type MetricName struct{ Metric string }

var (
	// BuildInfo is 1 for what is running.
	BuildInfo = gauge[Build](Def{Domain: Process, Name: "perdure_build_info", Unit: "info",
		Help: "Always 1; the labels tell what is running."})
	// Series counts what this process shows.
	Series = gauge[None](Def{Domain: Process, Name: "perdure_metrics_series", Unit: "label sets",
		Help: "Label sets in use, over all metrics; a histogram shows more than one series for each."})
	// ScrapeDuration times scrapes.
	ScrapeDuration = histogram[None](Def{Domain: Process, Name: "perdure_metrics_scrape_duration_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time one scrape took: gauges read, everything written out."})
	// TraceSpans counts spans.
	TraceSpans = counter[Outcome](Def{Domain: Process, Name: "perdure_trace_spans_total", Unit: "spans",
		Help: "Spans made for the trace collector, by outcome (exported, failed, dropped since too many waited)."})
	// TraceRuns counts closed runs whose spans are made.
	TraceRuns = counter[Reason](Def{Domain: Process, Name: "perdure_trace_runs_total", Unit: "runs",
		Help: "Closed runs whose trace is made, by the reason to keep it (joined to its caller's, failed, slow, share), and those of them that were dropped since too many waited or their history could not be read."})
	// LogEvents counts log lines.
	LogEvents = counter[Level](Def{Domain: Process, Name: "perdure_log_events_total", Unit: "lines",
		Help: "Log lines written, by level."})
	// SeriesOverflow counts look-ups that found a metric full.
	SeriesOverflow = counter[MetricName](Def{Domain: Process, Name: "perdure_metrics_overflow_total", Unit: "look-ups",
		Help: "Look-ups of new label sets of a metric that has too many; they count as _other_."})
)
