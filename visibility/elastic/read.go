package elastic

import (
	"context"
	"encoding/json"
	"fmt"

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
	body := object{
		"query": inNamespace(req.NamespaceID, compile(req.Query.Where)),
		"size":  req.Size() + 1, "version": true, "_source": fieldRecord, "track_total_hits": false,
		"sort": []object{descending("close_time"), descending("start_time"), descending("run_id")},
	}
	if after != nil {
		body["search_after"] = []any{after.CloseKey, after.StartNanos, after.RunID}
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
	return page, visibility.PositionOf(page[len(page)-1]).Token(req), nil
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

// groupsMax is how many groups a count can have.
const groupsMax = 10_000

// Count implements visibility.Store.
func (s *Store) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	body := object{"query": inNamespace(namespaceID, compile(q.Where)), "size": 0, "track_total_hits": true}
	if len(q.GroupBy) > 0 {
		field := columns[q.GroupBy[0]].field
		body["aggs"] = object{
			"groups": object{"terms": object{"field": field, "size": groupsMax}},
			"absent": object{"missing": object{"field": field}},
		}
	}
	var found searchAnswer
	if err := s.search(ctx, body, &found); err != nil {
		return visibility.CountResult{}, fmt.Errorf("count visibility: %w", err)
	}
	result := visibility.CountResult{Total: found.Hits.Total.Value}
	if len(q.GroupBy) > 0 {
		groups, err := found.groups(q.GroupBy[0])
		if err != nil {
			return visibility.CountResult{}, err
		}
		result.Groups = visibility.Groups(q.GroupBy[0], groups)
	}
	return result, nil
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
		groups = append(groups, eval.Group{Count: absent.Count})
	}
	for _, bucket := range terms.Buckets {
		value, err := original(bucket.Key, typeOfGroup(name))
		if err != nil {
			return nil, fmt.Errorf("read groups: %w", err)
		}
		groups = append(groups, eval.Group{Value: value, Count: bucket.Count})
	}
	eval.SortGroups(groups)
	return groups, nil
}

// typeOfGroup is the type of a column as it is stored.
func typeOfGroup(name string) enumspb.IndexedValueType {
	if name == attr.ExecutionStatus {
		return enumspb.INDEXED_VALUE_TYPE_INT
	}
	return enumspb.INDEXED_VALUE_TYPE_KEYWORD
}
