package frontend_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	filterpb "go.temporal.io/api/filter/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/visibility"
)

func TestListShowsRecords(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	start := time.Unix(100, 0)
	b.visible.records = []*visibility.Record{
		{WorkflowID: "open", RunID: "r1", Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: start, ExecutionTime: start, HistoryLength: 5},
		{WorkflowID: "closed", RunID: "r2", Status: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, StartTime: start, ExecutionTime: start, CloseTime: start.Add(time.Minute), HistoryLength: 5},
	}
	got, err := b.client.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", PageSize: 5000})
	require.NoError(t, err)
	require.Equal(t, []byte("next"), got.GetNextPageToken())
	require.Equal(t, b.ns.ID, b.visible.listed.NamespaceID)
	require.Equal(t, visibility.MaxPageSize, b.visible.listed.PageSize)
	open, closed := got.GetExecutions()[0], got.GetExecutions()[1]
	require.NotNil(t, open.GetMemo())
	require.NotNil(t, open.GetSearchAttributes())
	require.Zero(t, open.GetHistoryLength())
	require.Nil(t, open.GetCloseTime())
	require.Equal(t, int64(5), closed.GetHistoryLength())
	require.Equal(t, time.Minute, closed.GetExecutionDuration().AsDuration())
}

func TestCountShowsGroups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.visible.counted = visibility.CountResult{Total: 3, Groups: []visibility.CountGroup{{Values: jsonPayloads(`"Running"`).GetPayloads(), Count: 3}}}
	got, err := b.client.CountWorkflowExecutions(context.Background(), &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: "default", Query: "GROUP BY ExecutionStatus",
	})
	require.NoError(t, err)
	require.Equal(t, int64(3), got.GetCount())
	require.JSONEq(t, `"Running"`, string(got.GetGroups()[0].GetGroupValues()[0].GetData()))
	require.Equal(t, []string{"ExecutionStatus"}, b.visible.listed.Query.GroupBy)
}

func TestOpenAndClosedListsRefuseSenselessFilters(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	backwards := &filterpb.StartTimeFilter{EarliestTime: timestamppb.New(time.Unix(9, 0)), LatestTime: timestamppb.New(time.Unix(1, 0))}
	_, err := b.client.ListOpenWorkflowExecutions(ctx, &workflowservice.ListOpenWorkflowExecutionsRequest{Namespace: "default", StartTimeFilter: backwards})
	require.Equal(t, "EarliestTime in StartTimeFilter should not be larger than LatestTime.", status.Convert(err).Message())
	_, err = b.client.ListClosedWorkflowExecutions(ctx, &workflowservice.ListClosedWorkflowExecutionsRequest{
		Namespace: "default", Filters: &workflowservice.ListClosedWorkflowExecutionsRequest_StatusFilter{StatusFilter: &filterpb.StatusFilter{}},
	})
	require.Equal(t, "StatusFilter must be specified and must be not Running.", status.Convert(err).Message())
	_, err = b.client.ListClosedWorkflowExecutions(ctx, &workflowservice.ListClosedWorkflowExecutionsRequest{
		Namespace: "default", Filters: &workflowservice.ListClosedWorkflowExecutionsRequest_TypeFilter{TypeFilter: &filterpb.WorkflowTypeFilter{Name: "order"}},
	})
	require.NoError(t, err)
	require.NotNil(t, b.visible.listed.Query.Where)
}

func TestListTroubleIsPassing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.visible.err = errors.New("connection refused")
	_, err := b.client.ListWorkflowExecutions(context.Background(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default"})
	require.Equal(t, codes.Unavailable, status.Code(err))
}
