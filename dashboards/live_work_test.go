package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	querypb "go.temporal.io/api/query/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"perdure/internal/serverprocess"
)

const (
	callbackSetting = `component.callbacks.allowedAddresses=[{"Pattern":"127.0.0.1:*","AllowInsecure":true}]`
	liveQueue       = "orders"
	idleQueue       = "nobody-polls-this"
)

// work is load that uses every feature that boards show, until the test ends.
type work struct {
	client   client.Client
	receiver *httptest.Server
	http     string
	running  sync.WaitGroup
	during   context.Context
	admin    *pgx.Conn
}

// order waits, works, has a child, and hears signals, updates and queries.
func order(ctx workflow.Context, child bool) error {
	options := workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second, RetryPolicy: &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond, MaximumAttempts: 3}}
	ctx = workflow.WithActivityOptions(ctx, options)
	if err := workflow.SetQueryHandler(ctx, "state", func() (string, error) { return "open", nil }); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, "change", func(workflow.Context, bool) error { return nil }, workflow.UpdateHandlerOptions{
		Validator: func(_ workflow.Context, good bool) error {
			if !good {
				return errors.New("not like this")
			}
			return nil
		},
	}); err != nil {
		return err
	}
	if err := workflow.Sleep(ctx, 20*time.Millisecond); err != nil {
		return err
	}
	if err := workflow.ExecuteActivity(ctx, "pay").Get(ctx, nil); err != nil {
		return err
	}
	if child {
		if err := workflow.ExecuteChildWorkflow(ctx, order, false).Get(ctx, nil); err != nil {
			return err
		}
		workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
	}
	return nil
}

// bad fails in each way that an application can.
func bad(ctx workflow.Context) error {
	late := workflow.ActivityOptions{StartToCloseTimeout: 200 * time.Millisecond, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}
	_ = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, late), "hang").Get(ctx, nil)
	never := workflow.ActivityOptions{TaskQueue: idleQueue, ScheduleToStartTimeout: 100 * time.Millisecond, ScheduleToCloseTimeout: time.Minute}
	_ = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, never), "pay").Get(ctx, nil)
	return errors.New("nothing works")
}

// broken code fails its workflow task, again and again.
func broken(workflow.Context) error { panic("broken") }

func pay(ctx context.Context) error {
	if activity.GetInfo(ctx).Attempt == 1 {
		return errors.New("try again")
	}
	return nil
}

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func startWork(t *testing.T, server *serverprocess.Process) *work {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: server.Address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := &work{client: c, http: "http://" + server.HTTPAddress}
	w.receiver = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if strings.HasSuffix(request.URL.Path, "/refuses") {
			answer.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(w.receiver.Close)
	hands := worker.New(c, liveQueue, worker.Options{WorkerStopTimeout: time.Second})
	hands.RegisterWorkflow(order)
	hands.RegisterWorkflow(bad)
	hands.RegisterWorkflow(broken)
	hands.RegisterActivity(pay)
	hands.RegisterActivity(hang)
	require.NoError(t, hands.Start())
	t.Cleanup(hands.Stop)
	ctx, cancel := context.WithCancel(context.Background())
	w.during = ctx
	w.loop(100*time.Millisecond, w.good)
	w.loop(time.Second, w.rare)
	t.Cleanup(func() {
		cancel()
		w.running.Wait()
		if w.admin != nil {
			_ = w.admin.Close(context.Background())
		}
	})
	return w
}

// loop does something again and again. What fails is in the metrics.
func (w *work) loop(every time.Duration, do func(context.Context)) {
	w.running.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			do(w.during)
			select {
			case <-ticker.C:
			case <-w.during.Done():
				return
			}
		}
	})
}

func (w *work) start(ctx context.Context, queue string, code any, arguments ...any) string {
	id := uuid.NewString()
	_, _ = w.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: queue, WorkflowTaskTimeout: time.Second}, code, arguments...)
	return id
}

// good is what a healthy application does.
func (w *work) good(ctx context.Context) {
	id := w.start(ctx, liveQueue, order, true)
	short, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	_ = w.client.SignalWorkflow(short, id, "", "go", nil)
	if update, err := w.client.UpdateWorkflow(short, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: "change", Args: []any{true}, WaitForStage: client.WorkflowUpdateStageCompleted}); err == nil {
		_ = update.Get(short, nil)
	}
	_, _ = w.client.QueryWorkflow(short, id, "", "state")
	_ = w.client.GetWorkflow(short, id, "").Get(short, nil)
}

// rare are calls that happen now and then, mistakes of callers among them.
func (w *work) rare(ctx context.Context) {
	short, done := context.WithTimeout(ctx, 5*time.Second)
	defer done()
	w.start(short, liveQueue, bad)
	w.start(short, liveQueue, broken)
	w.start(short, idleQueue, order, false)
	_, _ = w.client.DescribeWorkflowExecution(short, "no-such-workflow", "")
	for _, query := range []string{"ExecutionStatus = 'Failed'", "WorkflowType = 'order'"} {
		_, _ = w.client.ListWorkflow(short, &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		_, _ = w.client.CountWorkflow(short, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	}
	request, err := http.NewRequestWithContext(short, http.MethodGet, w.http+"/api/v1/namespaces/default", nil)
	if err == nil {
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
		}
	}
	w.callback(short, w.receiver.URL+"/takes")
	w.callback(short, w.receiver.URL+"/refuses")
	w.callback(short, "http://127.0.0.1:1/away")
}

// callback starts a run that tells an address how it ended.
func (w *work) callback(ctx context.Context, address string) {
	id := uuid.NewString()
	_, _ = w.client.WorkflowService().StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: id, RequestId: id, WorkflowType: &commonpb.WorkflowType{Name: "order"},
		TaskQueue:           &taskqueuepb.TaskQueue{Name: liveQueue},
		CompletionCallbacks: []*commonpb.Callback{{Variant: &commonpb.Callback_Nexus_{Nexus: &commonpb.Callback_Nexus{Url: address}}}},
	})
}

// trouble is what lights up the panels that a healthy server leaves dark: wrong calls, and a database that ends connections.
func (w *work) trouble(t *testing.T, database string) {
	t.Helper()
	w.loop(200*time.Millisecond, w.wrong)
	admin, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	w.admin = admin
	_, err = admin.Exec(t.Context(), "VACUUM")
	require.NoError(t, err)
	w.loop(500*time.Millisecond, func(ctx context.Context) {
		_, _ = admin.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	})
}

func (w *work) wrong(ctx context.Context) {
	short, done := context.WithTimeout(ctx, 3*time.Second)
	defer done()
	_, _ = w.client.ListWorkflow(short, &workflowservice.ListWorkflowExecutionsRequest{Query: "ExecutionStatus ="})
	id := w.start(short, liveQueue, order, true)
	_, _ = w.client.UpdateWorkflow(short, client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: "change", Args: []any{false}, WaitForStage: client.WorkflowUpdateStageCompleted})
	large := strings.Repeat("x", 3<<20)
	_ = w.client.SignalWorkflow(short, id, "", "large", large)
	idle := w.start(short, idleQueue, order, false)
	_, _ = w.client.WorkflowService().QueryWorkflow(short, &workflowservice.QueryWorkflowRequest{
		Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: idle}, Query: &querypb.WorkflowQuery{QueryType: "state"},
	})
	// A worker that takes a task and is not heard of again.
	w.start(short, "crashes", order, false)
	_, _ = w.client.WorkflowService().PollWorkflowTaskQueue(short, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: "crashes"}, Identity: fmt.Sprint("crash-", time.Now().UnixNano()),
	})
}
