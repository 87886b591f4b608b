package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"perdure/bench/load"
	"perdure/bench/report"
	"perdure/internal/estest"
	"perdure/internal/serverprocess"
)

// indexingSuite has several servers at once, so it is not one of all.
const indexingSuite = "indexing"

const (
	// indexingStores are the servers of suite indexing unless --stores names some: the first is what the others are compared with.
	indexingStores    = "postgres+none,postgres,postgres+elasticsearch"
	indexingScenarios = "noop,one-activity"
	// elasticProbes are how many wait for Elasticsearch at once: it shows changes once a second. loadedProbes wait beside a load.
	elasticProbes, loadedProbes = 16, 8
	freshPercent                = 70
)

// withSearch adds what answers searches to a server: elasticsearch, beside the store's own search records, or none.
func (t *target) withSearch(search string, options *serverprocess.Options) error {
	// The bench looks for changes more often than a server lets anyone by default.
	options.ExtraArguments = append([]string{"--dynamic-config-value", "frontend.namespaceRPS.visibility=1000000"}, options.ExtraArguments...)
	switch search {
	case "":
	case "none":
		options.ExtraArguments = append(options.ExtraArguments, "--visibility", "none:")
	case "elasticsearch":
		address, stop, err := estest.Standalone()
		if err != nil {
			return err
		}
		t.atEnd = append(t.atEnd, stop)
		options.ExtraArguments = append(options.ExtraArguments, "--search-store", "sql="+cmp.Or(t.storeURL, "memory:"),
			"--search-store", "elastic=elasticsearch+"+address, "--search-reads", "elastic")
	default:
		return fmt.Errorf("unknown search %q behind the store, one of elasticsearch, none", search)
	}
	return nil
}

// freshness measures from the answer of a call until a search finds its change: at rest, and at a share of the highest throughput.
func (r *runner) freshness(ctx context.Context, t *target) error {
	fresh, err := load.Find("freshness")
	if err != nil {
		return err
	}
	noop, err := load.Find("noop")
	if err != nil {
		return err
	}
	atRest, loaded := 1, loadedProbes
	if strings.HasSuffix(t.name, "+elasticsearch") {
		atRest, loaded = elasticProbes, elasticProbes
	}
	if _, err := r.measure(ctx, t, step{scenario: fresh, count: atRest}); err != nil {
		return err
	}
	most, err := r.measure(ctx, t, step{scenario: noop, inflight: calibrationInflight})
	if err != nil {
		return err
	}
	rate := max(1, most.PerSecond*freshPercent/100)
	_, err = r.measure(ctx, t, step{scenario: fresh, inflight: openInflight, rate: rate, count: loaded})
	return err
}

// indexing runs the same load on servers with and without search in turn, so that what changes on the machine meets all of them, and
// tells how much of the first one's throughput the others have.
func (r *runner) indexing(ctx context.Context) (err error) {
	if r.binary == "" {
		return errors.New("suite indexing needs --binary, since it starts several servers")
	}
	stores := r.stores
	if !strings.Contains(stores, ",") {
		stores = indexingStores
	}
	var targets []*target
	defer func() {
		for _, t := range targets {
			err = errors.Join(err, t.close())
		}
	}()
	for _, store := range strings.Split(stores, ",") {
		t, err := r.launch(ctx, store)
		if err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
		targets = append(targets, t)
		if err := r.note(ctx, t); err != nil {
			return err
		}
	}
	return r.each(cmp.Or(r.scenarios, indexingScenarios), func(scenario load.Scenario) error { return r.inTurn(ctx, targets, scenario) })
}

func (r *runner) inTurn(ctx context.Context, targets []*target, scenario load.Scenario) error {
	rounds := make([][]report.Result, r.rounds)
	for round := range rounds {
		for _, t := range targets {
			result, err := r.measure(ctx, t, step{scenario: scenario, inflight: r.inflight})
			if err != nil {
				return err
			}
			rounds[round] = append(rounds[round], result)
		}
	}
	for place, t := range targets[1:] {
		ratio := func(value func(report.Result) float64) float64 {
			var all []float64
			for _, round := range rounds {
				all = append(all, value(round[place+1])/value(round[0]))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		say("%s: %s has %.3f of the throughput of %s, %.3f of its server's CPU time a unit, %.3f of its p99", scenario.Name, t.name,
			ratio(func(r report.Result) float64 { return r.PerSecond }), targets[0].name,
			ratio(func(r report.Result) float64 { return r.ServerCPU }), ratio(func(r report.Result) float64 { return r.P99 }))
	}
	return nil
}
