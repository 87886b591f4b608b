package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/bench/load"
	"perdure/bench/report"
	"perdure/internal/serverprocess"
	"perdure/server"
	"perdure/server/config"
)

// tiny are settings for a server of the bench's own and runs of a moment.
func tiny(t *testing.T, arguments ...string) settings {
	t.Helper()
	binary, err := serverprocess.Build()
	require.NoError(t, err)
	s, err := parse(append([]string{"--binary", binary, "--stores", "memory", "--duration", "150ms", "--warmup", "20ms"}, arguments...))
	require.NoError(t, err)
	return s
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func launched(t *testing.T, ctx context.Context, s settings, store string) *target {
	t.Helper()
	own, err := s.launch(ctx, store)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, own.close()) })
	return own
}

func newRunner(s settings) *runner {
	return &runner{settings: s, file: &report.File{Suite: "test", Stores: map[string]map[string]string{}}}
}

func countBy(t *testing.T, ctx context.Context, own *target, query string) int64 {
	t.Helper()
	channel, err := load.Dial(own.address)
	require.NoError(t, err)
	defer channel.Close()
	answer, err := workflowservice.NewWorkflowServiceClient(channel).
		CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: query})
	require.NoError(t, err)
	return answer.Count
}

func partOf(t *testing.T, r report.Result, name string) report.Part {
	t.Helper()
	for _, part := range r.Parts {
		if part.Name == name {
			return part
		}
	}
	require.Fail(t, "no such part", "%s has no %s", r.Scenario, name)
	return report.Part{}
}

// partsWithUnits are series of a scenario in which something must have ended.
var partsWithUnits = map[string][]string{
	"timer-1ms":    {"timer's lateness"},
	"timer-100ms":  {"timer's lateness"},
	"freshness":    {"start until found", "end until found"},
	"open-idle":    {"no-op workflows beside them"},
	"backlog":      {"enqueue"},
	"hot-queue":    {"first use of each cold queue", "cold queues before", "cold queues meanwhile"},
	"hot-workflow": {"others before", "others meanwhile"},
	"fairness":     {"small tenants, idle queue", "enqueue of the large tenant", "small tenants, large backlog"},
}

// counted is what must be exactly the scenario's count.
var counted = map[string]func(*testing.T, report.Result) int64{
	"backlog":   func(_ *testing.T, r report.Result) int64 { return r.Completed },
	"open-idle": func(_ *testing.T, r report.Result) int64 { return r.Completed },
	"hot-queue": func(t *testing.T, r report.Result) int64 {
		return partOf(t, r, "first use of each cold queue").Completed
	},
	"fairness": func(t *testing.T, r report.Result) int64 {
		return partOf(t, r, "enqueue of the large tenant").Completed
	},
}

// measureSome measures longer and longer, until something has ended in each series: how fast the machine is does not matter here.
func measureSome(t *testing.T, ctx context.Context, r *runner, own *target, st step) report.Result {
	t.Helper()
	for st.duration = r.duration; ; st.duration *= 3 {
		result, err := r.measure(ctx, own, st)
		require.NoError(t, err)
		require.Zero(t, result.Failed, result.FirstError)
		some := result.Completed > 0
		for _, name := range partsWithUnits[st.scenario.Name] {
			some = some && partOf(t, result, name).Completed > 0
		}
		if some {
			return result
		}
		require.Less(t, st.duration, 10*time.Second, "nothing ends")
	}
}

func TestEveryScenarioRuns(t *testing.T) {
	ctx, s := limited(t), tiny(t)
	r, own := newRunner(s), launched(t, ctx, s, "memory")
	busy := 0.0 // one scenario alone may take less than the kernel counts
	for _, scenario := range load.Scenarios {
		t.Run(scenario.Name, func(t *testing.T) {
			st := step{scenario: scenario, inflight: 4, rate: min(scenario.Rate, 200), count: min(scenario.Count, 60)}
			result := measureSome(t, ctx, r, own, st)
			busy += result.ServerCPU
			require.Positive(t, result.Commits)
			require.Positive(t, result.ResidentPeakBytes)
			require.NotNil(t, result.Flat)
			if count := counted[scenario.Name]; count != nil {
				require.EqualValues(t, 60, count(t, result))
			}
		})
	}
	require.Positive(t, busy)
}

// TestWithoutStickyQueues: tasks then carry whole histories.
func TestWithoutStickyQueues(t *testing.T) {
	ctx, s := limited(t), tiny(t, "--sticky=false")
	r, own := newRunner(s), launched(t, ctx, s, "memory")
	for _, name := range []string{"ten-activities", "children", "updates"} {
		scenario, err := load.Find(name)
		require.NoError(t, err)
		require.False(t, measureSome(t, ctx, r, own, step{scenario: scenario, inflight: 2}).Sticky)
	}
}

// TestFilledStoreIsSound: copies are searchable, agree with their histories, and the server goes on beside them.
func TestFilledStoreIsSound(t *testing.T) {
	for _, store := range []string{"sqlite", "postgres"} {
		t.Run(store, func(t *testing.T) {
			ctx, s := limited(t), tiny(t)
			r, own := newRunner(s), launched(t, ctx, s, store)
			noop, err := load.Find("noop")
			require.NoError(t, err)
			for _, count := range []int{30, 700} {
				result := measureSome(t, ctx, r, own, step{scenario: noop, inflight: 2, closed: count, open: count / 2})
				require.Equal(t, count, result.ClosedBefore)
				require.EqualValues(t, count, countBy(t, ctx, own, "WorkflowId STARTS_WITH 'fill-closed-' AND ExecutionStatus = 'Completed'"))
				require.EqualValues(t, count/2, countBy(t, ctx, own, "WorkflowId STARTS_WITH 'fill-open-' AND ExecutionStatus = 'Running'"))
			}
			requireSound(t, ctx, own, 700+350)
		})
	}
}

