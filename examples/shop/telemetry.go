package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/prometheus"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// stopTimeout bounds the export of what waits at the end.
const stopTimeout = 5 * time.Second

// latencyBuckets are in seconds: from an answer out of memory to a timer.
var latencyBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// telemetry is what the workers tell about themselves.
type telemetry struct {
	metrics client.MetricsHandler
	tracing interceptor.ClientInterceptor // nil: off
	calls   grpc.DialOption               // tells the server of the span behind a call
	stop    func()
}

// startTelemetry serves the SDK's metrics on address and sends spans to the collector of the OTEL_* variables.
func startTelemetry(ctx context.Context, address string) (*telemetry, error) {
	t := &telemetry{stop: func() {}}
	if err := t.startMetrics(address); err != nil {
		return nil, err
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		return t, nil
	}
	return t, t.startTracing(ctx)
}

func (t *telemetry) startMetrics(address string) error {
	exporter, err := prometheus.New(prometheus.WithoutScopeInfo(), prometheus.WithoutTargetInfo())
	if err != nil {
		return fmt.Errorf("set up metrics: %w", err)
	}
	seconds := sdkmetric.NewView(sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: latencyBuckets}})
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithView(seconds))
	t.metrics = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: provider.Meter("shop"), UseMonotonicCounters: true, OnError: func(err error) { fmt.Fprintln(os.Stderr, "shop: metrics:", err) },
	})
	if address == "" {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	server := &http.Server{Handler: handler(), ReadHeaderTimeout: stopTimeout}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "shop: metrics:", err)
		}
	}()
	t.stop = func() { _ = server.Close() }
	return nil
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux
}

func (t *telemetry) startTracing(ctx context.Context) error {
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return fmt.Errorf("set up traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{Tracer: provider.Tracer("shop")})
	if err != nil {
		return fmt.Errorf("set up traces: %w", err)
	}
	t.tracing = tracing
	t.calls = grpc.WithStatsHandler(otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(provider), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}), otelgrpc.WithFilter(noPoll)))
	stopMetrics := t.stop
	t.stop = func() {
		stopMetrics()
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = provider.Shutdown(ctx) // spans that no longer go out are lost, which harms no order
	}
	return nil
}

// noPoll leaves polls out: they belong to no order and would be most of the spans.
func noPoll(info *stats.RPCTagInfo) bool { return !strings.Contains(info.FullMethodName, "/Poll") }

// apply gives a client, and the workers made of it, metrics and traces.
func (t *telemetry) apply(o *client.Options) {
	o.MetricsHandler = t.metrics
	if t.tracing != nil {
		o.Interceptors = append(o.Interceptors, t.tracing)
		o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, t.calls)
	}
}
