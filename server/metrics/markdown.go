package metrics

import (
	"fmt"
	"strings"
)

// Markdown renders the reference page docs/metrics.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from server/metrics by go generate; do not edit. -->\n# Metrics\n\n")
	b.WriteString("Served on the metrics port under `/metrics`, beside the Go runtime's `go_*` and `process_*`.\n")
	fmt.Fprintf(&b, "A metric with %d label sets, a histogram with %d, puts further ones under `%s`. ", SeriesMax, SeriesHistogramMax, other)
	fmt.Fprintf(&b, "With 1,000 task queues of both types\nand 100 namespaces, all at work, these are at most %d series, buckets included; `metrics.classic_histograms: false` saves most of the buckets. ", SeriesBudget)
	fmt.Fprintf(&b, "Of a metric by workflow type %d\ntypes have series of their own. ", TypesMax)
	fmt.Fprintf(&b, "Series with a namespace or a workflow type\nleave when nobody has used them for a day, or for %d minutes when their metric is more than a quarter full.\n\n", int(unusedAfter.Minutes()))
	b.WriteString("Histograms of seconds have the native form beside the buckets: a Prometheus with native histograms switched on takes it (`NAME`),\n")
	b.WriteString("another one the buckets (`NAME_bucket`). With `metrics.compat` there are names of community dashboards, too ([list](#names-of-community-dashboards)).\n")
	for _, domain := range []Domain{RPC, Commit, Cache, Queues, Matching, Workers, Workflow, Outbound, Visibility, Postgres, Process} {
		fmt.Fprintf(&b, "\n## %s\n\n| Name | Kind | Unit | Labels | Meaning |\n|---|---|---|---|---|\n", domain)
		for _, d := range catalogue {
			if d.Domain == domain {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.Name, d.Kind, d.Unit, strings.Join(d.Labels, ", "), d.Help)
			}
		}
	}
	b.WriteString("\n## Names of community dashboards\n\n| Name | Made of |\n|---|---|\n")
	for _, a := range aliases {
		fmt.Fprintf(&b, "| `%s` | `%s` |\n", a.name, a.from.Name)
	}
	return b.String()
}
