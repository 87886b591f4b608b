package match

import "time"

// rateWindowSeconds is how far back a rate looks.
const rateWindowSeconds = 30

// Rate counts events and tells how many there were per second over the last 30
// seconds. The zero value is ready.
type Rate struct {
	buckets     [rateWindowSeconds]int64
	newest      int64 // the second, since the Unix epoch, of the newest bucket
	firstSecond int64 // of the first event since the window was empty
}

// Add counts n events at a time.
func (r *Rate) Add(now time.Time, n int64) {
	second := now.Unix()
	r.advance(second)
	if r.firstSecond == 0 {
		r.firstSecond = second
	}
	r.buckets[r.newest%rateWindowSeconds] += n
}

// PerSecond is the rate at a time. A queue that is younger than the window is
// measured over its own age, at least one second.
func (r *Rate) PerSecond(now time.Time) float64 {
	second := now.Unix()
	r.advance(second)
	total := int64(0)
	for _, n := range r.buckets {
		total += n
	}
	if total == 0 {
		return 0
	}
	span := min(second-r.firstSecond+1, rateWindowSeconds)
	return float64(total) / float64(max(span, 1))
}

// advance empties the buckets between the newest one and second. A clock that
// went back counts into the newest bucket.
func (r *Rate) advance(second int64) {
	if second <= r.newest {
		return
	}
	if second-r.newest >= rateWindowSeconds {
		*r = Rate{newest: second}
		return
	}
	for s := r.newest + 1; s <= second; s++ {
		r.buckets[s%rateWindowSeconds] = 0
	}
	r.newest = second
}
