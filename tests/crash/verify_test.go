package crash

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// listedWithin bounds how long lists may take to show what ended.
const listedWithin = 20 * time.Second

// verify compares what clients and activities saw with the histories.
func verify(ctx context.Context, t *testing.T, c client.Client, counter *counter, records []*record) {
	t.Helper()
	for _, r := range records {
		if r.shape.name == onceShape.name {
			verifyOnce(t, counter, r)
		} else {
			require.Equal(t, r.shape.result(r.id), r.result, "%s %s", r.shape.name, r.id)
		}
		verifyHistory(ctx, t, c, r)
	}
	verifyLists(ctx, t, c, records)
}

// verifyOnce: an activity with one attempt ran at most once, and what it returned was not lost.
func verifyOnce(t *testing.T, counter *counter, r *record) {
	t.Helper()
	for _, key := range stepKeys(r.id) {
		require.LessOrEqual(t, counter.count(key), 1, "%s ran twice", key)
	}
	for _, key := range r.result {
		require.Equal(t, 1, counter.count(key), "%s returned but did not run", key)
	}
}

// verifyHistory: the acknowledged run is the first and only chain of this id; each acknowledged signal and update is in it once.
func verifyHistory(ctx context.Context, t *testing.T, c client.Client, r *record) {
	t.Helper()
	said := map[string]int{}
	runs := 0
	for runID := r.runID; runID != ""; runs++ {
		events := readHistory(ctx, t, c, r.id, runID)
		started := events[0].GetWorkflowExecutionStartedEventAttributes()
		require.Equal(t, r.runID, started.FirstExecutionRunId, r.id)
		for i, event := range events {
			require.EqualValues(t, i+1, event.EventId, "%s: events are numbered without gaps", r.id)
			countSaid(t, said, event)
		}
		runID = events[len(events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	if r.shape.name == "rounds" {
		require.Equal(t, steps+1, runs, r.id)
	}
	for _, key := range r.acked {
		want := 1
		if r.shape.updates {
			want = 2 // accepted and completed
		}
		require.Equal(t, want, said[key], "%s in the history of %s", key, r.id)
	}
	current, err := c.DescribeWorkflowExecution(ctx, r.id, "")
	require.NoError(t, err)
	require.Equal(t, r.runID, current.WorkflowExecutionInfo.FirstRunId, "no second start of %s", r.id)
}

// countSaid counts the unique texts of signals and updates.
func countSaid(t *testing.T, said map[string]int, event *historypb.HistoryEvent) {
	t.Helper()
	switch {
	case event.GetWorkflowExecutionSignaledEventAttributes() != nil:
		var text string
		input := event.GetWorkflowExecutionSignaledEventAttributes().Input
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(input, &text))
		said[text]++
	case event.GetWorkflowExecutionUpdateAcceptedEventAttributes() != nil:
		said[event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetMeta().GetUpdateId()]++
	case event.GetWorkflowExecutionUpdateCompletedEventAttributes() != nil:
		said[event.GetWorkflowExecutionUpdateCompletedEventAttributes().GetMeta().GetUpdateId()]++
	}
}

func readHistory(ctx context.Context, t *testing.T, c client.Client, id, runID string) []*historypb.HistoryEvent {
	t.Helper()
	var events []*historypb.HistoryEvent
	request := &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID},
	}
	for {
		answer, err := c.WorkflowService().GetWorkflowExecutionHistory(ctx, request)
		require.NoError(t, err)
		events = append(events, answer.History.Events...)
		if len(answer.NextPageToken) == 0 {
			require.NotEmpty(t, events)
			return events
		}
		request.NextPageToken = answer.NextPageToken
	}
}

// verifyLists: every run is found as closed, though the server died between the commit and its indexing.
func verifyLists(ctx context.Context, t *testing.T, c client.Client, records []*record) {
	t.Helper()
	want := map[enumspb.WorkflowExecutionStatus]int64{
		enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED: int64(len(records)), enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING: 0,
	}
	for _, r := range records {
		switch r.shape.name {
		case "children":
			want[enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED] += steps
		case "rounds":
			want[enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW] += steps
		}
	}
	for runStatus, count := range want {
		query := fmt.Sprintf("WorkflowId STARTS_WITH 'crash-' AND ExecutionStatus = '%s'", runStatus)
		var got int64
		require.Eventually(t, func() bool {
			answer, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
			require.NoError(t, err)
			got = answer.Count
			return got == count
		}, listedWithin, callInterval, "%s: want %d", query, count)
		require.Equal(t, count, got, query)
	}
}

// functionName is the name under which the SDK registers a workflow function.
func functionName(function any) string {
	full := runtime.FuncForPC(reflect.ValueOf(function).Pointer()).Name()
	return full[strings.LastIndex(full, ".")+1:]
}
