package load

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// subBits divides each power of two in 128 parts, so a value is known to better than 1 %.
	subBits = 7
	// microsecondsMax is the longest latency that is told apart, about 19 hours.
	microsecondsMax = 1<<36 - 1
	bucketCount     = (37-subBits)<<subBits + 1<<subBits
)

// Histogram counts durations with an error below 1 % in bounded memory. The zero value is ready; it is safe for concurrent use.
type Histogram struct {
	counts [bucketCount]atomic.Int64
	max    atomic.Int64 // microseconds
}

// Add counts one duration, to the microsecond.
func (h *Histogram) Add(d time.Duration) {
	value := min(max(d.Microseconds(), 0), microsecondsMax)
	h.counts[bucketOf(value)].Add(1)
	for {
		seen := h.max.Load()
		if value <= seen || h.max.CompareAndSwap(seen, value) {
			return
		}
	}
}

// bucketOf is exact below 256 microseconds; above, the highest 8 bits count.
func bucketOf(value int64) int {
	shift := max(0, bits.Len64(uint64(value))-subBits-1)
	return shift<<subBits + int(value>>shift)
}

// middleOf is the middle of a bucket, in microseconds.
func middleOf(bucket int) int64 {
	shift := max(0, bucket>>subBits-1)
	lowest := int64(bucket-shift<<subBits) << shift
	return lowest + (int64(1)<<shift)/2
}

// Distribution is what a Histogram held at a moment.
type Distribution struct {
	counts []int64
	total  int64
	max    time.Duration
}

// Snapshot copies what is counted so far.
func (h *Histogram) Snapshot() Distribution {
	d := Distribution{counts: make([]int64, bucketCount), max: time.Duration(h.max.Load()) * time.Microsecond}
	for i := range h.counts {
		d.counts[i] = h.counts[i].Load()
		d.total += d.counts[i]
	}
	return d
}

// Since is what was added after an earlier snapshot; its Max is that of the whole time.
func (d Distribution) Since(earlier Distribution) Distribution {
	rest := Distribution{counts: make([]int64, bucketCount), total: d.total - earlier.total, max: d.max}
	for i := range d.counts {
		rest.counts[i] = d.counts[i] - earlier.counts[i]
	}
	return rest
}

// Count is the number of durations.
func (d Distribution) Count() int64 { return d.total }

// Max is the longest duration.
func (d Distribution) Max() time.Duration { return d.max }

// Quantile is the least duration that the given share of all does not exceed; 0 without any.
func (d Distribution) Quantile(share float64) time.Duration {
	rank := min(d.total-1, int64(share*float64(d.total)))
	for bucket, count := range d.counts {
		if rank -= count; rank < 0 && count > 0 {
			return min(time.Duration(middleOf(bucket))*time.Microsecond, d.max)
		}
	}
	return 0
}
