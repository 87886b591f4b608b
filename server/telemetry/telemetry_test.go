package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

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
