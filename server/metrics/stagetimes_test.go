package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// TestQuickIsAHistogram: it tells what the library's histogram tells of the same times.
func TestQuickIsAHistogram(t *testing.T) {
	theirs := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "x", Buckets: stages, NativeHistogramBucketFactor: nativeGrowth, NativeHistogramZeroThreshold: nativeZero, NativeHistogramMaxBucketNumber: 1000,
	})
	ours := newQuick(nil, stages, "w", "s")
	random := rand.New(rand.NewPCG(1, 2))
	times := []time.Duration{0, 1, 500, 1000, 1001, time.Microsecond, time.Second, 500 * time.Millisecond, 250 * time.Millisecond, time.Millisecond, 2 * time.Second}
	for range 20000 {
		times = append(times, time.Duration(math.Exp(random.Float64()*34))) // up to 6 days
	}
	for _, d := range times {
		theirs.Observe(d.Seconds())
		ours.observe(d)
	}
	var a, b dto.Metric
	require.NoError(t, theirs.Write(&a))
	require.NoError(t, ours.Write(&b))
	want, got := a.GetHistogram(), b.GetHistogram()
	require.InEpsilon(t, want.GetSampleSum(), got.GetSampleSum(), 1e-9)
	want.SampleSum, got.SampleSum, want.CreatedTimestamp = nil, nil, nil
	require.Equal(t, want.String(), got.String())
}

func TestTimesBeyondAllBucketsCount(t *testing.T) {
	h := newQuick(nil, stages, "w", "s")
	h.observe(math.MaxInt64)
	h.observe(-time.Second)
	var m dto.Metric
	require.NoError(t, h.Write(&m))
	require.EqualValues(t, 2, m.GetHistogram().GetSampleCount())
	require.EqualValues(t, 1, m.GetHistogram().GetZeroCount())
}

func TestStageTimesHaveABudget(t *testing.T) {
	r := NewRegistry()
	for i := range TypesMax + 5 {
		StageTimes.Of(r, fmt.Sprint("type", i)).Add(3, "decide", time.Millisecond)
	}
	require.Equal(t, 1.0, r.Value("perdure_workflow_stage_seconds", "decide", "type0"))
	require.Equal(t, 5.0, r.Value("perdure_workflow_stage_seconds", "decide", other))
	require.Equal(t, 5.0, r.Value("perdure_metrics_overflow_total", "perdure_workflow_stage_seconds"))

	r.expire(time.Now().Add(unusedAfter + time.Minute))
	require.Zero(t, r.Value("perdure_workflow_stage_seconds", "decide", "type0"), "many types, and nobody used it")
	StageTimes.Of(r, "new").Add(3, "decide", time.Millisecond)
	require.Equal(t, 1.0, r.Value("perdure_workflow_stage_seconds", "decide", "new"), "there is room again")
	StageTimes.Of(nil, "new").Add(3, "decide", time.Millisecond) // without a registry nothing happens
}

func TestStageTimesCostNoMemory(t *testing.T) {
	r := NewRegistry()
	StageTimes.Of(r, "w").Add(3, "decide", time.Millisecond)
	require.Zero(t, testing.AllocsPerRun(1000, func() { StageTimes.Of(r, "w").Add(3, "decide", 7*time.Millisecond) }))
}

func BenchmarkStageTimes(b *testing.B) {
	r := NewRegistry()
	b.ReportAllocs()
	for b.Loop() {
		StageTimes.Of(r, "w").Add(3, "decide", 7*time.Millisecond)
	}
}
