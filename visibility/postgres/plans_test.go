package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/internal/pgtest"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/postgres"
	"perdure/visibility/query"
	"perdure/visibility/sqlform"
	"perdure/visibility/visibilitytest"
)

func TestIndexes(t *testing.T) { visibilitytest.RunIndexes(t, open(t, pgtest.Database(t))) }

// TestInfixIndex finds parts of keywords by an index of trigrams.
func TestInfixIndex(t *testing.T) {
	s := open(t, pgtest.Database(t))
	require.NoError(t, s.Write(t.Context(), skewed(1000)))
	index := visibility.AttributeIndex{Attribute: "WorkflowId", Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Use: visibility.IndexInfix}
	require.NoError(t, s.CreateIndex(t.Context(), index))
	found, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "WorkflowId CONTAINS 'flow-99'")})
	require.NoError(t, err)
	require.Len(t, found, 11)
	require.NoError(t, s.DropIndex(t.Context(), index))
}

// TestGuard refuses what would look at too many runs for want of an index.
func TestGuard(t *testing.T) {
	url := pgtest.Database(t)
	s, err := postgres.Open(t.Context(), url, postgres.Options{CandidatesMax: 500})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Write(t.Context(), skewed(1000)))
	settle(t, url, "ANALYZE")
	ask := func(text string) error {
		_, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, text)})
		return err
	}
	var refused *query.Error
	for _, text := range []string{"ORDER BY CustomIntField", "WorkflowType ENDS_WITH '3'", "env ILIKE 'a%' ORDER BY DueAt DESC"} {
		require.ErrorAs(t, ask(text), &refused, text)
		require.ErrorContains(t, refused, "perdure visibility index create", text)
	}
	for _, text := range []string{"ORDER BY StartTime", "WorkflowType STARTS_WITH 'type'", "WorkflowId = 'workflow-7' ORDER BY CustomIntField", "ORDER BY HistoryLength DESC"} {
		require.NoError(t, ask(text), text)
	}
	index := visibility.AttributeIndex{Attribute: "CustomIntField", Type: enumspb.INDEXED_VALUE_TYPE_INT, Use: visibility.IndexOrder}
	require.NoError(t, s.CreateIndex(t.Context(), index))
	require.NoError(t, ask("ORDER BY CustomIntField"))
}

// skewed returns runs of one type, but for some.
func skewed(runs int) []*visibility.Record {
	records := make([]*visibility.Record, runs)
	for i := range records {
		start := time.Unix(1704067200+int64(i), 0)
		rec := &visibility.Record{
			NamespaceID: "ns", RunID: fmt.Sprintf("%08x-run", uint32(i)*2654435761), WorkflowID: fmt.Sprint("workflow-", i), Version: 1, WorkflowType: "type-0", TaskQueue: "queue-0",
			Status: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, StartTime: start, ExecutionTime: start, CloseTime: start.Add(time.Duration(1+i%100) * time.Second),
			HistoryLength: int64(5 + i%7), HistorySizeBytes: int64(1000 + i%5000), StateTransitionCount: int64(3 + i%5),
		}
		rec.RootWorkflowID, rec.RootRunID = rec.WorkflowID, rec.RunID
		switch {
		case i%1000 == 1: // the few
			rec.WorkflowType, rec.TaskQueue, rec.Status = "type-1", "queue-1", enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
			rec.HistoryLength, rec.HistorySizeBytes, rec.StateTransitionCount = 5000, 5_000_000, 2000
			rec.CloseTime = start.Add(24 * time.Hour)
			rec.ParentWorkflowID, rec.ParentRunID, rec.RootWorkflowID, rec.RootRunID = "workflow-1", "parent", "workflow-1", "parent"
		case i%200 == 3:
			rec.CloseTime, rec.Status = time.Time{}, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
			items := []map[string]any{{"Type": fmt.Sprint("activity-", i), "Attempt": int64(i % 1000)}}
			rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{attr.ItemsKey(attr.PendingActivity): attr.EncodeItems(slices.Values(items), 1000)}}
		}
		records[i] = rec
	}
	return records
}

func settle(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	for _, statement := range statements {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, conn.Close(t.Context()))
}

