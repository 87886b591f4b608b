package clients

import (
	"context"
	"log/slog"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"

	"perdure/internal/serverprocess"
)

// callLog notes what an SDK calls and how its polls end.
type callLog struct {
	mu       sync.Mutex
	shutdown *workflowservice.ShutdownWorkerRequest
	failed   []string // polls
}

func (c *callLog) intercept(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if shutdown, ok := request.(*workflowservice.ShutdownWorkerRequest); ok {
		c.shutdown = shutdown
	}
	if err != nil && strings.HasPrefix(path.Base(method), "Poll") {
		c.failed = append(c.failed, err.Error())
	}
	return err
}

// workerOn finds the worker of a task queue; nil when it was not heard of.
func workerOn(t *testing.T, service workflowservice.WorkflowServiceClient, taskQueue string) *workerpb.WorkerHeartbeat {
	t.Helper()
	listed, err := service.ListWorkers(t.Context(), &workflowservice.ListWorkersRequest{
		Namespace: "default", Query: "TaskQueue = '" + taskQueue + "'",
	})
	require.NoError(t, err)
	if len(listed.GetWorkers()) == 0 {
		return nil
	}
	require.Len(t, listed.GetWorkers(), 1)
	described, err := service.DescribeWorker(t.Context(), &workflowservice.DescribeWorkerRequest{
		Namespace: "default", WorkerInstanceKey: listed.GetWorkers()[0].GetWorkerInstanceKey(),
	})
	require.NoError(t, err)
	return described.GetWorkerInfo().GetWorkerHeartbeat()
}

// TestWorkerLife shows a Go worker from its first heartbeat to its end, with polls that end by the server's answer or by the
// client's own will.
func TestWorkerLife(t *testing.T) {
	for name, completed := range map[string]bool{"polls are completed": true, "polls are cancelled": false} {
		t.Run(name, func(t *testing.T) {
			options := serverprocess.Options{}
			if completed {
				options.ExtraArguments = []string{"--dynamic-config-value", "frontend.enableCancelWorkerPollsOnShutdown=true"}
			}
			process := startServer(t, options)
			defer stopServer(t, process)
			calls := &callLog{}
			c, err := client.DialContext(t.Context(), client.Options{
				HostPort: process.Address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
				Identity: "worker-life", WorkerHeartbeatInterval: time.Second,
				ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithUnaryInterceptor(calls.intercept)}},
			})
			require.NoError(t, err)
			defer c.Close()
			queue, service := "life-"+uuid.NewString(), c.WorkflowService()
			w := worker.New(c, queue, worker.Options{})
			registerSuite(w, &suiteActivities{})
			require.NoError(t, w.Start())

			var beat *workerpb.WorkerHeartbeat
			eventually(t, "its polls are under way and told", func() bool {
				beat = workerOn(t, service, queue)
				return beat.GetWorkflowPollerInfo().GetCurrentPollers() > 0 && beat.GetActivityPollerInfo().GetCurrentPollers() > 0
			})
			require.Equal(t, enumspb.WORKER_STATUS_RUNNING, beat.GetStatus())
			require.Equal(t, "worker-life", beat.GetWorkerIdentity())
			eventually(t, "the server has its polls", func() bool {
				described, err := c.DescribeTaskQueue(t.Context(), queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
				return err == nil && len(described.GetPollers()) > 0
			})
			started := time.Now()
			w.Stop()
			require.Less(t, time.Since(started), 20*time.Second, "a poll waits for a minute")

			require.Equal(t, enumspb.WORKER_STATUS_SHUTTING_DOWN, workerOn(t, service, queue).GetStatus())
			calls.mu.Lock()
			defer calls.mu.Unlock()
			require.Equal(t, queue, calls.shutdown.GetTaskQueue())
			if completed {
				require.Empty(t, calls.failed)
			}
		})
	}
}

// TestWorkerGivesUpOneQueue does what some SDKs do at their start: they give up the queue of commands that they will not use,
// under the key of the worker, and go on with the others.
func TestWorkerGivesUpOneQueue(t *testing.T) {
	process := startServer(t, serverprocess.Options{})
	defer stopServer(t, process)
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: process.Address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	defer c.Close()
	queue, service, key := "gives-up-"+uuid.NewString(), c.WorkflowService(), uuid.NewString()
	_, err = service.ShutdownWorker(t.Context(), &workflowservice.ShutdownWorkerRequest{
		Namespace: "default", WorkerInstanceKey: key, TaskQueue: "commands-of-" + queue,
		TaskQueueTypes: []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_NEXUS},
	})
	require.NoError(t, err)
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: queue, TaskQueue: queue}, "any")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	task, err := service.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: "default", WorkerInstanceKey: key, TaskQueue: &taskqueuepb.TaskQueue{Name: queue},
	})
	require.NoError(t, err)
	require.Equal(t, queue, task.GetWorkflowExecution().GetWorkflowId())
}
