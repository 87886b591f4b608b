package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// pure packages are values in, values out: no I/O, no clock, no chance.
var pure = []string{
	"perdure/server/execution", "perdure/server/activity", "perdure/server/schedule", "perdure/server/match", "perdure/server/versioning",
	"perdure/server/deployment", "perdure/server/nexus", "perdure/server/spans", "perdure/server/ledger", "perdure/server/diagnosis",
	"perdure/visibility/query", "perdure/visibility/eval", "perdure/visibility/attr", "perdure/visibility/inside", "perdure/internal/editdistance",
}

// pureModules may be used by pure packages: messages, and arithmetic without I/O.
var pureModules = []string{"go.temporal.io/api/", "google.golang.org/protobuf/", "github.com/robfig/cron/v3", "github.com/google/uuid"}

// pureText is of the standard library's net what only reads and writes text.
var pureText = []string{"net/url"}

var pureBanned = []string{"context", "net", "os", "io/fs", "math/rand", "database/sql", "log", "runtime", "sync", "syscall"}

// services meet through server/cluster and never import one another.
var services = []string{"perdure/server/history", "perdure/server/matching", "perdure/server/frontend", "perdure/server/worker", "perdure/server/workers"}

// backends are imported by the wiring in server and by tests.
var backends = []string{
	"perdure/server/store/memory", "perdure/server/store/sqlite", "perdure/server/store/postgres",
	"perdure/visibility/sqlite", "perdure/visibility/postgres", "perdure/visibility/memory", "perdure/visibility/elastic",
}

type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
	GoFiles    []string
}

var packages = sync.OnceValues(func() (map[string]goPackage, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps,GoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, errors.New(string(exit.Stderr))
		}
		return nil, err
	}
	found := map[string]goPackage{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		found[p.ImportPath] = p
	}
})

// eachImport calls f for the direct imports of each of our packages, tests apart.
func eachImport(t *testing.T, f func(from, to string)) {
	t.Helper()
	found, err := packages()
	require.NoError(t, err)
	for path, p := range found {
		if !ours(path) {
			continue
		}
		for _, imported := range p.Imports {
			f(path, imported)
		}
	}
}

func ours(path string) bool { return path == "perdure" || strings.HasPrefix(path, "perdure/") }

// within tells whether path is one of the roots or below one.
func within(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/")
	})
}

func testOnly(path string) bool {
	name := path[strings.LastIndex(path, "/")+1:]
	return strings.HasSuffix(name, "test") || strings.HasPrefix(path, "perdure/tests/") || path == "perdure/server/sim"
}

func TestPurePackagesImportNoWorld(t *testing.T) {
	found, err := packages()
	require.NoError(t, err)
	eachImport(t, func(from, to string) {
		switch {
		case !within(from, pure):
		case found[to].Standard:
			require.False(t, within(to, pureBanned) && !slices.Contains(pureText, to), "%s is pure and must not import %s", from, to)
		case ours(to):
			require.True(t, within(to, pure), "%s is pure and must not import %s", from, to)
		default:
			require.True(t, within(to, pureModules), "%s is pure and must not import %s", from, to)
		}
	})
}

func TestServicesNeverImportOneAnother(t *testing.T) {
	eachImport(t, func(from, to string) {
		for _, service := range services {
			if within(from, []string{service}) && within(to, services) {
				require.True(t, within(to, []string{service}), "%s must not import %s: they meet in server/cluster", from, to)
			}
		}
	})
}

func TestOnlyTheWiringImportsBackends(t *testing.T) {
	eachImport(t, func(from, to string) {
		if slices.Contains(backends, to) && from != to && !testOnly(from) && from != "perdure/bench/elastic" {
			require.Equal(t, "perdure/server", from, "%s must not import %s", from, to)
		}
	})
}

func TestRootsImportPurePackagesOnly(t *testing.T) {
	eachImport(t, func(from, to string) {
		if (from == "perdure/server/store" || from == "perdure/visibility") && ours(to) {
			require.True(t, within(to, pure), "%s must not import %s", from, to)
		}
	})
}

func TestMetricsImportClientGolangOnly(t *testing.T) {
	found, err := packages()
	require.NoError(t, err)
	eachImport(t, func(from, to string) {
		if from == "perdure/server/metrics" && !found[to].Standard {
			require.True(t, strings.HasPrefix(to, "github.com/prometheus/client_"), "%s must not import %s", from, to)
		}
	})
}

// TestBinaryStaysSmall keeps test tools, the reference server and heavy modules out of the program.
func TestBinaryStaysSmall(t *testing.T) {
	found, err := packages()
	require.NoError(t, err)
	binary := found["perdure/cmd/perdure"]
	require.NotEmpty(t, binary.Deps)
	for _, dep := range binary.Deps {
		require.False(t, within(dep, []string{
			"testing", "go.temporal.io/server", "go.temporal.io/sdk", "github.com/stretchr/testify", "pgregory.net/rapid",
			"github.com/anishathalye/porcupine", "github.com/elastic/go-elasticsearch/v8/typedapi", "gopkg.in/yaml.v3",
		}), "the binary must not contain %s", dep)
	}
}

func TestNobodyImportsTheReferenceServer(t *testing.T) {
	found, err := packages()
	require.NoError(t, err)
	for path := range found {
		require.False(t, within(path, []string{"go.temporal.io/server"}), path)
	}
}
