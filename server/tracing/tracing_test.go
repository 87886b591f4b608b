package tracing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"perdure/server/callspan"
	"perdure/server/metrics"
	"perdure/server/spans"
	"perdure/server/tracing"
	"perdure/server/tracing/tracingtest"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// without takes the standard variables away.
func without(t *testing.T) {
	t.Helper()
	for _, key := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER"} {
		t.Setenv(key, "")
	}
}

func TestTracingIsOffByDefault(t *testing.T) {
	without(t)
	off := func(c tracing.Config) {
		t.Helper()
		tr, err := tracing.Start(t.Context(), c)
		require.NoError(t, err)
		require.Nil(t, tr)
		require.Nil(t, tr.Interceptor())
		require.NoError(t, tr.Stop(t.Context()))
	}
	off(tracing.Config{})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_SDK_DISABLED", "true")
	off(tracing.Config{Endpoint: "127.0.0.1:1"})
	t.Setenv("OTEL_SDK_DISABLED", "")
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	off(tracing.Config{})
	t.Setenv("OTEL_TRACES_EXPORTER", "")

	for key, bad := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": "OTEL_EXPORTER_OTLP_PROTOCOL=x: only grpc is supported",
		"OTEL_TRACES_SAMPLER":         "OTEL_TRACES_SAMPLER=x: want always_on, always_off or traceidratio, also with parentbased_",
	} {
		t.Setenv(key, "x")
		_, err := tracing.Start(t.Context(), tracing.Config{})
		require.EqualError(t, err, bad)
		t.Setenv(key, "")
	}
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", "2")
	_, err := tracing.Start(t.Context(), tracing.Config{})
	require.EqualError(t, err, "OTEL_TRACES_SAMPLER_ARG=2: want a number from 0 to 1")
}

// start begins to trace into a receiver.
func start(t *testing.T, receiver *tracingtest.Receiver, c tracing.Config) (*tracing.Tracing, *metrics.Registry) {
	t.Helper()
	without(t)
	c.Endpoint, c.Version, c.Metrics = receiver.Address, "1.2.3", metrics.NewRegistry()
	if c.QueueMax == 0 {
		c.QueueMax = 1000
	}
	tr, err := tracing.Start(t.Context(), c)
	require.NoError(t, err)
	return tr, c.Metrics
}

func stop(t *testing.T, tr *tracing.Tracing) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, tr.Stop(ctx))
}

func info(method string) *grpc.UnaryServerInfo {
	return &grpc.UnaryServerInfo{FullMethod: "/temporal.api.workflowservice.v1.WorkflowService/" + method}
}

func nothing(context.Context, any) (any, error) { return nil, nil }

// withHeader is a request into which an SDK wrote its context.
func withHeader(parent string) *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{Header: &commonpb.Header{Fields: map[string]*commonpb.Payload{
		"_tracer-data": {Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`{"traceparent":"` + parent + `"}`)},
	}}}
}

func sent(t *testing.T, parent string) context.Context {
	return metadata.NewIncomingContext(t.Context(), metadata.Pairs("traceparent", parent))
}

func TestACallOfATracedCaller(t *testing.T) {
	receiver := tracingtest.Serve(t)
	tr, reg := start(t, receiver, tracing.Config{})
	_, err := tr.Interceptor()(sent(t, traceparent), nil, info("StartWorkflowExecution"), func(ctx context.Context, _ any) (any, error) {
		require.Equal(t, "0af7651916cd43dd8448eb211c80319c", trace.SpanContextFromContext(ctx).TraceID().String(), "log lines and exemplars have it")
		call := callspan.From(ctx)
		call.Took("commit", time.Now())
		call.Concerns("r", call.Caller(), spans.Root("r"))
		return nil, status.Error(codes.Unavailable, "later")
	})
	require.Error(t, err)
	_, err = tr.Interceptor()(t.Context(), withHeader(traceparent), info("StartWorkflowExecution"), nothing)
	require.NoError(t, err)
	stop(t, tr)

	got := receiver.Spans()
	require.Equal(t, []string{"workflowservice/StartWorkflowExecution", "commit", "workflowservice/StartWorkflowExecution"}, tracingtest.Names(got))
	s := got[0]
	require.Equal(t, spans.ParseContext(traceparent, "").Span, spans.SpanID(s.ParentSpanId))
	require.Equal(t, spans.FlagsRemote, s.Flags)
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, s.Status.Code)
	attributes := tracingtest.Attributes(s.Attributes)
	require.Equal(t, "temporal.api.workflowservice.v1.WorkflowService", attributes["rpc.service"])
	require.Equal(t, int64(codes.Unavailable), attributes["rpc.grpc.status_code"])
	require.Equal(t, s.TraceId, s.Links[0].TraceId, "the run is in the caller's trace")
	require.Equal(t, s.SpanId, got[1].ParentSpanId)
	require.Equal(t, s.ParentSpanId, got[2].ParentSpanId, "what the SDK wrote counts where its connection sends nothing")
	require.Equal(t, "perdure", receiver.Services()[0])
	require.Equal(t, 3.0, reg.Value("perdure_trace_spans_total", "exported"))
}

