package postgres_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/visibility"
	"perdure/visibility/postgres"
	"perdure/visibility/visibilitytest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func open(t *testing.T, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{Connections: 4})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestStore(t *testing.T) {
	s := open(t, pgtest.Database(t))
	require.Equal(t, "postgresql", s.Name())
	visibilitytest.Run(t, func(*testing.T) visibility.Store { return s })
}

// TestTwoWriters lets two stores write the same runs at once, in opposite
// orders: none may fail, and the newest versions must remain.
func TestTwoWriters(t *testing.T) {
	url := pgtest.Database(t)
	const runs, rounds = 50, 10
	var done sync.WaitGroup
	for writer := range 2 {
		s := open(t, url)
		done.Add(1)
		go func() {
			defer done.Done()
			for round := range rounds {
				if err := s.Write(t.Context(), batch(runs, int64(2*round+writer+1), writer == 1)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	done.Wait()
	s := open(t, url)
	records, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "")})
	require.NoError(t, err)
	require.Len(t, records, runs)
	for _, rec := range records {
		require.EqualValues(t, 2*rounds, rec.Version)
	}
}

func batch(runs int, version int64, backwards bool) []*visibility.Record {
	records := make([]*visibility.Record, runs)
	for i := range records {
		place := i
		if backwards {
			place = runs - 1 - i
		}
		records[place] = &visibility.Record{NamespaceID: "ns", RunID: fmt.Sprint(i), WorkflowID: "w", Version: version}
	}
	return records
}

func BenchmarkStore(b *testing.B) {
	url := pgtest.Database(b)
	s, err := postgres.Open(b.Context(), url, postgres.Options{})
	require.NoError(b, err)
	defer s.Close()
	visibilitytest.Bench(b, s, func() {
		conn, err := pgx.Connect(b.Context(), url)
		require.NoError(b, err)
		_, err = conn.Exec(b.Context(), "VACUUM ANALYZE")
		require.NoError(b, err)
		require.NoError(b, conn.Close(b.Context()))
	})
}
