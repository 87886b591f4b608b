package metrics

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Kind says how the values of a metric behave over time.
type Kind string

const (
	// KindCounter only grows while the process lives.
	KindCounter Kind = "counter"
	// KindGauge goes up and down.
	KindGauge Kind = "gauge"
	// KindHistogram counts observations by size.
	KindHistogram Kind = "histogram"
)

// Domain groups definitions in the documentation.
type Domain string

// Def describes one metric. All fields but Labels and Buckets are required.
type Def struct {
	Domain Domain
	Name   string // perdure_..., ends in the unit, counters in _total
	Help   string // one sentence for the person who sees the number
	Unit   string // base unit: seconds, bytes, or what is counted
	Kind   Kind
	Labels []string // filled in from the label type
	// Buckets are the upper bounds of a histogram.
	Buckets []float64
	// ByNamespace marks metrics whose label sets grow with what users make. Their
	// series leave when nobody has used them for a while, so handles are looked up each time and never kept.
	ByNamespace bool

	newIndex func() series
	quick    bool // see StageTimesDef
}

// Definition is the definition itself, so that typed definitions can be passed on without their type.
func (d Def) Definition() Def { return d }

// None is the label type of a metric without labels.
type None struct{}

// CounterDef defines a counter whose labels are the string fields of L.
type CounterDef[L comparable] struct{ Def }

// GaugeDef defines a gauge whose labels are the string fields of L.
type GaugeDef[L comparable] struct{ Def }

// HistogramDef defines a histogram whose labels are the string fields of L.
type HistogramDef[L comparable] struct{ Def }

// catalogue is filled while the package initialises and read-only after.
var catalogue []Def

// All returns every definition, in order of file and line.
func All() []Def { return append([]Def(nil), catalogue...) }

func counter[L comparable](d Def) CounterDef[L] {
	d.newIndex = func() series { return &index[L, Counter]{} }
	return CounterDef[L]{define[L](d, KindCounter)}
}

func gauge[L comparable](d Def) GaugeDef[L] {
	d.newIndex = func() series { return &index[L, Gauge]{} }
	return GaugeDef[L]{define[L](d, KindGauge)}
}

func histogram[L comparable](d Def) HistogramDef[L] {
	d.newIndex = func() series { return &index[L, Histogram]{} }
	return HistogramDef[L]{define[L](d, KindHistogram)}
}

func define[L comparable](d Def, kind Kind) Def {
	d.Kind = kind
	d.Labels = labelNames(reflect.TypeFor[L]())
	d.ByNamespace = slices.Contains(d.Labels, "namespace")
	catalogue = append(catalogue, d)
	return d
}

// labelNames turns the fields of a label type into label names: TaskType is task_type.
func labelNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Type.Kind() != reflect.String {
			panic(fmt.Sprintf("label %s.%s is not a string", t.Name(), field.Name))
		}
		names = append(names, snake(field.Name))
	}
	return names
}

// snake writes a field's name as a label; letters of an abbreviation stay together.
func snake(name string) string {
	var b strings.Builder
	afterUpper := true
	for _, r := range name {
		if unicode.IsUpper(r) && !afterUpper {
			b.WriteByte('_')
		}
		afterUpper = unicode.IsUpper(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func labelValues(labels any) []string {
	v := reflect.ValueOf(labels)
	values := make([]string, v.NumField())
	for i := range values {
		values[i] = strings.ToValidUTF8(v.Field(i).String(), "?")
	}
	return values
}
