package lint

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// notOurs are folders of tools and downloads.
var notOurs = map[string]bool{
	".git": true, ".cache": true, "bin": true, "node_modules": true, "__pycache__": true, "lib": true, ".venv": true,
}

// source is one hand-written or generated Go file.
type source struct {
	path      string // from the root, with slashes
	text      []byte
	file      *ast.File
	generated bool
}

// test tells whether the file holds tests or helpers that only tests use.
func (s *source) test() bool {
	dir := filepath.Base(filepath.Dir(s.path))
	return strings.HasSuffix(s.path, "_test.go") || strings.HasSuffix(dir, "test") || strings.HasPrefix(s.path, "tests/")
}

var positions = token.NewFileSet()

// files are all files of the project by path, read once.
var files = sync.OnceValues(func() (map[string][]byte, error) {
	found := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && notOurs[entry.Name()] {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() || entry.Name() == ".git" { // a file in a linked work tree
			return nil
		}
		text, err := os.ReadFile(path)
		relative, _ := filepath.Rel(root, path)
		found[filepath.ToSlash(relative)] = text
		return err
	})
	return found, err
})

func allFiles(t *testing.T) map[string][]byte {
	t.Helper()
	found, err := files()
	require.NoError(t, err)
	return found
}

var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

var sources = sync.OnceValues(func() ([]*source, error) {
	all, err := files()
	if err != nil {
		return nil, err
	}
	var parsed []*source
	for path, text := range all {
		if !strings.HasSuffix(path, ".go") || strings.Contains(path, "testdata/") {
			continue
		}
		file, err := parser.ParseFile(positions, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, &source{path, text, file, generatedLine.Match(text)})
	}
	return parsed, nil
})

func allSources(t *testing.T) []*source {
	t.Helper()
	parsed, err := sources()
	require.NoError(t, err)
	require.Greater(t, len(parsed), 50, "the tree was not found")
	return parsed
}

// isText leaves pictures and databases out.
func isText(text []byte) bool { return bytes.IndexByte(text, 0) < 0 }
