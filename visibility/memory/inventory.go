package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"perdure/visibility"
)

var _ visibility.Inventory = (*Store)(nil)

// Namespaces implements visibility.Inventory.
func (s *Store) Namespaces(ctx context.Context) ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := map[string]bool{}
	for key, e := range s.entries {
		if !e.record.Deleted {
			found[key.namespaceID] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), ctx.Err()
}

// Digests implements visibility.Inventory.
func (s *Store) Digests(ctx context.Context, namespaceID string) ([]visibility.Digest, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sums := visibility.NewDigests()
	for key, e := range s.entries {
		if key.namespaceID == namespaceID && !e.record.Deleted {
			sums.Add(visibility.BucketOf(e.record.StartTime), e.record.RunID, e.record.Version)
		}
	}
	return sums.Sorted(), ctx.Err()
}

// Keys implements visibility.Inventory.
func (s *Store) Keys(ctx context.Context, namespaceID string, bucket int64, after string, limit int) ([]visibility.Key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var keys []visibility.Key
	for key, e := range s.entries {
		rec := e.record
		if key.namespaceID == namespaceID && !rec.Deleted && rec.RunID > after && visibility.BucketOf(rec.StartTime) == bucket {
			keys = append(keys, visibility.Key{RunID: rec.RunID, WorkflowID: rec.WorkflowID, Version: rec.Version})
		}
	}
	slices.SortFunc(keys, func(a, b visibility.Key) int { return cmp.Compare(a.RunID, b.RunID) })
	return keys[:min(limit, len(keys))], ctx.Err()
}
