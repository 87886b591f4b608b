package search

import (
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// Shape tells roughly what a query makes the store do.
type Shape string

// The shapes of queries.
const (
	// Point asks for one workflow id or run id.
	Point Shape = "point"
	// List reads a page along an order.
	List Shape = "list"
	// Aggregate looks at everything that the filter keeps.
	Aggregate Shape = "aggregate"
	// Infix looks inside texts, where an index helps little.
	Infix Shape = "infix"
)

// costs are in units of the rate that a namespace has.
var costs = map[Shape]int{Point: 1, List: 1, Aggregate: 5, Infix: 5}

// Cost is how many units of its namespace's rate a query of that shape takes.
func (s Shape) Cost() int { return costs[s] }

// ShapeOf tells the shape of a checked query; counts: it is a count.
func ShapeOf(q *query.Query, counts bool) Shape {
	switch {
	case isPoint(q.Where):
		return Point
	case looksInside(q.Where):
		return Infix
	case counts:
		return Aggregate
	default:
		return List
	}
}

// isPoint tells whether the filter keeps runs of one workflow id or run id only.
func isPoint(x query.Expr) bool {
	switch x := x.(type) {
	case *query.And:
		return isPoint(x.Left) || isPoint(x.Right)
	case *query.Compare:
		return x.Op == query.Equal && (x.Field.Name == attr.WorkflowID || x.Field.Name == attr.RunID)
	default:
		return false
	}
}

// looksInside tells whether a filter asks what is in the midst of texts or of pending items.
func looksInside(x query.Expr) bool {
	inside := false
	query.Walk(x, func(x query.Expr) {
		switch x := x.(type) {
		case *query.Like:
			parts := x.Parts()
			inside = inside || len(parts) > 0 && (parts[0].Any || parts[0].One || x.Folds())
		case *query.Phrase, *query.Exists:
			inside = true
		}
	})
	return inside
}
