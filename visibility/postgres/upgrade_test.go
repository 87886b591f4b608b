package postgres_test

import (
	"fmt"
	"math"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/internal/pgtest"
	"perdure/server/store/migrate"
	"perdure/server/store/migrate/pgmigrate"
	"perdure/visibility"
	"perdure/visibility/visibilitytest"
)

// TestUpgrade opens a database of the first schema.
func TestUpgrade(t *testing.T) {
	url := pgtest.Schema(t)
	first, err := os.ReadFile("migrations/0001_executions.sql")
	require.NoError(t, err)
	known, err := migrate.Load(fstest.MapFS{"0001_executions.sql": {Data: first}})
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = pgmigrate.Run(t.Context(), conn, "visibility_version", known)
	require.NoError(t, err)
	for _, rec := range visibilitytest.CorpusRecords("old") {
		data, err := visibility.Encode(rec)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), `INSERT INTO visibility_executions (namespace_id, run_id, version, deleted, workflow_id, workflow_type,
			task_queue, status, start_ns, execution_ns, close_key, close_ns, attributes, record) VALUES ($1, $2, 1, FALSE, $3, $4, '', $5, $6, 0, $7, NULL, '{}', $8)`,
			rec.NamespaceID, rec.RunID, rec.WorkflowID, rec.WorkflowType, rec.Status, rec.StartTime.UnixNano(), int64(math.MaxInt64), data)
		require.NoError(t, err)
	}
	require.NoError(t, conn.Close(t.Context()))

	s := open(t, url)
	visibilitytest.Upgraded(t, s, "old")
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{{NamespaceID: "old", RunID: "new", Version: 1, Status: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED}}))
}

// TestView reads what dashboards do.
func TestView(t *testing.T) {
	url := pgtest.Schema(t)
	s := open(t, url)
	start := time.Unix(1704067200, 123456789)
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{
		{NamespaceID: "ns", RunID: "r", WorkflowID: "w", Version: 1, Status: enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED, StartTime: start, ExecutionTime: start, CloseTime: start.Add(1500 * time.Millisecond)},
		{NamespaceID: "ns", RunID: "gone", Version: 1, Deleted: true},
	}))
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	var namespace, status string
	var started, closed time.Time
	var seconds float64
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT namespace_id, status, started_at, closed_at, duration_seconds FROM visibility_runs").
		Scan(&namespace, &status, &started, &closed, &seconds))
	require.Equal(t, "ns Paused 1.5", fmt.Sprint(namespace, " ", status, " ", seconds))
	require.Equal(t, start.UnixMicro(), started.UnixMicro())
	require.Equal(t, start.Add(1500*time.Millisecond).UnixMicro(), closed.UnixMicro())
	require.NoError(t, conn.Close(t.Context()))
}
