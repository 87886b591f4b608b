package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
)

var variable = regexp.MustCompile(`\$\{?([a-z_][A-Za-z_]*)`)

// variableNames are those that a text names.
func variableNames(text string) []string {
	var names []string
	for _, match := range variable.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// filled puts values in for what Grafana knows.
func filled(expr string) string {
	expr = strings.NewReplacer("$__rate_interval", "1m", "$__range", "5m", "$__interval", "15s").Replace(expr)
	return variable.ReplaceAllString(expr, ".*")
}

// named is an expression and where it is.
type named struct{ where, expr string }

// expressions are all there are, of boards and rules.
func expressions() []named {
	var all []named
	for _, b := range boards() {
		for _, p := range b.panels() {
			for _, q := range p.queries {
				all = append(all, named{b.uid + ": " + p.title, filled(q.expr)})
			}
		}
	}
	for _, r := range records() {
		all = append(all, named{r.name, r.expr.expr})
	}
	for _, a := range alerts() {
		all = append(all, named{a.name, a.expr.expr})
	}
	return append(all, named{"annotation", filled(*annotations()[0].Expr)})
}

func parse(t *testing.T, n named) parser.Expr {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(n.expr)
	require.NoError(t, err, "%s: %s", n.where, n.expr)
	return expr
}

// known are the metrics of ours, of recording rules and of the client library, with their labels and kinds.
type known struct {
	labels []string
	kind   metrics.Kind
}

func catalogue() map[string]known {
	all := map[string]known{}
	for _, d := range metrics.All() {
		all[d.Name] = known{d.Labels, d.Kind}
		if d.Kind == metrics.KindHistogram {
			all[d.Name+"_bucket"] = known{append(slices.Clone(d.Labels), "le"), metrics.KindCounter}
			all[d.Name+"_count"] = known{d.Labels, metrics.KindCounter}
			all[d.Name+"_sum"] = known{d.Labels, metrics.KindCounter}
		}
	}
	for name, labels := range own {
		kind := metrics.KindGauge
		if strings.HasSuffix(name, "_total") {
			kind = metrics.KindCounter
		}
		all[name] = known{labels, kind}
	}
	for name, labels := range ofSDK {
		switch {
		case strings.HasSuffix(name, "_seconds"):
			all[name+"_bucket"] = known{append(slices.Clone(labels), "le"), metrics.KindCounter}
		case strings.HasSuffix(name, "_total"):
			all[name] = known{labels, metrics.KindCounter}
		default:
			all[name] = known{labels, metrics.KindGauge}
		}
	}
	for _, r := range records() {
		all[r.name] = known{[]string{"namespace", "task_queue", "task_type", "store"}, metrics.KindGauge}
	}
	return all
}

// added are labels that Prometheus adds itself.
var added = []string{"job", "instance", "__name__"}

func TestQueriesNameWhatExists(t *testing.T) {
	all := catalogue()
	for _, n := range expressions() {
		parser.Inspect(parse(t, n), func(node parser.Node, path []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				requireSelector(t, n, all, selector)
			}
			if call, ok := node.(*parser.Call); ok {
				requireCall(t, n, all, call)
			}
			if aggregate, ok := node.(*parser.AggregateExpr); ok {
				requireGrouping(t, n, all, aggregate)
			}
			return nil
		})
	}
}

func requireSelector(t *testing.T, n named, all map[string]known, s *parser.VectorSelector) {
	t.Helper()
	k, ok := all[s.Name]
	require.True(t, ok, "%s: metric %q does not exist", n.where, s.Name)
	for _, m := range s.LabelMatchers {
		require.True(t, slices.Contains(added, m.Name) || slices.Contains(k.labels, m.Name), "%s: %s has no label %s", n.where, s.Name, m.Name)
		if m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp {
			_, err := regexp.Compile(m.Value)
			require.NoError(t, err, n.where)
		}
	}
}

// requireCall: rates are of what only grows.
func requireCall(t *testing.T, n named, all map[string]known, c *parser.Call) {
	t.Helper()
	switch c.Func.Name {
	case "rate", "increase", "irate":
		selector := c.Args[0].(*parser.MatrixSelector).VectorSelector.(*parser.VectorSelector)
		require.NotEqual(t, metrics.KindGauge, all[selector.Name].kind, "%s: %s of the gauge %s", n.where, c.Func.Name, selector.Name)
	case "deriv", "predict_linear", "avg_over_time":
		parser.Inspect(c.Args[0], func(node parser.Node, _ []parser.Node) error {
			if s, ok := node.(*parser.VectorSelector); ok {
				require.Equal(t, metrics.KindGauge, all[s.Name].kind, "%s: %s of %s", n.where, c.Func.Name, s.Name)
			}
			return nil
		})
	}
}

// requireGrouping: what is grouped by exists on everything below.
func requireGrouping(t *testing.T, n named, all map[string]known, a *parser.AggregateExpr) {
	t.Helper()
	if replaced := strings.Contains(n.expr, "label_replace"); replaced || a.Without {
		return
	}
	parser.Inspect(a.Expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			for _, label := range a.Grouping {
				require.True(t, slices.Contains(added, label) || slices.Contains(all[s.Name].labels, label), "%s: %s has no label %s", n.where, s.Name, label)
			}
		}
		return nil
	})
}

// TestLegendsNameLabels: a legend of a label that the query drops would be empty.
func TestLegendsNameLabels(t *testing.T) {
	legend := regexp.MustCompile(`{{(\w+)}}`)
	for _, b := range boards() {
		for _, p := range b.panels() {
			for _, q := range p.queries {
				if p.kind() == rows {
					continue
				}
				require.NotEmpty(t, q.legend, "%s: %s", b.uid, p.title)
				for _, match := range legend.FindAllStringSubmatch(q.legend, -1) {
					require.Contains(t, q.expr, match[1], "%s: %s", b.uid, p.title)
				}
			}
		}
	}
}
