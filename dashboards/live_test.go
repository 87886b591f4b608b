package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/childprocess"
	"perdure/internal/pgtest"
	"perdure/internal/promtest"
	"perdure/internal/serverprocess"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// liveTimeout bounds each wait for something to show.
const liveTimeout = 60 * time.Second

// elsewhere is why a panel is dark here, and where it is not: a file of tests, and what in it is about the panel.
type elsewhere struct{ why, file, words string }

// stackTest watches a whole stack: two search stores, a trace store, workers with metrics, short retentions, small caches, faults.
const stackTest = "../compose/local/trouble_test.go"

// unlit are panels for trouble that this test does not make.
var unlit = map[string]elsewhere{
	"perdure-frontend: Panics":                         {"a client cannot make the server panic", "../server/frontend/chain_test.go", "func TestPanicIsMaskedAndObserved"},
	"perdure-telemetry: Overflow":                      {"it takes two thousand namespaces", "../server/metrics/metrics_test.go", `"perdure_metrics_overflow_total"`},
	"perdure-matching: Queries without a worker":       {"a query that nobody takes ends before it is handed over", "../server/matching/query_test.go", `"perdure_query_dispatch_total", "timeout"`},
	"perdure-telemetry: Spans by outcome":              {why: "no trace collector runs here"},
	"perdure-telemetry: Traced runs by reason":         {"no trace collector runs here", "../server/tracing/tracing_test.go", `"perdure_trace_runs_total", reason`},
	"perdure-usage: Runs removed":                      {why: "the least retention is an hour here"},
	"perdure-chores: Runs removed":                     {why: "the same"},
	"perdure-chores: Failed attempts":                  {"a sweep comes once in some minutes here", "../server/worker/worker_test.go", `"perdure_chores_failed_total", "retention"`},
	"perdure-chores: Round duration":                   {"the first round begins after half a minute, and the next rests two hundred times as long as it took", "../server/worker/worker_test.go", `"perdure_chore_duration_seconds", "retention"`},
	"perdure-history: Evictions":                       {why: "it takes twenty thousand runs here"},
	"perdure-history: Given up by reason":              {why: "nobody takes a shard away here"},
	"perdure-timers: Failed checkpoints":               {why: "a checkpoint is seldom the call that fails in so short a time"},
	"perdure-visibility: From commit to found":         {why: "PostgreSQL shows records as soon as it takes them"},
	"perdure-visibility: Rebuilds":                     {why: "the store is new and small"},
	"perdure-visibility: Compared with a second store": {why: "there is one store here"},
	"perdure-visibility: Trouble with records":         {why: "batches are seldom the call that fails"},
	"perdure-visibility: Records not taken":            {why: "the same"},
	"perdure-overview: Refused calls":                  {why: "nobody reaches a rate limit here"},
	"perdure-frontend: Refused by cause":               {why: "the same"},
	"perdure-usage: Part of refused calls":             {why: "the same"},
	"perdure-workflows: Stuck runs by cause":           {"the first look comes after half a minute", "../server/doctor_fleet_test.go", `"perdure_troubled_runs", "no-poller", "stuck"`},
	"perdure-workflows: Runs held back by cause":       {"no queue is held back for so long here", "../server/doctor_fleet_test.go", `"perdure_troubled_runs", "workflow-task-unanswered", "held"`},
	"perdure-workflows: Runs looked at":                {"the first look comes after half a minute", "../server/doctor_fleet_test.go", `"perdure_runs_diagnosed_total", "healthy"`},
	"perdure-workers: Heartbeats missed":               {why: "activities here send none"},
}

// stackBoards are boards whose data only the whole stack has: that test wants all their panels.
var stackBoards = map[string]string{
	"perdure-sdk-workers":            "../compose/local/stack_test.go",
	"perdure-business-elasticsearch": "../compose/local/stack_test.go",
}

// TestDarkPanelsAreLitElsewhere: no panel is dark in all tests.
func TestDarkPanelsAreLitElsewhere(t *testing.T) {
	panels := map[string]bool{}
	for _, b := range boards() {
		for _, p := range b.panels() {
			panels[b.uid+": "+p.title] = true
		}
	}
	for name, e := range unlit {
		require.True(t, panels[name], "%s: there is no such panel", name)
		require.NotEmpty(t, e.why, name)
		if e.file == "" {
			e.file, e.words = stackTest, `"`+name+`": `
		}
		text, err := os.ReadFile(e.file)
		require.NoError(t, err)
		require.Contains(t, string(text), e.words, name)
	}
	for board, file := range stackBoards {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, strings.Contains(string(text), board) || strings.Contains(string(text), "requireElasticPanels("), board)
	}
}

// TestEveryPanelOnARealPrometheus watches a server at work, well and unwell, and asks what every panel and rule asks.
func TestEveryPanelOnARealPrometheus(t *testing.T) {
	database := pgtest.Database(t)
	server := startServer(t, database)
	manager := startAlertmanager(t)
	watchers := map[string]string{
		"buckets": startPrometheus(t, server.MetricsAddress, manager),
		"native":  startPrometheus(t, server.MetricsAddress, manager, "--enable-feature=native-histograms,exemplar-storage"),
	}
	work := startWork(t, server)
	for form, prometheus := range watchers {
		requirePanels(t, form, prometheus, func(p panel) bool { return p.quiet == "" })
		requireRules(t, prometheus)
	}
	requireStatements(t, database)
	work.trouble(t, database)
	requirePanels(t, "in trouble", watchers["buckets"], func(p panel) bool { return p.quiet != "" })
	require.Eventually(t, func() bool {
		return strings.Contains(fetch(t, manager+"/api/v2/alerts"), prefix+"Watchdog")
	}, liveTimeout, 100*time.Millisecond, "alerts reach the Alertmanager")
}

