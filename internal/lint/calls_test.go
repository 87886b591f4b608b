package lint

import (
	"go/ast"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pureCalls read the clock or wait, which pure packages must not.
var pureCalls = map[string]bool{
	"time.Now": true, "time.Since": true, "time.Until": true, "time.After": true, "time.AfterFunc": true, "time.Sleep": true,
	"time.NewTimer": true, "time.NewTicker": true, "time.Tick": true, "timestamppb.Now": true,
	"uuid.New": true, "uuid.NewString": true, "uuid.NewRandom": true, "uuid.NewV7": true,
}

// testCalls make tests slow, flaky or silent.
var testCalls = map[string]string{
	"time.Sleep": "wait on a signal or poll a condition with a deadline",
	"t.Skip":     "a test that does not run proves nothing",
	"t.Skipf":    "a test that does not run proves nothing",
	"t.SkipNow":  "a test that does not run proves nothing",
	"b.Skip":     "a test that does not run proves nothing",
}

func TestPurePackagesTakeTimeAndChanceAsArguments(t *testing.T) {
	for _, s := range allSources(t) {
		if s.test() || !within("perdure/"+filepath.ToSlash(filepath.Dir(s.path)), pure) {
			continue
		}
		eachCall(s.file, func(name string, call ast.Node) {
			require.False(t, pureCalls[name], "%s: %s in a pure package", positions.Position(call.Pos()), name)
		})
	}
}

func TestTestsNeitherSleepNorSkip(t *testing.T) {
	for _, s := range allSources(t) {
		if !s.test() {
			continue
		}
		virtual := imports(s.file, "testing/synctest") // there a sleep takes no time
		eachCall(s.file, func(name string, call ast.Node) {
			if name == "time.Sleep" && virtual {
				return
			}
			require.Empty(t, testCalls[name], "%s: %s", positions.Position(call.Pos()), name)
		})
	}
}

func imports(file *ast.File, path string) bool {
	for _, spec := range file.Imports {
		if strings.Trim(spec.Path.Value, `"`) == path {
			return true
		}
	}
	return false
}

func TestBannedImports(t *testing.T) {
	banned := map[string]string{
		"github.com/stretchr/testify/assert": "a test stops at its first mistake: use require",
		"github.com/stretchr/testify/suite":  "plain tests read better",
		"gopkg.in/yaml.v3":                   "unmaintained: use go.yaml.in/yaml/v4",
		"io/ioutil":                          "deprecated",
	}
	for _, s := range allSources(t) {
		for _, spec := range s.file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			require.Empty(t, banned[path], "%s imports %s", s.path, path)
		}
	}
}

// eachCall calls f with "package.Function" or "receiver.Method" of each call.
func eachCall(file *ast.File, f func(name string, call ast.Node)) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok {
				f(x.Name+"."+selector.Sel.Name, call)
			}
		}
		return true
	})
}
