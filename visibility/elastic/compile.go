package elastic

import (
	"math"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// compile turns a checked filter into the tests of a document.
func compile(x query.Expr) filter {
	switch x := x.(type) {
	case nil:
		return everything()
	case *query.And:
		return allOf(compile(x.Left), compile(x.Right))
	case *query.Or:
		return anyOf(compile(x.Left), compile(x.Right))
	case *query.Not:
		return compile(x.X).not()
	case *query.Compare:
		return compileCompare(x)
	case *query.In:
		return placeOf(x.Field).equalsAny(x.Values).when(x.Negated)
	case *query.Between:
		return placeOf(x.Field).between(x.Low, x.High).when(x.Negated)
	case *query.StartsWith:
		return placeOf(x.Field).startsWith(x.Prefix.String).when(x.Negated)
	case *query.IsNull:
		return placeOf(x.Field).present().when(!x.Negated)
	case *query.Like:
		return compileLike(x).when(x.Negated)
	case *query.CompareFields:
		return compilePair(x)
	case *query.Phrase:
		return compilePhrase(x)
	case *query.Exists:
		return compileExists(x)
	default:
		panic("the query is not checked")
	}
}

func compileCompare(x *query.Compare) filter {
	place := placeOf(x.Field)
	switch x.Op {
	case query.Equal, query.NotEqual:
		return place.equalsAny([]query.Value{x.Value}).when(x.Op == query.NotEqual)
	default:
		limits := place.limits(x.Op, x.Value)
		return place.within(limits)
	}
}

// place is where the values of an attribute are.
type place struct {
	field  string // of the document
	key    string // before each value, unless the field is a column
	number bool   // values are longs
	typed  enumspb.IndexedValueType
}

func placeOf(field query.Field) place {
	if c, ok := columns[field.Name]; ok {
		return place{field: c.field, number: c.number, typed: field.Type}
	}
	key := attributeKey(field.Name, field.Type)
	if field.Type == enumspb.INDEXED_VALUE_TYPE_TEXT {
		return place{field: fieldWords, key: key, typed: field.Type}
	}
	return place{field: fieldTerms, key: key, typed: field.Type}
}

func (p place) isColumn() bool { return p.key == "" }

// present tests that the attribute has a value.
func (p place) present() filter {
	if p.isColumn() {
		return is(object{"exists": object{"field": p.field}})
	}
	return is(object{"term": object{fieldTerms: p.key}})
}

// stored is a value as the field has it.
func (p place) stored(v query.Value) any {
	switch {
	case p.number && v.Kind == query.Time:
		return visibility.LimitNanos(v.Time)
	case p.number:
		return v.Int
	default:
		return p.term(sortable(literal(v)))
	}
}

func (p place) term(text string) string {
	if p.isColumn() {
		return text
	}
	return p.key + valueSign + text
}

func literal(v query.Value) any {
	switch v.Kind {
	case query.String:
		return v.String
	case query.Int:
		return v.Int
	case query.Double:
		return v.Double
	case query.Bool:
		return v.Bool
	default:
		return v.Time
	}
}

// equalsAny tests that a value, an element of a list or a word of a text is one of these.
func (p place) equalsAny(values []query.Value) filter {
	var stored []any
	for _, v := range values {
		switch {
		case p.typed == enumspb.INDEXED_VALUE_TYPE_TEXT:
			for _, word := range attr.Words(v.String) {
				stored = append(stored, wordTerm(p.key, word))
			}
		case p.typed == enumspb.INDEXED_VALUE_TYPE_INT && v.Kind == query.Double: // no integer equals it
		default:
			stored = append(stored, p.stored(v))
		}
	}
	if len(stored) == 0 {
		return nothing()
	}
	return is(object{"terms": object{p.field: stored}})
}

// limits are the bounds of a range. It may be empty, or bounded on no side.
type limits struct {
	bounds object // gt, gte, lt, lte
	none   bool
}

// limits returns the bounds that a comparison with v sets.
func (p place) limits(op query.Op, v query.Value) limits {
	if p.typed == enumspb.INDEXED_VALUE_TYPE_INT && v.Kind == query.Double {
		return p.doubleLimits(op, v.Double)
	}
	name := map[query.Op]string{query.Less: "lt", query.LessOrEqual: "lte", query.Greater: "gt", query.GreaterOrEqual: "gte"}[op]
	return limits{bounds: object{name: p.stored(v)}}
}

// doubleLimits bounds integers by a number that is none: to be less is to be at most its floor.
func (p place) doubleLimits(op query.Op, f float64) limits {
	isLess := op == query.Less || op == query.LessOrEqual
	switch {
	case f < math.MinInt64 && isLess || f >= -math.MinInt64 && !isLess:
		return limits{none: true}
	case f < math.MinInt64 || f >= -math.MinInt64:
		return limits{bounds: object{}}
	case isLess:
		return p.limits(query.LessOrEqual, query.Value{Kind: query.Int, Int: int64(math.Floor(f))})
	default:
		return p.limits(query.Greater, query.Value{Kind: query.Int, Int: int64(math.Floor(f))})
	}
}

func (p place) between(low, high query.Value) filter {
	from, to := p.limits(query.GreaterOrEqual, low), p.limits(query.LessOrEqual, high)
	both := limits{bounds: object{}, none: from.none || to.none}
	for _, some := range []limits{from, to} {
		for name, bound := range some.bounds {
			both.bounds[name] = bound
		}
	}
	return p.within(both)
}

// within tests that the value is in a range.
func (p place) within(l limits) filter {
	switch {
	case l.none:
		return nothing()
	case len(l.bounds) == 0:
		return p.present()
	case !p.isColumn():
		p.closeRange(l.bounds)
	}
	return is(object{"range": object{p.field: l.bounds}})
}

// closeRange keeps a range within the terms of the attribute.
func (p place) closeRange(bounds object) {
	if bounds["gt"] == nil && bounds["gte"] == nil {
		bounds["gte"] = p.key + valueSign
	}
	if bounds["lt"] == nil && bounds["lte"] == nil {
		bounds["lt"] = p.key + valuesDone
	}
}

func (p place) startsWith(prefix string) filter {
	return is(object{"prefix": object{p.field: object{"value": p.term(prefix)}}})
}

// inNamespace is the query for the documents of a namespace that a filter keeps.
func inNamespace(namespaceID string, f filter) object {
	return allOf(is(object{"term": object{fieldNamespace: namespaceID}}), f).render()
}
