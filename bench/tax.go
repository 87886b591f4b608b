package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"perdure/bench/load"
	"perdure/bench/report"
)

const (
	taxScenarios = "noop,one-activity"
	taxLevels    = "64"
	// taxTraces is the part of calls whose traces are kept.
	taxTraces = "0.01"
	// taxScrape is how often the watched server's metrics are read, as a Prometheus does.
	taxScrape = 5 * time.Second
)

// tax measures in turns a server with metrics, sampled traces and search, and one without: what watching costs. Both
// run all the time, the one that is not measured at rest, each with a store of its own.
func (r *runner) tax(ctx context.Context, _ *target) (err error) {
	if r.binary == "" {
		return errors.New("suite tax needs --binary, since it chooses the server's settings")
	}
	address, stop, err := collect()
	if err != nil {
		return err
	}
	defer stop()
	watched, bare := r.settings, r.settings
	watched.environment = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + address, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=" + taxTraces}
	bare.environment = []string{"OTEL_SDK_DISABLED=true"}
	bare.serverArguments, bare.unmeasured = strings.TrimSpace(bare.serverArguments+" --no-metrics --visibility none:"), true
	var both []*target
	for _, side := range []struct {
		name string
		settings
	}{{"all on", watched}, {"all off", bare}} {
		t, err := side.launch(ctx, r.stores)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.close()) }()
		t.name = side.name
		both = append(both, t)
		if err := r.note(ctx, t); err != nil {
			return err
		}
	}
	scraping, end := context.WithCancel(ctx)
	defer end()
	go scrape(scraping, both[0].sources.MetricsURL)
	return r.taxes(ctx, both[0], both[1])
}

// taxes measures both servers on each scenario and level, and tells the ratios.
func (r *runner) taxes(ctx context.Context, on, off *target) error {
	levels, err := numbers(cmp.Or(r.levels, taxLevels))
	if err != nil {
		return err
	}
	return r.each(cmp.Or(r.scenarios, taxScenarios), func(scenario load.Scenario) error {
		for _, level := range levels {
			var rates [2][]float64
			for round := range max(1, r.rounds) {
				order := []int{0, 1}
				if round%2 == 1 { // what grows during the run meets both alike
					slices.Reverse(order)
				}
				for _, i := range order {
					result, err := r.measure(ctx, []*target{on, off}[i], step{scenario: scenario, inflight: level})
					if err != nil {
						return err
					}
					rates[i] = append(rates[i], result.PerSecond)
				}
			}
			r.file.Ratios = append(r.file.Ratios, ratioOf(scenario.Name, level, rates[0], rates[1]))
			say("%s", r.file.Ratios[len(r.file.Ratios)-1])
		}
		return nil
	})
}

// ratioOf compares medians: single runs differ by more than watching costs.
func ratioOf(scenario string, inflight int, on, off []float64) report.Tax {
	t := report.Tax{Scenario: scenario, Inflight: inflight, Rounds: len(on), On: median(on), Off: median(off)}
	if t.Off > 0 {
		t.Ratio = t.On / t.Off
	}
	return t
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// scrape reads the metrics now and then, as a Prometheus would.
func scrape(ctx context.Context, url string) {
	tick := time.NewTicker(taxScrape)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return
		}
		if response, err := http.DefaultClient.Do(request); err == nil { // the next one may come through
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	}
}

// collector takes spans and forgets them.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
}

func (collector) Export(context.Context, *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// collect serves a collector of spans on loopback.
func collect() (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("collector of spans: %w", err)
	}
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, collector{})
	go func() { _ = server.Serve(listener) }() // it ends with Stop
	return listener.Addr().String(), server.Stop, nil
}
