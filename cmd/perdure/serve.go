package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"perdure/server"
	"perdure/server/config"
	"perdure/server/metrics"
	"perdure/server/telemetry"
)

// serve runs a server until SIGTERM or SIGINT and drains it then. A second
// signal ends the process at once.
func serve(c *console, settings config.Config, pagePort int) error {
	started := time.Now()
	tuneMemory()
	reg := newRegistry(settings.Metrics)
	logger, err := telemetry.NewLogger(c.err, settings.Log.Format, settings.Log.Level, reg)
	if err != nil {
		return usageError{err}
	}
	ctx, stop := interruptible()
	defer stop()
	version := readVersion()
	version.count(reg)
	return server.Run(ctx, settings, server.Options{
		Version:  version.Version,
		PagePort: pagePort,
		Logger:   logger,
		Metrics:  reg,
		Ready:    func(r server.Ready) { greet(c, r, time.Since(started)) },
	})
}

// newRegistry is nil, which measures nothing, where metrics are off.
func newRegistry(m config.Metrics) *metrics.Registry {
	if !m.Enabled {
		return nil
	}
	reg := metrics.NewRegistry()
	reg.Configure(metrics.Options{Compat: m.Compat, NativeOnly: !m.ClassicHistograms})
	return reg
}

// interruptible is over at the first SIGTERM or SIGINT; a second one has its usual effect.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// greet tells a person where things are.
func greet(c *console, r server.Ready, took time.Duration) {
	fmt.Fprintf(c.out, "Perdure %s is ready after %d ms.\n\n", r.Version, took.Milliseconds())
	fmt.Fprintf(c.out, "  gRPC      %s   for SDKs, the CLI and the Web UI\n", r.GRPC)
	fmt.Fprintf(c.out, "  HTTP API  http://%s/api/v1\n", r.HTTP)
	fmt.Fprintf(c.out, "  Metrics   http://%s/metrics\n", r.Metrics)
	if r.Page != "" {
		fmt.Fprintf(c.out, "  Overview  http://%s\n", r.Page)
	}
	fmt.Fprintf(c.out, "  Store     %s\n\nStop with Ctrl-C.\n", r.Store)
}
