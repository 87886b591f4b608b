package sim

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/execution"
	"perdure/server/store"
)

// audit compares what clients were told and workers did with the histories, at the end.
type audit struct {
	t       *testing.T
	service workflowservice.WorkflowServiceClient
	workers *workers
	outside *outside
}

// settled waits until the workflow is closed.
func (a *audit) settled(c *client, within time.Duration) {
	a.t.Helper()
	for deadline := time.Now().Add(within); ; {
		r, err := a.service.DescribeWorkflowExecution(context.Background(), &workflowservice.DescribeWorkflowExecutionRequest{Namespace: namespaceName, Execution: c.target()})
		require.NoError(a.t, err)
		if r.WorkflowExecutionInfo.Status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return
		}
		if time.Now().After(deadline) {
			require.Fail(a.t, "a workflow is stuck", "%s: %v\n%v", c.id, r, a.events(c.id, ""))
		}
		<-time.After(10 * time.Minute)
	}
}

func (a *audit) events(id, runID string) []*historypb.HistoryEvent {
	a.t.Helper()
	var events []*historypb.HistoryEvent
	for token := []byte(nil); ; {
		r, err := a.service.GetWorkflowExecutionHistory(context.Background(), &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: namespaceName, Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID}, NextPageToken: token,
		})
		require.NoError(a.t, err)
		events = append(events, r.History.Events...)
		if token = r.NextPageToken; len(token) == 0 {
			return events
		}
	}
}

// chain reads the histories of all runs of a chain, the first one first.
func (a *audit) chain(id, first string) [][]*historypb.HistoryEvent {
	a.t.Helper()
	var runs [][]*historypb.HistoryEvent
	for run := first; run != ""; {
		events := a.events(id, run)
		for i, e := range events {
			require.EqualValues(a.t, i+1, e.EventId)
		}
		runs = append(runs, events)
		run = nextRun(events[len(events)-1])
	}
	return runs
}

func nextRun(last *historypb.HistoryEvent) string {
	switch last.EventType {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		return last.GetWorkflowExecutionContinuedAsNewEventAttributes().NewExecutionRunId
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		return last.GetWorkflowExecutionCompletedEventAttributes().NewExecutionRunId
	}
	return ""
}

// client checks all that one client was promised.
func (a *audit) client(c *client) {
	a.t.Helper()
	require.NotEmpty(a.t, c.runID)
	runs := a.chain(c.id, c.runID)
	seen := map[string]int{}
	for _, events := range runs {
		for _, e := range events {
			note(seen, e)
		}
		a.activities(events)
	}
	for _, id := range append(c.signals, c.updates...) {
		if c.repeated[id] && len(runs) > 1 {
			require.Positive(a.t, seen[id], "%s: each run of a chain knows only its own requests", id)
			continue
		}
		require.Equal(a.t, 1, seen[id], "%s is in history once", id)
	}
	a.ended(c, runs)
	a.told(c)
}

func note(seen map[string]int, e *historypb.HistoryEvent) {
	if s := e.GetWorkflowExecutionSignaledEventAttributes(); s != nil {
		var id string
		decode(s.Input, &id)
		seen[id]++
	}
	if u := e.GetWorkflowExecutionUpdateCompletedEventAttributes(); u != nil {
		seen[u.Meta.UpdateId]++
	}
}

// activities checks that what has one attempt ran at most once, and that children did what they should.
func (a *audit) activities(events []*historypb.HistoryEvent) {
	a.t.Helper()
	run := events[0].GetWorkflowExecutionStartedEventAttributes().OriginalExecutionRunId
	for _, e := range events {
		if s := e.GetActivityTaskScheduledEventAttributes(); s != nil && s.RetryPolicy.GetMaximumAttempts() == 1 {
			require.LessOrEqual(a.t, a.workers.attemptsOf(run, s.ActivityId), 1)
		}
		if s := e.GetChildWorkflowExecutionStartedEventAttributes(); s != nil {
			for _, events := range a.chain(s.WorkflowExecution.WorkflowId, s.WorkflowExecution.RunId) {
				a.activities(events)
			}
		}
	}
}

func (a *audit) ended(c *client, runs [][]*historypb.HistoryEvent) {
	a.t.Helper()
	events := runs[len(runs)-1]
	last := events[len(events)-1]
	switch c.ending {
	case completes:
		require.Equal(a.t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, last.EventType, c.id)
		var result string
		decode(last.GetWorkflowExecutionCompletedEventAttributes().Result, &result)
		require.Regexp(a.t, "^"+c.plan.result()+"$", result)
	case isCanceled:
		require.Equal(a.t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, last.EventType, c.id)
	case isTerminated:
		require.Equal(a.t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, last.EventType, c.id)
	case repeats:
		require.Equal(a.t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, last.EventType, c.id)
		require.GreaterOrEqual(a.t, len(runs), 4, "a run an hour")
	}
}

// rows checks every stored run against its history, that one run of a workflow
// at most is open, and that search shows what is stored. It returns the number of runs.
func (a *audit) rows(w *world) int {
	a.t.Helper()
	data := w.open()
	defer func() { require.NoError(a.t, data.Close()) }()
	open := map[string]int{}
	runs, err := data.Executions(context.Background(), store.ExecutionKey{}, 100_000)
	require.NoError(a.t, err)
	for _, row := range runs {
		state, err := execution.Decode(row.State)
		require.NoError(a.t, err)
		events := a.stored(data, row)
		byID := map[int64]*historypb.HistoryEvent{}
		for _, e := range events {
			byID[e.EventId] = e
		}
		for _, id := range state.NeededEvents() {
			state.Attach(byID[id])
		}
		require.NoError(a.t, execution.Verify(state, events), row.Workflow.WorkflowID)
		if state.Open() {
			open[row.Workflow.WorkflowID]++
		}
	}
	require.Empty(a.t, open, "all is over")
	return len(runs)
}

func (a *audit) stored(data store.Store, row *store.Execution) []*historypb.HistoryEvent {
	a.t.Helper()
	batches, err := data.History(context.Background(), row.Key, 1, row.NextEvent, 100_000)
	require.NoError(a.t, err)
	var events []*historypb.HistoryEvent
	for _, b := range batches {
		var h historypb.History
		require.NoError(a.t, proto.Unmarshal(b.Data, &h))
		events = append(events, h.Events...)
	}
	return events
}

// search checks that the visibility store came to know of every end.
func (a *audit) search(runs int) {
	a.t.Helper()
	count := func(query string) int64 {
		r, err := a.service.CountWorkflowExecutions(context.Background(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespaceName, Query: query})
		require.NoError(a.t, err)
		return r.Count
	}
	require.Zero(a.t, count("ExecutionStatus = 'Running'"))
	require.EqualValues(a.t, runs, count(""))
}
