package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Counter is one series of a counter. The zero value does nothing.
type Counter struct{ c prometheus.Counter }

// Gauge is one series of a gauge. The zero value does nothing.
type Gauge struct{ g prometheus.Gauge }

// Histogram is one series of a histogram. The zero value does nothing.
type Histogram struct{ h prometheus.Observer }

// In resolves the series of the labels in a registry. Keep the handle where
// the labels are known before; a look-up costs about as much as a map access.
func (d CounterDef[L]) In(r *Registry, labels L) Counter {
	if r == nil {
		return Counter{}
	}
	return resolve(r, d.Def, labels, (*family).newCounter)
}

// In resolves the series of the labels in a registry.
func (d GaugeDef[L]) In(r *Registry, labels L) Gauge {
	if r == nil {
		return Gauge{}
	}
	return resolve(r, d.Def, labels, (*family).newGauge)
}

// In resolves the series of the labels in a registry.
func (d HistogramDef[L]) In(r *Registry, labels L) Histogram {
	if r == nil {
		return Histogram{}
	}
	return resolve(r, d.Def, labels, (*family).newHistogram)
}

func (f *family) newCounter(values []string) Counter {
	return Counter{f.counter.WithLabelValues(values...)}
}

func (f *family) newGauge(values []string) Gauge { return Gauge{f.gauge.WithLabelValues(values...)} }

func (f *family) newHistogram(values []string) Histogram {
	return Histogram{f.histogram.WithLabelValues(values...)}
}

// Forget drops the series of the labels. Handles to it must not be used again.
func (d CounterDef[L]) Forget(r *Registry, labels L) { forget[L, Counter](r, d.Def, labels) }

// Forget drops the series of the labels. Handles to it must not be used again.
func (d GaugeDef[L]) Forget(r *Registry, labels L) { forget[L, Gauge](r, d.Def, labels) }

// Inc adds one.
func (c Counter) Inc() { c.Add(1) }

// Add adds n, which is not negative.
func (c Counter) Add(n float64) {
	if c.c != nil {
		c.c.Add(n)
	}
}

// Set replaces the value.
func (g Gauge) Set(v float64) {
	if g.g != nil {
		g.g.Set(v)
	}
}

// Add changes the value by n.
func (g Gauge) Add(n float64) {
	if g.g != nil {
		g.g.Add(n)
	}
}

// Observe counts one value.
func (h Histogram) Observe(v float64) {
	if h.h != nil {
		h.h.Observe(v)
	}
}

// Traced counts one duration and keeps the id of its trace as an exemplar, by
// which a panel leads to the trace. Without an id it is as Seconds; with one it
// costs some ten times as much, so only sampled traces have one.
func (h Histogram) Traced(d time.Duration, traceID string) {
	if traceID == "" || h.h == nil {
		h.Seconds(d)
		return
	}
	h.h.(prometheus.ExemplarObserver).ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": traceID})
}

// Seconds counts one duration.
func (h Histogram) Seconds(d time.Duration) { h.Observe(d.Seconds()) }

// Since counts the time from start until now.
func (h Histogram) Since(start time.Time) {
	if h.h != nil {
		h.Seconds(time.Since(start))
	}
}

func find(families []*dto.MetricFamily, name string, labels []string) float64 {
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if matches(m, labels) {
				return value(m)
			}
		}
	}
	return 0
}

// matches compares label values in order of label name.
func matches(m *dto.Metric, labels []string) bool {
	if len(m.GetLabel()) != len(labels) {
		return false
	}
	for i, pair := range m.GetLabel() {
		if pair.GetValue() != labels[i] {
			return false
		}
	}
	return true
}

func value(m *dto.Metric) float64 {
	switch {
	case m.GetCounter() != nil:
		return m.GetCounter().GetValue()
	case m.GetGauge() != nil:
		return m.GetGauge().GetValue()
	default:
		return float64(m.GetHistogram().GetSampleCount())
	}
}
