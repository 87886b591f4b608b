package query

import "time"

// Erase removes from a query where its parts stood in a text, and the time it
// was checked for, so that queries of different texts can be compared.
func Erase(q *Query) *Query {
	q.AsOf = time.Time{}
	eraseExpr(q.Where)
	for _, item := range q.Select {
		if item.Aggregate != nil {
			item.Aggregate.Field.at = 0
		} else {
			item.Key.Field.at = 0
		}
	}
	for i := range q.GroupBy {
		q.GroupBy[i].Field.at = 0
	}
	for i := range q.Having {
		q.Having[i].Aggregate.Field.at = 0
	}
	for i := range q.OrderBy {
		q.OrderBy[i].Field.at = 0
		if q.OrderBy[i].Aggregate != nil {
			q.OrderBy[i].Aggregate.Field.at = 0
		}
	}
	return q
}

func eraseExpr(x Expr) {
	Walk(x, func(x Expr) {
		for _, field := range fieldsOf(x) {
			field.at = 0
		}
		switch x := x.(type) {
		case *Match:
			x.at = 0
			for i := range x.Fields {
				x.Fields[i].at = 0
			}
		case *View:
			x.at = 0
		case *Exists:
			eraseExpr(x.Where)
		}
	})
}
