package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// List implements visibility.Store.
func (s *Store) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	after, err := req.Position()
	if err != nil {
		return nil, nil, err
	}
	if err := visibility.Unsupported(req.Query, features); err != nil {
		return nil, nil, err
	}
	body := object{
		"query": inNamespace(req.NamespaceID, compile(req.Query.Where)),
		"size":  req.Size() + 1, "version": true, "_source": fieldRecord, "track_total_hits": false,
		"sort": []object{descending("close_time"), descending("start_time"), descending("run_id")},
	}
	if after != nil {
		body["search_after"] = defaultKey(after)
	}
	var found searchAnswer
	if err := s.search(ctx, body, &found); err != nil {
		return nil, nil, fmt.Errorf("list visibility: %w", err)
	}
	records, err := found.records(req.NamespaceID)
	if err != nil || len(records) <= req.Size() {
		return records, nil, err
	}
	page := records[:req.Size()]
	return page, visibility.PositionOf(req.Query, page[len(page)-1]).Token(req), nil
}

// features are the parts of the language that are compiled.
const features = query.Features(0)

// openKey is the sort value of an open run, which has no close time.
const openKey = math.MaxInt64

// defaultKey returns the sort values of a position in the default order.
func defaultKey(p visibility.Position) []any {
	key := []any{int64(openKey), int64(math.MinInt64), p[2]}
	for i := range 2 {
		if t, ok := p[i].(time.Time); ok {
			key[i] = visibility.Nanos(t)
		}
	}
	return key
}

func descending(field string) object {
	return object{field: object{"order": "desc", "missing": "_first"}}
}

// records decodes what was found.
func (a *searchAnswer) records(namespaceID string) ([]*visibility.Record, error) {
	records := make([]*visibility.Record, len(a.Hits.Hits))
	for i, hit := range a.Hits.Hits {
		rec, err := visibility.Decode(namespaceID, hit.Version, hit.Source.Record)
		if err != nil {
			return nil, err
		}
		records[i] = rec
	}
	return records, nil
}

// Count implements visibility.Store.
func (s *Store) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	if err := visibility.Unsupported(q, features); err != nil {
		return visibility.CountResult{}, err
	}
	body := object{"query": inNamespace(namespaceID, compile(q.Where)), "size": 0, "track_total_hits": true}
	if len(q.GroupBy) > 0 {
		field := columns[q.GroupBy[0].Field.Name].field
		body["aggs"] = object{
			"groups": object{"terms": object{"field": field, "size": query.MaxGroups}},
			"absent": object{"missing": object{"field": field}},
		}
	}
	var found searchAnswer
	if err := s.search(ctx, body, &found); err != nil {
		return visibility.CountResult{}, fmt.Errorf("count visibility: %w", err)
	}
	var groups []eval.Group
	if len(q.GroupBy) > 0 {
		var err error
		if groups, err = found.groups(q.GroupBy[0].Field.Name); err != nil {
			return visibility.CountResult{}, err
		}
	}
	return visibility.Result(q, eval.Finish(q, found.Hits.Total.Value, groups)), nil
}

func (a *searchAnswer) groups(name string) ([]eval.Group, error) {
	var terms struct {
		Buckets []struct {
			Key   string `json:"key"`
			Count int64  `json:"doc_count"`
		} `json:"buckets"`
	}
	var absent struct {
		Count int64 `json:"doc_count"`
	}
	if err := json.Unmarshal(a.Aggregations["groups"], &terms); err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	if err := json.Unmarshal(a.Aggregations["absent"], &absent); err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	var groups []eval.Group
	if absent.Count > 0 {
		groups = append(groups, eval.Group{Values: []any{nil}, Count: absent.Count})
	}
	for _, bucket := range terms.Buckets {
		value, err := original(bucket.Key, typeOfGroup(name))
		if err != nil {
			return nil, fmt.Errorf("read groups: %w", err)
		}
		groups = append(groups, eval.Group{Values: []any{value}, Count: bucket.Count})
	}
	return groups, nil
}

// typeOfGroup is the type of a column as it is stored.
func typeOfGroup(name string) enumspb.IndexedValueType {
	if name == attr.ExecutionStatus {
		return enumspb.INDEXED_VALUE_TYPE_INT
	}
	return enumspb.INDEXED_VALUE_TYPE_KEYWORD
}