// requireSound stops the server, compares all runs with their histories and starts it again.
func requireSound(t *testing.T, ctx context.Context, own *target, least int) {
	t.Helper()
	require.NoError(t, own.server.Stop(ctx))
	c := config.Default()
	c.Store = own.storeURL
	runs, err := server.Verify(ctx, c, slog.New(slog.DiscardHandler), func(p server.Problem) { require.Fail(t, "problem", "%s", p) })
	require.NoError(t, err)
	require.Greater(t, runs, least)
	require.NoError(t, own.server.Restart(ctx))
}

func TestCeilingsAreMeasured(t *testing.T) {
	ctx, s := limited(t), tiny(t)
	for store, want := range map[string]int{"memory": 1, "sqlite": 1, "postgres": 4} {
		r, own := newRunner(s), launched(t, ctx, s, store)
		require.NoError(t, r.ceilings(ctx, own))
		require.Len(t, r.file.Results, want)
		for _, result := range r.file.Results {
			require.Positive(t, result.PerSecond, result.Scenario)
			require.Positive(t, result.P50, result.Scenario)
		}
	}
}

func TestMemoryIsFilledThroughTheAPI(t *testing.T) {
	ctx, s := limited(t), tiny(t)
	own := launched(t, ctx, s, "memory")
	require.NoError(t, own.fill(ctx, kindOpen, 20))
	require.NoError(t, own.fill(ctx, kindOpen, 50))
	require.EqualValues(t, 50, countBy(t, ctx, own, "WorkflowId STARTS_WITH 'fill-open-' AND ExecutionStatus = 'Running'"))
}

// TestSuitesWriteResults runs what `make bench` runs, small, and looks for its files.
func TestSuitesWriteResults(t *testing.T) {
	folder := t.TempDir()
	s := tiny(t, "--suite", "matrix,rates,growth-closed,soak", "--scenarios", "noop", "--levels", "1,4", "--percents", "20,40", "--growth", "0,20",
		"--interval", "40ms", "--out", folder, "--json")
	require.NoError(t, quietly(t, func() error { return s.run(limited(t)) }))
	for _, name := range []string{
		"matrix.json", "matrix-throughput-memory.svg", "matrix-latency-memory.svg", "rates.json", "rates-noop-memory.svg",
		"growth-closed.json", "growth-closed-memory.svg", "soak.json", "soak-noop-memory.svg", "README.md",
	} {
		require.FileExists(t, filepath.Join(folder, name))
	}
	page, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(folder, "README.md")))
	again, err := parse([]string{"--report", folder})
	require.NoError(t, err)
	require.NoError(t, again.run(t.Context()))
	rewritten, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	require.Equal(t, string(page), string(rewritten))
}

// TestTwoServersSideBySide has our own server as the other one, too.
func TestTwoServersSideBySide(t *testing.T) {
	ctx, folder := limited(t), t.TempDir()
	other := launched(t, ctx, tiny(t), "memory")
	s := tiny(t, "--vs", other.address, "--scenarios", "noop,sdk-noop", "--levels", "2", "--out", folder, "--json")
	require.NoError(t, quietly(t, func() error { return s.run(ctx) }))
	files, err := report.Load(folder, allSuiteNames())
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Len(t, files[0].Results, 4)
	require.Equal(t, other.address, files[0].Results[0].Target)
	require.Equal(t, "perdure-memory", files[0].Results[1].Target)
	page, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "| ratio |")
}

// quietly keeps what f prints for people out of the test's output.
func quietly(t *testing.T, f func() error) error {
	t.Helper()
	out := os.Stdout
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	os.Stdout = null
	defer func() { os.Stdout = out }()
	return f()
}

func TestProfilesAreKept(t *testing.T) {
	folder := t.TempDir()
	ctx, s := limited(t), tiny(t, "--pprof-dir", folder)
	noop, err := load.Find("noop")
	require.NoError(t, err)
	_, err = newRunner(s).measure(ctx, launched(t, ctx, s, "memory"), step{scenario: noop, inflight: 2})
	require.NoError(t, err)
	for _, kind := range []string{"cpu", "heap"} {
		file, err := os.Open(filepath.Join(folder, "memory-noop-2."+kind+".pb.gz"))
		require.NoError(t, err)
		head := make([]byte, 2)
		_, err = io.ReadFull(file, head)
		require.NoError(t, err)
		require.Equal(t, []byte{0x1f, 0x8b}, head, "profiles are compressed with gzip")
		require.NoError(t, file.Close())
	}
}

func TestMistakesAreTold(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--suite", "nope"}, "growth-closed"},
		{[]string{"--vs", "127.0.0.1:1"}, "--binary"},
		{[]string{"--addr", "127.0.0.1:1"}, "127.0.0.1:1"},
		{[]string{"--binary", "none", "--stores", "papyrus"}, "sqlite"},
	} {
		s, err := parse(c.arguments)
		require.NoError(t, err)
		require.ErrorContains(t, s.run(limited(t)), c.want)
	}
	_, err := parse([]string{"surplus"})
	require.ErrorContains(t, err, "surplus")
	_, err = numbers("1,x")
	require.ErrorContains(t, err, "x")
}
