package elastic

import (
	"context"
	"encoding/json"
	"fmt"

	"perdure/visibility"
)

var _ visibility.Inventory = (*Store)(nil)

// bucketsPerPage is how many buckets one request reads.
const bucketsPerPage = 10_000

// searchWindowMax is how many documents one request may ask for.
const searchWindowMax = 10_000

// Namespaces implements visibility.Inventory.
func (s *Store) Namespaces(ctx context.Context) ([]string, error) {
	var ids []string
	sources := []object{{fieldNamespace: object{"terms": object{"field": fieldNamespace}}}}
	err := s.eachBucket(ctx, compositeBody(object{"match_all": object{}}, sources, nil), func(b bucket) error {
		var id string
		err := json.Unmarshal(b.Key[fieldNamespace], &id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list namespaces of visibility: %w", err)
	}
	return ids, nil
}

// Digests implements visibility.Inventory. Sums come as doubles, which hold them exactly.
func (s *Store) Digests(ctx context.Context, namespaceID string) ([]visibility.Digest, error) {
	var digests []visibility.Digest
	sources := []object{{fieldBucket: object{"terms": object{"field": fieldBucket}}}}
	sums := object{"sum": object{"sum": object{"field": fieldChecksum}}}
	err := s.eachBucket(ctx, compositeBody(inNamespace(namespaceID, everything()), sources, sums), func(b bucket) error {
		digest := visibility.Digest{Count: b.Count, Sum: int64(b.Sum.Value)}
		err := json.Unmarshal(b.Key[fieldBucket], &digest.Bucket)
		digests = append(digests, digest)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sum up visibility: %w", err)
	}
	return digests, nil
}

// Keys implements visibility.Inventory.
func (s *Store) Keys(ctx context.Context, namespaceID string, bucket int64, after string, limit int) ([]visibility.Key, error) {
	body := object{
		"query": inNamespace(namespaceID, is(object{"term": object{fieldBucket: bucket}})),
		"size":  min(limit, searchWindowMax), "version": true, "track_total_hits": false,
		"_source": []string{"run_id", "workflow_id"},
		"sort":    []object{{"run_id": "asc"}},
	}
	if after != "" {
		body["search_after"] = []string{after}
	}
	var found searchAnswer
	if err := s.search(ctx, body, &found); err != nil {
		return nil, fmt.Errorf("list runs of visibility: %w", err)
	}
	keys := make([]visibility.Key, len(found.Hits.Hits))
	for i, hit := range found.Hits.Hits {
		keys[i] = visibility.Key{RunID: hit.Source.RunID, WorkflowID: hit.Source.WorkflowID, Version: hit.Version}
	}
	return keys, nil
}

// bucket is one combination of the values of sources.
type bucket struct {
	Key   map[string]json.RawMessage `json:"key"`
	Count int64                      `json:"doc_count"`
	Sum   struct {
		Value float64 `json:"value"`
	} `json:"sum"`
}

// compositeBody asks for the combinations of values that documents of a query
// have, in order, with exact counts, and nested aggregations of each.
func compositeBody(query object, sources []object, nested object) object {
	grouped := object{"composite": object{"size": bucketsPerPage, "sources": sources}}
	if nested != nil {
		grouped["aggs"] = nested
	}
	return object{"query": query, "size": 0, "track_total_hits": false, "aggs": object{"groups": grouped}}
}

// eachBucket visits the combinations that a compositeBody asks for.
func (s *Store) eachBucket(ctx context.Context, body object, visit func(bucket) error) error {
	composite := body["aggs"].(object)["groups"].(object)["composite"].(object)
	for {
		var found searchAnswer
		if err := s.search(ctx, body, &found); err != nil {
			return err
		}
		var page struct {
			AfterKey json.RawMessage `json:"after_key"`
			Buckets  []bucket        `json:"buckets"`
		}
		if err := json.Unmarshal(found.Aggregations["groups"], &page); err != nil {
			return fmt.Errorf("read groups: %w", err)
		}
		for _, b := range page.Buckets {
			if err := visit(b); err != nil {
				return err
			}
		}
		if len(page.Buckets) < bucketsPerPage {
			return nil
		}
		composite["after"] = page.AfterKey
	}
}
