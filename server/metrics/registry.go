package metrics

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// SeriesMax is how many label sets one metric may have in one process. It
// bounds memory and scrape size when somebody makes thousands of task queues.
// A histogram has a series for each bucket, so it may have fewer label sets.
const (
	SeriesMax          = 2000
	SeriesHistogramMax = 200
)

// SeriesBudget is how many series a process may show at 1,000 task queues and 100 namespaces, buckets of histograms included.
const SeriesBudget = 20_000

// other is the value of every label of the series that takes the overflow.
const other = "_other_"

// Registry holds the metrics of one process or one test. The nil registry
// gives handles that do nothing.
type Registry struct {
	prom     *prometheus.Registry
	gatherer prometheus.Gatherer // what scrapes see
	families map[string]*family
	overflow *prometheus.CounterVec
	now      atomic.Int64 // Unix seconds of the last scrape: the clock of expiry

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
	quick     *quickVec
	series    series
}

// Options say how metrics are shown.
type Options struct {
	// Compat adds metrics by the names that community dashboards use.
	Compat bool
	// NativeOnly leaves out the buckets of histograms that have the native form, too.
	NativeOnly bool
}

// NewRegistry makes a registry with every definition of this package and the
// Go runtime's and the process's own metrics.
func NewRegistry() *Registry {
	r := &Registry{prom: prometheus.NewRegistry(), families: map[string]*family{}}
	r.now.Store(time.Now().Unix())
	r.gatherer = r.prom
	for _, d := range catalogue {
		f := newFamily(d)
		r.families[d.Name] = f
		r.prom.MustRegister(f.collector())
	}
	r.overflow = r.families[SeriesOverflow.Name].counter
	r.prom.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Configure sets how metrics are shown. It is called before anybody scrapes.
func (r *Registry) Configure(o Options) {
	r.gatherer = r.prom
	if o.NativeOnly {
		r.gatherer = nativeOnly{r.gatherer}
	}
	if o.Compat {
		r.gatherer = prometheus.Gatherers{r.gatherer, compat{r.prom}}
	}
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

// Handler serves the metrics in the formats Prometheus asks for. The nil registry has none.
func (r *Registry) Handler() http.Handler {
	if r == nil {
		return http.NotFoundHandler()
	}
	gather := func() ([]*dto.MetricFamily, error) { return r.gatherer.Gather() }
	next := promhttp.HandlerFor(prometheus.GathererFunc(gather), promhttp.HandlerOpts{EnableOpenMetrics: true})
	duration := ScrapeDuration.In(r, None{})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		began := time.Now()
		r.sample()
		r.expire(began)
		next.ServeHTTP(w, req)
		duration.Since(began)
	})
}

// expire drops series that nobody has used for a while and sets the count of those left.
func (r *Registry) expire(now time.Time) {
	r.sampling.Lock()
	defer r.sampling.Unlock()
	r.now.Store(now.Unix())
	total := 0
	for _, f := range r.families {
		if f.def.ByNamespace {
			f.series.expire(f, now)
		}
		total += f.series.len()
	}
	Series.In(r, None{}).Set(float64(total))
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
	if d.quick {
		v := newQuickVec(d)
		return &family{def: d, quick: v, series: v}
	}
	f := &family{def: d, series: d.newIndex()}
	switch d.Kind {
	case KindCounter:
		f.counter = prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
	case KindGauge:
		f.gauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
	case KindHistogram:
		f.histogram = prometheus.NewHistogramVec(histogramOptions(d), d.Labels)
	}
	return f
}

func (f *family) collector() prometheus.Collector {
	if f.quick != nil {
		return f.quick
	}
	switch f.def.Kind {
	case KindCounter:
		return f.counter
	case KindGauge:
		return f.gauge
	default:
		return f.histogram
	}
}
