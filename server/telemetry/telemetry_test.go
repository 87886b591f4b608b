package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"perdure/server/metrics"
	"perdure/server/telemetry"
)

func TestLinesCarryTraceIDs(t *testing.T) {
	var out bytes.Buffer
	reg := metrics.NewRegistry()
	logger, err := telemetry.NewLogger(&out, "json", "info", reg)
	require.NoError(t, err)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	logger.With("shard", 3).InfoContext(trace.ContextWithSpanContext(t.Context(), span), "hello")

	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "01000000000000000000000000000000", line["trace_id"])
	require.Equal(t, "0200000000000000", line["span_id"])
	require.Equal(t, 3.0, line["shard"])
	require.Equal(t, 1.0, reg.Value("perdure_log_events_total", "info"))
}

func TestLevelAndFormat(t *testing.T) {
	var out bytes.Buffer
	logger, err := telemetry.NewLogger(&out, "text", "warn", nil)
	require.NoError(t, err)
	logger.Info("not shown")
	logger.Warn("shown")
	require.NotContains(t, out.String(), "not shown")
	require.Contains(t, out.String(), "msg=shown")
	require.NotContains(t, out.String(), "trace_id")

	_, err = telemetry.NewLogger(&out, "text", "loud", nil)
	require.EqualError(t, err, `log level "loud": want debug, info, warn, error or never`)
	_, err = telemetry.NewLogger(&out, "xml", "info", nil)
	require.EqualError(t, err, `log format "xml": want text or json`)
}

func TestMetricsPort(t *testing.T) {
	var health error
	handler := telemetry.NewHandler(metrics.NewRegistry(), func() error { return health })
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	require.Contains(t, get("/metrics").Body.String(), "go_goroutines")
	require.Equal(t, http.StatusOK, get("/healthz").Code)
	require.Equal(t, http.StatusOK, get("/debug/pprof/goroutine?debug=1").Code)
	health = errors.New("no store")
	require.Equal(t, http.StatusServiceUnavailable, get("/healthz").Code)
	require.Contains(t, get("/healthz").Body.String(), "no store")
}

func TestTracingIsOffByDefault(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	tracing, err := telemetry.StartTracing(t.Context(), "1", nil)
	require.NoError(t, err)
	require.False(t, tracing.On())
	require.Empty(t, tracing.ServerOptions())
	require.NoError(t, tracing.Stop(t.Context()))

	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_SDK_DISABLED", "true")
	tracing, err = telemetry.StartTracing(t.Context(), "1", nil)
	require.NoError(t, err)
	require.False(t, tracing.On())

	t.Setenv("OTEL_SDK_DISABLED", "")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	_, err = telemetry.StartTracing(t.Context(), "1", nil)
	require.EqualError(t, err, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf: only grpc is supported")
}

// collector takes spans as an OTLP collector does.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	got chan *collectorpb.ExportTraceServiceRequest
}

func (c *collector) Export(_ context.Context, req *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.got <- req
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func TestSpansReachTheCollector(t *testing.T) {
	sink := &collector{got: make(chan *collectorpb.ExportTraceServiceRequest, 1)}
	address := serve(t, func(s *grpc.Server) { collectorpb.RegisterTraceServiceServer(s, sink) })
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address)
	reg := metrics.NewRegistry()
	tracing, err := telemetry.StartTracing(t.Context(), "1.2.3", reg)
	require.NoError(t, err)
	require.True(t, tracing.On())

	target := serve(t, func(s *grpc.Server) {
		// A service of another name: spans of health checks are left out.
		desc := healthpb.Health_ServiceDesc
		desc.ServiceName = "test.Service"
		s.RegisterService(&desc, health.NewServer())
	}, tracing.ServerOptions()...)
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.Invoke(t.Context(), "/test.Service/Check", &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{}))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, tracing.Stop(ctx))
	require.Equal(t, 1.0, reg.Value("perdure_trace_spans_total", "exported"))
	spans := (<-sink.got).GetResourceSpans()[0]
	require.Equal(t, "test.Service/Check", spans.GetScopeSpans()[0].GetSpans()[0].GetName())
	attributes := map[string]string{}
	for _, kv := range spans.GetResource().GetAttributes() {
		attributes[kv.GetKey()] = kv.GetValue().GetStringValue()
	}
	require.Equal(t, "perdure", attributes["service.name"])
	require.Equal(t, "1.2.3", attributes["service.version"])
}

func serve(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(options...)
	register(server)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return listener.Addr().String()
}
