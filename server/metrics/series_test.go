package metrics

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUnusedSeriesLeaveWhenTheirMetricFillsUp(t *testing.T) {
	reg := NewRegistry()
	began := time.Now()
	for i := range SeriesMax/roomy + 1 {
		Signals.In(reg, Namespaced{Namespace: fmt.Sprint("ns-", i)}).Inc()
	}
	reg.expire(began.Add(10 * time.Minute))
	Signals.In(reg, Namespaced{Namespace: "ns-7"}).Inc()
	require.EqualValues(t, 1, reg.Value("perdure_signals_total", "ns-8"))

	reg.expire(began.Add(16 * time.Minute))
	require.EqualValues(t, 2, reg.Value("perdure_signals_total", "ns-7"), "it was used meanwhile")
	require.Zero(t, reg.Value("perdure_signals_total", "ns-8"))
	require.Equal(t, 1, reg.families["perdure_signals_total"].series.len())
}

func TestUnusedSeriesStayForADayWhereThereIsRoom(t *testing.T) {
	reg := NewRegistry()
	began := time.Now()
	Signals.In(reg, Namespaced{Namespace: "seldom"}).Inc()
	reg.expire(began.Add(23 * time.Hour))
	require.EqualValues(t, 1, reg.Value("perdure_signals_total", "seldom"))
	reg.expire(began.Add(25 * time.Hour))
	require.Zero(t, reg.Value("perdure_signals_total", "seldom"))
}

func TestHandlesThatAreKeptNeverLeave(t *testing.T) {
	reg := NewRegistry()
	kept := CacheRequests.In(reg, CacheResult{Cache: "execution", Result: "hit"})
	reg.expire(time.Now().Add(1000 * time.Hour))
	kept.Inc()
	require.EqualValues(t, 1, reg.Value("perdure_cache_requests_total", "execution", "hit"))
}

func TestSeriesAreCounted(t *testing.T) {
	reg := NewRegistry()
	reg.expire(time.Now())
	before := reg.Value("perdure_metrics_series")
	Signals.In(reg, Namespaced{Namespace: "a"}).Inc()
	reg.expire(time.Now())
	require.Greater(t, reg.Value("perdure_metrics_series"), before)
}

func TestAbbreviationsAreOneWord(t *testing.T) {
	for name, want := range map[string]string{"API": "api", "TaskType": "task_type", "GoVersion": "go_version", "Op": "op"} {
		require.Equal(t, want, snake(name))
	}
}

// TestRecordingAllocatesNothing: what is called for each transition must not feed the garbage collector.
func TestRecordingAllocatesNothing(t *testing.T) {
	reg := NewRegistry()
	call := Call{Method: "StartWorkflowExecution", Code: "OK", Namespace: "default"}
	counter := Transitions.In(reg, None{})
	histogram := CommitWait.In(reg, None{})
	for i := range 200 { // the native form makes a bucket at the first value in it
		histogram.Seconds(time.Duration(i) * 100 * time.Microsecond)
	}
	GRPCRequests.In(reg, call).Inc()
	for name, record := range map[string]func(){
		"counter":           func() { counter.Inc() },
		"look-up and count": func() { GRPCRequests.In(reg, call).Inc() },
	} {
		require.Zero(t, testing.AllocsPerRun(1000, record), name)
	}
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { histogram.Seconds(7 * time.Millisecond) }), 1.0)
}

func BenchmarkObserve(b *testing.B) {
	handle := CommitWait.In(NewRegistry(), None{})
	b.ReportAllocs()
	for b.Loop() {
		handle.Seconds(7 * time.Millisecond)
	}
}

func BenchmarkObserveTraced(b *testing.B) {
	handle := CommitWait.In(NewRegistry(), None{})
	b.ReportAllocs()
	for b.Loop() {
		handle.Traced(7*time.Millisecond, "0102030405060708090a0b0c0d0e0f10")
	}
}
