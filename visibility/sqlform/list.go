package sqlform

import (
	"math"
	"slices"
	"strings"
	"time"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// List returns the statement for a page and one row more: version and record.
// The namespace is the number of that of the request. Where IsRange holds, few tells that few runs are in the range.
func List(d Dialect, namespace int64, req visibility.ListRequest, few bool) (string, []any, error) {
	after, err := req.Position()
	if err != nil {
		return "", nil, err
	}
	s := &statement{dialect: d, few: few}
	from := "FROM " + Table + " WHERE namespace = " + s.bind(namespace) + " AND NOT deleted AND "
	limit := " LIMIT " + s.bind(int64(req.Size()+1))
	if req.Query.IsDefaultOrder() {
		return s.defaultList(from, req.Query.Where, after, limit), s.args, nil
	}
	from += s.expr(req.Query.Where)
	return s.orderedList(from, s.terms(req.Query.Order()), after, limit), s.args, nil
}

const defaultOrder = " ORDER BY close_key DESC, start_ns DESC, run_id DESC"

// defaultList lists in the default order. Runs with one of a few values of an attribute whose index has that order are listed for
// each value and merged: else a database reads all of them, or all others, to find the first ones. So are runs in which an attribute
// has the value of its twin, and the others.
func (s *statement) defaultList(from string, where query.Expr, after visibility.Position, limit string) string {
	if twinOf(where) == "" && s.isCovered(where) {
		return merged(s.coveredArms(from, where, after, limit), limit)
	}
	behind := ""
	if after != nil {
		behind = " AND (close_key, start_ns, run_id) < (" + s.bindAll(defaultKey(after)) + ")"
	}
	var arms []string
	arm := func(part query.Expr) {
		arms = append(arms, "SELECT * FROM (SELECT version, record, close_key, start_ns, run_id "+from+s.expr(part)+behind+defaultOrder+limit+") AS arm")
	}
	if twin := twinOf(where); twin != "" {
		for _, areEqual := range []bool{true, false} {
			s.twins = map[string]bool{twin: areEqual}
			arm(where)
		}
	} else if parts := spread(where); len(parts) > 1 {
		for _, part := range parts {
			arm(part)
		}
	} else {
		return "SELECT version, record " + from + s.expr(where) + behind + defaultOrder + limit
	}
	return merged(arms, limit)
}

// merged lists what several lists find.
func merged(arms []string, limit string) string {
	return "SELECT version, record FROM (" + strings.Join(arms, " UNION ALL ") + ") AS arms" + defaultOrder + limit
}

// IsRange tells a list that is quicker when it is known whether few runs pass its filter: all of those are found and sorted, while
// many are met soon by going through all runs in the order of the list.
func IsRange(d Dialect, q *query.Query) bool {
	s := &statement{dialect: d}
	return q.IsDefaultOrder() && !q.IsGrouped() && twinOf(q.Where) == "" && s.isCovered(q.Where)
}

// FewAt is how many of all runs are few: finding and sorting them takes as long as meeting a page of as many on the way through all.
// Runs whose ids begin alike often started at one time, so that the way to them is longer.
func FewAt(all int64, q *query.Query) int64 {
	few := int64(math.Sqrt(fewFactor * float64(all)))
	if slices.Contains(query.Fields(q.Where), attr.WorkflowID) {
		return 2 * few
	}
	return few
}

// fewFactor is a page of a hundred runs by how much faster one is read of an index than of the table, as measured with ten million.
const fewFactor = 100 * 7

// isCovered tells that all of a filter, but that the run is of no division, is about one attribute whose index has the default order
// behind the value.
func (s *statement) isCovered(where query.Expr) bool {
	name, isUndivided := "", false
	for _, x := range query.Conjuncts(where) {
		if null, ok := x.(*query.IsNull); ok && !null.Negated && null.Field.Name == attr.NamespaceDivision {
			isUndivided = true
			continue
		}
		field, ok := ranged(x)
		if !ok || !s.dialect.Covers(columns[field.Name].name) || name != "" && name != field.Name {
			return false
		}
		name = field.Name
	}
	return name != "" && isUndivided
}

// ranged returns the attribute that must be in a range of more than one value.
func ranged(x query.Expr) (query.Field, bool) {
	switch x := x.(type) {
	case *query.Compare:
		return x.Field, x.Op != query.NotEqual && x.Op != query.Equal
	case *query.Between:
		return x.Field, !x.Negated
	case *query.StartsWith:
		return x.Field, !x.Negated
	default:
		return query.Field{}, false
	}
}

// coveredArms let an index alone tell when the runs of a page started and ended, and read only those. Runs with the start and end of
// the last one of the page before are an arm of their own, since the index does not have run ids.
func (s *statement) coveredArms(from string, where query.Expr, after visibility.Position, limit string) []string {
	earlier := ""
	var arms []string
	arm := func(condition string) {
		arms = append(arms, "SELECT * FROM (SELECT version, record, close_key, start_ns, run_id "+from+s.expr(where)+condition+defaultOrder+limit+") AS arm")
	}
	if after != nil {
		key := s.bindAll(defaultKey(after)[:2])
		arm(" AND (close_key, start_ns) = (" + key + ") AND run_id < " + s.bind(defaultKey(after)[2]))
		earlier = " AND (close_key, start_ns) < (" + key + ")"
	}
	found := from + s.expr(where) + earlier
	if s.few { // a database does not look for an order beyond OFFSET
		found = "FROM (SELECT close_key, start_ns " + found + " OFFSET 0) AS found"
	}
	arm(" AND (close_key, start_ns) IN (SELECT close_key, start_ns " + found + " ORDER BY close_key DESC, start_ns DESC" + limit + ")")
	return arms
}

// twinOf returns an attribute with a twin that a run must have for the filter.
func twinOf(where query.Expr) string {
	for _, x := range query.Conjuncts(where) {
		name := ""
		switch x := x.(type) {
		case *query.Compare:
			if x.Op != query.NotEqual {
				name = x.Field.Name
			}
		case *query.In:
			if !x.Negated {
				name = x.Field.Name
			}
		case *query.Between:
			if !x.Negated {
				name = x.Field.Name
			}
		}
		if columns[name].twin != "" {
			return name
		}
	}
	return ""
}

// defaultKey returns the columns of a position in the default order.
func defaultKey(p visibility.Position) []any {
	closeKey := int64(OpenKey)
	if t, ok := p[0].(time.Time); ok {
		closeKey = visibility.Nanos(t)
	}
	startNanos := int64(math.MinInt64)
	if t, ok := p[1].(time.Time); ok {
		startNanos = visibility.Nanos(t)
	}
	runID, _ := p[2].(string)
	return []any{closeKey, startNanos, Text(runID)}
}

// spreadMax is how many values are listed by themselves: each costs a page.
const spreadMax = 8

// spreadable are the attributes whose index has the default order behind them.
var spreadable = map[string]bool{attr.WorkflowID: true, attr.WorkflowType: true, attr.TaskQueue: true, attr.ExecutionStatus: true}

// spread divides a filter into some that no run passes two of; one, where that is of no use.
func spread(where query.Expr) []query.Expr {
	conjuncts := query.Conjuncts(where)
	for i, x := range conjuncts {
		field, values := alternatives(x)
		values = distinct(values)
		if !spreadable[field.Name] || len(values) < 2 || len(values) > spreadMax {
			continue
		}
		var rest query.Expr
		for j, other := range conjuncts {
			if j != i {
				rest = query.And2(rest, other)
			}
		}
		parts := make([]query.Expr, len(values))
		for k, v := range values {
			parts[k] = query.And2(&query.Compare{Field: field, Op: query.Equal, Value: v}, rest)
		}
		return parts
	}
	return []query.Expr{where}
}

// alternatives returns the values of which an attribute must have one; none, where x is no such test.
func alternatives(x query.Expr) (query.Field, []query.Value) {
	switch x := x.(type) {
	case *query.In:
		if !x.Negated {
			return x.Field, x.Values
		}
	case *query.Compare:
		if x.Op == query.Equal {
			return x.Field, []query.Value{x.Value}
		}
	case *query.Or:
		left, leftValues := alternatives(x.Left)
		right, rightValues := alternatives(x.Right)
		if leftValues != nil && rightValues != nil && left.Name == right.Name {
			return left, append(leftValues[:len(leftValues):len(leftValues)], rightValues...)
		}
	}
	return query.Field{}, nil
}

func distinct(values []query.Value) []query.Value {
	seen := map[query.Value]bool{}
	var out []query.Value
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// Page cuts the rows that List found to a page and makes the token of the next.
func Page(req visibility.ListRequest, found []*visibility.Record) ([]*visibility.Record, []byte) {
	if len(found) <= req.Size() {
		return found, nil
	}
	page := found[:req.Size()]
	return page, visibility.PositionOf(req.Query, page[len(page)-1]).Token(req)
}
