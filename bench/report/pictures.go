package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot/plotter"
)

// picture is a file of one or more charts.
type picture struct {
	name, about string
	charts      []chart
}

// pictures are those of one suite's file.
func (f *File) pictures() []picture {
	var all []picture
	for _, target := range f.targets() {
		mine := selected(f.Results, func(r Result) bool { return r.Target == target })
		for _, p := range []func(string, []Result) picture{throughputByInflight, latencyByInflight, growthOfClosed, growthOfOpen, besides} {
			all = append(all, p(target, mine))
		}
		all = append(all, latencyByRate(target, mine)...)
		all = append(all, overTime(target, mine)...)
	}
	for i := range all {
		all[i].name = f.Suite + "-" + all[i].name + ".svg"
	}
	return slices.DeleteFunc(append(all, f.versus()), func(p picture) bool {
		return !slices.ContainsFunc(p.charts, chart.drawn)
	})
}

func (p picture) draw(folder string) error {
	if err := drawSVG(filepath.Join(folder, p.name), p.charts...); err != nil {
		return fmt.Errorf("draw %s: %w", p.name, err)
	}
	return nil
}

// fileName makes a target part of a file's name.
func fileName(target string) string {
	return strings.Map(func(r rune) rune {
		if r == ':' || r == '/' || r == ' ' {
			return '-'
		}
		return r
	}, target)
}

type xy func(Result) (x, y float64)

func pointsOf(results []Result, of xy) plotter.XYs {
	var points plotter.XYs
	for _, r := range results {
		x, y := of(r)
		points = append(points, plotter.XY{X: x, Y: y})
	}
	slices.SortFunc(points, func(a, b plotter.XY) int { return int(1000 * (a.X - b.X)) })
	return points
}

func scenariosOf(results []Result) []string {
	return distinct(results, func(r Result) string { return r.Scenario })
}

// levelled are closed loops of scenarios that were run at several levels on an empty store.
func levelled(results []Result) []Result {
	closed := selected(results, func(r Result) bool {
		return r.OfferedPerSecond == 0 && r.ClosedBefore+r.OpenBefore == 0 && len(r.Points) == 0
	})
	return selected(closed, func(r Result) bool {
		same := selected(closed, func(other Result) bool { return other.Scenario == r.Scenario })
		return len(distinct(same, func(r Result) int { return r.Inflight })) > 1
	})
}

func throughputByInflight(target string, results []Result) picture {
	results = levelled(results)
	c := chart{title: "Throughput by units in flight, " + target, x: "in flight", y: "units/s", logX: true, logY: true}
	for i, name := range scenariosOf(results) {
		own := selected(results, func(r Result) bool { return r.Scenario == name })
		c.lines = append(c.lines, line{name, i, false, pointsOf(own, func(r Result) (float64, float64) { return float64(r.Inflight), r.PerSecond })})
	}
	return picture{"throughput-" + fileName(target), "throughput by units in flight", []chart{c}}
}

func latencyByInflight(target string, results []Result) picture {
	results = levelled(results)
	p := picture{name: "latency-" + fileName(target), about: "latency by units in flight"}
	for _, name := range scenariosOf(results) {
		own := selected(results, func(r Result) bool { return r.Scenario == name })
		c := chart{title: name + ": latency by units in flight, " + target, x: "in flight", y: "ms", logX: true, logY: true}
		c.lines = quantileLines(own, func(r Result) float64 { return float64(r.Inflight) })
		p.charts = append(p.charts, c)
	}
	return p
}

// quantileLines are p50, p95 and p99 over x.
func quantileLines(results []Result, x func(Result) float64) []line {
	return []line{
		{"p99", 1, false, pointsOf(results, func(r Result) (float64, float64) { return x(r), r.P99 })},
		{"p95", 5, false, pointsOf(results, func(r Result) (float64, float64) { return x(r), r.P95 })},
		{"p50", 0, false, pointsOf(results, func(r Result) (float64, float64) { return x(r), r.P50 })},
	}
}

