package metrics

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// StagesMax is more than there are stages.
const StagesMax = 32

// TypesMax is how many workflow types have times of their own; further ones are
// summed up as one. A type has a histogram for each stage, so they are few.
const TypesMax = 32

// StageOfType is the labels of times by workflow type.
type StageOfType struct{ WorkflowType, Stage string }

// StageTimesDef defines histograms by workflow type and stage that each change
// of a run adds to: to record takes neither a lock nor memory.
type StageTimesDef struct{ Def }

// stageTimes defines a metric of the kind.
func stageTimes(d Def) StageTimesDef {
	d = define[StageOfType](d, KindHistogram)
	d.ByNamespace, d.quick = true, true
	catalogue[len(catalogue)-1] = d
	return StageTimesDef{d}
}

// Of finds the times of a workflow type; nil, which does nothing, without a registry.
func (d StageTimesDef) Of(r *Registry, workflowType string) *TypeTimes {
	if r == nil {
		return nil
	}
	v := r.families[d.Name].quick
	t := (*v.types.Load())[workflowType]
	if t == nil {
		return v.add(r, workflowType)
	}
	if now := r.now.Load(); t.used.Load() != now {
		t.used.Store(now)
	}
	return t
}

// TypeTimes are the histograms of one workflow type.
type TypeTimes struct {
	vec    *quickVec
	name   string
	used   atomic.Int64 // Unix seconds of the scrape before the last look-up
	stages [StagesMax]atomic.Pointer[quick]
}

// Add counts one duration of a stage, which is below StagesMax and always has the same name.
func (t *TypeTimes) Add(stage int, name string, d time.Duration) {
	if t == nil {
		return
	}
	h := t.stages[stage].Load()
	if h == nil {
		h = newQuick(t.vec.desc, t.vec.def.Buckets, t.name, name)
		if !t.stages[stage].CompareAndSwap(nil, h) {
			h = t.stages[stage].Load()
		}
	}
	h.observe(d)
}

// quickVec is all histograms of one metric. It is a prometheus.Collector and, for the registry, a series.
type quickVec struct {
	def     Def
	desc    *prometheus.Desc
	writing sync.Mutex
	types   atomic.Pointer[map[string]*TypeTimes]
	other   *TypeTimes
}

func newQuickVec(d Def) *quickVec {
	v := &quickVec{def: d, desc: prometheus.NewDesc(d.Name, d.Help, d.Labels, nil)}
	v.other = &TypeTimes{vec: v, name: other}
	v.types.Store(&map[string]*TypeTimes{})
	return v
}

func (v *quickVec) add(r *Registry, name string) *TypeTimes {
	v.writing.Lock()
	defer v.writing.Unlock()
	known := *v.types.Load()
	if t := known[name]; t != nil {
		return t
	}
	if len(known) >= TypesMax {
		r.overflow.WithLabelValues(v.def.Name).Inc()
		return v.other
	}
	t := &TypeTimes{vec: v, name: strings.ToValidUTF8(name, "?")}
	t.used.Store(r.now.Load())
	v.replace(func(grown map[string]*TypeTimes) { grown[strings.Clone(name)] = t })
	return t
}

func (v *quickVec) replace(change func(map[string]*TypeTimes)) {
	next := maps.Clone(*v.types.Load())
	change(next)
	v.types.Store(&next)
}

// len is the number of label sets.
func (v *quickVec) len() int {
	count := 0
	v.each(func(*quick) { count++ })
	return count
}

func (v *quickVec) each(f func(*quick)) {
	all := *v.types.Load()
	for _, t := range all {
		t.each(f)
	}
	v.other.each(f)
}

func (t *TypeTimes) each(f func(*quick)) {
	for i := range t.stages {
		if h := t.stages[i].Load(); h != nil {
			f(h)
		}
	}
}

// expire drops types that nobody has looked up for long.
func (v *quickVec) expire(_ *family, now time.Time) {
	v.writing.Lock()
	defer v.writing.Unlock()
	limit := unusedLong
	if len(*v.types.Load()) > TypesMax/roomy {
		limit = unusedAfter
	}
	oldest := now.Add(-limit).Unix()
	v.replace(func(left map[string]*TypeTimes) {
		maps.DeleteFunc(left, func(_ string, t *TypeTimes) bool { return t.used.Load() < oldest })
	})
}

// Describe implements prometheus.Collector.
func (v *quickVec) Describe(to chan<- *prometheus.Desc) { to <- v.desc }

// Collect implements prometheus.Collector.
func (v *quickVec) Collect(to chan<- prometheus.Metric) { v.each(func(h *quick) { to <- h }) }
