package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func first(t *testing.T, pattern, text string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.NotNil(t, match, pattern)
	return match[1]
}

// TestImagesAreWhatTestsRun: where tests start the same program, it is of the same version.
func TestImagesAreWhatTestsRun(t *testing.T) {
	p := readProject(t)
	require.Equal(t, first(t, `(?m)^go (\S+)$`, read(t, "../go.mod")), first(t, `golang:([0-9.]+)-`, read(t, "../Dockerfile")))
	elastic := first(t, `<elasticsearch.version>([^<]+)<`, read(t, "../.ci/elasticsearch/pom.xml"))
	require.Equal(t, "docker.elastic.co/elasticsearch/elasticsearch:"+elastic, p.Services["elasticsearch"].Image)
	jaeger := first(t, `github.com/jaegertracing/jaeger v(\S+)`, read(t, "../.ci/jaeger/go.mod"))
	require.Equal(t, "jaegertracing/all-in-one:"+jaeger, p.Services["jaeger"].Image)
	require.Equal(t, p.Services["postgres"].Image, p.Services["grant"].Image)
}

// TestBuildContextHasAllThatIsBuilt makes the folder that the build sees and has Go resolve in it what the Dockerfile builds.
func TestBuildContextHasAllThatIsBuilt(t *testing.T) {
	folder := t.TempDir()
	for _, name := range regexp.MustCompile(`(?m)^!(.+)$`).FindAllStringSubmatch(read(t, "../.dockerignore"), -1) {
		copyTree(t, filepath.Join("..", name[1]), filepath.Join(folder, name[1]))
	}
	packages := strings.Fields(first(t, `go build .* -o /out/ (.*)\n`, read(t, "../Dockerfile")))
	require.Equal(t, []string{"./cmd/perdure", "./examples/shop"}, packages)
	list := exec.Command("go", append([]string{"list", "-deps", "-f", "{{.Dir}}"}, packages...)...)
	list.Dir = folder
	output, err := list.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), filepath.Join(folder, "server", "config"))
}

// copyTree leaves out what .dockerignore's patterns for every folder do.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.Walk(from, func(path string, info os.FileInfo, err error) error {
		require.NoError(t, err)
		left := strings.HasSuffix(path, "_test.go") || info.Name() == "testdata" || info.Name() == "node_modules"
		switch {
		case left && info.IsDir():
			return filepath.SkipDir
		case left || info.IsDir():
			return nil
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		require.NoError(t, os.MkdirAll(filepath.Dir(target), 0o755))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return os.WriteFile(target, text, 0o600)
	}))
}

// TestImagesRunWithoutRights: the last stages have a user that is not root, and nothing but the programs.
func TestImagesRunWithoutRights(t *testing.T) {
	text := read(t, "../Dockerfile")
	require.Contains(t, text, "FROM gcr.io/distroless/static-debian12:nonroot AS perdure")
	require.Contains(t, text, "FROM perdure AS shop")
	_, after, _ := strings.Cut(text, "AS perdure")
	require.NotContains(t, after, "RUN ")
	require.Contains(t, after, "USER 65532:65532")
}