// planned are the indexes that first pages are read from, of frequent and of rare values.
var planned = map[string][]string{
	"":                                          {"order"},
	"CloseTime IS NULL":                         {"order"},
	"WorkflowId = 'workflow-4711'":              {"workflow"},
	"WorkflowId STARTS_WITH 'workflow-4711'":    {"workflow"},
	"WorkflowType = 'type-1'":                   {"type"},
	"WorkflowType = 'none'":                     {"type"},
	"TaskQueue = 'queue-1'":                     {"queue"},
	"ExecutionStatus = 'Failed'":                {"status"},
	"ExecutionStatus IN ('Failed', 'TimedOut')": {"status"},
	"ParentWorkflowId = 'workflow-1'":           {"parent"},
	"ParentRunId = 'parent'":                    {"parent_run"},
	"RootRunId = 'parent'":                      {"root_run", "pkey"},
	"StartTime BETWEEN '2024-01-01T02:00:00Z' AND '2024-01-01T02:01:00Z'":     {"start"},
	"ExecutionTime BETWEEN '2024-01-01T02:00:00Z' AND '2024-01-01T02:01:00Z'": {"execution"},
	"CloseTime BETWEEN '2024-01-01T02:00:00Z' AND '2024-01-01T02:01:00Z'":     {"order"},
	"HistoryLength > 4000":                                {"length"},
	"HistorySizeBytes > 4000000":                          {"size"},
	"StateTransitionCount > 1000":                         {"transitions"},
	"ExecutionDuration > '23h'":                           {"duration"},
	"EXISTS(PendingActivity WHERE Attempt > 900)":         {"items"},
	"EXISTS(PendingActivity WHERE Type = 'activity-203')": {"items", "attributes"},
	"ExecutionStatus = 'Running' AND EXISTS(PendingActivity WHERE Type LIKE 'activity-9%')": {"items", "status"},
	"ORDER BY StartTime":      {"start"},
	"ORDER BY StartTime DESC": {"start"},
	"ORDER BY CloseTime DESC": {"order", "order", "pkey"},
}

// certain are the plans that are right even before there are statistics. For others the planner needs to know how many runs a
// range or a namespace has: autovacuum tells it within a minute.
var certain = []string{"WorkflowId =", "WorkflowType =", "TaskQueue =", "ExecutionStatus =", "ExecutionStatus IN", "ParentWorkflowId =", "ParentRunId ="}

// TestPlans checks that first pages come from the index that is meant for them, before the database has seen any statistics, and with them.
func TestPlans(t *testing.T) {
	url := pgtest.Database(t)
	settle(t, url, "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
	s := open(t, url)
	records := skewed(100_000)
	for first := 0; first < len(records); first += 5000 {
		require.NoError(t, s.Write(t.Context(), records[first:first+5000]))
	}
	check := func(t *testing.T, isMeant func(text string) bool) {
		for text, want := range planned {
			if !isMeant(text) {
				continue
			}
			for _, index := range visibilitytest.PlannedIndexes(t, s, "ns", text) {
				require.Contains(t, want, strings.TrimPrefix(index, sqlform.Table+"_"), "%s: %v", text, index)
			}
			require.NotEmpty(t, visibilitytest.PlannedIndexes(t, s, "ns", text), text)
		}
	}
	t.Run("without statistics", func(t *testing.T) {
		check(t, func(text string) bool {
			return slices.ContainsFunc(certain, func(beginning string) bool { return strings.HasPrefix(text, beginning) })
		})
	})
	settle(t, url, "ANALYZE")
	t.Run("with statistics", func(t *testing.T) { check(t, func(string) bool { return true }) })
	settle(t, url, "DELETE FROM pg_statistic WHERE starelid = 'visibility_executions'::regclass", "VACUUM ANALYZE visibility_executions")
	t.Run("after a vacuum", func(t *testing.T) { check(t, func(string) bool { return true }) })
}

// TestCancel ends a query in the database when its caller has gone, and when its time is over; the connection stays good.
func TestCancel(t *testing.T) {
	url := pgtest.Database(t)
	s, err := postgres.Open(t.Context(), url, postgres.Options{Connections: 1, QueryTimeout: 50 * time.Millisecond})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Write(t.Context(), skewed(10)))
	settle(t, url, "CREATE FUNCTION wait_for_it() RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(60) IS NOT NULL'",
		"ALTER TABLE visibility_executions RENAME TO kept", "CREATE VIEW visibility_executions AS SELECT * FROM kept WHERE wait_for_it()")
	begun := time.Now()
	_, _, err = s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "")})
	require.Error(t, err)
	require.Less(t, time.Since(begun), 20*time.Second)
	settle(t, url, "DROP VIEW visibility_executions", "ALTER TABLE kept RENAME TO visibility_executions")
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		page, _, err := s.List(ctx, visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "")})
		return err == nil && len(page) == 10
	}, 30*time.Second, 50*time.Millisecond)
}
