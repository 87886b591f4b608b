package server

import (
	"context"

	"perdure/server/config"
	"perdure/server/history"
	"perdure/server/spans"
	"perdure/server/tracing"
)

// startTracing begins to trace; nil when nobody receives traces.
func startTracing(ctx context.Context, c config.Config, o Options) (*tracing.Tracing, error) {
	tracing.OnError(func(err error) { o.Logger.Warn("trace export failed", "error", err) })
	t := c.Traces
	return tracing.Start(ctx, tracing.Config{
		Endpoint: t.OTLP, Rules: spans.Rules{Failures: t.Failures, Slow: t.Slow, Share: t.Share}, Calls: t.Calls, Private: t.Private,
		SpansMax: c.Limits.TraceSpansMax, QueueMax: c.Limits.TraceQueueMax, RunsMax: c.Limits.TraceRunsMax, Version: o.Version, Metrics: o.Metrics,
	})
}

// traces is nothing for an engine when tracing is off: an interface with a nil in it would be something.
func traces(t *tracing.Tracing) history.Traces {
	if t == nil {
		return nil
	}
	return t
}
