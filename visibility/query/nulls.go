package query

// excludeAbsent rewrites a checked filter so that it follows the rule of SQL: a
// predicate on an absent attribute is neither true nor false, and neither is its
// complement, so that NOT, !=, NOT IN and the like keep only runs that have the
// attribute. It returns x, or its complement when negated.
func excludeAbsent(x Expr, negated bool) Expr {
	switch x := x.(type) {
	case *And:
		return joined(x.Left, x.Right, !negated, negated)
	case *Or:
		return joined(x.Left, x.Right, negated, negated)
	case *Not:
		return excludeAbsent(x.X, !negated)
	case *IsNull:
		return complementIf(&IsNull{Field: x.Field}, x.Negated != negated)
	case *Exists:
		return complementIf(existsWithout(x), negated)
	}
	positive, flipped := withoutNegation(x)
	if negated == flipped {
		return positive
	}
	kept := complementIf(positive, true)
	for _, field := range fieldsOf(x) {
		kept = &And{Left: &IsNull{Field: *field, Negated: true}, Right: kept}
	}
	return kept
}

func joined(left, right Expr, and, negated bool) Expr {
	left, right = excludeAbsent(left, negated), excludeAbsent(right, negated)
	if and {
		return &And{Left: left, Right: right}
	}
	return &Or{Left: left, Right: right}
}

// existsWithout applies the rule to the filter of the items: that an item is
// there is always known.
func existsWithout(x *Exists) Expr {
	if x.Where == nil {
		return x
	}
	return &Exists{Kind: x.Kind, Where: excludeAbsent(x.Where, false)}
}
