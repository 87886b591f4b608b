package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/promtest"
)

// target is a query of a panel, of any data source, as Grafana reads it.
type target struct {
	Expr, RawSQL     string
	Query, TimeField string
	Metrics          []struct {
		ID, Type, Field string
		Settings        struct{ Percents []string }
	}
	BucketAggs []struct {
		ID, Type, Field string
		Settings        struct {
			Order, Size, OrderBy, Interval string
			MinDocCount                    string `json:"min_doc_count"`
		}
	}
}

// panelFile is a panel of a provisioned board.
type panelFile struct {
	Title, Type string
	Datasource  struct{ Type, UID string }
	Targets     []target
	board       string
}

func (p panelFile) name() string { return p.board + ": " + p.Title }

// readBoards reads the boards and checks that a data source of each kind they ask for is provisioned.
func readBoards(t *testing.T) (panels []panelFile) {
	t.Helper()
	sources, err := os.ReadFile("../../grafana/provisioning/datasources/perdure.yaml")
	require.NoError(t, err)
	files, err := filepath.Glob("../../grafana/dashboards/*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 14)
	uids := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var board struct {
			UID    string
			Panels []panelFile
		}
		require.NoError(t, json.Unmarshal(text, &board), file)
		require.False(t, uids[board.UID], "%s: uid twice", file)
		uids[board.UID] = true
		for _, p := range board.Panels {
			if p.Type == "row" {
				continue
			}
			require.Contains(t, string(sources), "type: "+p.Datasource.Type+"\n", "%s: %s", file, p.Title)
			p.board = board.UID
			panels = append(panels, p)
		}
	}
	return panels
}

var grafanaVariable = regexp.MustCompile(`\$\{?[a-z_]+\}?`)

// filled puts values in for what Grafana knows.
func filled(expr string) string {
	expr = strings.NewReplacer("$__rate_interval", "5m", "$__range", "5m", "$__interval", "15s").Replace(expr)
	return grafanaVariable.ReplaceAllString(expr, ".*")
}

// requirePanels waits until every query of the wanted panels has shown something.
func (s *stackUnderTest) requirePanels(t *testing.T, panels []panelFile, wanted func(panelFile) bool) {
	t.Helper()
	missing := map[string]string{}
	for _, p := range panels {
		for i, q := range p.Targets {
			if q.Expr != "" && wanted(p) {
				missing[fmt.Sprintf("%s (%d)", p.name(), i)] = filled(q.Expr)
			}
		}
	}
	asked := len(missing)
	require.NotZero(t, asked)
	require.Eventually(t, func() bool {
		for name, expr := range missing {
			if promtest.Numbers(t, s.addresses["prometheus"], expr) > 0 {
				delete(missing, name)
			}
		}
		return len(missing) == 0
	}, showTimeout, 500*time.Millisecond, "these show nothing: %v", &missing)
	t.Logf("%d queries show something", asked)
}

// requireNoBrokenQuery asks what every panel asks, and wants an answer, if an empty one.
func (s *stackUnderTest) requireNoBrokenQuery(t *testing.T, panels []panelFile) {
	t.Helper()
	asked, shown := 0, 0
	for _, p := range panels {
		for _, q := range p.Targets {
			if q.Expr == "" {
				continue
			}
			asked++
			if promtest.Numbers(t, s.addresses["prometheus"], filled(q.Expr)) > 0 {
				shown++
			}
		}
	}
	require.Greater(t, asked, 150)
	t.Logf("%d of %d queries show something now", shown, asked)
}

// requireElasticPanels asks what every panel on Elasticsearch asks, in the form that Grafana's data source sends.
func requireElasticPanels(t *testing.T, panels []panelFile, server string) {
	t.Helper()
	asked := 0
	for _, p := range panels {
		for _, q := range p.Targets {
			if len(q.Metrics) == 0 {
				continue
			}
			body := q.search(t, time.Now().Add(-time.Hour), time.Now().Add(time.Minute))
			eventually(t, p.name(), func() bool { return numbers(t, search(t, server, body)) > 0 })
			asked++
		}
	}
	require.Greater(t, asked, 5)
	t.Logf("%d queries of Elasticsearch show something", asked)
}

