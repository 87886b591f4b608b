package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTaxMeasuresBothInTurns(t *testing.T) {
	ctx := limited(t)
	r := newRunner(tiny(t, "--suite", "tax", "--rounds", "2", "--scenarios", "noop", "--levels", "4"))
	require.NoError(t, r.tax(ctx, nil))
	var order []string
	for _, result := range r.file.Results {
		order = append(order, result.Target)
		require.Positive(t, result.PerSecond)
		require.Equal(t, result.Target == "all on", result.Commits > 0, "a server without metrics tells no commits")
	}
	require.Equal(t, []string{"all on", "all off", "all off", "all on"}, order)
	require.Len(t, r.file.Ratios, 1)
	require.Positive(t, r.file.Ratios[0].Ratio)
}

func TestMedians(t *testing.T) {
	require.Zero(t, median(nil))
	require.Equal(t, 2.0, median([]float64{9, 1, 2}))
	require.Equal(t, 2.5, median([]float64{9, 1, 2, 3}))
	tax := ratioOf("noop", 64, []float64{95, 96, 10}, []float64{100, 99, 101})
	require.InDelta(t, 0.95, tax.Ratio, 1e-9)
	require.Equal(t, "noop, 64 in flight: 95/s with all on, 100/s with all off (medians of 3): ratio 0.950", tax.String())
}
