package frontend_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/frontend"
)

func TestWorkersThroughTheirCalls(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.client.RecordWorkerHeartbeat(ctx, &workflowservice.RecordWorkerHeartbeatRequest{
		Namespace: "default", WorkerHeartbeat: []*workerpb.WorkerHeartbeat{{WorkerInstanceKey: "k", TaskQueue: "q"}, {WorkerInstanceKey: "l"}},
	})
	require.NoError(t, err)
	listed, err := b.client.ListWorkers(ctx, &workflowservice.ListWorkersRequest{Namespace: "default", Query: "TaskQueue = 'q'"})
	require.NoError(t, err)
	require.Len(t, listed.GetWorkers(), 1)
	require.Equal(t, "k", listed.GetWorkers()[0].GetWorkerInstanceKey())
	counted, err := b.client.CountWorkers(ctx, &workflowservice.CountWorkersRequest{Namespace: "default"})
	require.NoError(t, err)
	require.EqualValues(t, 2, counted.GetCount())
	described, err := b.client.DescribeWorker(ctx, &workflowservice.DescribeWorkerRequest{Namespace: "default", WorkerInstanceKey: "k"})
	require.NoError(t, err)
	require.Equal(t, "q", described.GetWorkerInfo().GetWorkerHeartbeat().GetTaskQueue())
}

func TestShutdownWorker(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]bool{"polls are the client's": false, "polls are completed": true} {
		t.Run(name, func(t *testing.T) {
			b, ctx := setup(t, func(c *frontend.Config) { c.Features.PollCompleteOnShutdown = on }), context.Background()
			b.behind.answer = &workflowservice.ShutdownWorkerResponse{}
			described, err := b.client.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
			require.NoError(t, err)
			claims := described.GetNamespaceInfo().GetCapabilities()
			require.True(t, claims.GetWorkerHeartbeats())
			require.Equal(t, on, claims.GetWorkerPollCompleteOnShutdown())

			_, err = b.client.ShutdownWorker(ctx, &workflowservice.ShutdownWorkerRequest{
				Namespace: "default", StickyTaskQueue: "s", WorkerInstanceKey: "k", TaskQueue: "q",
				WorkerHeartbeat: &workerpb.WorkerHeartbeat{WorkerInstanceKey: "k", Status: enumspb.WORKER_STATUS_SHUTTING_DOWN},
			})
			require.NoError(t, err)
			got := b.behind.last().(*workflowservice.ShutdownWorkerRequest)
			require.Equal(t, "s", got.GetStickyTaskQueue())
			require.Equal(t, on, got.GetWorkerInstanceKey() == "k")
			shown, err := b.client.DescribeWorker(ctx, &workflowservice.DescribeWorkerRequest{Namespace: "default", WorkerInstanceKey: "k"})
			require.NoError(t, err)
			require.Equal(t, enumspb.WORKER_STATUS_SHUTTING_DOWN, shown.GetWorkerInfo().GetWorkerHeartbeat().GetStatus())
		})
	}
}
