package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// Count implements visibility.Store.
func (s *Store) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	result, err := s.count(ctx, namespaceID, q)
	if err != nil {
		return visibility.CountResult{}, fmt.Errorf("count visibility: %w", err)
	}
	return visibility.Result(q, result), nil
}

func (s *Store) count(ctx context.Context, namespaceID string, q *query.Query) (eval.Result, error) {
	r := s.newReader(namespaceID, q)
	fields := countedFields(q)
	switch {
	case !r.isCountable(fields):
		return r.countRecords(ctx)
	case !q.IsGrouped():
		return r.countAll(ctx)
	default:
		return r.countValues(ctx, fields)
	}
}

// countAll counts without groups.
func (r *reader) countAll(ctx context.Context) (eval.Result, error) {
	total, err := r.total(ctx)
	return eval.Finish(r.query, total, nil), err
}

// total counts what the filter keeps.
func (r *reader) total(ctx context.Context) (int64, error) {
	var found searchAnswer
	err := r.store.search(ctx, r.totalBody(), &found)
	return found.Hits.Total.Value, err
}

func (r *reader) totalBody() object {
	return object{"query": inNamespace(r.namespaceID, r.filter), "size": 0, "track_total_hits": true}
}

// byStart is an order that no change of a run alters, so that none is met twice or never.
var byStart = &query.Query{OrderBy: []query.OrderTerm{
	{Field: query.Field{Name: attr.StartTime, Type: enumspb.INDEXED_VALUE_TYPE_DATETIME}},
}}

// countRecords looks at each record.
func (r *reader) countRecords(ctx context.Context) (eval.Result, error) {
	r.order, r.size = byStart, candidatesPerPage
	grouper := eval.NewGrouper(r.query)
	err := r.each(ctx, func(rec *visibility.Record) bool {
		grouper.Add(visibility.Row(rec))
		return true
	})
	return grouper.Result(), err
}

// countedFields returns the attributes on whose values an answer depends, each once.
func countedFields(q *query.Query) []query.Field {
	var fields []query.Field
	seen := map[string]bool{}
	add := func(field query.Field) {
		if field.Name != "" && !seen[field.Name] {
			seen[field.Name] = true
			fields = append(fields, field)
		}
	}
	for _, key := range q.GroupBy {
		add(key.Field)
	}
	for _, aggregate := range q.Aggregates() {
		add(aggregate.Field)
	}
	return fields
}

// isCountable tells whether the index decides what is kept and has the values
// of the fields one by one: it has neither those of texts nor lists as such.
func (r *reader) isCountable(fields []query.Field) bool {
	return !r.filter.loose && !slices.ContainsFunc(fields, func(field query.Field) bool {
		_, isColumn := columns[field.Name]
		return field.Type == enumspb.INDEXED_VALUE_TYPE_TEXT || field.Type == enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST ||
			!isColumn && r.store.withoutValues.Load()
	})
}

// countValues counts runs that have the same values of the fields at once.
func (r *reader) countValues(ctx context.Context, fields []query.Field) (eval.Result, error) {
	if len(fields) == 0 { // SELECT COUNT(*)
		return r.countSame(ctx)
	}
	grouper := eval.NewGrouper(r.query)
	body, sources := r.groupsBody(fields)
	err := r.store.eachBucket(ctx, body, func(b bucket) error {
		row := eval.Row{}
		for _, src := range sources {
			if err := src.read(b.Key[src.name], row); err != nil {
				return err
			}
		}
		grouper.AddTimes(row, b.Count)
		return nil
	})
	return grouper.Result(), err
}

// countSame counts runs of which nothing matters but that they are kept.
func (r *reader) countSame(ctx context.Context) (eval.Result, error) {
	total, err := r.total(ctx)
	grouper := eval.NewGrouper(r.query)
	if total > 0 {
		grouper.AddTimes(eval.Row{}, total)
	}
	return grouper.Result(), err
}

// groupsBody counts by the values of fields together.
func (r *reader) groupsBody(fields []query.Field) (object, []source) {
	sources := make([]source, len(fields))
	described := make([]object, len(fields))
	for i, field := range fields {
		sources[i] = newSource(r.query, field, i)
		described[i] = object{sources[i].name: sources[i].description}
	}
	return compositeBody(inNamespace(r.namespaceID, r.filter), described, nil), sources
}

// source is an attribute by whose values documents are counted.
type source struct {
	field       query.Field
	name        string
	description object
	scale       int64 // nanoseconds in one unit of a number
}

// newSource counts by values, or where the query needs no more by buckets of time, which are fewer.
func newSource(q *query.Query, field query.Field, place int) source {
	fieldName, _ := sortField(field)
	src := source{field: field, name: fmt.Sprint("s", place), scale: 1}
	width, dates := commonBucket(q, field)
	if dates == "" {
		src.description = object{"terms": object{"field": fieldName, "missing_bucket": true}}
		return src
	}
	src.scale = int64(time.Millisecond)
	histogram := object{"field": dates, "fixed_interval": fmt.Sprint(int64(width/time.Second), "s"), "missing_bucket": true}
	if width%week == 0 {
		histogram["offset"] = "4d" // to Monday
	}
	src.description = object{"date_histogram": histogram}
	return src
}

const week = 7 * 24 * time.Hour

// dates are the columns that exist as dates as well.
var dates = map[string]string{attr.StartTime: fieldStarted, attr.CloseTime: fieldClosed}

// commonBucket returns the width of the buckets into which all that a query does
// with an attribute falls, and the field that has its dates; none when there is no such width.
func commonBucket(q *query.Query, field query.Field) (width time.Duration, dateField string) {
	dateField = dates[field.Name]
	for _, aggregate := range q.Aggregates() {
		if aggregate.Field.Name == field.Name {
			return 0, ""
		}
	}
	for _, key := range q.GroupBy {
		if key.Field.Name != field.Name {
			continue
		}
		if key.Bucket == 0 || key.Location != nil || width != 0 && width != key.Bucket {
			return 0, ""
		}
		width = key.Bucket
	}
	return width, dateField
}

// read puts the value of a bucket into a row; an absent one is null.
func (src source) read(raw json.RawMessage, row eval.Row) error {
	var stored any
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return nil
	case raw[0] == '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		stored = text
	default:
		var number int64
		if err := json.Unmarshal(raw, &number); err != nil {
			return err
		}
		stored = number * src.scale
	}
	value, err := valueOf(src.field, stored)
	if err == nil {
		row[src.field.Name] = attr.Value{Type: src.field.Type, Value: value}
	}
	return err
}
