package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const (
	// nativeGrowth makes quantiles exact to a tenth.
	nativeGrowth = 1.1
	// nativeBucketsMax bounds one series; beyond it buckets are merged.
	nativeBucketsMax = 160
	// nativeResetMin is how often a series that has grown too many buckets may begin anew.
	nativeResetMin = time.Hour
	// nativeZero is the largest time that counts as none. Seconds.
	nativeZero = 1e-6
)

// histogramOptions gives times the native form beside the buckets: a Prometheus
// that knows it takes it, another one the buckets. Sizes and counts need no such detail.
func histogramOptions(d Def) prometheus.HistogramOpts {
	o := prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.Buckets}
	if d.Unit == "seconds" {
		o.NativeHistogramBucketFactor = nativeGrowth
		o.NativeHistogramMaxBucketNumber = nativeBucketsMax
		o.NativeHistogramMinResetDuration = nativeResetMin
		o.NativeHistogramZeroThreshold = nativeZero
	}
	return o
}

// nativeOnly drops the buckets of histograms that have the native form.
type nativeOnly struct{ prometheus.Gatherer }

func (n nativeOnly) Gather() ([]*dto.MetricFamily, error) {
	families, err := n.Gatherer.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); h != nil && h.ZeroThreshold != nil {
				h.Bucket = nil
			}
		}
	}
	return families, err
}
