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
	fmt.Fprintf(&b, "A metric with %d label sets puts further ones under `%s`.\n", SeriesMax, other)
	for _, domain := range []Domain{RPC, Commit, Cache, Queues, Matching, Workers, Workflow, Outbound, Visibility, Process} {
		fmt.Fprintf(&b, "\n## %s\n\n| Name | Kind | Unit | Labels | Meaning |\n|---|---|---|---|---|\n", domain)
		for _, d := range catalogue {
			if d.Domain == domain {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", d.Name, d.Kind, d.Unit, strings.Join(d.Labels, ", "), d.Help)
			}
		}
	}
	return b.String()
}