// search sends one search of many, and returns its aggregations.
func search(t *testing.T, server string, body map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	lines := fmt.Sprintf(`{"ignore_unavailable":true,"index":"%s-read","search_type":"query_then_fetch"}`+"\n%s\n", indexPrefix, text)
	answer, err := http.Post(server+"/_msearch?max_concurrent_shard_requests=5", "application/x-ndjson", bytes.NewReader([]byte(lines)))
	require.NoError(t, err)
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	var found struct {
		Responses []struct {
			Status       int
			Aggregations map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(read, &found), "%s", read)
	require.Len(t, found.Responses, 1, "%s", read)
	require.Equal(t, http.StatusOK, found.Responses[0].Status, "%s: %s", text, read)
	return found.Responses[0].Aggregations
}

// search is the query as the data source writes it: buckets inside buckets, the metric in the innermost.
func (q target) search(t *testing.T, from, to time.Time) map[string]any {
	t.Helper()
	inner := map[string]any{}
	if m := q.Metrics[0]; m.Type != "count" { // counts are the buckets' own
		inner[m.ID] = map[string]any{m.Type: map[string]any{"field": m.Field, "percents": m.Settings.Percents}}
	}
	for i := len(q.BucketAggs) - 1; i >= 0; i-- {
		b := q.BucketAggs[i]
		bucket := map[string]any{}
		switch b.Type {
		case "terms":
			bucket["terms"] = map[string]any{"field": b.Field, "size": b.Settings.Size, "min_doc_count": b.Settings.MinDocCount, "order": map[string]any{b.Settings.OrderBy: b.Settings.Order}}
		case "date_histogram":
			require.Equal(t, "auto", b.Settings.Interval)
			bucket["date_histogram"] = map[string]any{
				"field": b.Field, "fixed_interval": "10s", "min_doc_count": b.Settings.MinDocCount, "format": "epoch_millis",
				"extended_bounds": map[string]any{"min": from.UnixMilli(), "max": to.UnixMilli()},
			}
		default:
			require.Fail(t, "unknown bucket", b.Type)
		}
		if len(inner) > 0 {
			bucket["aggs"] = inner
		}
		inner = map[string]any{b.ID: bucket}
	}
	return map[string]any{"size": 0, "aggs": inner, "query": map[string]any{"bool": map[string]any{"filter": []any{
		map[string]any{"range": map[string]any{q.TimeField: map[string]any{"gte": from.UnixMilli(), "lte": to.UnixMilli(), "format": "epoch_millis"}}},
		map[string]any{"query_string": map[string]any{"analyze_wildcard": true, "query": q.Query}},
	}}}}
}

// numbers counts what there is to draw: innermost buckets with documents, or values of the metric in them.
func numbers(t *testing.T, found map[string]any) (count int) {
	t.Helper()
	for _, aggregation := range found {
		buckets, ok := aggregation.(map[string]any)["buckets"].([]any)
		if !ok {
			for _, value := range aggregation.(map[string]any)["values"].(map[string]any) {
				if value != nil {
					count++
				}
			}
			continue
		}
		for _, b := range buckets {
			bucket := b.(map[string]any)
			below := map[string]any{}
			for key, value := range bucket {
				if _, isAggregation := value.(map[string]any); isAggregation {
					below[key] = value
				}
			}
			switch {
			case bucket["doc_count"].(float64) == 0:
			case len(below) == 0:
				count++
			default:
				count += numbers(t, below)
			}
		}
	}
	return count
}

// requirePostgresPanels runs every statement of the boards with Grafana's macros filled in.
func requirePostgresPanels(t *testing.T, panels []panelFile, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	asked := 0
	for _, p := range panels {
		for _, q := range p.Targets {
			if q.RawSQL == "" {
				continue
			}
			statement := macros(q.RawSQL)
			eventually(t, p.name(), func() bool {
				rows, err := conn.Query(t.Context(), statement)
				require.NoError(t, err)
				count := 0
				for rows.Next() {
					count++
				}
				require.NoError(t, rows.Err(), "%s: %s", p.name(), statement)
				return count > 0
			})
			asked++
		}
	}
	require.Greater(t, asked, 5)
	t.Logf("%d statements show something", asked)
}

var (
	groupMacro  = regexp.MustCompile(`\$__timeGroupAlias\((\w+), \$__interval\)`)
	filterMacro = regexp.MustCompile(`\$__unixEpochNanoFilter\((\w+)\)`)
)

func macros(statement string) string {
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Minute)
	statement = groupMacro.ReplaceAllString(statement, `floor(extract(epoch from $1)/10)*10 AS "time"`)
	statement = filterMacro.ReplaceAllString(statement, fmt.Sprintf("($1 >= %d AND $1 <= %d)", from.UnixNano(), to.UnixNano()))
	return strings.ReplaceAll(statement, "$namespace_id", "%")
}
