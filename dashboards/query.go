package main

import (
	"fmt"
	"slices"
	"strings"

	"perdure/server/metrics"
)

// metric is a definition of server/metrics, of any type.
type metric interface{ Definition() metrics.Def }

// query is one PromQL expression with the name of its lines.
type query struct {
	expr, legend string
	uses         []metrics.Def
	instant      bool
}

// filters are the variables of boards that narrow a metric with such a label.
var filters = []string{"namespace", "task_queue", "store"}

// selector narrows a metric to what the board's variables choose, and to more.
func selector(d metrics.Def, where string) string {
	parts := []string{`job=~"$job"`}
	for _, label := range filters {
		if slices.Contains(d.Labels, label) && !strings.Contains(where, label+"=") && !strings.Contains(where, label+"!=") {
			parts = append(parts, label+`=~"$`+label+`"`)
		}
	}
	if where != "" {
		parts = append(parts, where)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// promql fills a template: each @ is the next metric, or the only one, narrowed
// by the board's variables; @{…} narrows it more, @_bucket is a series of a histogram.
func promql(legend, template string, ms ...metric) query {
	q := query{legend: legend}
	q.expr = fill(template, ms, &q, selector)
	return q
}

// plain fills a template for rules, which know no variables.
func plain(template string, ms ...metric) query {
	q := query{}
	q.expr = fill(template, ms, &q, func(_ metrics.Def, where string) string {
		if where == "" {
			return ""
		}
		return "{" + where + "}"
	})
	return q
}

func fill(template string, ms []metric, q *query, narrow func(metrics.Def, string) string) string {
	var b strings.Builder
	for i := 0; ; i++ {
		before, after, found := strings.Cut(template, "@")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		d := ms[min(i, len(ms)-1)].Definition()
		q.uses = append(q.uses, d)
		suffix, rest := splitSuffix(after)
		where := ""
		if strings.HasPrefix(rest, "{") {
			where, rest, _ = strings.Cut(rest[1:], "}")
		}
		b.WriteString(d.Name + suffix + narrow(d, where))
		template = rest
	}
}

// splitSuffix takes _bucket, _count or _sum off the front.
func splitSuffix(text string) (suffix, rest string) {
	for _, s := range []string{"_bucket", "_count", "_sum"} {
		if strings.HasPrefix(text, s) {
			return s, text[len(s):]
		}
	}
	return "", text
}

// legendOf names lines by labels.
func legendOf(prefix string, by []string) string {
	words := []string{}
	if prefix != "" {
		words = append(words, prefix)
	}
	for _, label := range by {
		words = append(words, "{{"+label+"}}")
	}
	return strings.Join(words, " ")
}

// grouped is "sum by (a, b)", or without labels "sum".
func grouped(operator string, by []string) string {
	if len(by) == 0 {
		return operator
	}
	return operator + " by (" + strings.Join(by, ", ") + ")"
}

// rate is how often something happens a second.
func rate(m metric, where string, by ...string) query {
	return promql(legendOf("", by), grouped("sum", by)+" (rate(@{"+where+"}[$__rate_interval]))", m).named(m)
}

// increase is how often something happened in a range.
func increase(m metric, window, where string, by ...string) query {
	return promql(legendOf("", by), grouped("sum", by)+" (increase(@{"+where+"}["+window+"]))", m).named(m)
}

// gauge shows values by an operator: sum, max or min.
func gauge(operator string, m metric, where string, by ...string) query {
	return promql(legendOf("", by), grouped(operator, by)+" (@{"+where+"})", m).named(m)
}

// named gives a single line the metric's name.
func (q query) named(m metric) query {
	if q.legend == "" {
		q.legend = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSuffix(m.Definition().Name, "_total"), "perdure_"), "_", " ")
	}
	return q
}

// called gives the lines another name.
func (q query) called(legend string) query {
	q.legend = legend
	return q
}

