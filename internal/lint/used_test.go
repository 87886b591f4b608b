package lint

import (
	"go/ast"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/config"
)

// selectors are the names behind dots in code outside some folders, tests apart.
func selectors(t *testing.T, outside ...string) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	for _, s := range allSources(t) {
		if s.test() || slices.ContainsFunc(outside, func(folder string) bool { return strings.HasPrefix(s.path, folder) }) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok {
				used[selector.Sel.Name] = true
			}
			return true
		})
	}
	return used
}

// TestEveryLimitIsKept: a limit that nothing reads is a promise that nothing keeps.
func TestEveryLimitIsKept(t *testing.T) {
	used := selectors(t, "server/config/")
	limits := reflect.TypeFor[config.Limits]()
	for i := range limits.NumField() {
		require.True(t, used[limits.Field(i).Name], "limit %s is never read", limits.Field(i).Name)
	}
}

// TestEveryMetricIsMeasured: a metric that nothing sets shows a false zero.
func TestEveryMetricIsMeasured(t *testing.T) {
	used := selectors(t, "server/metrics/", "dashboards/")
	for _, own := range []string{"SeriesOverflow", "Series", "ScrapeDuration"} { // set in the package itself
		used[own] = true
	}
	for _, s := range allSources(t) {
		if !strings.HasPrefix(s.path, "server/metrics/") || s.test() {
			continue
		}
		for _, name := range definedMetrics(s.file) {
			require.True(t, used[name], "metric %s is never measured", name)
		}
	}
}

// definedMetrics are the variables that are made by counter, gauge or histogram.
func definedMetrics(file *ast.File) []string {
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		call, ok := spec.Values[0].(*ast.CallExpr)
		if !ok {
			return true
		}
		if generic, ok := call.Fun.(*ast.IndexExpr); ok {
			if maker, ok := generic.X.(*ast.Ident); ok && (maker.Name == "counter" || maker.Name == "gauge" || maker.Name == "histogram") {
				names = append(names, spec.Names[0].Name)
			}
		}
		return true
	})
	return names
}
