// Package eval decides in memory which runs a checked query keeps, in which
// order they are listed, and into which groups they fall. It is pure, and it is
// what every store is compared with.
//
// A predicate on an absent attribute is false, and NOT, != and the other
// negations are complements: they keep the runs without the attribute.
package eval

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// Row is one run: its attributes by name. An absent attribute has no entry.
// The status is an Int.
type Row map[string]attr.Value

// Match tells whether the filter keeps the row. A nil filter keeps everything.
func Match(x query.Expr, row Row) bool {
	switch x := x.(type) {
	case nil:
		return true
	case *query.And:
		return Match(x.Left, row) && Match(x.Right, row)
	case *query.Or:
		return Match(x.Left, row) || Match(x.Right, row)
	case *query.Not:
		return !Match(x.X, row)
	case *query.Compare:
		return matchCompare(x, row)
	case *query.In:
		return matchIn(x, row) != x.Negated
	case *query.Between:
		return matchBetween(x, row) != x.Negated
	case *query.StartsWith:
		value, ok := row.get(x.Field).(string)
		return (ok && strings.HasPrefix(value, x.Prefix.String)) != x.Negated
	case *query.IsNull:
		return (row.get(x.Field) == nil) != x.Negated
	default:
		panic("the query is not checked")
	}
}

// get returns the value of an attribute of that type, or nil.
func (r Row) get(field query.Field) any {
	if value, ok := r[field.Name]; ok && value.Type == field.Type {
		return value.Value
	}
	return nil
}

func matchCompare(x *query.Compare, row Row) bool {
	value := row.get(x.Field)
	switch {
	case x.Op == query.NotEqual:
		return !equal(x.Field, value, x.Value)
	case x.Op == query.Equal:
		return equal(x.Field, value, x.Value)
	case value == nil:
		return false
	}
	order, ok := compare(value, x.Value)
	return ok && holds(x.Op, order)
}

func holds(op query.Op, order int) bool {
	switch op {
	case query.Less:
		return order < 0
	case query.LessOrEqual:
		return order <= 0
	case query.Greater:
		return order > 0
	default:
		return order >= 0
	}
}

// equal tells whether a value, any element of a list or any word of a text is equal to v.
func equal(field query.Field, value any, v query.Value) bool {
	if value == nil {
		return false
	}
	if list, ok := value.([]string); ok {
		return slices.Contains(list, v.String)
	}
	if field.Type == enumspb.INDEXED_VALUE_TYPE_TEXT {
		return shareWord(value.(string), v.String)
	}
	order, ok := compare(value, v)
	return ok && order == 0
}

func shareWord(a, b string) bool {
	words := attr.Words(a)
	return slices.ContainsFunc(attr.Words(b), func(word string) bool { return slices.Contains(words, word) })
}

func matchIn(x *query.In, row Row) bool {
	value := row.get(x.Field)
	return slices.ContainsFunc(x.Values, func(v query.Value) bool { return equal(x.Field, value, v) })
}

func matchBetween(x *query.Between, row Row) bool {
	value := row.get(x.Field)
	if value == nil {
		return false
	}
	low, lowOK := compare(value, x.Low)
	high, highOK := compare(value, x.High)
	return lowOK && highOK && low >= 0 && high <= 0
}

// compare orders a value and a literal: strings by bytes, false before true.
func compare(value any, v query.Value) (order int, ok bool) {
	switch value := value.(type) {
	case string:
		return strings.Compare(value, v.String), v.Kind == query.String
	case int64:
		if v.Kind == query.Double {
			return compareIntDouble(value, v.Double), true
		}
		return cmp.Compare(value, v.Int), v.Kind == query.Int
	case float64:
		return cmp.Compare(value, v.Double), v.Kind == query.Double
	case bool:
		return cmp.Compare(asInt(value), asInt(v.Bool)), v.Kind == query.Bool
	case time.Time:
		return value.Compare(v.Time), v.Kind == query.Time
	default:
		return 0, false
	}
}

// compareIntDouble compares exactly; f is no whole number, or beyond all of int64.
func compareIntDouble(i int64, f float64) int {
	switch {
	case f >= -math.MinInt64:
		return -1
	case f < math.MinInt64:
		return 1
	default:
		if i <= int64(math.Floor(f)) {
			return -1
		}
		return 1
	}
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Order compares rows by the default order: open ones first, the latest start
// first; then closed ones, the latest close first; then by run id descending.
func Order(a, b Row) int {
	if order := orderTime(a, b, attr.CloseTime); order != 0 {
		return order
	}
	if order := orderTime(a, b, attr.StartTime); order != 0 {
		return order
	}
	aRun, _ := a[attr.RunID].Value.(string)
	bRun, _ := b[attr.RunID].Value.(string)
	return strings.Compare(bRun, aRun)
}

// orderTime puts the absent and then the later one first.
func orderTime(a, b Row, name string) int {
	aTime, aOK := a[name].Value.(time.Time)
	bTime, bOK := b[name].Value.(time.Time)
	switch {
	case aOK && bOK:
		return bTime.Compare(aTime)
	case aOK == bOK:
		return 0
	case bOK:
		return -1
	default:
		return 1
	}
}

// Group is a group of a GROUP BY.
type Group struct {
	Value any // of the attribute grouped by; nil where it is absent
	Count int64
}

// Groups counts rows by an attribute, the largest group first, then by value
// with the absent one last.
func Groups(name string, rows []Row) []Group {
	counts := map[any]int64{}
	for _, row := range rows {
		counts[row[name].Value]++
	}
	groups := make([]Group, 0, len(counts))
	for value, count := range counts {
		groups = append(groups, Group{Value: value, Count: count})
	}
	SortGroups(groups)
	return groups
}

// SortGroups orders groups as Groups returns them.
func SortGroups(groups []Group) {
	slices.SortFunc(groups, func(a, b Group) int {
		if order := cmp.Compare(b.Count, a.Count); order != 0 {
			return order
		}
		return compareGroupValues(a.Value, b.Value)
	})
}

func compareGroupValues(a, b any) int {
	switch {
	case a == nil || b == nil:
		return cmp.Compare(asInt(a == nil), asInt(b == nil))
	case isInt(a):
		return cmp.Compare(a.(int64), b.(int64))
	default:
		return strings.Compare(a.(string), b.(string))
	}
}

func isInt(v any) bool {
	_, ok := v.(int64)
	return ok
}
