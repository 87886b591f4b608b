// Command shop is a busy shop: workers and customers that give a server realistic traffic until they are stopped. Orders
// pay, wait, ship, and now and then fail, run out of time, are cancelled or terminated; a ledger that never ends books
// them by signals and updates; stocktaking comes by cron.
//
//	go run ./examples/shop --rate 5
//	go run ./examples/shop --namespaces shop,wholesale --metrics-address 127.0.0.1:9464 --duration 1m
//
// The namespaces must exist, with the search attributes Customer (Keyword) and AmountCents (Int). Traces go to the
// collector that the standard variable OTEL_EXPORTER_OTLP_ENDPOINT names, if it is set.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Bounds of the load, so that a slip of the pen does not bring a server down.
const (
	ratePerSecondMax = 1000
	openMax          = 10_000
)

// settings are what the command line says.
type settings struct {
	address        string
	namespaces     []string
	rate           float64 // orders a second, of all namespaces together
	open           int     // most orders under way at once
	metricsAddress string
	cachedRuns     int
	faults         bool
	duration       time.Duration
}

func main() {
	s := parseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func parseFlags() settings {
	var s settings
	flag.StringVar(&s.address, "address", "127.0.0.1:7233", "host:port of the server")
	names := flag.String("namespaces", "default", "namespaces to trade in, separated by commas; each is a tenant of its own")
	flag.Float64Var(&s.rate, "rate", 2, "orders a second, of all namespaces together; at most 1000")
	flag.IntVar(&s.open, "open", 500, "most orders under way at once: beyond that customers stay at home; at most 10000")
	flag.StringVar(&s.metricsAddress, "metrics-address", "127.0.0.1:9464", "host:port of the workers' /metrics; empty: none")
	flag.IntVar(&s.cachedRuns, "cached-runs", 1000, "runs that the workers keep in memory; few make them replay")
	flag.BoolVar(&s.faults, "faults", false, "also start now and then a workflow whose code is broken")
	flag.DurationVar(&s.duration, "duration", 0, "end after this time; 0: when interrupted")
	flag.Parse()
	s.namespaces = strings.Split(*names, ",")
	return s
}

func (s settings) validate() error {
	if s.rate <= 0 || s.rate > ratePerSecondMax {
		return fmt.Errorf("--rate %v: want more than 0 and at most %d", s.rate, ratePerSecondMax)
	}
	if s.open < 1 || s.open > openMax {
		return fmt.Errorf("--open %d: want 1 to %d", s.open, openMax)
	}
	return nil
}

// run trades until ctx is over. What single orders meet is in their histories and in the metrics; an error here means
// that the shop could not open.
func run(ctx context.Context, s settings) error {
	if err := s.validate(); err != nil {
		return err
	}
	if s.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	t, err := startTelemetry(ctx, s.metricsAddress)
	if err != nil {
		return err
	}
	defer t.stop()
	branches, err := openBranches(ctx, s, t)
	if err != nil {
		return err
	}
	defer closeBranches(branches)
	fmt.Printf("The shop is open: %v orders a second in %s.\n", s.rate, strings.Join(s.namespaces, ", "))
	trade(ctx, s, branches)
	return nil
}
