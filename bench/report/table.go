package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// column is one of a table of T; one in which every row says "" or "0" had no source and is left out.
type column[T any] struct {
	name string
	text func(T) string
}

var resultColumns = []column[Result]{
	{"target", func(r Result) string { return r.Target }},
	{"scenario", func(r Result) string { return r.Scenario }},
	{"closed before", whole(func(r Result) float64 { return float64(r.ClosedBefore) })},
	{"open before", whole(func(r Result) float64 { return float64(r.OpenBefore) })},
	{"in flight", func(r Result) string { return strconv.Itoa(r.Inflight) }},
	{"offered/s", number(func(r Result) float64 { return r.OfferedPerSecond })},
	{"count", whole(func(r Result) float64 { return float64(r.Count) })},
	{"per s", number(func(r Result) float64 { return r.PerSecond })},
	{"p50 ms", measured(func(r Result) float64 { return r.P50 })},
	{"p95 ms", measured(func(r Result) float64 { return r.P95 })},
	{"p99 ms", measured(func(r Result) float64 { return r.P99 })},
	{"p99.9 ms", measured(func(r Result) float64 { return r.P999 })},
	{"server CPU ms", number(func(r Result) float64 { return r.ServerCPU })},
	{"store CPU ms", number(func(r Result) float64 { return r.StoreCPU })},
	{"generator CPU ms", number(func(r Result) float64 { return r.GeneratorCPU })},
	{"generator % core", number(func(r Result) float64 { return r.GeneratorPercent })},
	{"transitions", number(func(r Result) float64 { return r.Transitions })},
	{"commits", number(func(r Result) float64 { return r.Commits })},
	{"statements", number(func(r Result) float64 { return r.Statements })},
	{"store commits", number(func(r Result) float64 { return r.StoreCommits })},
	{"WAL bytes", number(func(r Result) float64 { return r.WALBytes })},
	{"WAL syncs", number(func(r Result) float64 { return r.WALSyncs })},
	{"database bytes", number(func(r Result) float64 { return r.DatabaseBytes })},
	{"written bytes", number(func(r Result) float64 { return r.WrittenBytes })},
	{"RSS begin MB", megabytes(func(r Result) float64 { return r.ResidentBeginBytes })},
	{"RSS peak MB", megabytes(func(r Result) float64 { return r.ResidentPeakBytes })},
	{"RSS end MB", megabytes(func(r Result) float64 { return r.ResidentEndBytes })},
	{"catch-up s", number(func(r Result) float64 { return r.CatchUpSeconds })},
	{"flat", func(r Result) string { return flatness(r.Flat) }},
	{"unstarted", whole(func(r Result) float64 { return float64(r.Unstarted) })},
	{"failed", whole(func(r Result) float64 { return float64(r.Failed) })},
}

// partRow is a part with the run it belongs to.
type partRow struct {
	run Result
	Part
}

var partColumns = []column[partRow]{
	{"target", func(p partRow) string { return p.run.Target }},
	{"scenario", func(p partRow) string { return p.run.Scenario }},
	{"series", func(p partRow) string { return p.Name }},
	{"seconds", number(func(p partRow) float64 { return p.Seconds })},
	{"per s", number(func(p partRow) float64 { return p.PerSecond })},
	{"p50 ms", measured(func(p partRow) float64 { return p.P50 })},
	{"p95 ms", measured(func(p partRow) float64 { return p.P95 })},
	{"p99 ms", measured(func(p partRow) float64 { return p.P99 })},
	{"max ms", number(func(p partRow) float64 { return p.Max })},
	{"unstarted", whole(func(p partRow) float64 { return float64(p.Unstarted) })},
}

func partsOf(results []Result) []partRow {
	var rows []partRow
	for _, r := range results {
		for _, part := range r.Parts {
			rows = append(rows, partRow{r, part})
		}
	}
	return rows
}

func flatness(flat *bool) string {
	switch {
	case flat == nil:
		return ""
	case *flat:
		return "yes"
	}
	return "NO"
}

// number shows about three significant digits.
func number[T any](value func(T) float64) func(T) string {
	return func(row T) string { return digits(value(row)) }
}

// measured is a number that is never 0 when there is one.
func measured[T any](value func(T) float64) func(T) string {
	return func(row T) string {
		if v := value(row); v != 0 {
			return digits(v)
		}
		return ""
	}
}

func digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func whole[T any](value func(T) float64) func(T) string {
	return func(row T) string { return strconv.FormatFloat(value(row), 'f', 0, 64) }
}

func megabytes[T any](value func(T) float64) func(T) string {
	return number(func(row T) float64 { return value(row) / (1 << 20) })
}

// cells are the table's header and rows.
func cells[T any](columns []column[T], rows []T) [][]string {
	table := make([][]string, len(rows)+1)
	for _, c := range columns {
		if !told(c, rows) {
			continue
		}
		table[0] = append(table[0], c.name)
		for i, row := range rows {
			table[i+1] = append(table[i+1], c.text(row))
		}
	}
	return table
}

func told[T any](c column[T], rows []T) bool {
	for _, row := range rows {
		if said := c.text(row); said != "" && said != "0" {
			return true
		}
	}
	return false
}

// Print writes the results for a person at a terminal: a line each, and a line for each of their parts.
func Print(out io.Writer, results []Result) error {
	if err := printCells(out, cells(resultColumns, results)); err != nil {
		return err
	}
	parts := partsOf(results)
	if len(parts) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	return printCells(out, cells(partColumns, parts))
}

func printCells(out io.Writer, table [][]string) error {
	writer := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range table {
		fmt.Fprintln(writer, strings.Join(row, "\t")+"\t")
	}
	return writer.Flush()
}

func markdownCells(b *strings.Builder, table [][]string) {
	for i, row := range table {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
}
