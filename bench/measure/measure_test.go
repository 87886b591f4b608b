package measure

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func TestMetricsOfOneNameAreAddedUp(t *testing.T) {
	page := "# HELP a what\na{x=\"1 2\"} 3\na{x=\"3\"} 4.5\nb 1e3\n"
	sums, err := addUp(strings.NewReader(page))
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"a": 7.5, "b": 1000}, sums)
	_, err = addUp(strings.NewReader("a b"))
	require.Error(t, err)
}

func TestCPUTimeOfThisProcessGrows(t *testing.T) {
	before, err := processCPU(os.Getpid(), false)
	require.NoError(t, err)
	parent, err := statField(os.Getpid(), 3)
	require.NoError(t, err)
	require.EqualValues(t, os.Getppid(), parent)
	deadline := time.Now().Add(10 * time.Second)
	for after := before; after < before+50*time.Millisecond; after, err = processCPU(os.Getpid(), false) {
		require.NoError(t, err)
		require.True(t, time.Now().Before(deadline))
	}
}

func TestWindowHoldsTheHighestMemory(t *testing.T) {
	w := &Window{Sources: Sources{PID: os.Getpid()}}
	require.NoError(t, w.Open(t.Context()))
	require.Positive(t, w.Begin.ResidentBytes)
	require.NoError(t, w.Close(t.Context()))
	require.GreaterOrEqual(t, w.PeakBytes, max(w.Begin.ResidentBytes, w.End.ResidentBytes))
	require.False(t, w.End.At.Before(w.Begin.At))
}

// lagging is a metrics page of a server whose readers have rows left for some looks.
func lagging(t *testing.T, looks int64) Sources {
	t.Helper()
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s %d\n", metricPending, max(0, looks-seen.Add(1)))
	}))
	t.Cleanup(server.Close)
	return Sources{MetricsURL: server.URL + "/metrics"}
}

func TestReadersThatKeptUpAreFlat(t *testing.T) {
	w := &Window{Sources: lagging(t, 2)}
	took, flat, known, err := w.CatchUp(t.Context())
	require.NoError(t, err)
	require.True(t, known)
	require.True(t, flat)
	require.Less(t, took, time.Second)
}

func TestReadersThatLagAreNotFlat(t *testing.T) {
	w := &Window{Sources: lagging(t, 2+int64(time.Second/catchUpInterval))}
	took, flat, known, err := w.CatchUp(t.Context())
	require.NoError(t, err)
	require.True(t, known)
	require.False(t, flat)
	require.Greater(t, took, time.Second)
}

func TestServerWithoutMetricsTellsNothingOfItsReaders(t *testing.T) {
	_, _, known, err := (&Window{}).CatchUp(t.Context())
	require.NoError(t, err)
	require.False(t, known)
}

func TestPostgresTellsItsCosts(t *testing.T) {
	sources := Sources{Postgres: pgtest.Database(t)}
	before, err := sources.Sample(t.Context())
	require.NoError(t, err)
	tables, err := sources.Tables(t.Context())
	require.NoError(t, err)
	require.Empty(t, tables)
	execute(t, sources.Postgres, "CREATE TABLE heap AS SELECT generate_series(1, 20000) AS number")
	after, err := sources.Sample(t.Context())
	require.NoError(t, err)
	require.Greater(t, after.WALBytes, before.WALBytes)
	require.Greater(t, after.DatabaseBytes, before.DatabaseBytes)
	require.Positive(t, after.StoreCPU)
	deadline := time.Now().Add(10 * time.Second) // PostgreSQL tells of new tables a little later
	for tables["heap"] < 100_000 {
		require.True(t, time.Now().Before(deadline), "%v", tables)
		tables, err = sources.Tables(t.Context())
		require.NoError(t, err)
	}
	settings, err := sources.StoreSettings(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, settings["server_version"])
	require.Equal(t, "on", settings["fsync"])
}

func TestSizesOfFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, os.WriteFile(file, make([]byte, 100), 0o600))
	require.NoError(t, os.WriteFile(file+"-wal", make([]byte, 11), 0o600))
	got, err := Sources{DatabaseFile: file}.Sample(context.Background())
	require.NoError(t, err)
	require.EqualValues(t, 111, got.DatabaseBytes)
	tables, err := Sources{DatabaseFile: file}.Tables(context.Background())
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"file": 100, "file-wal": 11}, tables)
}

func TestMachineIsKnown(t *testing.T) {
	m := ThisMachine()
	require.Positive(t, m.Cores)
	require.Positive(t, m.MemoryBytes)
	require.NotEmpty(t, m.Kernel)
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer connection.Close(t.Context())
	_, err = connection.Exec(t.Context(), statement)
	require.NoError(t, err)
}
