package server_test

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"perdure/server"
	"perdure/server/config"
	"perdure/server/metrics"
	"perdure/server/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stopTimeout bounds what SIGTERM promises.
const stopTimeout = 10 * time.Second

// running is a server in this process.
type running struct {
	t       *testing.T
	ready   server.Ready
	client  workflowservice.WorkflowServiceClient
	metrics *metrics.Registry
	cancel  context.CancelFunc
	done    chan error
}

func start(t *testing.T, storeURL string) *running {
	t.Helper()
	c := config.Default()
	c.Store = storeURL
	c.Listen.GRPCPort, c.Listen.HTTPPort, c.Listen.MetricsPort = 0, 0, 0
	c.Namespaces = []string{"default"}
	c.SearchAttributes = map[string]string{"Customer": "Keyword"}
	reg := metrics.NewRegistry()
	logger, err := telemetry.NewLogger(t.Output(), "text", "info", reg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, metrics: reg, cancel: cancel, done: make(chan error, 1)}
	ready := make(chan server.Ready, 1)
	go func() {
		r.done <- server.Run(ctx, c, server.Options{
			Version: "test", PagePort: 0, Logger: logger, Metrics: reg, Ready: func(r server.Ready) { ready <- r },
		})
	}()
	select {
	case r.ready = <-ready:
	case err := <-r.done:
		require.NoError(t, err)
	}
	conn, err := grpc.NewClient(r.ready.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	r.client = workflowservice.NewWorkflowServiceClient(conn)
	return r
}

func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case err := <-r.done:
		require.NoError(r.t, err)
	case <-time.After(stopTimeout):
		require.Fail(r.t, "the server did not stop in time")
	}
}

func (r *running) startWorkflow(id string) *workflowservice.StartWorkflowExecutionResponse {
	r.t.Helper()
	response, err := r.client.StartWorkflowExecution(r.t.Context(), &workflowservice.StartWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: id, RequestId: id,
		WorkflowType: &commonpb.WorkflowType{Name: "w"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "q"},
	})
	require.NoError(r.t, err)
	return response
}

func (r *running) poll(queue string) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	return r.client.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, Identity: "me",
	})
}

func TestStopAnswersPollsEmpty(t *testing.T) {
	r := start(t, "memory:")
	type answer struct {
		response *workflowservice.PollWorkflowTaskQueueResponse
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		response, err := r.poll("idle")
		answers <- answer{response, err}
	}()
	require.Eventually(t, func() bool { return r.metrics.Value("perdure_pollers_waiting", "workflow") == 1 }, stopTimeout, time.Millisecond)
	r.stop()
	a := <-answers
	require.NoError(t, a.err)
	require.Empty(t, a.response.GetTaskToken())
}

func TestWhatWasAcknowledgedIsThereAfterARestart(t *testing.T) {
	storeURL := "sqlite://" + filepath.Join(t.TempDir(), "x.db")
	first := start(t, storeURL)
	run := first.startWorkflow("a")
	first.stop()

	second := start(t, storeURL)
	defer second.stop()
	again := second.startWorkflow("a") // the same request
	require.Equal(t, run.GetRunId(), again.GetRunId())
	task, err := second.poll("q")
	require.NoError(t, err)
	require.Equal(t, "a", task.GetWorkflowExecution().GetWorkflowId())
}

func TestEveryPortServes(t *testing.T) {
	r := start(t, "memory:")
	defer r.stop()
	defer http.DefaultClient.CloseIdleConnections()
	for _, url := range []string{
		"http://" + r.ready.HTTP + "/api/v1/namespaces/default", "http://" + r.ready.HTTP + "/api/v1/cluster-info",
		"http://" + r.ready.Metrics + "/metrics", "http://" + r.ready.Metrics + "/healthz", "http://" + r.ready.Page,
	} {
		response, err := http.Get(url)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, url)
	}
	require.Equal(t, 2.0, r.metrics.Value("perdure_http_requests_total", "200", "GET"))
}

func TestCallsAreCounted(t *testing.T) {
	r := start(t, "memory:")
	defer r.stop()
	r.startWorkflow("a")
	counted := func() bool {
		return r.metrics.Value("perdure_grpc_requests_total", "OK", "StartWorkflowExecution", "default") == 1
	}
	require.Eventually(t, counted, stopTimeout, time.Millisecond) // after the answer has left
	require.Equal(t, 1.0, r.metrics.Value("perdure_grpc_request_duration_seconds", "StartWorkflowExecution"))
	require.Equal(t, 1.0, r.metrics.Value("perdure_workflow_started_total", "start", "default"))
	require.Positive(t, r.metrics.Value("perdure_store_requests_total", "Commit", "memory"))
	require.Positive(t, r.metrics.Value("perdure_commit_group_bytes"))
	_, err := r.client.ListWorkflowExecutions(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default"})
	require.NoError(t, err)
	require.Equal(t, 1.0, r.metrics.Value("perdure_visibility_query_total", "list", "ok", "list", "memory"))
}

func TestSearchAttributesOfTheConfigurationExist(t *testing.T) {
	r := start(t, "memory:")
	defer r.stop()
	_, err := r.client.CountWorkflowExecutions(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: "default", Query: "Customer = 'x'",
	})
	require.NoError(t, err)
}

func TestWhereHidesPasswords(t *testing.T) {
	require.Equal(t, "postgres://u:xxxxx@h/d", server.Where("postgres://u:secret@h/d"))
	require.Equal(t, "sqlite:///x.db", server.Where("sqlite:///x.db"))
}
