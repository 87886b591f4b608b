package indexer_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/visibility/indexer"
	"perdure/visibility/sqlite"
)

// BenchmarkFile measures the way to an SQLite file on disk: a flood of runs,
// and one lone change after another.
func BenchmarkFile(b *testing.B) {
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "v.db"), sqlite.Options{})
	require.NoError(b, err)
	defer s.Close()
	b.Run("Flood", func(b *testing.B) {
		i := indexer.New(config(s))
		for n := 0; b.Loop(); n++ {
			enqueue(i, run(fmt.Sprint("flood", n), 1), nil)
		}
		require.NoError(b, i.Close(b.Context()))
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("Lone", func(b *testing.B) {
		i := indexer.New(config(s))
		done := make(chan struct{})
		for n := 0; b.Loop(); n++ {
			enqueue(i, run("lone", int64(n)+1), func() { done <- struct{}{} })
			<-done
		}
		require.NoError(b, i.Close(b.Context()))
	})
}
