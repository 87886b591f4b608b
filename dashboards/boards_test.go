package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/require"

	"perdure/internal/generated"
	"perdure/server/metrics"
)

const folder = "../grafana"

func TestGeneratedFilesAreFresh(t *testing.T) {
	files, err := generate(defaultLinks)
	require.NoError(t, err)
	for name, text := range files {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		generated.RequireFresh(t, path, text)
	}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "README.md") {
			return err
		}
		name, err := filepath.Rel(folder, path)
		require.Contains(t, files, filepath.ToSlash(name), "nobody makes it")
		return err
	}))
}

func TestThereIsEnoughToSee(t *testing.T) {
	panels := 0
	for _, b := range boards() {
		panels += len(b.panels())
	}
	t.Logf("%d boards, %d panels, %d alerts, %d records", len(boards()), panels, len(alerts()), len(records()))
	require.GreaterOrEqual(t, len(boards()), 14)
	require.GreaterOrEqual(t, panels, 120)
	require.GreaterOrEqual(t, len(alerts()), 38)
}

// units are those of Grafana that the boards use.
var units = []string{"none", "short", "s", "ns", "bytes", "Bps", "ops", "reqps", "percentunit"}

func TestPanelsAreExplained(t *testing.T) {
	uids := map[string]bool{}
	for _, b := range boards() {
		require.False(t, uids[b.uid], "%s twice", b.uid)
		uids[b.uid] = true
		require.True(t, strings.HasPrefix(b.uid, "perdure-") && len(b.uid) <= 40, b.uid)
		require.True(t, strings.HasSuffix(b.about, "."), "%s says what it is for", b.uid)
		titles := map[string]bool{}
		for _, p := range b.panels() {
			name := b.uid + ": " + p.title
			require.False(t, titles[p.title], "%s twice", name)
			titles[p.title] = true
			require.Contains(t, units, p.unit, name)
			require.True(t, len(p.about) > 25 && strings.HasSuffix(p.about, "."), "%s: what it means, in a sentence", name)
			require.NotEqual(t, p.none, p.warn != 0 || p.act != 0, "%s: a threshold, or free", name)
			require.NotEmpty(t, p.targets(), name)
			if !p.none && p.below {
				require.GreaterOrEqual(t, p.warn, p.act, name)
			} else if !p.none {
				require.LessOrEqual(t, p.warn, p.act, name)
			}
		}
	}
}

// unitsOf are the units that a panel may have that shows a metric as it is.
func TestUnitsFitTheMetrics(t *testing.T) {
	for _, b := range boards() {
		for _, p := range b.panels() {
			for _, q := range p.queries {
				quantile := strings.HasPrefix(q.expr, "histogram_quantile")
				if !quantile || len(q.uses) == 0 {
					continue
				}
				want := map[string]string{"seconds": "s", "bytes": "bytes"}[q.uses[0].Unit]
				if want == "" {
					want = "short"
				}
				require.Equal(t, want, p.unit, "%s: %s", b.uid, p.title)
			}
		}
	}
}

func TestBoardsAreWhatGrafanaReads(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for _, b := range boards() {
		text, err := b.json(defaultLinks)
		require.NoError(t, err)
		var read dashboard.Dashboard
		require.NoError(t, read.UnmarshalJSONStrict([]byte(text)), b.uid)
		require.NoError(t, read.Validate(), b.uid)
		requirePlaced(t, b.uid, read)
		requireVariables(t, b.uid, text, read)
	}
}

// requirePlaced: ids are unique and no panel lies on another.
func requirePlaced(t *testing.T, uid string, read dashboard.Dashboard) {
	t.Helper()
	ids, taken := map[uint32]bool{}, map[[2]uint32]string{}
	place := func(id uint32, title string, at dashboard.GridPos) {
		require.False(t, ids[id], "%s: id of %s", uid, title)
		ids[id] = true
		require.LessOrEqual(t, at.X+at.W, uint32(gridWidth), "%s: %s", uid, title)
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				require.Empty(t, taken[[2]uint32{x, y}], "%s: %s lies there, too", uid, title)
				taken[[2]uint32{x, y}] = title
			}
		}
	}
	for _, p := range read.Panels {
		if p.RowPanel != nil {
			place(p.RowPanel.Id, *p.RowPanel.Title, *p.RowPanel.GridPos)
		} else {
			place(*p.Panel.Id, *p.Panel.Title, *p.Panel.GridPos)
		}
	}
}

// requireVariables: data sources are chosen by variables, and each variable that is named exists.
func requireVariables(t *testing.T, uid, text string, read dashboard.Dashboard) {
	t.Helper()
	known := map[string]bool{"__rate_interval": true, "__range": true, "__interval": true, "__timeGroupAlias": true, "__unixEpochNanoFilter": true, "labels": true}
	for _, v := range read.Templating.List {
		known[v.Name] = true
	}
	for _, name := range variableNames(text) {
		require.True(t, known[name], "%s: variable %s is not defined", uid, name)
	}
	for _, p := range read.Panels {
		if p.Panel != nil {
			require.True(t, strings.HasPrefix(*p.Panel.Datasource.Uid, "$"), "%s: %s", uid, *p.Panel.Title)
		}
	}
}

func TestEveryMetricIsOnAPanel(t *testing.T) {
	shown := map[string]bool{}
	for _, b := range boards() {
		for _, p := range b.panels() {
			for _, q := range p.queries {
				for _, d := range q.uses {
					shown[d.Name] = true
				}
			}
		}
	}
	for _, d := range metrics.All() {
		require.True(t, shown[d.Name], "%s is on no panel: who looks at it?", d.Name)
	}
}

// TestNoNamesInTexts: a query that spells a metric out would outlive it.
func TestNoNamesInTexts(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if at := strings.Index(line, "perdure_"); at >= 0 {
				require.True(t, strings.Contains(line, `"perdure_"`), "%s: %s", path, line)
			}
		}
	}
	require.Greater(t, len(sources), 5)
}

func TestLinksLeadToWorkflows(t *testing.T) {
	panels, withLink := 0, 0
	for _, b := range boards() {
		for _, p := range b.panels() {
			panels++
			if p.find == "" {
				continue
			}
			withLink++
			require.Contains(t, *p.links()[0].Url, "${ui}/namespaces/${namespace}/workflows?query=")
		}
	}
	require.Greater(t, withLink, panels/12)
	for _, a := range alerts() {
		if a.find != "" {
			require.Contains(t, a.summary, "$labels.namespace", a.name)
		}
	}
	require.True(t, slices.ContainsFunc(alerts(), func(a alert) bool { return a.find != "" }))
}
