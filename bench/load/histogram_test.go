package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEveryDurationFallsIntoABucketLessThanOnePercentAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Int64Range(0, microsecondsMax).Draw(t, "microseconds")
		bucket := bucketOf(value)
		require.Less(t, bucket, bucketCount)
		require.InDelta(t, value, middleOf(bucket), max(0.5, 0.01*float64(value)))
	})
}

func TestQuantiles(t *testing.T) {
	var h Histogram
	require.Zero(t, h.Snapshot().Quantile(0.5))
	for i := range 200 {
		h.Add(time.Duration(i) * time.Microsecond)
	}
	all := h.Snapshot()
	for share, want := range map[float64]time.Duration{0: 0, 0.5: 100, 0.99: 198, 1: 199} {
		require.Equal(t, want*time.Microsecond, all.Quantile(share))
	}
	require.EqualValues(t, 200, all.Count())
	require.Equal(t, 199*time.Microsecond, all.Max())
}

func TestADifferenceOfSnapshotsHoldsWhatCameBetween(t *testing.T) {
	var h Histogram
	h.Add(time.Hour)
	before := h.Snapshot()
	for range 10 {
		h.Add(50 * time.Microsecond)
	}
	between := h.Snapshot().Since(before)
	require.EqualValues(t, 10, between.Count())
	require.Equal(t, 50*time.Microsecond, between.Quantile(0.99))
}
