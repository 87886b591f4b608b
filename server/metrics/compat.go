package metrics

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// compat shows metrics by the names that community dashboards use, made of ours
// at each scrape. Times are in milliseconds there.
type compat struct{ prometheus.Gatherer }

// alias is one such name.
type alias struct {
	name string
	help string
	from Def
	// only are the label values of ours that count.
	only map[string][]string
	// labels are our labels by their names there; others are summed up.
	labels map[string]string
	// service is the value of service_name.
	service string
}

func (c compat) Gather() ([]*dto.MetricFamily, error) {
	families, err := c.Gatherer.Gather()
	if err != nil {
		return nil, err
	}
	ours := make(map[string]*dto.MetricFamily, len(families))
	for _, f := range families {
		ours[f.GetName()] = f
	}
	var theirs []*dto.MetricFamily
	for _, a := range aliases {
		if f := ours[a.from.Name]; f != nil {
			if made := a.convert(f); len(made.Metric) > 0 {
				theirs = append(theirs, made)
			}
		}
	}
	slices.SortFunc(theirs, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return theirs, nil
}

// convert sums up our series into theirs.
func (a alias) convert(f *dto.MetricFamily) *dto.MetricFamily {
	sums := map[string]*dto.Metric{}
	for _, m := range f.GetMetric() {
		labels := map[string]string{}
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		if !a.counts(labels) {
			continue
		}
		pairs := a.pairs(labels)
		key := pairsKey(pairs)
		if sums[key] == nil {
			sums[key] = &dto.Metric{Label: pairs}
		}
		addMetric(sums[key], m, a.from.Unit == "seconds")
	}
	made := &dto.MetricFamily{Name: pointer(a.name), Help: pointer(a.help), Type: f.Type}
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		made.Metric = append(made.Metric, sums[key])
	}
	return made
}

func (a alias) counts(labels map[string]string) bool {
	for name, values := range a.only {
		if !slices.Contains(values, labels[name]) {
			return false
		}
	}
	return true
}

// pairs are the labels of theirs, sorted by name.
func (a alias) pairs(labels map[string]string) []*dto.LabelPair {
	pairs := []*dto.LabelPair{{Name: pointer("service_name"), Value: pointer(a.service)}}
	for there, here := range a.labels {
		pairs = append(pairs, &dto.LabelPair{Name: pointer(there), Value: pointer(labels[here])})
	}
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return pairs
}

func pairsKey(pairs []*dto.LabelPair) string {
	var b strings.Builder
	for _, p := range pairs {
		b.WriteString(p.GetValue())
		b.WriteByte(0)
	}
	return b.String()
}

// addMetric adds m to sum.
func addMetric(sum, m *dto.Metric, seconds bool) {
	switch {
	case m.Counter != nil:
		sum.Counter = &dto.Counter{Value: pointer(sum.GetCounter().GetValue() + m.Counter.GetValue())}
	case m.Gauge != nil:
		sum.Gauge = &dto.Gauge{Value: pointer(sum.GetGauge().GetValue() + m.Gauge.GetValue())}
	case m.Histogram != nil:
		if sum.Histogram == nil {
			sum.Histogram = &dto.Histogram{}
		}
		addHistogram(sum.Histogram, m.Histogram, seconds)
	}
}

func addHistogram(sum, h *dto.Histogram, seconds bool) {
	scale := 1.0
	if seconds {
		scale = 1000
	}
	sum.SampleCount = pointer(sum.GetSampleCount() + h.GetSampleCount())
	sum.SampleSum = pointer(sum.GetSampleSum() + h.GetSampleSum()*scale)
	for i, bucket := range h.GetBucket() {
		if i == len(sum.Bucket) {
			sum.Bucket = append(sum.Bucket, &dto.Bucket{UpperBound: pointer(bucket.GetUpperBound() * scale)})
		}
		sum.Bucket[i].CumulativeCount = pointer(sum.Bucket[i].GetCumulativeCount() + bucket.GetCumulativeCount())
	}
}

func pointer[T any](value T) *T { return &value }