func TestWhichCallsAreTraced(t *testing.T) {
	receiver := tracingtest.Serve(t)
	tr, _ := start(t, receiver, tracing.Config{})
	call := func(ctx context.Context, method string, concerns func(*callspan.Call)) {
		t.Helper()
		_, err := tr.Interceptor()(ctx, nil, info(method), func(ctx context.Context, _ any) (any, error) {
			if concerns != nil {
				concerns(callspan.From(ctx))
			}
			return nil, nil
		})
		require.NoError(t, err)
	}
	joined := spans.Origin{Context: spans.ParseContext(traceparent, "")}
	ofJoined := func(c *callspan.Call) { c.Concerns("r", joined, spans.Work("r", 2)) }
	ofOther := func(c *callspan.Call) { c.Concerns("r", spans.Origin{}, spans.Work("r", 2)) }
	call(t.Context(), "DescribeNamespace", nil)
	call(sent(t, traceparent[:len(traceparent)-1]+"0"), "DescribeNamespace", nil)
	call(t.Context(), "RespondWorkflowTaskCompleted", ofOther)
	call(t.Context(), "PollWorkflowTaskQueue", nil)
	call(t.Context(), "RespondWorkflowTaskCompleted", ofJoined)
	call(t.Context(), "PollWorkflowTaskQueue", ofJoined)
	_, err := tr.Interceptor()(sent(t, traceparent), nil, &grpc.UnaryServerInfo{FullMethod: "/grpc.health.v1.Health/Check"}, nothing)
	require.NoError(t, err)
	stop(t, tr)

	got := receiver.Spans()
	require.Equal(t, []string{"workflowservice/RespondWorkflowTaskCompleted", "workflowservice/PollWorkflowTaskQueue"}, tracingtest.Names(got))
	require.Equal(t, joined.Trace[:], got[0].TraceId, "the answer of a worker belongs to the trace of the run")
	require.Equal(t, joined.Span[:], got[0].ParentSpanId)
	require.NotEqual(t, joined.Trace[:], got[1].TraceId, "a poll may have begun before the run: it has a trace of its own")
	require.Equal(t, joined.Trace[:], got[1].Links[0].TraceId)
}

func TestAShareOfTheOtherCalls(t *testing.T) {
	receiver := tracingtest.Serve(t)
	tr, _ := start(t, receiver, tracing.Config{Calls: 0.25, QueueMax: 5000})
	for range 2000 {
		_, err := tr.Interceptor()(t.Context(), nil, info("DescribeNamespace"), nothing)
		require.NoError(t, err)
	}
	stop(t, tr)
	require.InDelta(t, 500, len(receiver.Spans()), 120)
}

func TestAFullQueueDrops(t *testing.T) {
	receiver := tracingtest.Serve(t)
	release := receiver.Hold()
	tr, reg := start(t, receiver, tracing.Config{QueueMax: 600})
	some := func(n int) []spans.Span {
		return make([]spans.Span, n)
	}
	tr.Take(some(512)) // goes off at once, and counts until the receiver has it
	tr.Take(some(88))
	require.Zero(t, reg.Value("perdure_trace_spans_total", "dropped"))
	tr.Take(some(1))
	require.Equal(t, 1.0, reg.Value("perdure_trace_spans_total", "dropped"))
	release()
	stop(t, tr)
	require.Len(t, receiver.Spans(), 600)
	require.Equal(t, 600.0, reg.Value("perdure_trace_spans_total", "exported"))
	tr.Take(some(1))
	require.Equal(t, 2.0, reg.Value("perdure_trace_spans_total", "dropped"), "nothing is taken after the end")
}

func TestAReceiverThatRefuses(t *testing.T) {
	receiver := tracingtest.Serve(t)
	receiver.Refuse(status.Error(codes.InvalidArgument, "no"))
	tr, reg := start(t, receiver, tracing.Config{})
	tracing.OnError(func(error) {})
	tr.Take(make([]spans.Span, 3))
	stop(t, tr)
	require.Equal(t, 3.0, reg.Value("perdure_trace_spans_total", "failed"))
}

func TestAReceiverThatHangsHoldsUpNoEnd(t *testing.T) {
	receiver := tracingtest.Serve(t)
	defer receiver.Hold()()
	tr, _ := start(t, receiver, tracing.Config{})
	tracing.OnError(func(error) {})
	tr.Take(make([]spans.Span, 3))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	require.ErrorContains(t, tr.Stop(ctx), "left behind")
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestWantedRunsAreCounted(t *testing.T) {
	receiver := tracingtest.Serve(t)
	tr, reg := start(t, receiver, tracing.Config{Rules: spans.Rules{Failures: true}, RunsMax: 7, Private: true, SpansMax: 9})
	require.True(t, tr.Wants(spans.Ended{Joined: true}))
	require.True(t, tr.Wants(spans.Ended{Status: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED}))
	require.False(t, tr.Wants(spans.Ended{Status: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}))
	tr.Dropped()
	for reason, want := range map[string]float64{"joined": 1, "failed": 1, "slow": 0, "share": 0, "dropped": 1} {
		require.Equal(t, want, reg.Value("perdure_trace_runs_total", reason), reason)
	}
	require.Equal(t, 7, tr.RunsMax())
	require.Equal(t, spans.Run{RunID: "r", Private: true, SpansMax: 9}, tr.Fill(spans.Run{RunID: "r"}))
	stop(t, tr)
}

var errNone = errors.New("none")

// BenchmarkCall is what tracing costs a call that is not sampled, and one that is.
func BenchmarkCall(b *testing.B) {
	receiver := tracingtest.Serve(b)
	tr, err := tracing.Start(b.Context(), tracing.Config{Endpoint: receiver.Address, QueueMax: 1, Metrics: metrics.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tr.Stop(context.Background()) }()
	for name, ctx := range map[string]context.Context{
		"unsampled": b.Context(), "sampled": metadata.NewIncomingContext(b.Context(), metadata.Pairs("traceparent", traceparent)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = tr.Interceptor()(ctx, nil, info("DescribeNamespace"), func(context.Context, any) (any, error) { return nil, errNone })
			}
		})
	}
}
