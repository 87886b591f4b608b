package eval

import (
	"cmp"
	"slices"
	"time"

	"perdure/visibility/query"
)

// Finish makes the answer to a query from its groups, in whatever order: it
// adds the buckets that have no row, where the filter bounds the time, keeps what HAVING
// keeps, puts the groups in order and cuts them at LIMIT and query.MaxGroups. It may be
// given less than all groups only where these would be cut off.
func Finish(q *query.Query, total int64, groups []Group) Result {
	result := Result{Total: total}
	if !q.IsGrouped() {
		return result
	}
	aggregates := q.Aggregates()
	if len(q.GroupBy) == 0 && len(groups) == 0 {
		groups = []Group{emptyGroup(aggregates, nil)}
	}
	groups, result.Truncated = fill(q, aggregates, groups)
	groups = slices.DeleteFunc(groups, func(g Group) bool { return !having(q, aggregates, g) })
	slices.SortFunc(groups, func(a, b Group) int { return compareGroups(q, aggregates, a, b) })
	if q.Limit > 0 && len(groups) > q.Limit {
		groups = groups[:q.Limit]
	}
	if len(groups) > query.MaxGroups {
		groups, result.Truncated = groups[:query.MaxGroups], true
	}
	result.Groups = groups
	return result
}

// emptyGroup is a group without rows.
func emptyGroup(aggregates []query.Aggregate, values []any) Group {
	group := Group{Values: values, Aggregates: make([]any, len(aggregates))}
	for i, aggregate := range aggregates {
		if aggregate.Function == query.Count || aggregate.Function == query.CountDistinct {
			group.Aggregates[i] = int64(0)
		}
	}
	return group
}

// fill adds the buckets without rows to a query whose one key is a bucket. It
// adds none, and tells so, where they are too many.
func fill(q *query.Query, aggregates []query.Aggregate, groups []Group) (filled []Group, tooMany bool) {
	if len(q.GroupBy) != 1 || q.GroupBy[0].Bucket == 0 {
		return groups, false
	}
	key := q.GroupBy[0]
	low, high, bounded := bounds(key, q.Where)
	if !bounded || low.After(high) {
		return groups, false
	}
	taken := bucketSeconds(groups)
	var empty []Group
	for start := BucketStart(key, low); !start.After(high); start = nextBucket(key, start) {
		if !taken[start.Unix()] {
			empty = append(empty, emptyGroup(aggregates, []any{start}))
		}
		if len(empty) > query.MaxGroups {
			return groups, true
		}
	}
	return append(groups, empty...), false
}

// bucketSeconds are the beginnings of the buckets that have rows.
func bucketSeconds(groups []Group) map[int64]bool {
	taken := map[int64]bool{}
	for _, group := range groups {
		if start, ok := group.Values[0].(time.Time); ok {
			taken[start.Unix()] = true
		}
	}
	return taken
}

func having(q *query.Query, aggregates []query.Aggregate, group Group) bool {
	for _, term := range q.Having {
		value := aggregateOf(aggregates, term.Aggregate, group)
		order, ok := compareNumber(value, term.Number)
		isEqual := ok && order == 0
		switch {
		case term.Op == query.Equal && !isEqual, term.Op == query.NotEqual && isEqual:
			return false
		case term.Op != query.Equal && term.Op != query.NotEqual && (!ok || !holds(term.Op, order)):
			return false
		}
	}
	return true
}

// aggregateOf returns the value of an aggregate in a group.
func aggregateOf(aggregates []query.Aggregate, wanted query.Aggregate, group Group) any {
	text := wanted.String()
	place := slices.IndexFunc(aggregates, func(a query.Aggregate) bool { return a.String() == text })
	return group.Aggregates[place]
}

// compareGroups orders groups by ORDER BY, then the largest first, then by the
// values of their keys with absent ones last.
func compareGroups(q *query.Query, aggregates []query.Aggregate, a, b Group) int {
	for _, term := range q.OrderBy {
		if order := compareTerm(term, termValue(q, aggregates, term, a), termValue(q, aggregates, term, b)); order != 0 {
			return order
		}
	}
	if order := cmp.Compare(b.Count, a.Count); order != 0 {
		return order
	}
	for i := range a.Values {
		if order := compareTerm(query.OrderTerm{}, a.Values[i], b.Values[i]); order != 0 {
			return order
		}
	}
	return 0
}

func termValue(q *query.Query, aggregates []query.Aggregate, term query.OrderTerm, group Group) any {
	if term.Aggregate != nil {
		return aggregateOf(aggregates, *term.Aggregate, group)
	}
	return group.Values[q.OrderKey(term)]
}
