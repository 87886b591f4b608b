package frontend_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	filterpb "go.temporal.io/api/filter/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/frontend"
	"perdure/server/search"
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
	require.Equal(t, "TemporalNamespaceDivision IS NULL GROUP BY ExecutionStatus", b.visible.listed.Query.String())
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

func TestSlowSearchEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.visible.err = &search.TimeoutError{After: 10 * time.Second}
	_, err := b.client.ListWorkflowExecutions(context.Background(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default"})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	require.Contains(t, status.Convert(err).Message(), "did not end within 10s")
}

// A search that is let in pays its whole price; what is not there is owed.
func TestDearSearchesLeaveLessForOthers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		query       string
		thenAllowed int
	}{{"", 95}, {"WorkflowId = 'w'", 99}} {
		b, ctx := setup(t, func(c *frontend.Config) { c.Limits.VisibilityPerSec = 100 }), context.Background()
		started := time.Now()
		_, err := b.client.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: test.query})
		require.NoError(t, err)
		allowed := 0
		for err == nil {
			if _, err = b.client.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default"}); err == nil {
				allowed++
			}
		}
		require.Equal(t, codes.ResourceExhausted, status.Code(err))
		require.GreaterOrEqual(t, allowed, test.thenAllowed)
		grown := int(time.Since(started).Seconds()*100) + 1
		require.LessOrEqual(t, allowed, test.thenAllowed+grown, "the rate has refilled meanwhile")
	}
}

func TestSearchWaitsForWhatTheCallerWrote(t *testing.T) {
	t.Parallel()
	asked := 0
	behind := errors.New("behind")
	b := setup(t, func(c *frontend.Config) {
		c.Fresh = func(context.Context) error {
			asked++
			if asked == 2 {
				return serviceerror.NewUnavailable(behind.Error())
			}
			return nil
		}
	})
	list := func(ctx context.Context) error {
		_, err := b.client.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default"})
		return err
	}
	require.NoError(t, list(context.Background()))
	require.Zero(t, asked, "only who asks for it waits")
	asking := metadata.AppendToOutgoingContext(context.Background(), "perdure-visibility-fresh", "1")
	require.NoError(t, list(asking))
	require.Equal(t, 1, asked)
	require.Equal(t, codes.Unavailable, status.Code(list(asking)))
}
