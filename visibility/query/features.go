package query

import (
	"slices"
	"strings"

	"perdure/visibility/attr"
)

// Features is a set of parts of the language that a store may lack for a time.
type Features int

// Features. What every store has is none of them: the operators of filters
// that are as old as the stores, the default order, and counting by status or division.
const (
	Patterns   Features = 1 << iota // LIKE, ILIKE, CONTAINS, ENDS_WITH
	FieldPairs                      // an attribute compared with another
	Phrases                         // MATCH
	Items                           // EXISTS
	Ordering                        // ORDER BY of lists
	Grouping                        // GROUP BY of more than one key, of other attributes, of buckets and ranges
	Aggregates                      // SELECT, HAVING, LIMIT, ORDER BY of groups

	AllFeatures = 1<<iota - 1
)

var featureTexts = []string{"patterns", "comparison of two attributes", "MATCH", "EXISTS", "ORDER BY", "GROUP BY of these keys", "aggregates"}

// String names the features.
func (f Features) String() string {
	var names []string
	for i, text := range featureTexts {
		if f&(1<<i) != 0 {
			names = append(names, text)
		}
	}
	return strings.Join(names, ", ")
}

// Uses returns the features that a checked query needs.
func Uses(q *Query) Features {
	used := UsesExpr(q.Where)
	if len(q.OrderBy) > 0 && !q.IsGrouped() {
		used |= Ordering
	}
	if len(q.GroupBy) > 1 || slices.ContainsFunc(q.GroupBy, func(k Key) bool { return !isOldKey(k) }) {
		used |= Grouping
	}
	if len(q.Select)+len(q.Having)+q.Limit > 0 || len(q.OrderBy) > 0 && q.IsGrouped() {
		used |= Aggregates
	}
	return used
}

func isOldKey(k Key) bool {
	return k.IsPlain() && (k.Field.Name == attr.ExecutionStatus || k.Field.Name == attr.NamespaceDivision)
}

// UsesExpr returns the features that a checked filter needs.
func UsesExpr(x Expr) Features {
	var used Features
	Walk(x, func(x Expr) {
		switch x.(type) {
		case *Like:
			used |= Patterns
		case *CompareFields:
			used |= FieldPairs
		case *Phrase:
			used |= Phrases
		case *Exists:
			used |= Items
		}
	})
	return used
}
