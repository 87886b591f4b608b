package query

import (
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/attr"
)

// Order returns the terms by which a list is ordered: those of ORDER BY, or
// without one open runs first, then the latest close, then the latest start.
// The run id, descending, is always among them, so that no two runs tie.
func (q *Query) Order() []OrderTerm {
	terms := q.OrderBy
	if len(terms) == 0 {
		terms = defaultOrder()
	}
	for i, term := range terms {
		if term.Field.Name == attr.RunID {
			return terms[:i+1]
		}
	}
	last := OrderTerm{Field: Field{Name: attr.RunID, Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD}, Descending: true}
	return append(append([]OrderTerm(nil), terms...), last)
}

func defaultOrder() []OrderTerm {
	const datetime = enumspb.INDEXED_VALUE_TYPE_DATETIME
	return []OrderTerm{
		{Field: Field{Name: attr.CloseTime, Type: datetime}, Descending: true, NullsFirst: true},
		{Field: Field{Name: attr.StartTime, Type: datetime}, Descending: true},
	}
}

// IsDefaultOrder tells that a list has the order it has without ORDER BY.
func (q *Query) IsDefaultOrder() bool { return len(q.OrderBy) == 0 }
