package metrics

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const (
	// quickSchema divides each doubling into eight: a bucket grows by a tenth at most.
	quickSchema   = 3
	quickDivision = 1 << quickSchema
	// quickFirst and quickLast are the doublings that are told apart: 2^-20 s is a
	// microsecond, 2^24 s is half a year. What is shorter counts as none, what is longer as the longest.
	quickFirst, quickLast = -20, 24
	quickBuckets          = (quickLast - quickFirst) * quickDivision
)

// quickBounds are the upper bounds within one doubling, from a half to one.
var quickBounds = func() (bounds [quickDivision]float64) {
	for i := range bounds {
		bounds[i] = math.Exp2(float64(i)/quickDivision) / 2
	}
	return bounds
}()

// quick is a histogram of durations in the native form and with buckets, made of counters alone.
type quick struct {
	desc    *prometheus.Desc
	labels  []*dto.LabelPair // in order of name
	bounds  []float64
	nanos   atomic.Int64
	zero    atomic.Uint64
	native  [quickBuckets]atomic.Uint64
	classic []atomic.Uint64 // one more than bounds
}

func newQuick(desc *prometheus.Desc, bounds []float64, workflowType, stage string) *quick {
	return &quick{
		desc: desc, bounds: bounds, classic: make([]atomic.Uint64, len(bounds)+1),
		labels: []*dto.LabelPair{{Name: pointer("stage"), Value: &stage}, {Name: pointer("workflow_type"), Value: &workflowType}},
	}
}

func (h *quick) observe(d time.Duration) {
	d = max(0, d)
	seconds := d.Seconds()
	h.nanos.Add(int64(d))
	h.classic[classicIndex(h.bounds, seconds)].Add(1)
	if i := nativeIndex(seconds); i >= 0 {
		h.native[i].Add(1)
	} else {
		h.zero.Add(1)
	}
}

func classicIndex(bounds []float64, seconds float64) int {
	for i, bound := range bounds {
		if seconds <= bound {
			return i
		}
	}
	return len(bounds)
}

// nativeIndex is the place of a bucket; -1: the time counts as none.
func nativeIndex(seconds float64) int {
	if seconds <= nativeZero {
		return -1
	}
	fraction, exponent := math.Frexp(seconds)
	within := 0
	for within < quickDivision && quickBounds[within] < fraction {
		within++
	}
	return max(0, min((exponent-1-quickFirst)*quickDivision+within, quickBuckets-1))
}

// Desc implements prometheus.Metric.
func (h *quick) Desc() *prometheus.Desc { return h.desc }

// Write implements prometheus.Metric. What is observed meanwhile may be in some of its parts only, until the next scrape.
func (h *quick) Write(to *dto.Metric) error {
	made := &dto.Histogram{
		SampleSum: pointer(time.Duration(h.nanos.Load()).Seconds()),
		Schema:    pointer(int32(quickSchema)), ZeroThreshold: pointer(float64(nativeZero)), ZeroCount: pointer(h.zero.Load()),
	}
	count := h.writeNative(made) + made.GetZeroCount()
	below := uint64(0)
	for i, bound := range h.bounds {
		below = min(below+h.classic[i].Load(), count)
		made.Bucket = append(made.Bucket, &dto.Bucket{UpperBound: pointer(bound), CumulativeCount: pointer(below)})
	}
	made.SampleCount = &count
	to.Label, to.Histogram = h.labels, made
	return nil
}

// writeNative writes the buckets that are not empty as spans and differences. It returns the observations in them.
func (h *quick) writeNative(made *dto.Histogram) uint64 {
	var count, last uint64
	next := math.MinInt // index behind the last bucket written
	for i := range h.native {
		n := h.native[i].Load()
		if n == 0 {
			continue
		}
		count += n
		key := i + quickFirst*quickDivision
		switch {
		case next == math.MinInt:
			made.PositiveSpan = append(made.PositiveSpan, &dto.BucketSpan{Offset: pointer(int32(key)), Length: pointer(uint32(1))})
		case key == next:
			made.PositiveSpan[len(made.PositiveSpan)-1].Length = pointer(made.PositiveSpan[len(made.PositiveSpan)-1].GetLength() + 1)
		default:
			made.PositiveSpan = append(made.PositiveSpan, &dto.BucketSpan{Offset: pointer(int32(key - next)), Length: pointer(uint32(1))})
		}
		made.PositiveDelta = append(made.PositiveDelta, int64(n)-int64(last))
		next, last = key+1, n
	}
	return count
}
