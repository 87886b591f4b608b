package eval

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"perdure/visibility/query"
)

// Order compares rows by the terms of query.Query.Order.
func Order(terms []query.OrderTerm, a, b Row) int {
	return CompareTuples(terms, Tuple(terms, a), Tuple(terms, b))
}

// Tuple returns the values by which a row is ordered, nil where absent. A list
// counts as its least element.
func Tuple(terms []query.OrderTerm, row Row) []any {
	tuple := make([]any, len(terms))
	for i, term := range terms {
		value := row.get(term.Field)
		if list, ok := value.([]string); ok {
			value = slices.Min(list)
		}
		tuple[i] = value
	}
	return tuple
}

// CompareTuples compares what Tuple returns.
func CompareTuples(terms []query.OrderTerm, a, b []any) int {
	for i, term := range terms {
		if order := compareTerm(term, a[i], b[i]); order != 0 {
			return order
		}
	}
	return 0
}

// compareTerm compares two values in the direction of a term.
func compareTerm(term query.OrderTerm, a, b any) int {
	if a == nil || b == nil {
		order := cmp.Compare(asInt(a == nil), asInt(b == nil)) // absent last
		if term.NullsFirst {
			return -order
		}
		return order
	}
	order := CompareValues(a, b)
	if term.Descending {
		return -order
	}
	return order
}

// CompareValues orders two values of one type: strings by bytes, false before true.
func CompareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string))
	case bool:
		return cmp.Compare(asInt(a), asInt(b.(bool)))
	case time.Time:
		return a.Compare(b.(time.Time))
	default:
		return query.CompareNumbers(number(a), number(b))
	}
}

// number is an int64 or float64 as a value of a query.
func number(v any) query.Value {
	if i, ok := v.(int64); ok {
		return query.Value{Kind: query.Int, Int: i}
	}
	return query.Value{Kind: query.Double, Double: v.(float64)}
}
