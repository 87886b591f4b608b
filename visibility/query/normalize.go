package query

import (
	"cmp"
	"math"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
)

// Normalize gives a checked query a filter that keeps the same runs and is
// simpler for a store: NOT stands only before what has no complement of its own,
// what always or never holds is gone, AND and OR are chains without repetition,
// and values of IN are in order, each once. What keeps no run at all is RunId IS NULL.
func Normalize(q *Query) {
	switch x := simplify(q.Where, false).(type) {
	case constant:
		if x {
			q.Where = nil
		} else {
			q.Where = &IsNull{Field: Field{Name: attr.RunID, Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD}}
		}
	default:
		q.Where = x
	}
}

// constant is a filter that holds always or never. It does not leave this file.
type constant bool

func (constant) expr() {}

// simplify returns x, or its complement when negated.
func simplify(x Expr, negated bool) Expr {
	switch x := x.(type) {
	case nil:
		return constant(!negated)
	case *And:
		return join(simplify(x.Left, negated), simplify(x.Right, negated), !negated)
	case *Or:
		return join(simplify(x.Left, negated), simplify(x.Right, negated), negated)
	case *Not:
		return simplify(x.X, !negated)
	default:
		positive, flipped := withoutNegation(x)
		return complementIf(foldPredicate(positive), negated != flipped)
	}
}

// join joins by AND or OR. A side that decides the whole is the whole; one that
// decides nothing goes.
func join(left, right Expr, and bool) Expr {
	for _, side := range []struct{ this, other Expr }{{left, right}, {right, left}} {
		if c, ok := side.this.(constant); ok {
			if bool(c) == and {
				return side.other
			}
			return c
		}
	}
	var chain Expr
	seen := map[string]bool{}
	for _, term := range append(chainOf(left, and), chainOf(right, and)...) {
		text := printExpr(term, precedenceNot)
		switch {
		case seen[text]:
			continue
		case chain == nil:
			chain = term
		case and:
			chain = &And{Left: chain, Right: term}
		default:
			chain = &Or{Left: chain, Right: term}
		}
		seen[text] = true
	}
	return chain
}

// chainOf returns the terms of a chain of AND or OR.
func chainOf(x Expr, and bool) []Expr {
	switch x := x.(type) {
	case *And:
		if and {
			return append(chainOf(x.Left, and), chainOf(x.Right, and)...)
		}
	case *Or:
		if !and {
			return append(chainOf(x.Left, and), chainOf(x.Right, and)...)
		}
	}
	return []Expr{x}
}

// Conjuncts returns the filters that must all hold for x to hold.
func Conjuncts(x Expr) []Expr {
	if x == nil {
		return nil
	}
	return chainOf(x, true)
}

// withoutNegation returns a predicate without the NOT inside it, and whether it had one.
func withoutNegation(x Expr) (Expr, bool) {
	switch x := x.(type) {
	case *Compare:
		if x.Op == NotEqual {
			return &Compare{Field: x.Field, Op: Equal, Value: x.Value}, true
		}
	case *CompareFields:
		if x.Op == NotEqual {
			return &CompareFields{Left: x.Left, Op: Equal, Right: x.Right}, true
		}
	case *In:
		return &In{Field: x.Field, Values: x.Values}, x.Negated
	case *Between:
		return &Between{Field: x.Field, Low: x.Low, High: x.High}, x.Negated
	case *StartsWith:
		return &StartsWith{Field: x.Field, Prefix: x.Prefix}, x.Negated
	case *IsNull:
		return &IsNull{Field: x.Field}, x.Negated
	case *Like:
		return &Like{Field: x.Field, Form: x.Form, Pattern: x.Pattern}, x.Negated
	}
	return x, false
}

// complementIf returns the complement of a predicate that has no NOT inside.
func complementIf(x Expr, negated bool) Expr {
	if !negated {
		return x
	}
	switch x := x.(type) {
	case constant:
		return !x
	case *Not:
		return x.X
	case *Compare:
		if x.Op == Equal {
			return &Compare{Field: x.Field, Op: NotEqual, Value: x.Value}
		}
	case *CompareFields:
		if x.Op == Equal {
			return &CompareFields{Left: x.Left, Op: NotEqual, Right: x.Right}
		}
	case *In:
		return &In{Field: x.Field, Negated: true, Values: x.Values}
	case *Between:
		return &Between{Field: x.Field, Negated: true, Low: x.Low, High: x.High}
	case *StartsWith:
		return &StartsWith{Field: x.Field, Negated: true, Prefix: x.Prefix}
	case *IsNull:
		return &IsNull{Field: x.Field, Negated: !x.Negated}
	case *Like:
		return &Like{Field: x.Field, Negated: true, Form: x.Form, Pattern: x.Pattern}
	}
	return &Not{X: x}
}

