package frontend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/frontend"
	"perdure/server/spans"
)

func TestHTTPTrace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	call := b.http(t, frontend.HTTPConfig{})
	b.behind.answers = []any{
		&workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: "order/1", RunId: "0199a4c2-0000-7000-8000-000000000001"}}},
		&workflowservice.GetWorkflowExecutionHistoryResponse{NextPageToken: []byte("more"), History: &historypb.History{Events: []*historypb.HistoryEvent{{
			EventId: 1, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, EventTime: timestamppb.New(time.Unix(1, 0)),
			Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{WorkflowType: &commonpb.WorkflowType{Name: "W"}}},
		}}}},
		&workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: []*historypb.HistoryEvent{{
			EventId: 2, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, EventTime: timestamppb.New(time.Unix(2, 0)),
			Attributes: &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{}},
		}}}},
	}
	got := call("GET", "/perdure/v1/namespaces/default/trace?workflow_id=order%2F1", "")
	require.Equal(t, 200, got.status, got.body)
	list, err := spans.UnmarshalJSON([]byte(got.body))
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "workflow W", list[0].Name)
	require.Equal(t, spans.RunTrace("0199a4c2-0000-7000-8000-000000000001"), list[0].Trace)
	require.Equal(t, time.Second, list[0].Duration())
	require.Equal(t, "more", string(b.behind.last().(*workflowservice.GetWorkflowExecutionHistoryRequest).GetNextPageToken()))

	require.NotEqual(t, 200, call("GET", "/perdure/v1/namespaces/default/trace?workflow_id=order-1&run_id=0199a4c2-0000-7000-8000-000000000001", "").status)
	require.Equal(t, "0199a4c2-0000-7000-8000-000000000001", b.behind.last().(*workflowservice.DescribeWorkflowExecutionRequest).GetExecution().GetRunId())
	require.Equal(t, 400, call("GET", "/perdure/v1/namespaces/default/trace", "").status, "a workflow must be named")
	require.Equal(t, 404, call("GET", "/perdure/v1/namespaces/nowhere/trace?workflow_id=order-1", "").status)
}