// latencyByRate has a picture for each scenario that was offered at several rates.
func latencyByRate(target string, results []Result) []picture {
	offered := selected(results, func(r Result) bool { return r.OfferedPerSecond > 0 && len(r.Points) == 0 && len(r.Parts) == 0 })
	var all []picture
	for _, name := range scenariosOf(offered) {
		own := selected(offered, func(r Result) bool { return r.Scenario == name })
		c := chart{title: name + ": latency by offered rate, " + target, x: "units/s offered", y: "ms", logY: true}
		c.lines = quantileLines(own, func(r Result) float64 { return r.OfferedPerSecond })
		reached := chart{title: name + ": reached by offered rate, " + target, x: "units/s offered", y: "units/s"}
		reached.lines = []line{{"ended a second", 2, false, pointsOf(own, func(r Result) (float64, float64) { return r.OfferedPerSecond, r.PerSecond })}}
		all = append(all, picture{name + "-" + fileName(target), name + ": latency by offered rate", []chart{c, reached}})
	}
	return all
}

func growthOfClosed(target string, results []Result) picture {
	own := selected(results, func(r Result) bool { return r.OpenBefore == 0 })
	return growth("closed", target, own, func(r Result) float64 { return float64(r.ClosedBefore) })
}

func growthOfOpen(target string, results []Result) picture {
	own := selected(results, func(r Result) bool { return r.ClosedBefore == 0 })
	return growth("open", target, own, func(r Result) float64 { return float64(r.OpenBefore) })
}

// growth shows throughput and memory with what the store held before.
func growth(kind, target string, results []Result, before func(Result) float64) picture {
	p := picture{name: fileName(target), about: "throughput and memory by " + kind + " workflows in the store"}
	if len(distinct(results, before)) < 2 {
		return p
	}
	x := kind + " workflows in the store"
	speed := chart{title: "Throughput by " + x + ", " + target, x: x, y: "units/s"}
	memory := chart{title: "Memory of the server by " + x + ", " + target, x: x, y: "MB resident"}
	for i, name := range scenariosOf(results) {
		own := selected(results, func(r Result) bool { return r.Scenario == name })
		speed.lines = append(speed.lines, line{name, i, false, pointsOf(own, func(r Result) (float64, float64) { return before(r), r.PerSecond })})
		memory.lines = append(memory.lines,
			line{name + ", peak", i, false, pointsOf(own, func(r Result) (float64, float64) { return before(r), r.ResidentPeakBytes / (1 << 20) })},
			line{name + ", begin", i, true, pointsOf(own, func(r Result) (float64, float64) { return before(r), r.ResidentBeginBytes / (1 << 20) })})
	}
	p.charts = []chart{speed, memory}
	return p
}

// besides shows the latencies of a run's parts beside one another: fairness, hot queues and the like.
func besides(target string, results []Result) picture {
	p := picture{name: fileName(target), about: "latency of one load alone and beside another"}
	for _, r := range results {
		c := chart{title: r.Scenario + ", " + target, y: "ms", logY: true}
		quantiles := []line{{name: "p99", color: 1}, {name: "p95", color: 5}, {name: "p50", color: 0}}
		for i, part := range r.Parts {
			c.names = append(c.names, part.Name)
			for j, value := range []float64{part.P99, part.P95, part.P50} {
				quantiles[j].points = append(quantiles[j].points, plotter.XY{X: float64(i), Y: value})
			}
		}
		c.lines = quantiles
		p.charts = append(p.charts, c)
	}
	return p
}

// versus shows the throughput of two servers.
func (f *File) versus() picture {
	p := picture{name: SuiteVersus + ".svg", about: "throughput of two servers"}
	found := pairs(f.Results)
	if f.Suite != SuiteVersus || len(found) == 0 {
		return p
	}
	c := chart{title: "Throughput on the same machine", y: "units/s", logY: true}
	c.lines = []line{{name: found[0].other.Target, color: 1}, {name: found[0].ours.Target, color: 0}}
	for i, pair := range found {
		c.names = append(c.names, fmt.Sprintf("%s\n%d", pair.ours.Scenario, pair.ours.Inflight))
		c.lines[0].points = append(c.lines[0].points, plotter.XY{X: float64(i), Y: pair.other.PerSecond})
		c.lines[1].points = append(c.lines[1].points, plotter.XY{X: float64(i), Y: pair.ours.PerSecond})
	}
	p.charts = []chart{c}
	return p
}
