package report

import (
	"maps"
	"slices"

	"gonum.org/v1/plot/plotter"
)

// tablesShown is how many of the largest tables a picture tells apart.
const tablesShown = 6

// overTime has a picture for each long run: throughput, latency, memory and sizes.
func overTime(target string, results []Result) []picture {
	var all []picture
	for _, r := range results {
		if len(r.Points) == 0 {
			continue
		}
		about := r.Scenario + " over time"
		all = append(all, picture{r.Scenario + "-" + fileName(target), about, []chart{
			{title: about + ", " + target, x: "s", y: "units/s", lines: []line{overPoints("ended a second", 2, r, func(p Point) float64 { return p.PerSecond })}},
			{title: "latency", x: "s", y: "ms", logY: true, lines: []line{
				overPoints("p99", 1, r, func(p Point) float64 { return p.P99 }),
				overPoints("p95", 5, r, func(p Point) float64 { return p.P95 }),
				overPoints("p50", 0, r, func(p Point) float64 { return p.P50 }),
			}},
			{title: "memory of the server", x: "s", y: "MB", lines: []line{
				overPoints("resident", 0, r, func(p Point) float64 { return p.ResidentBytes / (1 << 20) }),
				overPoints("heap in use", 4, r, func(p Point) float64 { return p.HeapBytes / (1 << 20) }),
			}},
			{title: "database", x: "s", y: "MB", lines: tableLines(r)},
			{title: "rows that readers of the log have to do", x: "s", y: "rows", lines: []line{
				overPoints("rows", 3, r, func(p Point) float64 { return p.PendingRows }),
			}},
		}})
	}
	return all
}

func overPoints(name string, color int, r Result, value func(Point) float64) line {
	l := line{name: name, color: color}
	for _, p := range r.Points {
		l.points = append(l.points, plotter.XY{X: p.Seconds, Y: value(p)})
	}
	return l
}

// tableLines are the whole database and the tables that are largest at the end.
func tableLines(r Result) []line {
	lines := []line{overPoints("all", 6, r, func(p Point) float64 { return p.DatabaseBytes / (1 << 20) })}
	last := r.Points[len(r.Points)-1].TableBytes
	names := slices.SortedFunc(maps.Keys(last), func(a, b string) int { return int(last[b] - last[a]) })
	for i, name := range names[:min(tablesShown, len(names))] {
		lines = append(lines, overPoints(name, i, r, func(p Point) float64 { return p.TableBytes[name] / (1 << 20) }))
	}
	return lines
}
