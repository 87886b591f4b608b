package metrics

import (
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// SeriesMax is how many label sets one metric may have in one process. It
// bounds memory and scrape size when somebody makes thousands of task queues.
const SeriesMax = 2000

// other is the value of every label of the series that takes the overflow.
const other = "_other_"

// Registry holds the metrics of one process or one test. The nil registry
// gives handles that do nothing.
type Registry struct {
	prom     *prometheus.Registry
	families map[string]*family
	overflow *prometheus.CounterVec

	mu       sync.Mutex
	onScrape []func()
	sampling sync.Mutex // scrapes may overlap; functions of OnScrape need not care
}

// family is one metric: its vector and the handles resolved so far.
type family struct {
	def       Def
	counter   *prometheus.CounterVec
	gauge     *prometheus.GaugeVec
	histogram *prometheus.HistogramVec
	handles   sync.Map // label struct → handle
	series    atomic.Int64
}

// NewRegistry makes a registry with every definition of this package and the
// Go runtime's and the process's own metrics.
func NewRegistry() *Registry {
	r := &Registry{prom: prometheus.NewRegistry(), families: map[string]*family{}}
	for _, d := range catalogue {
		f := newFamily(d)
		r.families[d.Name] = f
		r.prom.MustRegister(f.collector())
	}
	r.overflow = r.families[SeriesOverflow.Name].counter
	r.prom.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// OnScrape registers a function that sets gauges just before they are read.
// Functions must be quick and must not do I/O; they never run at the same time.
func (r *Registry) OnScrape(f func()) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onScrape = append(r.onScrape, f)
}

// Handler serves the metrics in the formats Prometheus asks for.
func (r *Registry) Handler() http.Handler {
	next := promhttp.HandlerFor(r.prom, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.sample()
		next.ServeHTTP(w, req)
	})
}

// Value reads one series, for tests and for answers to users: the value of a
// counter or gauge, the number of observations of a histogram. Zero when the
// series does not exist.
func (r *Registry) Value(name string, labels ...string) float64 {
	if r == nil {
		return 0
	}
	r.sample()
	families, err := r.prom.Gather()
	if err != nil {
		return 0
	}
	return find(families, name, labels)
}

func (r *Registry) sample() {
	r.mu.Lock()
	functions := append([]func(){}, r.onScrape...)
	r.mu.Unlock()
	r.sampling.Lock()
	defer r.sampling.Unlock()
	for _, f := range functions {
		f()
	}
}

func newFamily(d Def) *family {
	f := &family{def: d}
	switch d.Kind {
	case KindCounter:
		f.counter = prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
	case KindGauge:
		f.gauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
	case KindHistogram:
		f.histogram = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.Buckets}, d.Labels)
	}
	return f
}

func (f *family) collector() prometheus.Collector {
	switch f.def.Kind {
	case KindCounter:
		return f.counter
	case KindGauge:
		return f.gauge
	default:
		return f.histogram
	}
}

// resolve finds or makes the handle of a label set. make gets the label values.
func resolve[L comparable, H any](r *Registry, d Def, labels L, make func(*family, []string) H) H {
	f := r.families[d.Name]
	if h, ok := f.handles.Load(labels); ok {
		return h.(H)
	}
	values := labelValues(labels)
	if f.series.Add(1) > SeriesMax {
		f.series.Add(-1)
		r.overflow.WithLabelValues(d.Name).Inc()
		for i := range values {
			values[i] = other
		}
		return make(f, values) // not remembered: the set of labels has no bound
	}
	h, loaded := f.handles.LoadOrStore(labels, make(f, values))
	if loaded {
		f.series.Add(-1)
	}
	return h.(H)
}

// forget drops the series of a label set, so that what is gone is not shown for ever.
func forget[L comparable](r *Registry, d Def, labels L) {
	if r == nil {
		return
	}
	f := r.families[d.Name]
	if _, ok := f.handles.LoadAndDelete(labels); !ok {
		return
	}
	f.series.Add(-1)
	values := labelValues(labels)
	switch d.Kind {
	case KindCounter:
		f.counter.DeleteLabelValues(values...)
	case KindGauge:
		f.gauge.DeleteLabelValues(values...)
	case KindHistogram:
		f.histogram.DeleteLabelValues(values...)
	}
}
