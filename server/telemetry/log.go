package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"perdure/server/metrics"
)

// never is above every level in use.
const never = slog.LevelError + 100

var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError, "never": never,
}

// NewLogger writes lines of at least the given level (debug, info, warn,
// error; never for none) in the given format (text, json). Lines logged with a context that
// carries a span get its trace_id and span_id.
func NewLogger(w io.Writer, format, level string, reg *metrics.Registry) (*slog.Logger, error) {
	minimum, known := levels[level]
	if !known {
		return nil, fmt.Errorf("log level %q: want debug, info, warn, error or never", level)
	}
	options := &slog.HandlerOptions{Level: minimum}
	switch format {
	case "text":
		return slog.New(newTraceHandler(slog.NewTextHandler(w, options), reg)), nil
	case "json":
		return slog.New(newTraceHandler(slog.NewJSONHandler(w, options), reg)), nil
	}
	return nil, fmt.Errorf("log format %q: want text or json", format)
}

// traceHandler adds trace ids and counts lines.
type traceHandler struct {
	slog.Handler
	reg *metrics.Registry
}

func newTraceHandler(next slog.Handler, reg *metrics.Registry) slog.Handler {
	return traceHandler{next, reg}
}

func (h traceHandler) Handle(ctx context.Context, record slog.Record) error {
	metrics.LogEvents.In(h.reg, metrics.Level{Level: levelName(record.Level)}).Inc()
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs), h.reg}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name), h.reg}
}

// levelName keeps the label bounded: levels in between count as the one below.
func levelName(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "error"
	case level >= slog.LevelWarn:
		return "warn"
	case level >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}
