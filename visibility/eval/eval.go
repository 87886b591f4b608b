// Package eval decides in memory which runs a checked query keeps, in which
// order they are listed, and into which groups they fall. It is pure, and it is
// what every store is compared with.
//
// A predicate on an absent attribute is false, and NOT, != and the other
// negations are complements: they keep the runs without the attribute.
package eval

import (
	"cmp"
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
	case *query.CompareFields:
		return matchFields(x, row)
	case *query.Like:
		return matchLike(x, row) != x.Negated
	case *query.Phrase:
		return matchPhrase(x, row)
	case *query.Exists:
		return matchExists(x, row)
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
	case int64, float64:
		return compareNumber(value, v)
	case bool:
		return cmp.Compare(asInt(value), asInt(v.Bool)), v.Kind == query.Bool
	case time.Time:
		return value.Compare(v.Time), v.Kind == query.Time
	default:
		return 0, false
	}
}

// compareNumber compares exactly.
func compareNumber(value any, v query.Value) (order int, ok bool) {
	if v.Kind != query.Int && v.Kind != query.Double {
		return 0, false
	}
	if i, isInt := value.(int64); isInt {
		return query.CompareNumbers(query.Value{Kind: query.Int, Int: i}, v), true
	}
	f, isDouble := value.(float64)
	return query.CompareNumbers(query.Value{Kind: query.Double, Double: f}, v), isDouble
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// matchFields compares two attributes of the row.
func matchFields(x *query.CompareFields, row Row) bool {
	left, right := row.get(x.Left), row.get(x.Right)
	if left == nil || right == nil {
		return x.Op == query.NotEqual
	}
	order := CompareValues(left, right)
	switch x.Op {
	case query.Equal:
		return order == 0
	case query.NotEqual:
		return order != 0
	default:
		return holds(x.Op, order)
	}
}

// matchPhrase tells whether the words stand one behind the other in a Text.
func matchPhrase(x *query.Phrase, row Row) bool {
	value, ok := row.get(x.Field).(string)
	if !ok {
		return false
	}
	tokens := attr.Tokens(value)
	for ; len(tokens) >= len(x.Words); tokens = tokens[1:] {
		if slices.Equal(tokens[:len(x.Words)], x.Words) {
			return true
		}
	}
	return false
}

// ItemsKey is where a row has its pending items of a kind, as a []Row. No
// attribute has such a name.
func ItemsKey(kind string) string { return "items of " + kind }

func matchExists(x *query.Exists, row Row) bool {
	items, _ := row[ItemsKey(x.Kind)].Value.([]Row)
	return slices.ContainsFunc(items, func(item Row) bool { return Match(x.Where, item) })
}
