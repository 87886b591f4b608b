// Command bench loads a server with raw gRPC calls in a closed loop and prints what it carries and what that costs.
//
//	go run ./bench --addr 127.0.0.1:7233 --scenario noop --inflight 64 --duration 10s --json
//	go run ./bench --addr 127.0.0.1:7233 --all
//	go run ./bench --binary bin/perdure --stores sqlite,postgres --all
//
// README.md tells the scenarios, the columns and how to compare two servers.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	address, namespace string
	scenario           string
	inflight           int
	duration, warmup   time.Duration
	json, all          bool
	levels             string
	scenarioNames      string
	binary, stores     string
	sources            sources
}

func main() {
	var s settings
	flag.StringVar(&s.address, "addr", "127.0.0.1:7233", "host:port of any compatible server")
	flag.StringVar(&s.namespace, "namespace", "default", "namespace, which must exist")
	flag.StringVar(&s.scenario, "scenario", "noop", "noop, one-activity, ten-activities, signals or large-payload")
	flag.IntVar(&s.inflight, "inflight", 64, "closed loops at the same time")
	flag.DurationVar(&s.duration, "duration", 10*time.Second, "measured time of a run")
	flag.DurationVar(&s.warmup, "warmup", 2*time.Second, "time before it that is not measured")
	flag.BoolVar(&s.json, "json", false, "print one JSON object a run instead of a table")
	flag.BoolVar(&s.all, "all", false, "run every scenario at every level")
	flag.StringVar(&s.levels, "levels", "1,16,64,256,1024", "with --all: loops in flight")
	flag.StringVar(&s.scenarioNames, "scenarios", "noop,one-activity,ten-activities,signals,large-payload", "with --all: what to run")
	flag.IntVar(&s.sources.pid, "pid", 0, "process id of the server on this machine, for its CPU time and memory")
	flag.StringVar(&s.sources.metricsURL, "metrics", "", "URL of the server's metrics, for commits and statements")
	flag.StringVar(&s.sources.postgres, "pg", "", "URL of the server's PostgreSQL, for WAL, commits and CPU time")
	flag.StringVar(&s.binary, "binary", "", "perdure binary to start instead of --addr")
	flag.StringVar(&s.stores, "stores", "postgres", "with --binary: memory, sqlite, postgres, or several with commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (s settings) run(ctx context.Context) error {
	plan, err := s.plan()
	if err != nil {
		return err
	}
	if s.binary == "" {
		return s.report(plan.against(ctx, s, ""))
	}
	var results []result
	for _, store := range strings.Split(s.stores, ",") {
		some, err := s.withServer(ctx, store, plan)
		results = append(results, some...)
		if err != nil {
			return s.report(results, fmt.Errorf("%s: %w", store, err))
		}
	}
	return s.report(results, nil)
}

// step is one run of a plan.
type step struct {
	scenario scenario
	inflight int
}

type plan []step

func (s settings) plan() (plan, error) {
	names, levels := []string{s.scenario}, []string{strconv.Itoa(s.inflight)}
	if s.all {
		names, levels = strings.Split(s.scenarioNames, ","), strings.Split(s.levels, ",")
	}
	var steps plan
	for _, name := range names {
		found, err := findScenario(name)
		if err != nil {
			return nil, err
		}
		for _, level := range levels {
			inflight, err := strconv.Atoi(level)
			if err != nil || inflight < 1 {
				return nil, fmt.Errorf("loops in flight must be a number above 0, not %q", level)
			}
			steps = append(steps, step{found, inflight})
		}
	}
	return steps, nil
}

// against runs the plan on the server that the settings address and tells on standard error how it goes.
func (p plan) against(ctx context.Context, s settings, target string) ([]result, error) {
	var results []result
	for _, step := range p {
		r, err := s.measure(ctx, step)
		if err != nil {
			return results, fmt.Errorf("%s at %d in flight: %w", step.scenario.name, step.inflight, err)
		}
		r.Target = target
		fmt.Fprintf(os.Stderr, "%s %s, %d in flight: %.0f %ss/s, p50 %.1f ms\n", target, r.Scenario, r.Inflight, r.PerSecond, r.Unit, r.P50)
		results = append(results, r)
	}
	return results, nil
}

// measure is one run.
func (s settings) measure(ctx context.Context, step step) (result, error) {
	l, err := newLoad(step.scenario, s.address, s.namespace)
	if err != nil {
		return result{}, err
	}
	defer l.close()
	var before, after sample
	elapsed, err := l.run(ctx, step.inflight, s.warmup, s.duration,
		func() (err error) { before, err = s.sources.sample(ctx); return err },
		func() (err error) { after, err = s.sources.sample(ctx); return err })
	if err != nil {
		return result{}, err
	}
	return newResult(l, step.inflight, elapsed, before, after), nil
}

// report prints what was measured, also when the plan broke off with err.
func (s settings) report(results []result, err error) error {
	if s.json {
		encoder := json.NewEncoder(os.Stdout)
		for _, r := range results {
			if err := encoder.Encode(r); err != nil {
				return err
			}
		}
		return err
	}
	if len(results) > 0 {
		fmt.Printf("\n%d cores shared by server, store and generator; costs are per workflow or signal\n\n", runtime.NumCPU())
		if err := printTable(os.Stdout, results); err != nil {
			return err
		}
	}
	return err
}
