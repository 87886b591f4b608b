// Command bench loads a server and tells what it carries, how fast, and what that costs.
//
//	go run ./bench --addr 127.0.0.1:7233 --scenario noop --inflight 64 --duration 10s --json
//	go run ./bench --binary bin/perdure --stores sqlite,postgres --suite all --out bench/results
//	go run ./bench --binary bin/perdure --stores postgres --vs 127.0.0.1:7233
//
// README.md tells the scenarios, the suites, and how to read results.
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

	"perdure/bench/measure"
)

// settings are the flags.
type settings struct {
	address, namespace, scenario string
	inflight, count, pollers     int
	rate                         float64
	duration, warmup             time.Duration
	sticky, json                 bool
	suites, scenarios, levels    string
	percents, growth             string
	rounds                       int
	fillClosed, fillOpen         int
	soakPercent                  float64
	interval                     time.Duration
	binary, stores               string
	storePath, storeURL          string
	serverArguments              string
	environment                  []string // of the server
	unmeasured                   bool     // the server has no metrics
	sources, otherSources        measure.Sources
	other                        string
	out, page, profiles          string
}

func main() {
	s, err := parse(os.Args[1:])
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = s.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(arguments []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	s.loadFlags(f)
	s.serverFlags(f)
	s.suiteFlags(f)
	if err := f.Parse(arguments); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return s, nil
}

func (s *settings) loadFlags(f *flag.FlagSet) {
	f.StringVar(&s.scenario, "scenario", "noop", "what to run once; README.md lists the scenarios")
	f.IntVar(&s.inflight, "inflight", 0, "callers at the same time; 0: the scenario's own number")
	f.Float64Var(&s.rate, "rate", 0, "open loop: units that are due a second; 0: closed loop")
	f.IntVar(&s.count, "count", 0, "workflows, tasks or queues of scenarios that are about a number; 0: the scenario's own number")
	f.DurationVar(&s.duration, "duration", 10*time.Second, "measured time of a run")
	f.DurationVar(&s.warmup, "warmup", 2*time.Second, "time before it that is not measured")
	f.BoolVar(&s.sticky, "sticky", true, "raw workers remember runs and have a sticky queue, as SDKs do")
	f.IntVar(&s.pollers, "pollers", 0, "pollers of each kind; 0: one for each caller, 4 to 32, or the SDK's default")
	f.IntVar(&s.fillClosed, "fill-closed", 0, "closed workflows that the store holds before the run")
	f.IntVar(&s.fillOpen, "fill-open", 0, "open workflows that the store holds before the run")
}

func (s *settings) serverFlags(f *flag.FlagSet) {
	f.StringVar(&s.address, "addr", "127.0.0.1:7233", "host:port of any compatible server")
	f.StringVar(&s.namespace, "namespace", "default", "namespace, which must exist")
	f.IntVar(&s.sources.PID, "pid", 0, "process id of the server on this machine, for its CPU time and memory")
	f.StringVar(&s.sources.MetricsURL, "metrics", "", "URL of the server's metrics, for commits and statements")
	f.StringVar(&s.sources.Postgres, "pg", "", "URL of the server's PostgreSQL, for WAL, commits and CPU time")
	f.StringVar(&s.binary, "binary", "", "perdure binary to start instead of --addr")
	f.StringVar(&s.stores, "stores", "postgres", "with --binary: memory, sqlite, postgres, each also with +elasticsearch or +none behind it for its search, or several with commas")
	f.StringVar(&s.storePath, "store-path", "", "with --binary: SQLite file to use and to keep, instead of a temporary one")
	f.StringVar(&s.storeURL, "store-url", "", "with --binary: PostgreSQL database to use, instead of a server of the bench's own")
	f.StringVar(&s.serverArguments, "server-args", "", "with --binary: further arguments of `perdure dev`, with blanks between them")
	f.StringVar(&s.other, "vs", "", "with --binary: host:port of another server to compare with")
	f.IntVar(&s.otherSources.PID, "vs-pid", 0, "as --pid, of the other server")
	f.StringVar(&s.otherSources.Postgres, "vs-pg", "", "as --pg, of the other server")
}

func (s *settings) suiteFlags(f *flag.FlagSet) {
	f.StringVar(&s.suites, "suite", "", "run suites instead of one scenario: all, or some with commas of "+strings.Join(suiteNames(), ", "))
	f.StringVar(&s.scenarios, "scenarios", "", "scenarios of suites matrix, rates and versus; empty: the suite's own")
	f.StringVar(&s.levels, "levels", "", "callers at the same time of suites matrix and versus; empty: the suite's own")
	f.StringVar(&s.percents, "percents", "10,25,50,75,90,110", "suite rates: percentages of the highest throughput")
	f.StringVar(&s.growth, "growth", "", "numbers of workflows of suites growth-closed and growth-open; empty: the suite's own")
	f.Float64Var(&s.soakPercent, "percent", 70, "suite soak: percentage of the highest throughput")
	f.IntVar(&s.rounds, "rounds", 5, "suites indexing and tax: how often each server has its turn")
	f.DurationVar(&s.interval, "interval", 10*time.Second, "suite soak: time between two samples")
	f.StringVar(&s.out, "out", "", "folder for results: JSON files, pictures and a README.md with tables")
	f.StringVar(&s.page, "report", "", "measure nothing, but write pictures and README.md of the results in this folder anew")
	f.StringVar(&s.profiles, "pprof-dir", "", "folder for a CPU and a heap profile of the server for each run; needs --binary or --metrics")
	f.BoolVar(&s.json, "json", false, "print one JSON object a run instead of a table")
}

// say tells on standard error how it goes.
func say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, arguments...)...)
}