func startServer(t *testing.T, database string) *serverprocess.Process {
	t.Helper()
	binary, err := serverprocess.Build()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), liveTimeout)
	defer cancel()
	server, err := serverprocess.Start(ctx, serverprocess.Options{
		Binary: binary, Store: database, ExtraArguments: []string{"--log-level", "info", "--dynamic-config-value", callbackSetting},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Kill()) })
	return server
}

// startTool runs a server of Debian's on a free port; the arguments have %d for it.
func startTool(t *testing.T, ready string, command ...string) string {
	t.Helper()
	ports, err := serverprocess.FreePorts(1)
	require.NoError(t, err)
	address := "127.0.0.1:" + strconv.Itoa(ports[0])
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "ADDRESS", address)
	}
	c := exec.Command(command[0], command[1:]...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	c.Stdout, c.Stderr = log, log
	process, err := childprocess.Start(c, syscall.SIGKILL)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, process.End(syscall.SIGKILL))
		_ = log.Close()
	})
	require.Eventually(t, func() bool {
		answer, err := http.Get("http://" + address + ready)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, liveTimeout, 20*time.Millisecond, "%v", command)
	return "http://" + address
}

func startAlertmanager(t *testing.T) string {
	t.Helper()
	config, err := filepath.Abs("../grafana/prometheus/alertmanager.yaml")
	require.NoError(t, err)
	return startTool(t, "/-/ready", "prometheus-alertmanager", "--config.file="+config, "--storage.path="+t.TempDir(),
		"--web.listen-address=ADDRESS", "--cluster.listen-address=")
}

func startPrometheus(t *testing.T, target, manager string, more ...string) string {
	t.Helper()
	rules, err := filepath.Abs("../grafana/prometheus/rules.yaml")
	require.NoError(t, err)
	config := filepath.Join(t.TempDir(), "prometheus.yaml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\n"+
		"alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n"+
		"scrape_configs: [{job_name: %s, static_configs: [{targets: [%q]}]}]\n", rules, strings.TrimPrefix(manager, "http://"), jobName, target)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	return startTool(t, "/-/ready", append([]string{"prometheus", "--config.file=" + config, "--storage.tsdb.path=" + t.TempDir(), "--web.listen-address=ADDRESS"}, more...)...)
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get(address)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(text)
}

// requirePanels waits until each query of the wanted panels has shown something.
func requirePanels(t *testing.T, form, prometheus string, wanted func(panel) bool) {
	t.Helper()
	missing := map[string]string{}
	for _, b := range boards() {
		for _, p := range b.panels() {
			name := b.uid + ": " + p.title
			for i, q := range p.queries {
				if wanted(p) && unlit[name].why == "" && stackBoards[b.uid] == "" {
					missing[fmt.Sprintf("%s (%d)", name, i)] = filled(q.expr)
				}
			}
		}
	}
	asked := len(missing)
	require.Eventually(t, func() bool {
		for name, expr := range missing {
			if promtest.Numbers(t, prometheus, expr) > 0 {
				delete(missing, name)
			}
		}
		return len(missing) == 0
	}, liveTimeout, 500*time.Millisecond, "%s: these show nothing: %v", form, &missing)
	t.Logf("%s: %d queries show something", form, asked)
}

// requireRules: Prometheus evaluates all of them without an error, and what is recorded is there.
func requireRules(t *testing.T, prometheus string) {
	t.Helper()
	for _, r := range records() {
		require.Eventually(t, func() bool { return promtest.Numbers(t, prometheus, r.name) > 0 }, liveTimeout, 100*time.Millisecond, r.name)
	}
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(fetch(t, prometheus+"/api/v1/rules")), &answer))
	count := 0
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			require.Equal(t, "ok", r.Health, "%s: %s", r.Name, r.LastError)
			count++
		}
	}
	require.Equal(t, len(records())+len(alerts()), count)
}

// requireStatements runs the statements of business boards with Grafana's macros filled in.
func requireStatements(t *testing.T, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	now := time.Now()
	macros := strings.NewReplacer(
		"$__timeGroupAlias(started_at, $__interval)", `date_bin('10 seconds', started_at, '2020-01-01') AS "time"`,
		"$__timeGroupAlias(closed_at, $__interval)", `date_bin('10 seconds', closed_at, '2020-01-01') AS "time"`,
		"$__unixEpochNanoFilter(start_ns)", fmt.Sprintf("start_ns BETWEEN %d AND %d", now.Add(-time.Hour).UnixNano(), now.Add(time.Hour).UnixNano()),
		"$__unixEpochNanoFilter(close_key)", fmt.Sprintf("close_key BETWEEN %d AND %d", now.Add(-time.Hour).UnixNano(), now.Add(time.Hour).UnixNano()),
		"$namespace_id", "%")
	ran := 0
	for _, p := range businessPostgres.panels() {
		for _, s := range p.statements {
			count := 0
			require.Eventually(t, func() bool {
				rows, err := conn.Query(t.Context(), macros.Replace(s.sql))
				require.NoError(t, err)
				for count = 0; rows.Next(); count++ {
				}
				require.NoError(t, rows.Err(), "%s: %s", p.title, s.sql)
				return count > 0 || p.quiet != ""
			}, liveTimeout, 100*time.Millisecond, "%s: %s", p.title, s.sql)
			ran++
		}
	}
	require.Greater(t, ran, 5)
}
