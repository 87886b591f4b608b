package lint

import (
	"bytes"
	"go/ast"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	fileLinesP90    = 400
	fileLinesMax    = 800
	functionP50     = 10
	functionP90     = 40
	functionMax     = 100
	functionSubject = "a function of more than 100 lines cannot be held in mind: split it"
)

// longFunctions may be longer than functionMax. Each says why.
var longFunctions = map[string]string{}

func TestFileSizes(t *testing.T) {
	var sizes []int
	for _, s := range allSources(t) {
		if s.generated || s.test() {
			continue
		}
		lines := bytes.Count(s.text, []byte("\n"))
		require.LessOrEqual(t, lines, fileLinesMax, s.path)
		sizes = append(sizes, lines)
	}
	require.LessOrEqual(t, percentile(sizes, 90), fileLinesP90, "90 % of files")
}

func TestFunctionSizes(t *testing.T) {
	var sizes []int
	unused := map[string]bool{}
	for name := range longFunctions {
		unused[name] = true
	}
	for _, s := range allSources(t) {
		if s.generated || s.test() {
			continue
		}
		for _, f := range functions(s.file) {
			lines := positions.Position(f.End()).Line - positions.Position(f.Pos()).Line + 1
			sizes = append(sizes, lines)
			name := s.path + ":" + f.Name.Name
			delete(unused, name)
			if longFunctions[name] == "" {
				require.LessOrEqual(t, lines, functionMax, "%s: %s", name, functionSubject)
			}
		}
	}
	require.Empty(t, unused, "exceptions that nobody needs")
	require.LessOrEqual(t, percentile(sizes, 50), functionP50, "median function")
	require.LessOrEqual(t, percentile(sizes, 90), functionP90, "90 % of functions")
}

func functions(file *ast.File) []*ast.FuncDecl {
	var found []*ast.FuncDecl
	for _, declaration := range file.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok {
			found = append(found, f)
		}
	}
	return found
}

func percentile(values []int, percent int) int {
	slices.Sort(values)
	return values[(len(values)-1)*percent/100]
}
