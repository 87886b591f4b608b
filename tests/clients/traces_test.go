package clients

import (
	"bufio"
	"context"
	"encoding/hex"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.26.0"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"perdure/internal/serverprocess"
	"perdure/server/tracing/tracingtest"
)

// tracesWithin bounds the wait for spans on a busy machine.
const tracesWithin = 60 * time.Second

// orderWorkflow does of everything that a trace shows: an activity that is tried twice, a timer, a child, and an activity in Python.
func orderWorkflow(ctx workflow.Context, pythonQueue string) (int, error) {
	short := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond, MaximumAttempts: 2},
	})
	if err := workflow.ExecuteActivity(short, "reserve").Get(ctx, nil); err != nil {
		return 0, err
	}
	if err := workflow.Sleep(ctx, 20*time.Millisecond); err != nil {
		return 0, err
	}
	if err := workflow.ExecuteChildWorkflow(ctx, shipWorkflow).Get(ctx, nil); err != nil {
		return 0, err
	}
	if pythonQueue == "" {
		return 0, temporal.NewNonRetryableApplicationError("no card", "NoCard", nil)
	}
	var charged int
	elsewhere := workflow.WithTaskQueue(short, pythonQueue)
	err := workflow.ExecuteActivity(elsewhere, "charge", 21).Get(ctx, &charged)
	return charged, err
}

func shipWorkflow(workflow.Context) error { return nil }

// reserve fails the first time.
func reserve(ctx context.Context) error {
	if activity.GetInfo(ctx).Attempt == 1 {
		return temporal.NewApplicationError("not yet", "Busy")
	}
	return nil
}

// tracedServer is a server whose spans go to a receiver.
func tracedServer(t *testing.T) (*serverprocess.Process, *tracingtest.Receiver) {
	t.Helper()
	receiver := tracingtest.Serve(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+receiver.Address)
	process := startServer(t, serverprocess.Options{DatabaseFile: filepath.Join(t.TempDir(), "perdure.db")})
	return process, receiver
}

func startWorker(t *testing.T, address, queue string, interceptors ...interceptor.ClientInterceptor) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)), Interceptors: interceptors,
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(orderWorkflow)
	w.RegisterWorkflow(shipWorkflow)
	w.RegisterActivityWithOptions(reserve, activity.RegisterOptions{Name: "reserve"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return c
}

// goTracer is the official interceptor with an exporter to the receiver.
func goTracer(t *testing.T, receiver *tracingtest.Receiver) (interceptor.Interceptor, *sdktrace.TracerProvider) {
	t.Helper()
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(receiver.Address), otlptracegrpc.WithInsecure())
	require.NoError(t, err)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter), sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName("go-worker"))))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.Background())) })
	tracer, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{Tracer: provider.Tracer("shop"), TextMapPropagator: propagation.TraceContext{}})
	require.NoError(t, err)
	return tracer, provider
}

// startPython runs a Python worker until the test ends.
func startPython(t *testing.T, address, queue string, receiver *tracingtest.Receiver) {
	t.Helper()
	command := exec.Command(python(t), "traced.py", "--address", address, "--queue", queue, "--otlp", receiver.Address)
	command.Dir = "python"
	problems := &lockedBuffer{}
	command.Stderr = problems
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		require.NoError(t, command.Process.Signal(syscall.SIGTERM))
		require.NoError(t, command.Wait(), problems.tail())
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err, problems.tail())
	require.Equal(t, "ready\n", line)
}

