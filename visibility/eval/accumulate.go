package eval

import (
	"math/big"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// accumulator gathers the values of an attribute in a group.
type accumulator interface {
	add(value any, times int64) // nil: absent
	// result is the value of the aggregate for a group of so many rows; nil for none.
	result(rows int64) any
}

func newAccumulator(a query.Aggregate) accumulator {
	switch a.Function {
	case query.Count:
		return rowCount{}
	case query.CountDistinct:
		return &distinct{seen: map[string]bool{}}
	case query.Min:
		return &extreme{sign: -1}
	case query.Max:
		return &extreme{sign: 1}
	case query.Avg, query.Sum:
		return &sum{average: a.Function == query.Avg, isInt: a.Field.Type == enumspb.INDEXED_VALUE_TYPE_INT}
	default:
		return &ranked{aggregate: a}
	}
}

type rowCount struct{}

func (rowCount) add(any, int64)        {}
func (rowCount) result(rows int64) any { return rows }

type distinct struct{ seen map[string]bool }

func (d *distinct) add(value any, times int64) {
	switch value := value.(type) {
	case nil:
	case []string:
		for _, element := range value {
			d.add(element, times)
		}
	default:
		d.seen[string(attr.AppendScalar(nil, value))] = true
	}
}

func (d *distinct) result(int64) any { return int64(len(d.seen)) }

// extreme is the least value, or with a positive sign the greatest.
type extreme struct {
	sign int
	best any
}

func (e *extreme) add(value any, _ int64) {
	if value != nil && (e.best == nil || CompareValues(value, e.best)*e.sign > 0) {
		e.best = value
	}
}

func (e *extreme) result(int64) any { return plain(e.best) }

// plain makes -0 to 0.
func plain(value any) any {
	if f, ok := value.(float64); ok {
		return f + 0
	}
	return value
}

// sumBits hold every sum of doubles exactly: from the least to the greatest one.
const sumBits = 2200

// sum adds exactly and rounds once.
type sum struct {
	average, isInt bool
	count          int64
	total          big.Float
}

func (s *sum) add(value any, times int64) {
	var term, factor big.Float
	term.SetPrec(sumBits)
	switch value := value.(type) {
	case int64:
		term.SetInt64(value)
	case float64:
		term.SetFloat64(value)
	default:
		return
	}
	s.count += times
	s.total.SetPrec(sumBits)
	if times != 1 {
		term.Mul(&term, factor.SetInt64(times))
	}
	s.total.Add(&s.total, &term)
}

func (s *sum) result(int64) any {
	rounded, _ := s.total.Float64()
	exact, accuracy := s.total.Int64()
	switch {
	case s.count == 0:
		return nil
	case s.average:
		return rounded/float64(s.count) + 0
	case s.isInt && accuracy == big.Exact:
		return exact
	default:
		return rounded + 0
	}
}

// ranked is a percentile by nearest rank.
type ranked struct {
	aggregate query.Aggregate
	values    []repeated
	count     int64
}

// repeated is a value that several rows have.
type repeated struct {
	value any
	times int64
}

func (r *ranked) add(value any, times int64) {
	if value != nil {
		r.values = append(r.values, repeated{value, times})
		r.count += times
	}
}

func (r *ranked) result(int64) any {
	if len(r.values) == 0 {
		return nil
	}
	slices.SortFunc(r.values, func(a, b repeated) int { return CompareValues(a.value, b.value) })
	rest := r.aggregate.Rank(r.count)
	place := 0
	for ; rest > r.values[place].times; place++ {
		rest -= r.values[place].times
	}
	return plain(r.values[place].value)
}
