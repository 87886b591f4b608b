package metrics_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/generated"
	"perdure/server/metrics"
)

func TestDefinitionsAreComplete(t *testing.T) {
	name := regexp.MustCompile(`^perdure_[a-z][a-z_]*[a-z]$`)
	seen := map[string]bool{}
	for _, d := range metrics.All() {
		require.Regexp(t, name, d.Name)
		require.False(t, seen[d.Name], "%s is defined twice", d.Name)
		seen[d.Name] = true
		require.NotEmpty(t, d.Domain, d.Name)
		require.NotEmpty(t, d.Unit, d.Name)
		require.True(t, strings.HasSuffix(d.Help, "."), "%s: help is a sentence", d.Name)
		require.Equal(t, d.Kind == metrics.KindCounter, strings.HasSuffix(d.Name, "_total"), d.Name)
		require.Equal(t, d.Kind == metrics.KindHistogram, len(d.Buckets) > 0, d.Name)
		name := strings.TrimSuffix(d.Name, "_total")
		require.Equal(t, d.Unit == "seconds", strings.HasSuffix(name, "_seconds"), d.Name)
		require.Equal(t, d.Unit == "bytes", strings.HasSuffix(name, "_bytes"), d.Name)
		require.Equal(t, d.Unit == "ratio", strings.HasSuffix(name, "_ratio"), d.Name)
	}
	require.Greater(t, len(seen), 40)
}

func TestReferencePageIsFresh(t *testing.T) {
	generated.RequireFresh(t, "../../docs/metrics.md", metrics.Markdown())
}

func TestReferencePageHasEveryDefinition(t *testing.T) {
	page := metrics.Markdown()
	for _, d := range metrics.All() {
		require.Contains(t, page, "| `"+d.Name+"` |")
	}
}

func TestHandlesCountInTheirOwnRegistry(t *testing.T) {
	one, two := metrics.NewRegistry(), metrics.NewRegistry()
	hit := metrics.CacheResult{Cache: "execution", Result: "hit"}
	metrics.CacheRequests.In(one, hit).Inc()
	metrics.CacheRequests.In(one, hit).Add(2)
	metrics.CommitQueued.In(one, metrics.None{}).Set(7)
	metrics.CommitQueued.In(one, metrics.None{}).Add(-3)
	metrics.CommitWait.In(one, metrics.None{}).Since(time.Now())

	require.Equal(t, 3.0, one.Value("perdure_cache_requests_total", "execution", "hit"))
	require.Equal(t, 4.0, one.Value("perdure_commit_queued_transitions"))
	require.Equal(t, 1.0, one.Value("perdure_commit_wait_seconds"))
	require.Equal(t, 0.0, two.Value("perdure_cache_requests_total", "execution", "hit"))
}

func TestNilRegistryDoesNothing(t *testing.T) {
	var reg *metrics.Registry
	metrics.GRPCRequests.In(reg, metrics.Call{Method: "X"}).Inc()
	metrics.GRPCInflight.In(reg, metrics.Method{}).Add(1)
	metrics.GRPCDuration.In(reg, metrics.Method{}).Seconds(time.Second)
	metrics.GRPCRequests.Forget(reg, metrics.Call{})
	reg.OnScrape(func() { t.Fatal("nobody scrapes") })
	require.Zero(t, reg.Value("perdure_grpc_requests_total"))
}

func TestForgetDropsTheSeries(t *testing.T) {
	reg := metrics.NewRegistry()
	queue := metrics.TaskQueue{Namespace: "default", TaskQueue: "q", TaskType: "workflow"}
	metrics.BacklogTasks.In(reg, queue).Set(5)
	require.Contains(t, scrape(t, reg), `task_queue="q"`)
	metrics.BacklogTasks.Forget(reg, queue)
	require.NotContains(t, scrape(t, reg), `task_queue="q"`)
	metrics.BacklogTasks.In(reg, queue).Set(6)
	require.Equal(t, 6.0, reg.Value("perdure_task_queue_backlog_tasks", "default", "q", "workflow"))
}

func TestSeriesAreBounded(t *testing.T) {
	reg := metrics.NewRegistry()
	for i := range metrics.SeriesMax + 5 {
		metrics.Signals.In(reg, metrics.Namespaced{Namespace: fmt.Sprint("ns-", i)}).Inc()
	}
	require.Equal(t, 5.0, reg.Value("perdure_signals_total", "_other_"))
	require.Equal(t, 5.0, reg.Value("perdure_metrics_overflow_total", "perdure_signals_total"))
}

func TestScrapeSamplesGauges(t *testing.T) {
	reg := metrics.NewRegistry()
	entries := metrics.CacheEntries.In(reg, metrics.CacheName{Cache: "execution"})
	reg.OnScrape(func() { entries.Set(42) })
	body := scrape(t, reg)
	require.Contains(t, body, `perdure_cache_entries{cache="execution"} 42`)
	require.Contains(t, body, "go_goroutines")
}

func TestLabelValuesAreValidText(t *testing.T) {
	reg := metrics.NewRegistry()
	metrics.Signals.In(reg, metrics.Namespaced{Namespace: "a\xffb"}).Inc()
	require.Equal(t, 1.0, reg.Value("perdure_signals_total", "a?b"))
}

func scrape(t *testing.T, reg *metrics.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	reg.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return string(body)
}

func BenchmarkResolvedHandle(b *testing.B) {
	handle := metrics.CacheRequests.In(metrics.NewRegistry(), metrics.CacheResult{Cache: "execution", Result: "hit"})
	for b.Loop() {
		handle.Inc()
	}
}

func BenchmarkLookUp(b *testing.B) {
	reg := metrics.NewRegistry()
	for b.Loop() {
		metrics.GRPCRequests.In(reg, metrics.Call{Method: "StartWorkflowExecution", Code: "OK", Namespace: "default"}).Inc()
	}
}
