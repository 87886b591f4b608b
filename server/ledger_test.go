package server_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/ledgerpb"
)

// ledgers is a client of the service of ledgers.
func (r *running) ledgers() ledgerpb.LedgerServiceClient {
	r.t.Helper()
	conn, err := grpc.NewClient(r.ready.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	return ledgerpb.NewLedgerServiceClient(conn)
}

func (r *running) ledger(id string) *ledgerpb.GetLedgerResponse {
	r.t.Helper()
	l, err := r.ledgers().GetLedger(r.t.Context(), &ledgerpb.GetLedgerRequest{Namespace: "default", WorkflowId: id})
	require.NoError(r.t, err)
	return l
}

// stageOf finds a stage by name.
func stageOf(t *testing.T, stages []*ledgerpb.Stage, name string) *ledgerpb.Stage {
	t.Helper()
	for _, s := range stages {
		if s.Name == name {
			return s
		}
	}
	require.Failf(t, "missing", "no stage %s in %v", name, stages)
	return nil
}

// answerTask takes the next workflow task of queue q and answers it with commands.
func (r *running) answerTask(commands ...*commandpb.Command) {
	r.t.Helper()
	task, err := r.poll("q")
	require.NoError(r.t, err)
	require.NotEmpty(r.t, task.TaskToken)
	_, err = r.client.RespondWorkflowTaskCompleted(r.t.Context(), &workflowservice.RespondWorkflowTaskCompletedRequest{TaskToken: task.TaskToken, Commands: commands})
	require.NoError(r.t, err)
}

// doActivity takes the next activity of queue q, and completes it.
func (r *running) doActivity() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	task, err := r.client.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: "q"}, Identity: "me",
	})
	require.NoError(r.t, err)
	require.NotEmpty(r.t, task.TaskToken)
	_, err = r.client.RespondActivityTaskCompleted(r.t.Context(), &workflowservice.RespondActivityTaskCompletedRequest{TaskToken: task.TaskToken})
	require.NoError(r.t, err)
}

func activityCommand() *commandpb.Command {
	return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{
		ScheduleActivityTaskCommandAttributes: &commandpb.ScheduleActivityTaskCommandAttributes{
			ActivityId: "a", ActivityType: &commonpb.ActivityType{Name: "a"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "q"}, StartToCloseTimeout: durationpb.New(time.Minute),
		},
	}}
}

func completeCommand() *commandpb.Command {
	return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{
		CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{},
	}}
}

// TestLedgerOfARun: what the history tells is the same after a restart.
func TestLedgerOfARun(t *testing.T) {
	storeURL := "sqlite://" + filepath.Join(t.TempDir(), "x.db")
	first := start(t, storeURL)
	first.startWorkflow("a")
	first.answerTask(activityCommand())
	open := first.ledger("a")
	require.Nil(t, open.CloseTime)
	require.EqualValues(t, 1, stageOf(t, open.Stages, "activity_wait").Open)
	first.doActivity()
	first.answerTask(completeCommand())

	closed := first.ledger("a")
	require.NotNil(t, closed.CloseTime)
	require.Equal(t, "w", closed.WorkflowType)
	for name, count := range map[string]int64{"workflow_task_wait": 2, "workflow_task_work": 2, "activity_wait": 1, "activity_work": 1} {
		stage := stageOf(t, closed.Stages, name)
		require.Equal(t, count, stage.Count, name)
		require.Zero(t, stage.Open, name)
		require.LessOrEqual(t, stage.Covered.AsDuration(), closed.Life.AsDuration(), name)
	}
	require.True(t, closed.ServerComplete)
	for _, name := range []string{"frontend", "lookup", "decide", "commit_queue", "commit_store", "match_sync", "hand_over"} {
		require.Positive(t, stageOf(t, closed.ServerStages, name).Count, name)
	}
	require.EqualValues(t, 3, stageOf(t, closed.ServerStages, "match_sync").Count+matchedFromBacklog(closed), "two workflow tasks and an activity")
	require.Equal(t, 2.0, first.metrics.Value("perdure_workflow_stage_seconds", "workflow_task_work", "w"))
	require.Equal(t, 1.0, first.metrics.Value("perdure_workflow_stage_seconds", "activity_work", "w"))
	first.stop()

	second := start(t, storeURL)
	defer second.stop()
	again := second.ledger("a")
	require.Len(t, again.Stages, len(closed.Stages))
	for i := range closed.Stages {
		require.True(t, proto.Equal(closed.Stages[i], again.Stages[i]), "%v and %v", closed.Stages[i], again.Stages[i])
	}
	require.Equal(t, closed.Life.AsDuration(), again.Life.AsDuration())
	_, err := second.ledgers().GetLedger(t.Context(), &ledgerpb.GetLedgerRequest{Namespace: "default", WorkflowId: "nobody"})
	require.Equal(t, codes.NotFound, status.Code(err))
}

// matchedFromBacklog: a slow machine may have sent a task through the backlog.
func matchedFromBacklog(l *ledgerpb.GetLedgerResponse) int64 {
	for _, s := range l.ServerStages {
		if s.Name == "match_backlog" {
			return s.Count
		}
	}
	return 0
}
