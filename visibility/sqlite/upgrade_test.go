package sqlite_test

import (
	"database/sql"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/store/migrate"
	"perdure/visibility"
	"perdure/visibility/sqlite"
	"perdure/visibility/visibilitytest"
)

// TestUpgrade opens a file of the first schema.
func TestUpgrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	first, err := os.ReadFile("migrations/0001_executions.sql")
	require.NoError(t, err)
	known, err := migrate.Load(fstest.MapFS{"0001_executions.sql": {Data: first}})
	require.NoError(t, err)
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = migrate.SQLite(t.Context(), conn, "visibility_version", known)
	require.NoError(t, err)
	for _, rec := range visibilitytest.CorpusRecords("old") {
		data, err := visibility.Encode(rec)
		require.NoError(t, err)
		_, err = conn.ExecContext(t.Context(), `INSERT INTO visibility_executions (namespace_id, run_id, version, deleted, workflow_id, workflow_type,
			task_queue, status, start_ns, execution_ns, close_key, close_ns, attributes, record) VALUES (?, ?, 1, FALSE, ?, ?, '', ?, ?, 0, ?, NULL, '{}', ?)`,
			rec.NamespaceID, rec.RunID, rec.WorkflowID, rec.WorkflowType, rec.Status, rec.StartTime.UnixNano(), int64(math.MaxInt64), data)
		require.NoError(t, err)
	}
	require.NoError(t, conn.Close())
	require.NoError(t, db.Close())

	s, err := sqlite.Open(t.Context(), path, sqlite.Options{Unsafe: true})
	require.NoError(t, err)
	visibilitytest.Upgraded(t, s, "old")
	require.NoError(t, s.Write(t.Context(), []*visibility.Record{{NamespaceID: "old", RunID: "new", Version: 1, Status: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED}}))
	require.NoError(t, s.Close())
}
