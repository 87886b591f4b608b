package eval

import (
	"slices"
	"time"

	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// Group is a group of a query.
type Group struct {
	// Values are those of the keys of GROUP BY, nil where absent: a time for a
	// bucket, the place of the range, from 0, for a RANGE.
	Values []any
	Count  int64
	// Aggregates are the values of query.Query.Aggregates, nil where there is none.
	Aggregates []any
}

// Result is the answer to a count.
type Result struct {
	Total     int64 // rows that the filter keeps
	Groups    []Group
	Truncated bool // there are more groups than query.MaxGroups
}

// Grouper counts rows in groups and computes aggregates. It keeps every value
// that a percentile or a distinct count needs.
type Grouper struct {
	query      *query.Query
	aggregates []query.Aggregate
	groups     map[string]*collected
	total      int64
}

type collected struct {
	values     []any
	count      int64
	aggregates []accumulator
}

// NewGrouper returns a Grouper for a checked query.
func NewGrouper(q *query.Query) *Grouper {
	return &Grouper{query: q, aggregates: q.Aggregates(), groups: map[string]*collected{}}
}

// Add counts a row that the filter of the query keeps.
func (g *Grouper) Add(row Row) { g.AddTimes(row, 1) }

// AddTimes counts as many rows that are alike in all the query looks at.
func (g *Grouper) AddTimes(row Row, times int64) {
	g.total += times
	if !g.query.IsGrouped() {
		return
	}
	values := make([]any, len(g.query.GroupBy))
	var key []byte
	for i, groupKey := range g.query.GroupBy {
		values[i] = KeyValue(groupKey, row.get(groupKey.Field))
		key = attr.AppendScalar(key, values[i])
	}
	group := g.group(string(key), values)
	group.count += times
	for i, aggregate := range g.aggregates {
		group.aggregates[i].add(row.get(aggregate.Field), times)
	}
}

func (g *Grouper) group(key string, values []any) *collected {
	group := g.groups[key]
	if group == nil {
		group = &collected{values: values, aggregates: make([]accumulator, len(g.aggregates))}
		for i, aggregate := range g.aggregates {
			group.aggregates[i] = newAccumulator(aggregate)
		}
		g.groups[key] = group
	}
	return group
}

// Result returns the finished answer.
func (g *Grouper) Result() Result {
	groups := make([]Group, 0, len(g.groups))
	for _, group := range g.groups {
		finished := Group{Values: group.values, Count: group.count, Aggregates: make([]any, len(g.aggregates))}
		for i := range g.aggregates {
			finished.Aggregates[i] = group.aggregates[i].result(group.count)
		}
		groups = append(groups, finished)
	}
	return Finish(g.query, g.total, groups)
}

// KeyValue returns the value of a key for a value of its attribute; nil for an absent one.
func KeyValue(key query.Key, value any) any {
	switch {
	case value == nil:
		return nil
	case key.Bucket > 0:
		return BucketStart(key, value.(time.Time))
	case len(key.Bounds) > 0:
		return rangePlace(key.Bounds, value)
	}
	if f, ok := value.(float64); ok {
		return f + 0 // -0 is 0
	}
	return value
}

// rangePlace counts the bounds that are not above the value.
func rangePlace(bounds []query.Value, value any) int64 {
	place := slices.IndexFunc(bounds, func(bound query.Value) bool {
		order, _ := compare(value, bound)
		return order < 0
	})
	if place < 0 {
		return int64(len(bounds))
	}
	return int64(place)
}
