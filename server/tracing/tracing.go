package tracing

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"

	"perdure/server/metrics"
	"perdure/server/spans"
)

// Config says what is traced and where spans go.
type Config struct {
	// Endpoint is a receiver of OTLP over gRPC, host:port or URL. Empty: what the standard OTEL_* variables name.
	Endpoint string
	Rules    spans.Rules // which closed runs are kept
	Calls    float64     // share of calls that are kept whose caller keeps no trace, 0 to 1
	Private  bool        // leave the messages of failures out
	SpansMax int         // of one run
	// QueueMax is how many spans may wait for the receiver, RunsMax how many closed runs for their spans to be made.
	QueueMax, RunsMax int
	Version           string
	Metrics           *metrics.Registry
}

// Tracing makes spans and exports them. A nil one is off: it does nothing and costs nothing.
type Tracing struct {
	config Config
	queue  *queue
	runs   map[string]metrics.Counter // closed runs by what became of their traces
}

// Start begins to trace if the configuration or the standard OTEL_* variables
// name a receiver (OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
// OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none keep it off, which is nil.
// The service is named "perdure" unless OTEL_SERVICE_NAME says otherwise. A
// receiver out of reach is no error: spans are dropped, nothing waits.
func Start(ctx context.Context, c Config) (*Tracing, error) {
	on, err := wanted(c, os.Getenv)
	if err != nil || !on {
		return nil, err
	}
	if c.Calls, err = callShare(c.Calls, os.Getenv); err != nil {
		return nil, err
	}
	res, err := describe(ctx, c.Version)
	if err != nil {
		return nil, fmt.Errorf("read OTEL resource variables: %w", err)
	}
	client := otlptracegrpc.NewClient(target(c.Endpoint)...)
	if err := client.Start(ctx); err != nil {
		return nil, fmt.Errorf("set up OTLP export: %w", err)
	}
	return &Tracing{config: c, queue: startQueue(client, res, c.QueueMax, c.Metrics), runs: runCounters(c.Metrics)}, nil
}

func describe(ctx context.Context, version string) (*resourcepb.Resource, error) {
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", serviceName), attribute.String("service.version", version)),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	out := &resourcepb.Resource{}
	for _, a := range res.Attributes() {
		out.Attributes = append(out.Attributes, attributes([]spans.Attribute{{Key: string(a.Key), Value: a.Value.String()}})...)
	}
	return out, nil
}

func wanted(c Config, env func(string) string) (bool, error) {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") || env("OTEL_TRACES_EXPORTER") == "none" {
		return false, nil
	}
	if c.Endpoint != "" {
		return true, nil
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

// callShare is the share of calls, which the standard variables can set as well.
func callShare(share float64, env func(string) string) (float64, error) {
	switch sampler := strings.TrimPrefix(env("OTEL_TRACES_SAMPLER"), "parentbased_"); sampler {
	case "":
		return share, nil
	case "always_on":
		return 1, nil
	case "always_off":
		return 0, nil
	case "traceidratio":
		argument := env("OTEL_TRACES_SAMPLER_ARG")
		ratio, err := strconv.ParseFloat(argument, 64)
		if err != nil || ratio < 0 || ratio > 1 {
			return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG=%s: want a number from 0 to 1", argument)
		}
		return ratio, nil
	default:
		return 0, fmt.Errorf("OTEL_TRACES_SAMPLER=%s: want always_on, always_off or traceidratio, also with parentbased_", env("OTEL_TRACES_SAMPLER"))
	}
}

// OnError hands the exporter's errors to f. OpenTelemetry keeps one handler per process.
func OnError(f func(error)) { otel.SetErrorHandler(otel.ErrorHandlerFunc(f)) }

// Interceptor makes spans of calls; nil when tracing is off.
func (t *Tracing) Interceptor() grpc.UnaryServerInterceptor {
	if t == nil {
		return nil
	}
	return t.call
}

// Stop exports what waits, at most until ctx ends.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.queue.stop(ctx)
}

// RunsMax is how many closed runs may wait for their spans to be made.
func (t *Tracing) RunsMax() int { return t.config.RunsMax }

// Wants tells whether the spans of a closed run are to be made. It does not block.
func (t *Tracing) Wants(e spans.Ended) bool {
	reason := t.config.Rules.Keep(e)
	if reason == "" {
		return false
	}
	t.runs[reason].Inc()
	return true
}

// Dropped counts a run whose spans could not be made.
func (t *Tracing) Dropped() { t.runs["dropped"].Inc() }

// Take exports the spans of a run. It does not block.
func (t *Tracing) Take(list []spans.Span) { t.queue.offer(list) }

// Fill adds what the configuration says of how spans are made.
func (t *Tracing) Fill(r spans.Run) spans.Run {
	r.Private, r.SpansMax = t.config.Private, t.config.SpansMax
	return r
}

func runCounters(reg *metrics.Registry) map[string]metrics.Counter {
	counters := map[string]metrics.Counter{}
	for _, reason := range []string{"joined", "failed", "slow", "share", "dropped"} {
		counters[reason] = metrics.TraceRuns.In(reg, metrics.Reason{Reason: reason})
	}
	return counters
}

// flushInterval is how long a span waits for others to go with it.
const flushInterval = time.Second
