package server

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/execution"
	"perdure/server/store"
	"perdure/server/store/memory"
)

// sampleRun is the row and the events of a run that has just started.
func sampleRun(t *testing.T, exec int64) (store.ExecutionWrite, []*historypb.HistoryEvent) {
	t.Helper()
	d, err := execution.Begin(execution.Start{RunID: "run", Request: &workflowservice.StartWorkflowExecutionRequest{
		WorkflowId: "w", RequestId: "request", WorkflowType: &commonpb.WorkflowType{Name: "W"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "q"},
	}}, execution.Env{Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Limits: execution.DefaultLimits(), Namespace: execution.Namespace{ID: "ns", Name: "ns"}})
	require.NoError(t, err)
	return rowOf(t, exec, d.State), d.Events
}

func rowOf(t *testing.T, exec int64, state *execution.State) store.ExecutionWrite {
	t.Helper()
	encoded, err := state.Encode()
	require.NoError(t, err)
	return store.ExecutionWrite{Execution: store.Execution{
		Key: store.ExecutionKey{Slot: 1, Exec: exec}, Workflow: store.WorkflowKey{Slot: 1, Hash: 1, NamespaceID: "ns", WorkflowID: "w"},
		RunID: "run", RequestID: "request", Status: int16(state.Status), NextEvent: state.NextEventID, Version: state.Version, State: encoded,
	}}
}

func batchOf(t *testing.T, exec int64, events []*historypb.HistoryEvent) store.Batch {
	t.Helper()
	data, err := proto.Marshal(&historypb.History{Events: events})
	require.NoError(t, err)
	return store.Batch{Key: store.ExecutionKey{Slot: 1, Exec: exec}, FirstEvent: events[0].EventId, NextEvent: events[len(events)-1].EventId + 1, Data: data}
}

// problemsOf verifies a store with one run.
func problemsOf(t *testing.T, row store.ExecutionWrite, batches ...store.Batch) []string {
	t.Helper()
	s, err := memory.Open(1)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	shards, err := s.Shards(t.Context())
	require.NoError(t, err)
	held, err := s.Acquire(t.Context(), shards[0].ID, shards[0].Epoch, "test")
	require.NoError(t, err)
	group := store.Group{Shards: []store.ShardGroup{{Lease: held.Lease, Executions: []store.ExecutionWrite{row}, History: batches}}}
	require.NoError(t, s.Commit(t.Context(), group))
	var problems []string
	runs, err := verifyAll(t.Context(), s, func(p Problem) { problems = append(problems, p.String()) })
	require.NoError(t, err)
	require.Equal(t, 1, runs)
	return problems
}

func TestVerify(t *testing.T) {
	row, events := sampleRun(t, 1)
	require.Empty(t, problemsOf(t, row, batchOf(t, 1, events[:1]), batchOf(t, 1, events[1:])))

	t.Run("a batch is missing", func(t *testing.T) {
		problems := problemsOf(t, row, batchOf(t, 1, events[:1]))
		require.Contains(t, problems[0], `namespace ns workflow "w" run run:`)
		require.Contains(t, problems[0], "history ends before event 2")
	})
	t.Run("a batch is no batch", func(t *testing.T) {
		broken := batchOf(t, 1, events)
		broken.Data = []byte("\xff\xff")
		require.Contains(t, problemsOf(t, row, broken)[0], "batch of event 1")
	})
	t.Run("the state is no state", func(t *testing.T) {
		broken := row
		broken.State = []byte("no state")
		require.Contains(t, problemsOf(t, broken, batchOf(t, 1, events))[0], execution.ErrCorrupt.Error())
	})
	t.Run("the state tells of another course", func(t *testing.T) {
		state, err := execution.Decode(row.State)
		require.NoError(t, err)
		state.SignalCount, state.Task = 7, nil
		problems := problemsOf(t, rowOf(t, 1, state), batchOf(t, 1, events))
		require.Len(t, problems, 2)
		require.Contains(t, problems[0], "signals: state has 7, history tells 0")
		require.Contains(t, problems[1], "task: pending in the state false, in history true")
	})
	t.Run("a column is not what the state says", func(t *testing.T) {
		broken := row
		broken.Status = int16(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
		require.Equal(t, []string{`namespace ns workflow "w" run run: column status is 2, the state has 1`}, problemsOf(t, broken, batchOf(t, 1, events)))
	})
}
