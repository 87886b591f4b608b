package telemetry

import (
	"context"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"perdure/server/metrics"
)

// Tracing makes spans and exports them. It is off unless the standard OTEL_*
// variables name an OTLP endpoint; then it costs nothing.
type Tracing struct {
	provider *sdktrace.TracerProvider // nil: off
}

// StartTracing reads the standard OTEL_* variables: an endpoint
// (OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) switches
// it on, OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none off. Service name
// is "perdure" unless OTEL_SERVICE_NAME says otherwise. An unreachable
// collector is no error: spans are dropped, nothing waits.
func StartTracing(ctx context.Context, version string, reg *metrics.Registry) (*Tracing, error) {
	on, err := tracingWanted(os.Getenv)
	if err != nil || !on {
		return &Tracing{}, err
	}
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up OTLP export: %w", err)
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "perdure"), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("read OTEL resource variables: %w", err)
	}
	return &Tracing{sdktrace.NewTracerProvider(sdktrace.WithBatcher(newCountedExporter(exporter, reg)), sdktrace.WithResource(res))}, nil
}

// countedExporter counts spans on their way out.
type countedExporter struct {
	sdktrace.SpanExporter
	exported, failed metrics.Counter
}

func newCountedExporter(next sdktrace.SpanExporter, reg *metrics.Registry) countedExporter {
	return countedExporter{
		next,
		metrics.TraceSpans.In(reg, metrics.Outcome{Outcome: "exported"}),
		metrics.TraceSpans.In(reg, metrics.Outcome{Outcome: "failed"}),
	}
}

func (e countedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		e.failed.Add(float64(len(spans)))
	} else {
		e.exported.Add(float64(len(spans)))
	}
	return err
}

func tracingWanted(env func(string) string) (bool, error) {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") || env("OTEL_TRACES_EXPORTER") == "none" {
		return false, nil
	}
	if env("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return false, nil
	}
	for _, key := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := env(key); protocol != "" && protocol != "grpc" {
			return false, fmt.Errorf("%s=%s: only grpc is supported", key, protocol)
		}
	}
	return true, nil
}

// On tells whether spans are exported.
func (t *Tracing) On() bool { return t.provider != nil }

// ServerOptions make a span of each RPC a gRPC server answers. Empty when tracing is off.
func (t *Tracing) ServerOptions() []grpc.ServerOption {
	if t.provider == nil {
		return nil
	}
	return []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t.provider),
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()), // metrics are server/metrics' business
		otelgrpc.WithPropagators(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})),
		otelgrpc.WithFilter(wantSpan),
	))}
}

// wantSpan leaves health checks and reflection out: they only make noise.
func wantSpan(info *stats.RPCTagInfo) bool {
	return !strings.HasPrefix(info.FullMethodName, "/grpc.")
}

// OnError hands the exporter's errors to f. OpenTelemetry keeps one handler per process.
func OnError(f func(error)) { otel.SetErrorHandler(otel.ErrorHandlerFunc(f)) }

// Stop exports what waits, at most until ctx ends.
func (t *Tracing) Stop(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}
