package report

import (
	"fmt"
	"io"
)

// ratio is one scenario on two servers.
type ratio struct{ other, ours Result }

// times is how many times as much ours is; 0 when one of them is not known.
func times(ours, other float64) float64 {
	if other == 0 {
		return 0
	}
	return ours / other
}

func ratioOf(value func(Result) float64) func(ratio) string {
	return number(func(r ratio) float64 { return times(value(r.ours), value(r.other)) })
}

func valueOf(value func(Result) float64) (other, ours func(ratio) string) {
	return number(func(r ratio) float64 { return value(r.other) }), number(func(r ratio) float64 { return value(r.ours) })
}

func ratioColumns(other, ours string) []column[ratio] {
	columns := []column[ratio]{
		{"scenario", func(r ratio) string { return r.ours.Scenario }},
		{"in flight", whole(func(r ratio) float64 { return float64(r.ours.Inflight) })},
		{"offered/s", number(func(r ratio) float64 { return r.ours.OfferedPerSecond })},
	}
	for _, of := range []struct {
		name  string
		value func(Result) float64
	}{
		{"per s", func(r Result) float64 { return r.PerSecond }},
		{"p50 ms", func(r Result) float64 { return r.P50 }},
		{"p99 ms", func(r Result) float64 { return r.P99 }},
		{"server CPU ms", func(r Result) float64 { return r.ServerCPU }},
		{"RSS peak MB", func(r Result) float64 { return r.ResidentPeakBytes / (1 << 20) }},
	} {
		a, b := valueOf(of.value)
		columns = append(columns,
			column[ratio]{of.name + " " + other, a}, column[ratio]{of.name + " " + ours, b}, column[ratio]{"ratio", ratioOf(of.value)})
	}
	return columns
}

// pairs finds results of the same run on the first two targets.
func pairs(results []Result) []ratio {
	targets := distinct(results, func(r Result) string { return r.Target })
	if len(targets) < 2 {
		return nil
	}
	type key struct {
		scenario string
		inflight int
		offered  float64
	}
	others := map[key]Result{}
	var found []ratio
	for _, r := range results {
		k := key{r.Scenario, r.Inflight, r.OfferedPerSecond}
		if r.Target == targets[0] {
			others[k] = r
		} else if other, ok := others[k]; ok {
			found = append(found, ratio{other, r})
		}
	}
	return found
}

// PrintRatios writes how many times as fast, or as slow, the second target is as the first.
func PrintRatios(out io.Writer, results []Result) error {
	found := pairs(results)
	if len(found) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\nratio: %s divided by %s\n\n", found[0].ours.Target, found[0].other.Target)
	return printCells(out, cells(ratioColumns(found[0].other.Target, found[0].ours.Target), found))
}
