package visibilitytest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
)

// Runs of the benchmarks: enough that a wrong plan shows.
const (
	benchRuns  = 50_000
	benchBatch = 1000
)

// Bench measures writes in batches, and the common queries over many runs.
// settle does what the database does by itself after a while, such as ANALYZE.
func Bench(b *testing.B, s visibility.Store, settle func()) {
	ns := namespaceOf(b)
	b.Run("Write", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			require.NoError(b, s.Write(b.Context(), benchRecords(ns+"w", n*benchBatch, benchBatch)))
		}
		b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "records/s")
	})
	for first := 0; first < benchRuns; first += benchBatch {
		require.NoError(b, s.Write(b.Context(), benchRecords(ns, first, benchBatch)))
	}
	refresh(b, s)
	settle()
	for name, text := range map[string]string{
		"All": "", "Open": "CloseTime IS NULL", "Workflow": "WorkflowId = 'workflow-4711'", "Type": "WorkflowType = 'type-3'",
		"Status": "ExecutionStatus = 'Failed'", "Keyword": "env = 'env-17'", "Int": "CustomIntField > 49990", "Text": "Notes = 'n4711'",
		"Span": "StartTime > '2024-01-01T12:00:00Z' AND WorkflowType = 'type-3'",
	} {
		req := visibility.ListRequest{NamespaceID: ns, Query: Checked(b, text), PageSize: 100}
		b.Run("List"+name, func(b *testing.B) {
			for b.Loop() {
				page, _, err := s.List(b.Context(), req)
				require.NoError(b, err)
				require.NotEmpty(b, page)
			}
		})
	}
	b.Run("CountByStatus", func(b *testing.B) {
		q := Checked(b, "GROUP BY ExecutionStatus")
		for b.Loop() {
			result, err := s.Count(b.Context(), ns, q)
			require.NoError(b, err)
			require.EqualValues(b, benchRuns, result.Total)
		}
	})
}

// benchRecords returns runs of which one in ten is open and one in a hundred failed.
func benchRecords(namespaceID string, first, count int) []*visibility.Record {
	records := make([]*visibility.Record, count)
	for i := range records {
		n := first + i
		rec := newRun(namespaceID, fmt.Sprintf("%08d-0000-4000-8000-000000000000", n), int64(n))
		rec.WorkflowID, rec.WorkflowType = fmt.Sprint("workflow-", n), fmt.Sprint("type-", n%10)
		rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			"env":            attr.Encode(fmt.Sprint("env-", n%100), enumspb.INDEXED_VALUE_TYPE_KEYWORD),
			"CustomIntField": attr.Encode(int64(n), enumspb.INDEXED_VALUE_TYPE_INT),
			"Notes":          attr.Encode(fmt.Sprintf("note n%d of the order", n), enumspb.INDEXED_VALUE_TYPE_TEXT),
		}}
		if n%10 != 0 {
			rec.CloseTime = rec.StartTime.Add(time.Minute)
			rec.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		}
		if n%100 == 1 {
			rec.Status = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
		}
		records[i] = rec
	}
	return records
}