// quantileExpr works on both forms of a histogram: a Prometheus has one of them.
func quantileExpr(phi float64, window, where string, by []string) string {
	withLE := append(slices.Clone(by), "le")
	return fmt.Sprintf("histogram_quantile(%v, %s (rate(@_bucket{%s}[%s]))) or histogram_quantile(%v, %s (rate(@{%s}[%s])))",
		phi, grouped("sum", withLE), where, window, phi, grouped("sum", by), where, window)
}

// quantile is the time that a part phi of what happened took at most.
func quantile(phi float64, m metric, where string, by ...string) query {
	expr := quantileExpr(phi, "$__rate_interval", where, by)
	if len(m.Definition().Buckets) > 0 && m.Definition().Unit != "seconds" { // only the buckets
		expr, _, _ = strings.Cut(expr, " or ")
	}
	return promql(legendOf(fmt.Sprintf("p%v", phi*100), by), expr, m)
}

// quantiles are the median and the worst of a hundred.
func quantiles(m metric, where string, by ...string) []query {
	return []query{quantile(0.5, m, where, by...), quantile(0.99, m, where, by...)}
}

// countRate is how often a histogram observed something a second.
func countRate(m metric, where string, by ...string) query {
	sum := grouped("sum", by)
	expr := fmt.Sprintf("%s (rate(@_count{%s}[$__rate_interval]))", sum, where)
	if m.Definition().Unit == "seconds" {
		expr += fmt.Sprintf(" or %s (histogram_count(rate(@{%s}[$__rate_interval])))", sum, where)
	}
	return promql(legendOf("", by), expr, m).named(m)
}

// secondsRate is how many seconds a histogram adds up each second, of the largest so many.
func secondsRate(m metric, where string, largest int, by ...string) query {
	sum := grouped("sum", by)
	expr := fmt.Sprintf("topk(%[1]d, %[2]s (rate(@_sum{%[3]s}[$__rate_interval])) or %[2]s (histogram_sum(rate(@{%[3]s}[$__rate_interval]))))", largest, sum, where)
	return promql(legendOf("", by), expr, m)
}

// mean is the average of a histogram.
func mean(m metric, where string, by ...string) query {
	sum := grouped("sum", by)
	expr := fmt.Sprintf("%[1]s (rate(@_sum{%[2]s}[$__rate_interval])) / %[1]s (rate(@_count{%[2]s}[$__rate_interval]))", sum, where)
	if m.Definition().Unit == "seconds" {
		expr += fmt.Sprintf(" or %[1]s (histogram_sum(rate(@{%[2]s}[$__rate_interval]))) / %[1]s (histogram_count(rate(@{%[2]s}[$__rate_interval])))", sum, where)
	}
	return promql(legendOf("mean", by), expr, m)
}

// heat is a histogram over time.
func heat(m metric, where string) query {
	return promql("{{le}}", fmt.Sprintf("sum by (le) (rate(@_bucket{%[1]s}[$__rate_interval])) or sum (rate(@{%[1]s}[$__rate_interval]))", where), m)
}

// ratio divides the rate of a part by that of the whole of the same counter.
func ratio(m metric, part, whole string, by ...string) query {
	sum := grouped("sum", by)
	return promql(legendOf("", by), fmt.Sprintf("%[1]s (rate(@{%[2]s}[$__rate_interval])) / %[1]s (rate(@{%[3]s}[$__rate_interval]))", sum, part, whole), m).named(m)
}

// now asks for the newest value only.
func (q query) now() query {
	q.instant = true
	return q
}

// own are metrics that every Go program with the Prometheus client has, with their labels.
var own = map[string][]string{
	"go_goroutines": nil, "go_memstats_heap_inuse_bytes": nil, "go_memstats_heap_objects": nil, "go_gc_duration_seconds": {"quantile"},
	"go_memstats_alloc_bytes_total": nil, "process_cpu_seconds_total": nil, "process_resident_memory_bytes": nil, "process_open_fds": nil,
	"process_max_fds": nil, "process_start_time_seconds": nil, "up": nil, "ALERTS": {"alertname", "alertstate", "severity"},
}

// raw is a query of metrics that are not ours.
func raw(legend, expr string) query { return query{legend: legend, expr: expr} }
