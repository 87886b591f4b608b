// Command local runs the stack of compose/compose.yaml as plain processes on loopback; compose/local.sh builds and starts
// it. It uses the same configuration files with other addresses in them. Grafana, the collector and the Web UI are not
// among what package registries have, so they are missing here, and spans go straight to Jaeger.
//
// It ends with all its processes at SIGINT or SIGTERM, or when one of them ends; when it is killed, they die with it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// startTimeout bounds the start of everything.
	startTimeout = 4 * time.Minute
	// stopTimeout bounds the end of each process.
	stopTimeout = 20 * time.Second
)

// settings are what the command line says.
type settings struct {
	freePorts      bool
	addressesFile  string
	scrapeInterval time.Duration
	rate           float64
	open           int
	cachedRuns     int
	faults         bool
}

func main() {
	var s settings
	flag.BoolVar(&s.freePorts, "free-ports", false, "take any free ports instead of those of compose.yaml")
	flag.StringVar(&s.addressesFile, "addresses", "", "file to write the addresses to, as JSON, once all serve")
	flag.DurationVar(&s.scrapeInterval, "scrape-interval", 5*time.Second, "of Prometheus, and of its rules")
	flag.Float64Var(&s.rate, "rate", 5, "orders a second of the demo workers")
	flag.IntVar(&s.open, "open", 500, "most orders under way at once")
	flag.IntVar(&s.cachedRuns, "cached-runs", 1000, "runs that the demo workers keep in memory")
	flag.BoolVar(&s.faults, "faults", false, "the demo workers also run broken code")
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "local stack:", err)
		os.Exit(1)
	}
}

func run(s settings) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	folder, err := os.MkdirTemp("", "perdure-stack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	k, err := newStack(folder, s)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, k.stop()) }()
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := k.start(starting); err != nil {
		return err
	}
	if err := k.tell(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case name := <-k.ended:
		return k.explain(name, "ended")
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// tell prints where things are, and writes them to the file that a program waits for.
func (k *stack) tell() error {
	for _, line := range []struct{ name, what string }{
		{"perdure", "Perdure, gRPC"}, {"perdure-http", "HTTP/JSON"}, {"perdure-metrics", "its metrics"}, {"shop", "metrics of the demo workers"},
		{"prometheus", "Prometheus"}, {"alertmanager", "Alertmanager"}, {"jaeger", "Jaeger"}, {"elasticsearch", "Elasticsearch"}, {"postgres", "PostgreSQL"},
	} {
		fmt.Printf("  %-28s %s\n", line.what, k.addresses[line.name])
	}
	fmt.Println("\nStop with Ctrl-C.")
	if k.settings.addressesFile == "" {
		return nil
	}
	text, err := json.Marshal(k.addresses)
	if err != nil {
		return err
	}
	unfinished := filepath.Join(filepath.Dir(k.settings.addressesFile), ".unfinished")
	if err := os.WriteFile(unfinished, text, 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, k.settings.addressesFile)
}