// TestOneTraceFromTheCallerToTheLastActivity: a client, a worker in Go and one in Python, all with the official interceptors, and the
// server tell of one order; the spans are one trace in which each has its parent.
func TestOneTraceFromTheCallerToTheLastActivity(t *testing.T) {
	process, receiver := tracedServer(t)
	queue := "traced-" + uuid.NewString()
	tracer, provider := goTracer(t, receiver)
	c := startWorker(t, process.Address, queue, tracer)
	startPython(t, process.Address, queue+"-python", receiver)

	ctx, root := provider.Tracer("shop").Start(t.Context(), "checkout")
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: queue, TaskQueue: queue}, orderWorkflow, queue+"-python")
	require.NoError(t, err)
	var charged int
	require.NoError(t, run.Get(ctx, &charged))
	require.Equal(t, 42, charged)
	root.End()

	trace := root.SpanContext().TraceID()
	receiver.Until(t, tracesWithin, func(all []*tracepb.Span) bool {
		seen := map[string]bool{}
		for _, s := range all {
			seen[s.GetName()] = true
		}
		return seen["workflow orderWorkflow"] && seen["workflow shipWorkflow"] && seen["RunActivity:charge"] && seen["checkout"] && seen["RunWorkflow:orderWorkflow"] &&
			seen["workflowservice/GetWorkflowExecutionHistory"]
	})
	stopServer(t, process)
	got := receiver.Spans()

	own, linked := map[string]*tracepb.Span{}, map[string]bool{}
	names := map[string]int{}
	for _, s := range got {
		if string(s.TraceId) == string(trace[:]) {
			require.NotContains(t, own, string(s.SpanId), "%s came twice", s.Name)
			own[string(s.SpanId)] = s
			names[s.Name]++
		}
	}
	for _, s := range own {
		if s.Name == "checkout" {
			continue
		}
		require.Contains(t, own, string(s.ParentSpanId), "%s is an orphan", s.Name)
	}
	for _, s := range got { // what is not in the trace has a link into it
		if own[string(s.SpanId)] != nil || len(s.ParentSpanId) > 0 {
			continue
		}
		require.NotEmpty(t, s.Links, "%s has nothing to do with it", s.Name)
		require.Equal(t, hex.EncodeToString(trace[:]), hex.EncodeToString(s.Links[0].TraceId), s.Name)
		require.Contains(t, own, string(s.Links[0].SpanId), "%s links to nothing", s.Name)
		linked[s.Name] = true
	}
	for _, step := range []string{
		"StartWorkflow:orderWorkflow", "workflowservice/StartWorkflowExecution", "commit", "workflow orderWorkflow", "wait for a worker", "workflow task",
		"RunWorkflow:orderWorkflow", "workflowservice/RespondWorkflowTaskCompleted", "StartActivity:reserve", "activity reserve", "attempt 1 and its wait", "retry back-off", "attempt 2",
		"RunActivity:reserve", "timer", "child workflow shipWorkflow", "workflow shipWorkflow", "RunWorkflow:shipWorkflow", "activity charge", "RunActivity:charge", "card",
		"workflowservice/RespondActivityTaskCompleted", "workflowservice/GetWorkflowExecutionHistory",
	} {
		require.NotZero(t, names[step], "%s is missing in %v", step, names)
	}
	require.True(t, linked["workflowservice/PollWorkflowTaskQueue"], "polls link to what they brought: %v", linked)
	require.Equal(t, 2, names["RunActivity:reserve"], "both attempts are there")
}

// TestTraceOfWorkersThatKnowNothing: the server makes the trace of a failed order by itself, and the command line the same one again.
func TestTraceOfWorkersThatKnowNothing(t *testing.T) {
	process, receiver := tracedServer(t)
	queue := "plain-" + uuid.NewString()
	c := startWorker(t, process.Address, queue)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: queue, TaskQueue: queue}, orderWorkflow, "")
	require.NoError(t, err)
	require.ErrorContains(t, run.Get(t.Context(), nil), "no card")

	id := strings.ReplaceAll(run.GetRunID(), "-", "")
	ofRun := func(all []*tracepb.Span) (found []*tracepb.Span) {
		for _, s := range all {
			if hex.EncodeToString(s.TraceId) == id {
				found = append(found, s)
			}
		}
		return found
	}
	first := ofRun(receiver.Until(t, tracesWithin, func(all []*tracepb.Span) bool { return len(ofRun(all)) > 0 }))
	names := map[string]int{}
	known := map[string]bool{}
	for _, s := range first {
		known[string(s.SpanId)] = true
		names[s.Name]++
	}
	for i, s := range first {
		require.Equal(t, i > 0, known[string(s.ParentSpanId)], "%s: one root, no orphan", s.Name)
	}
	for _, name := range []string{"workflow orderWorkflow", "workflow task", "activity reserve", "retry back-off", "attempt 2", "timer", "child workflow shipWorkflow"} {
		require.NotZero(t, names[name], "%s is missing in %v", name, names)
	}

	binary, err := serverprocess.Build()
	require.NoError(t, err)
	output, err := exec.CommandContext(t.Context(), binary, "trace", queue, "--address", process.HTTPAddress, "--otlp", receiver.Address).CombinedOutput()
	require.NoError(t, err, "%s", output)
	again := ofRun(receiver.Spans())
	require.Len(t, again, 2*len(first))
	for _, s := range again[len(first):] {
		require.True(t, known[string(s.SpanId)], "%s has another id when it is made again", s.Name)
	}
	output, err = exec.CommandContext(t.Context(), binary, "trace", queue, "--address", process.HTTPAddress).CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "FAILED: no card")
	stopServer(t, process)
}
