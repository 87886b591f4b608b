package elastic

import (
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// Pending items of a run are in its record. Their values are terms as well, under
// the kind and the name together, so that EXISTS is decided on few records: terms
// tell that some item has a value, not that one item has all of them.

// itemBytesMax is how long a value can be to become a term. Of a longer one there
// is only a mark, which every test of the attribute takes for a hit.
const (
	itemBytesMax = 256
	longMark     = "~"
)

// itemsTerms are the terms of the items of a kind, given as its name in a row.
func itemsTerms(kind string, items []eval.Row) []string {
	seen := map[string]bool{}
	var terms []string
	add := func(term string) {
		if !seen[term] {
			seen[term] = true
			terms = append(terms, term)
		}
	}
	add(attributeKey(kind, 0))
	for _, item := range items {
		for name, value := range item {
			itemTerms(attributeKey(kind+"."+name, value.Type), value, add)
		}
	}
	return terms
}

func itemTerms(key string, value attr.Value, add func(string)) {
	add(key)
	text := sortable(value.Value)
	if len(text) > itemBytesMax {
		add(key + longMark)
		return
	}
	add(key + valueSign + text)
}

// compileExists keeps the runs that may have such an item.
func compileExists(x *query.Exists) filter {
	kind := eval.ItemsKey(x.Kind)
	some := is(object{"term": object{fieldTerms: attributeKey(kind, 0)}})
	return candidates(allOf(some, atLeast(kind, x.Where)))
}

// atLeast keeps every run with an item that holds x, and more. A test that an
// item passes without the value keeps all.
func atLeast(kind string, x query.Expr) filter {
	switch x := x.(type) {
	case *query.And:
		return allOf(atLeast(kind, x.Left), atLeast(kind, x.Right))
	case *query.Or:
		return anyOf(atLeast(kind, x.Left), atLeast(kind, x.Right))
	case *query.Compare:
		if x.Op != query.NotEqual {
			return someItem(kind, x.Field, func(f query.Field) query.Expr { return &query.Compare{Field: f, Op: x.Op, Value: x.Value} })
		}
	case *query.In:
		if !x.Negated {
			return someItem(kind, x.Field, func(f query.Field) query.Expr { return &query.In{Field: f, Values: x.Values} })
		}
	case *query.Between:
		if !x.Negated {
			return someItem(kind, x.Field, func(f query.Field) query.Expr { return &query.Between{Field: f, Low: x.Low, High: x.High} })
		}
	case *query.StartsWith:
		if !x.Negated {
			return someItem(kind, x.Field, func(f query.Field) query.Expr { return &query.StartsWith{Field: f, Prefix: x.Prefix} })
		}
	case *query.Like:
		if !x.Negated {
			return someItem(kind, x.Field, func(f query.Field) query.Expr { return &query.Like{Field: f, Form: x.Form, Pattern: x.Pattern} })
		}
	}
	return everything()
}

// someItem tests the terms of an attribute of items, or that one of its values is too long to be a term.
func someItem(kind string, field query.Field, test func(query.Field) query.Expr) filter {
	field.Name = kind + "." + field.Name
	long := attributeKey(field.Name, field.Type) + longMark
	return anyOf(compile(test(field)), is(object{"term": object{fieldTerms: long}}))
}
