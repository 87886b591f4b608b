package sqlform

import (
	"strings"
	"time"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// term is a term of ORDER BY.
type term struct {
	query.OrderTerm
	value      string // an expression for the stored value
	isNullable bool
}

// alwaysThere are the columns that every run has a value in.
var alwaysThere = map[string]bool{
	attr.WorkflowID: true, attr.RunID: true, attr.WorkflowType: true, attr.TaskQueue: true, attr.ExecutionStatus: true,
	attr.StartTime: true, attr.ExecutionTime: true,
}

func (s *statement) terms(order []query.OrderTerm) []term {
	terms := make([]term, len(order))
	for i, t := range order {
		terms[i] = term{OrderTerm: t, value: s.scalar(t.Field), isNullable: !alwaysThere[t.Field.Name]}
	}
	return terms
}

// orderedList lists by terms. Runs that have the first attribute and those that have it not are listed by themselves, one behind the
// other, so that an index has the order of either.
func (s *statement) orderedList(from string, terms []term, after visibility.Position, limit string) string {
	first, rest := terms[0], terms[1:]
	if !first.isNullable {
		return "SELECT version, record " + from + s.behindAll(terms, after) + orderBy(terms) + limit
	}
	isAbsentNext := after != nil && after[0] == nil
	var present, absent string
	if after == nil || first.NullsFirst || !isAbsentNext {
		place := after
		if isAbsentNext {
			place = nil // all that are present are still to come
		}
		here := append([]term(nil), terms...)
		here[0].isNullable = false
		if first.Field.Name == attr.CloseTime {
			here[0].value = "close_key" // which has an index
		}
		present = "SELECT version, record " + from + " AND " + isPresent(first) + s.behindAll(here, place) + orderBy(here) + limit
	}
	if after == nil || !first.NullsFirst || isAbsentNext {
		var place visibility.Position
		if isAbsentNext {
			place = after[1:]
		}
		absent = "SELECT version, record " + from + " AND " + isAbsent(first) + s.behindAll(rest, place) + orderBy(rest) + limit
	}
	if first.NullsFirst {
		present, absent = absent, present
	}
	return oneBehindTheOther(present, absent, limit)
}

func isPresent(t term) string {
	if columns[t.Field.Name].isOfClosed {
		return t.value + " IS NOT NULL AND " + isClosed
	}
	return t.value + " IS NOT NULL"
}

func isAbsent(t term) string {
	if columns[t.Field.Name].isOfClosed {
		return isOpen
	}
	return t.value + " IS NULL"
}

// oneBehindTheOther joins two lists; either may be empty.
func oneBehindTheOther(first, second, limit string) string {
	switch {
	case first == "":
		return second
	case second == "":
		return first
	default:
		return "SELECT * FROM (" + first + ") AS first UNION ALL SELECT * FROM (" + second + ") AS second" + limit
	}
}

func orderBy(terms []term) string {
	if len(terms) == 0 {
		return ""
	}
	var parts []string
	for _, t := range terms {
		part := t.value
		if t.Descending {
			part += " DESC"
		}
		if t.isNullable {
			part += map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[t.NullsFirst]
		}
		parts = append(parts, part)
	}
	return " ORDER BY " + strings.Join(parts, ", ")
}

// behindAll tests for the rows behind a position, all without one. The first condition is one that an index can begin at.
func (s *statement) behindAll(terms []term, after visibility.Position) string {
	if after == nil {
		return ""
	}
	condition := " AND " + s.behind(terms, after)
	if len(terms) > 0 && after[0] != nil && !terms[0].isNullable {
		condition = " AND " + terms[0].value + s.notBefore(terms[0], after[0]) + condition
	}
	return condition
}

func (s *statement) notBefore(t term, value any) string {
	op := map[bool]string{true: " <= ", false: " >= "}[t.Descending]
	return op + s.bind(position(t.Field, value))
}

// behind tests for the rows that come later in the order.
func (s *statement) behind(terms []term, after visibility.Position) string {
	if len(terms) == 0 {
		return "FALSE"
	}
	first, value := terms[0], after[0]
	if value == nil {
		later := "FALSE"
		if first.NullsFirst {
			later = first.value + " IS NOT NULL"
		}
		return "(" + later + " OR " + first.value + " IS NULL AND " + s.behind(terms[1:], after[1:]) + ")"
	}
	arg := s.bind(position(first.Field, value))
	later := first.value + map[bool]string{true: " < ", false: " > "}[first.Descending] + arg
	if first.isNullable && !first.NullsFirst {
		later += " OR " + first.value + " IS NULL"
	}
	return "(" + later + " OR " + first.value + " = " + arg + " AND " + s.behind(terms[1:], after[1:]) + ")"
}

// position returns the stored form of a value of a page token.
func position(field query.Field, value any) any {
	switch v := value.(type) {
	case string:
		return Text(v)
	case float64:
		return DoubleKey(v)
	case time.Time:
		if columns[field.Name].isTime {
			return visibility.LimitNanos(v)
		}
		return TimeKey(v)
	default:
		return value
	}
}