// foldPredicate simplifies a predicate that has no NOT inside.
func foldPredicate(x Expr) Expr {
	switch x := x.(type) {
	case *Compare:
		return foldCompare(x)
	case *CompareFields:
		return foldPair(x)
	case *In:
		return foldIn(x)
	case *Between:
		return foldBetween(x)
	case *StartsWith:
		if x.Prefix.String == "" {
			return isPresent(x.Field)
		}
	case *Like:
		return foldLike(x)
	case *Exists:
		return foldExists(x)
	}
	return x
}

func isPresent(field Field) Expr { return &IsNull{Field: field, Negated: true} }

func foldCompare(x *Compare) Expr {
	switch {
	case x.Field.Type == text && len(attr.Words(x.Value.String)) == 0:
		return constant(false)
	case x.Field.Type == enumspb.INDEXED_VALUE_TYPE_INT && x.Value.Kind == Double:
		return foldFraction(x)
	default:
		return x
	}
}

// foldFraction compares an Int with a number that no Int equals: being less is
// being at most its floor.
func foldFraction(x *Compare) Expr {
	f := x.Value.Double
	isLess := x.Op == Less || x.Op == LessOrEqual
	switch {
	case x.Op == Equal, f < math.MinInt64 && isLess, f >= -math.MinInt64 && !isLess:
		return constant(false)
	case f < math.MinInt64, f >= -math.MinInt64:
		return isPresent(x.Field)
	}
	op := Greater
	if isLess {
		op = LessOrEqual
	}
	return &Compare{Field: x.Field, Op: op, Value: Value{Kind: Int, Int: int64(math.Floor(f))}}
}

func foldPair(x *CompareFields) Expr {
	switch {
	case x.Left.Name != x.Right.Name:
		return x
	case x.Op == Less || x.Op == Greater:
		return constant(false)
	default:
		return isPresent(x.Left)
	}
}

func foldIn(x *In) Expr {
	values := slices.Clone(x.Values)
	if x.Field.Type == enumspb.INDEXED_VALUE_TYPE_INT {
		values = slices.DeleteFunc(values, func(v Value) bool { return v.Kind == Double })
	}
	slices.SortFunc(values, compareValues)
	values = slices.CompactFunc(values, func(a, b Value) bool { return compareValues(a, b) == 0 })
	switch len(values) {
	case 0:
		return constant(false)
	case 1:
		return &Compare{Field: x.Field, Op: Equal, Value: values[0]}
	default:
		return &In{Field: x.Field, Values: values}
	}
}

func foldBetween(x *Between) Expr {
	order := compareValues(x.Low, x.High)
	switch {
	case order > 0:
		return constant(false)
	case order == 0:
		return foldCompare(&Compare{Field: x.Field, Op: Equal, Value: x.Low})
	default:
		return x
	}
}

// compareValues orders values of one attribute.
func compareValues(a, b Value) int {
	switch {
	case a.Kind == Int || a.Kind == Double:
		return CompareNumbers(a, b)
	case a.Kind == Time:
		return a.Time.Compare(b.Time)
	case a.Kind == Bool:
		return cmp.Compare(printValue(a), printValue(b))
	default:
		return strings.Compare(a.String, b.String)
	}
}

// foldLike returns the simplest test that a pattern comes to.
func foldLike(x *Like) Expr {
	parts := x.Parts()
	isExact := !x.Folds()
	literal := func(s string) Value { return Value{Kind: String, String: s} }
	switch {
	case len(parts) == 0:
		return &Compare{Field: x.Field, Op: Equal, Value: literal("")}
	case len(parts) == 1 && parts[0].Any:
		return isPresent(x.Field)
	case len(parts) == 1 && parts[0].Literal != "" && isExact:
		return &Compare{Field: x.Field, Op: Equal, Value: literal(parts[0].Literal)}
	case len(parts) == 2 && parts[0].Literal != "" && parts[1].Any && isExact && x.Field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD:
		return &StartsWith{Field: x.Field, Prefix: literal(parts[0].Literal)}
	default:
		return x
	}
}

func foldExists(x *Exists) Expr {
	switch where := simplify(x.Where, false).(type) {
	case constant:
		if !where {
			return where
		}
		return &Exists{Kind: x.Kind}
	default:
		return &Exists{Kind: x.Kind, Where: where}
	}
}
