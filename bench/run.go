package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"perdure/bench/load"
	"perdure/bench/measure"
	"perdure/bench/report"
)

// tellInterval is the time between two lines that tell how a long step gets on.
const tellInterval = 10 * time.Second

// step is one measurement. What is 0 takes the scenario's own value.
type step struct {
	scenario     load.Scenario
	inflight     int
	rate         float64
	count        int
	closed, open int // workflows that are there before
	duration     time.Duration
}

// runner measures and keeps what it measured.
type runner struct {
	settings
	file *report.File
}

func (s settings) run(ctx context.Context) error {
	if s.page != "" {
		return report.WritePage(s.page, allSuiteNames())
	}
	suites, err := s.chosen()
	if err != nil {
		return err
	}
	var all []report.Result
	var taxes []report.Tax
	for _, suite := range suites {
		r := &runner{settings: s, file: &report.File{
			Suite: suite.name, Began: time.Now(), Command: "go run ./bench " + strings.Join(os.Args[1:], " "),
			Machine: measure.ThisMachine(), Stores: map[string]map[string]string{},
		}}
		err = errors.Join(r.suite(ctx, suite), r.keep())
		all, taxes = append(all, r.file.Results...), append(taxes, r.file.Ratios...)
		if err != nil {
			err = fmt.Errorf("%s: %w", suite.name, err)
			break
		}
	}
	return errors.Join(err, s.show(all), s.showTaxes(taxes))
}

// suite runs a suite on each of its targets, each of which is started for it and ended after it.
func (r *runner) suite(ctx context.Context, s suite) error {
	switch s.name {
	case report.SuiteVersus:
		return r.versus(ctx)
	case indexingSuite:
		return r.indexing(ctx)
	case taxSuite.name:
		return r.tax(ctx, nil)
	}
	if r.binary == "" {
		t, err := r.reach(ctx, r.address, r.address, r.sources)
		if err != nil {
			return err
		}
		return r.on(ctx, t, s)
	}
	for _, store := range strings.Split(r.stores, ",") {
		t, err := r.launch(ctx, store)
		if err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
		if err := errors.Join(r.on(ctx, t, s), t.close()); err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
	}
	return nil
}

func (r *runner) on(ctx context.Context, t *target, s suite) error {
	if err := r.note(ctx, t); err != nil {
		return err
	}
	return s.run(r, ctx, t)
}

// note keeps how the target's store is set up.
func (r *runner) note(ctx context.Context, t *target) error {
	settings, err := t.sources.StoreSettings(ctx)
	if settings != nil {
		r.file.Stores[t.name] = settings
	}
	return err
}

// measure is one run, whose result is kept.
func (r *runner) measure(ctx context.Context, t *target, st step) (report.Result, error) {
	result, err := r.play(ctx, t, st, nil)
	if err != nil {
		return result, fmt.Errorf("%s at %d in flight: %w", st.scenario.Name, st.inflight, err)
	}
	r.add(result)
	return result, nil
}

func (r *runner) add(result report.Result) {
	r.file.Results = append(r.file.Results, result)
	say("%s %s, %d in flight: %.0f %ss/s, p50 %.1f ms, p99 %.1f ms",
		result.Target, result.Scenario, result.Inflight, result.PerSecond, result.Unit, result.P50, result.P99)
	if result.Failed > 0 {
		say("%d failed, the first: %s", result.Failed, result.FirstError)
	}
}

// play is one run. Watch, unless nil, is called around the measured time.
func (r *runner) play(ctx context.Context, t *target, st step, watch *watcher) (_ report.Result, err error) {
	if err := errors.Join(t.fill(ctx, kindClosed, st.closed), t.fill(ctx, kindOpen, st.open)); err != nil {
		return report.Result{}, err
	}
	options := r.options(t, st)
	session, err := load.NewSession(st.scenario, options)
	if err != nil {
		return report.Result{}, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	w := &measure.Window{Sources: t.sources, ProfileSeconds: int(options.Duration.Seconds())}
	if r.profiles != "" && t.sources.MetricsURL != "" {
		w.ProfileFolder, w.ProfileName = r.profiles, fmt.Sprintf("%s-%s-%d", t.name, st.scenario.Name, session.Inflight)
	}
	outcome, err := session.Play(ctx, watch.hooks(w))
	if err != nil {
		return report.Result{}, err
	}
	result := report.New(t.name, st.scenario.Name, st.scenario.Unit, outcome, w)
	result.Server, result.ClosedBefore, result.OpenBefore = t.facts.Version, st.closed, st.open
	took, flat, known, err := w.CatchUp(ctx)
	if known {
		result.CatchUpSeconds, result.Flat = took.Seconds(), &flat
	}
	return result, err
}

func (r *runner) options(t *target, st step) load.Options {
	o := load.Options{
		Address: t.address, Namespace: r.namespace, Inflight: st.inflight, Rate: st.rate, Warmup: r.warmup, Duration: r.duration,
		Count: st.count, Sticky: r.sticky, Pollers: r.pollers, Tell: say,
	}
	if st.duration > 0 {
		o.Duration = st.duration
	}
	return o
}

// keep writes what was measured to the folder for results, also when a suite broke off.
func (r *runner) keep() error {
	if r.out == "" || len(r.file.Results) == 0 {
		return nil
	}
	return errors.Join(r.file.Save(r.out), report.WritePage(r.out, allSuiteNames()))
}

// showTaxes prints what watching costs.
func (s settings) showTaxes(taxes []report.Tax) error {
	encoder := json.NewEncoder(os.Stdout)
	for _, t := range taxes {
		if !s.json {
			fmt.Println(t)
		} else if err := encoder.Encode(t); err != nil {
			return err
		}
	}
	return nil
}

// show prints the results for who waits at the terminal.
func (s settings) show(results []report.Result) error {
	if s.json {
		encoder := json.NewEncoder(os.Stdout)
		for _, r := range results {
			if err := encoder.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	if len(results) == 0 {
		return nil
	}
	fmt.Printf("\n%d cores shared by server, store and generator; costs are per unit of the scenario\n\n", runtime.NumCPU())
	if err := report.Print(os.Stdout, results); err != nil || s.other == "" {
		return err
	}
	return report.PrintRatios(os.Stdout, results)
}
