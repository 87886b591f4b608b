package lint

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
)

// foreign is part of another product's name: ours must not carry it.
const foreign = "tempo" + "ral"

func hasForeign(name string) bool { return strings.Contains(strings.ToLower(name), foreign) }

func TestNamesAreOurOwn(t *testing.T) {
	for p := range allFiles(t) {
		require.False(t, hasForeign(p), "file %s", p)
	}
	for _, d := range metrics.All() {
		require.False(t, hasForeign(d.Name), d.Name)
	}
	for _, s := range allSources(t) {
		eachDeclaredName(s.file, func(name *ast.Ident) {
			require.False(t, hasForeign(name.Name), "%s: %s", positions.Position(name.Pos()), name.Name)
		})
	}
}

// eachDeclaredName visits names that a file gives; uses of foreign packages are no declarations.
func eachDeclaredName(file *ast.File, f func(*ast.Ident)) {
	f(file.Name)
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			f(n.Name)
		case *ast.TypeSpec:
			f(n.Name)
		case *ast.ValueSpec:
			for _, name := range n.Names {
				f(name)
			}
		case *ast.Field:
			for _, name := range n.Names {
				f(name)
			}
		case *ast.AssignStmt:
			for _, target := range n.Lhs {
				if name, ok := target.(*ast.Ident); ok {
					f(name)
				}
			}
		}
		return true
	})
}

// leftovers must not be in any file. Written in parts, so that this file has none.
var leftovers = map[string]*regexp.Regexp{
	"unfinished work":   regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`),
	"a machine's path":  regexp.MustCompile(`(^|[\s"'=(:])/(wo` + `rk|ro` + `ot|ho` + `me)/\w`),
	"a registry's host": regexp.MustCompile(`"resol` + `ved": *"|--index` + `-url|--extra-index` + `-url|GOPR` + `OXY=|^regis` + `try *=`),
	"a merge conflict":  regexp.MustCompile(`(?m)^(<{7}|>{7}) `),
}

func TestNoLeftovers(t *testing.T) {
	for p, text := range allFiles(t) {
		if !isText(text) || path.Base(p) == "go.sum" || strings.Contains(p, "testdata/") {
			continue
		}
		for what, pattern := range leftovers {
			if at := pattern.FindIndex(text); at != nil {
				line := 1 + strings.Count(string(text[:at[0]]), "\n")
				require.Fail(t, "leftover", "%s:%d has %s: %s", p, line, what, text[at[0]:at[1]])
			}
		}
	}
}

// TestPackagesAreExplained: a newcomer reads package comments first.
func TestPackagesAreExplained(t *testing.T) {
	explained := map[string]bool{}
	for _, s := range allSources(t) {
		if s.test() || s.file.Name.Name == "main" {
			continue
		}
		dir := path.Dir(s.path)
		explained[dir] = explained[dir] || s.file.Doc != nil
	}
	for dir, ok := range explained {
		require.True(t, ok, "package %s has no comment", dir)
	}
}
