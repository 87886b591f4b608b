package visibility_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	filterpb "go.temporal.io/api/filter/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := visibilitytest.DrawRecord(t, "ns", 1)
		data, err := visibility.Encode(rec)
		require.NoError(t, err)
		again, err := visibility.Decode("ns", rec.Version, data)
		require.NoError(t, err)
		require.True(t, proto.Equal(rec.SearchAttributes, again.SearchAttributes))
		again.SearchAttributes, rec.Memo = rec.SearchAttributes, again.Memo
		require.Equal(t, rec, again)
	})
	_, err := visibility.Decode("ns", 1, []byte("\xff"))
	require.Error(t, err)
}

func TestInfo(t *testing.T) {
	start := time.Unix(1704067200, 0).UTC()
	rec := &visibility.Record{
		NamespaceID: "ns", WorkflowID: "w", RunID: "r", WorkflowType: "t", TaskQueue: "q",
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: start, ExecutionTime: start.Add(time.Second),
		HistoryLength: 3, HistorySizeBytes: 4, StateTransitionCount: 5, RootWorkflowID: "w", RootRunID: "r",
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			"TemporalWorkerDeployment":           attr.Encode("orders", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
			"TemporalWorkflowVersioningBehavior": attr.Encode("Pinned", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
		}},
	}
	open := visibility.Info(rec)
	require.Zero(t, open.GetHistoryLength())
	require.Nil(t, open.GetCloseTime())
	require.Nil(t, open.GetExecutionDuration())
	require.Nil(t, open.GetParentExecution())
	require.Equal(t, "w", open.GetRootExecution().GetWorkflowId())
	require.Equal(t, "orders", open.GetWorkerDeploymentName())
	require.Equal(t, enumspb.VERSIONING_BEHAVIOR_PINNED, open.GetVersioningInfo().GetBehavior())
	require.NotNil(t, open.GetMemo())

	rec.CloseTime = start.Add(3 * time.Second)
	rec.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	ended := visibility.Info(rec)
	require.EqualValues(t, 3, ended.GetHistoryLength())
	require.EqualValues(t, 4, ended.GetHistorySizeBytes())
	require.EqualValues(t, 5, ended.GetStateTransitionCount())
	require.Equal(t, 2*time.Second, ended.GetExecutionDuration().AsDuration())
}

func TestLegacyQueries(t *testing.T) {
	earliest, latest := timestamppb.New(time.Unix(0, 0)), timestamppb.New(time.Unix(1, 0))
	span := &filterpb.StartTimeFilter{EarliestTime: earliest, LatestTime: latest}
	for want, f := range map[string]visibility.LegacyFilter{
		"CloseTime IS NULL": {},
		"CloseTime IS NULL AND StartTime >= '1970-01-01T00:00:00Z' AND StartTime <= '1970-01-01T00:00:01Z' AND WorkflowType = 't'": {StartTime: span, Type: &filterpb.WorkflowTypeFilter{Name: "t"}},
		"CloseTime IS NULL AND WorkflowId = 'it''s' AND RunId = 'r'":                                                               {Execution: &filterpb.WorkflowExecutionFilter{WorkflowId: "it's", RunId: "r"}},
	} {
		q, err := visibility.OpenQuery(f)
		require.NoError(t, err)
		require.Equal(t, want, q.String())
		require.NoError(t, query.CheckList(q, nil))
	}
	q, err := visibility.ClosedQuery(visibility.LegacyFilter{StartTime: span, Status: &filterpb.StatusFilter{Status: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED}})
	require.NoError(t, err)
	require.Equal(t, "CloseTime IS NOT NULL AND CloseTime >= '1970-01-01T00:00:00Z' AND CloseTime <= '1970-01-01T00:00:01Z' AND ExecutionStatus = 3", q.String())

	_, err = visibility.ClosedQuery(visibility.LegacyFilter{Status: &filterpb.StatusFilter{Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}})
	require.EqualError(t, err, "StatusFilter must be specified and must be not Running.")
	_, err = visibility.OpenQuery(visibility.LegacyFilter{StartTime: &filterpb.StartTimeFilter{EarliestTime: latest, LatestTime: earliest}})
	require.ErrorContains(t, err, "EarliestTime")
}

// TestDepartures checks that the page about compatibility gives the reason for each
// answer that differs from the recorded one, and counts them.
func TestDepartures(t *testing.T) {
	page, err := os.ReadFile("../docs/compatibility.md")
	require.NoError(t, err)
	reasons, total := visibilitytest.Departures()
	for _, reason := range reasons {
		require.Contains(t, string(page), "| "+reason+" |")
	}
	require.Contains(t, string(page), fmt.Sprintf("recorded queries %d are answered otherwise", total))
}
