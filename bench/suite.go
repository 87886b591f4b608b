package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"perdure/bench/load"
	"perdure/bench/report"
)

// suite is a set of measurements that belong together. It has a fresh server and store for each target.
type suite struct {
	name string
	run  func(*runner, context.Context, *target) error
}

// suites are those of --suite, in the order of the page of results.
var suites = []suite{
	{"ceilings", (*runner).ceilings},
	{"matrix", (*runner).matrix},
	{"rates", (*runner).rates},
	{"sdk", fixed("sdk-noop", "sdk-one-activity", "sdk-ten-activities", "sdk-five-signals", "sdk-update", "sdk-children", "sdk-timer")},
	{"timers", fixed("timer-1ms", "timer-100ms")},
	{"hot", fixed("hot-queue", "hot-workflow")},
	{"fairness", fixed("fairness")},
	{"freshness", (*runner).freshness},
	{"backlog", fixed("backlog")},
	{"open-idle", fixed("open-idle")},
	{"growth-closed", grow(kindClosed, "0,10000,100000,1000000")},
	{"growth-open", grow(kindOpen, "0,10000,100000")},
}

// soakSuite is not one of all: it takes as long as one wants.
var soakSuite = suite{"soak", (*runner).soak}

// taxSuite is not one of all: it says what watching costs, not what the server carries.
var taxSuite = suite{"tax", (*runner).tax}

const (
	matrixScenarios = "noop,one-activity,ten-activities,signals,updates,children,large-payload"
	matrixLevels    = "1,16,64,256,1024"
	ratesScenarios  = "noop,one-activity"
	versusScenarios = "noop,one-activity,ten-activities,signals,updates,children,timer-1ms,sdk-noop,sdk-one-activity"
	versusLevels    = "1,16,64"
	// calibrationInflight is enough for the highest throughput, openInflight for every unit that is due to find a caller.
	calibrationInflight, openInflight = 256, 1024
)

func suiteNames() []string {
	names := []string{}
	for _, s := range suites {
		names = append(names, s.name)
	}
	return append(names, soakSuite.name, indexingSuite, taxSuite.name)
}

// allSuiteNames are those that the page of results shows.
func allSuiteNames() []string { return append(suiteNames(), report.SuiteVersus) }

// chosen are the suites that the flags ask for; without any, the one scenario.
func (s settings) chosen() ([]suite, error) {
	switch {
	case s.other != "":
		return []suite{{name: report.SuiteVersus}}, nil
	case s.suites == indexingSuite:
		return []suite{{name: indexingSuite}}, nil
	case s.suites == "":
		return []suite{{"once", (*runner).once}}, nil
	case s.suites == "all":
		return suites, nil
	}
	var some []suite
	known := append(slices.Clone(suites), soakSuite, taxSuite)
	for _, name := range strings.Split(s.suites, ",") {
		i := slices.IndexFunc(known, func(s suite) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown suite %q, one of all, %s", name, strings.Join(suiteNames(), ", "))
		}
		some = append(some, known[i])
	}
	return some, nil
}

// once runs the scenario that the flags describe.
func (r *runner) once(ctx context.Context, t *target) error {
	scenario, err := load.Find(r.scenario)
	if err != nil {
		return err
	}
	_, err = r.measure(ctx, t, step{
		scenario: scenario, inflight: r.inflight, rate: r.rate, count: r.count, closed: r.fillClosed, open: r.fillOpen,
	})
	return err
}

// fixed runs scenarios once each, as they are by nature.
func fixed(names ...string) func(*runner, context.Context, *target) error {
	return func(r *runner, ctx context.Context, t *target) error {
		return r.each(strings.Join(names, ","), func(scenario load.Scenario) error {
			_, err := r.measure(ctx, t, step{scenario: scenario, inflight: r.inflight, count: r.count})
			return err
		})
	}
}

// each calls f with the named scenarios until one fails.
func (r *runner) each(names string, f func(load.Scenario) error) error {
	for _, name := range strings.Split(names, ",") {
		scenario, err := load.Find(name)
		if err != nil {
			return err
		}
		if err := f(scenario); err != nil {
			return err
		}
	}
	return nil
}

// matrix runs closed loops of each scenario at each level.
func (r *runner) matrix(ctx context.Context, t *target) error {
	levels, err := numbers(cmp.Or(r.levels, matrixLevels))
	if err != nil {
		return err
	}
	return r.each(cmp.Or(r.scenarios, matrixScenarios), func(scenario load.Scenario) error {
		for _, level := range levels {
			if _, err := r.measure(ctx, t, step{scenario: scenario, inflight: level}); err != nil {
				return err
			}
		}
		return nil
	})
}

// rates finds the highest throughput of each scenario and offers percentages of it.
func (r *runner) rates(ctx context.Context, t *target) error {
	percents, err := numbers(r.percents)
	if err != nil {
		return err
	}
	return r.each(cmp.Or(r.scenarios, ratesScenarios), func(scenario load.Scenario) error {
		most, err := r.measure(ctx, t, step{scenario: scenario, inflight: calibrationInflight})
		if err != nil {
			return err
		}
		for _, percent := range percents {
			rate := max(1, most.PerSecond*float64(percent)/100)
			if _, err := r.measure(ctx, t, step{scenario: scenario, inflight: openInflight, rate: rate}); err != nil {
				return err
			}
		}
		return nil
	})
}

// grow runs no-op workflows with more and more workflows of a kind in the store.
func grow(kind, counts string) func(*runner, context.Context, *target) error {
	return func(r *runner, ctx context.Context, t *target) error {
		levels, err := numbers(cmp.Or(r.growth, counts))
		if err != nil {
			return err
		}
		noop, err := load.Find("noop")
		if err != nil {
			return err
		}
		for _, count := range levels {
			st := step{scenario: noop, inflight: r.inflight}
			if st.closed = count; kind == kindOpen {
				st.closed, st.open = 0, count
			}
			if _, err := r.measure(ctx, t, st); err != nil {
				return err
			}
		}
		return nil
	}
}

// versus runs each scenario on the other server and then on ours, so that what changes on the machine meets both.
func (r *runner) versus(ctx context.Context) (err error) {
	if r.binary == "" {
		return errors.New("--vs needs --binary, our server to compare with")
	}
	other, err := r.reach(ctx, r.other, r.other, r.otherSources)
	if err != nil {
		return err
	}
	ours, err := r.launch(ctx, r.stores)
	if err != nil {
		return err
	}
	ours.name = "perdure-" + ours.name
	defer func() { err = errors.Join(err, ours.close()) }()
	if err := errors.Join(r.note(ctx, other), r.note(ctx, ours)); err != nil {
		return err
	}
	levels, err := numbers(cmp.Or(r.levels, versusLevels))
	if err != nil {
		return err
	}
	return r.each(cmp.Or(r.scenarios, versusScenarios), func(scenario load.Scenario) error {
		for _, level := range levels {
			for _, t := range []*target{other, ours} {
				if _, err := r.measure(ctx, t, step{scenario: scenario, inflight: level}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func numbers(text string) ([]int, error) {
	var all []int
	for _, part := range strings.Split(text, ",") {
		number, err := strconv.Atoi(part)
		if err != nil || number < 0 {
			return nil, fmt.Errorf("%q in %q is no number", part, text)
		}
		all = append(all, number)
	}
	return all, nil
}
