package workers

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"perdure/server/metrics"
)

const (
	// sdksShown bounds the series of workers by SDK: names are the clients' own.
	sdksShown = 20
	// sdkNameBytesMax is the longest name that gets a series.
	sdkNameBytesMax = 64
	// otherSDKs counts workers of all other SDKs together.
	otherSDKs = "_other_"
)

// meter counts workers just before the numbers are read.
type meter struct {
	registry *metrics.Registry
	evicted  metrics.Counter
	shown    map[string]int // SDKs that the last scrape saw
}

func newMeter(r *Registry, m *metrics.Registry) *meter {
	result := &meter{registry: m, evicted: metrics.WorkersEvicted.In(m, metrics.None{})}
	m.OnScrape(func() { result.show(r.countSDKs()) })
	return result
}

func (r *Registry) countSDKs() map[string]int {
	since := r.clock.Now().Add(-r.limits.Age)
	counts := map[string]int{}
	for _, s := range r.shards {
		s.countSDKs(since, counts)
	}
	return bounded(counts)
}

// bounded keeps the names with most workers and adds up the others.
func bounded(counts map[string]int) map[string]int {
	var names []string
	kept := map[string]int{}
	for name, count := range counts {
		if len(name) > sdkNameBytesMax || !utf8.ValidString(name) {
			kept[otherSDKs] += count
			continue
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		shown := name
		if i >= sdksShown {
			shown = otherSDKs
		}
		kept[shown] += counts[name]
	}
	return kept
}

// show sets the gauges and forgets SDKs that have no workers any more.
func (m *meter) show(counts map[string]int) {
	for name := range m.shown {
		if counts[name] == 0 {
			metrics.WorkersRegistered.Forget(m.registry, metrics.SDK{Sdk: name})
		}
	}
	m.shown = counts
	for name, count := range counts {
		metrics.WorkersRegistered.In(m.registry, metrics.SDK{Sdk: name}).Set(float64(count))
	}
}
