package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// unusedAfter is when a series that nobody looks up may leave a metric that fills up.
	unusedAfter = 15 * time.Minute
	// unusedLong is when it leaves in any case. A counter that comes back begins at zero and
	// its first step is not seen, so a seldom used one stays while there is room.
	unusedLong = 24 * time.Hour
	// roomy is the part of a metric's label sets, one in roomy, up to which there is room.
	roomy = 4
)

// series are the handles of one metric, whatever their types.
type series interface {
	len() int
	expire(f *family, now time.Time)
}

// index finds handles by labels. Readers take no lock and allocate nothing; a
// writer replaces the map, which is small and soon stops to grow.
type index[L comparable, H any] struct {
	writing sync.Mutex
	entries atomic.Pointer[map[L]*handle[H]]
}

type handle[H any] struct {
	handle H
	used   atomic.Int64 // Unix seconds of the scrape before the last look-up
}

func (x *index[L, H]) load() map[L]*handle[H] {
	if m := x.entries.Load(); m != nil {
		return *m
	}
	return nil
}

func (x *index[L, H]) len() int { return len(x.load()) }

// max is how many label sets the metric may have.
func (f *family) max() int {
	if f.def.Kind == KindHistogram {
		return SeriesHistogramMax
	}
	return SeriesMax
}

// resolve finds or makes the handle of a label set. create gets the label values.
func resolve[L comparable, H any](r *Registry, d Def, labels L, create func(*family, []string) H) H {
	f := r.families[d.Name]
	x := f.series.(*index[L, H])
	e := x.load()[labels]
	if e == nil {
		return x.add(r, f, labels, create)
	}
	if now := r.now.Load(); e.used.Load() != now {
		e.used.Store(now)
	}
	return e.handle
}

func (x *index[L, H]) add(r *Registry, f *family, labels L, create func(*family, []string) H) H {
	x.writing.Lock()
	defer x.writing.Unlock()
	known := x.load()
	if e := known[labels]; e != nil {
		return e.handle
	}
	values := labelValues(labels)
	if len(known) >= f.max() {
		r.overflow.WithLabelValues(f.def.Name).Inc()
		for i := range values {
			values[i] = other
		}
		return create(f, values) // not remembered: the set of labels has no bound
	}
	grown := make(map[L]*handle[H], len(known)+1)
	maps.Copy(grown, known)
	e := &handle[H]{handle: create(f, values)}
	e.used.Store(r.now.Load())
	grown[labels] = e
	x.entries.Store(&grown)
	return e.handle
}

// expire drops what nobody has looked up for long.
func (x *index[L, H]) expire(f *family, now time.Time) {
	x.writing.Lock()
	defer x.writing.Unlock()
	known := x.load()
	limit := unusedLong
	if len(known) > f.max()/roomy {
		limit = unusedAfter
	}
	oldest := now.Add(-limit).Unix()
	kept := make(map[L]*handle[H], len(known))
	for labels, e := range known {
		if e.used.Load() < oldest {
			f.drop(labelValues(labels))
			continue
		}
		kept[labels] = e
	}
	if len(kept) < len(known) {
		x.entries.Store(&kept)
	}
}

// forget drops the series of a label set, so that what is gone is not shown for ever.
func forget[L comparable, H any](r *Registry, d Def, labels L) {
	if r == nil {
		return
	}
	f := r.families[d.Name]
	x := f.series.(*index[L, H])
	x.writing.Lock()
	defer x.writing.Unlock()
	known := x.load()
	if known[labels] == nil {
		return
	}
	kept := maps.Clone(known)
	delete(kept, labels)
	x.entries.Store(&kept)
	f.drop(labelValues(labels))
}

func (f *family) drop(values []string) {
	switch f.def.Kind {
	case KindCounter:
		f.counter.DeleteLabelValues(values...)
	case KindGauge:
		f.gauge.DeleteLabelValues(values...)
	case KindHistogram:
		f.histogram.DeleteLabelValues(values...)
	}
}
