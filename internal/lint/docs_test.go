package lint

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
)

// eachPage calls f for our pages; pages beside recorded data are not ours alone.
func eachPage(t *testing.T, f func(page, text string)) {
	t.Helper()
	for p, text := range allFiles(t) {
		if strings.HasSuffix(p, ".md") && !strings.Contains(p, "testdata/") {
			f(p, string(text))
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	eachPage(t, func(page, text string) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(root, path.Dir(page), match[1]))
			require.NoError(t, err, "%s links to %s", page, match[1])
		}
	})
}

var metricName = regexp.MustCompile(`\bperdure_[a-z][a-z_]*`)

func TestPagesNameMetricsThatExist(t *testing.T) {
	known := map[string]bool{}
	for _, d := range metrics.All() {
		known[d.Name] = true
		if d.Kind == metrics.KindHistogram { // series that Prometheus makes of it
			known[d.Name+"_bucket"], known[d.Name+"_count"], known[d.Name+"_sum"] = true, true, true
		}
	}
	eachPage(t, func(page, text string) {
		for _, name := range metricName.FindAllString(text, -1) {
			require.True(t, known[name], "%s names %s", page, name)
		}
	})
}
