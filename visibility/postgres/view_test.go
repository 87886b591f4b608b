package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/internal/pgtest"
	"perdure/visibility"
)

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
