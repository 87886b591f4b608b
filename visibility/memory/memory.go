// Package memory is a visibility store that lives in the process, for tests
// and the development server. It evaluates queries with eval.
package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"perdure/visibility"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

type runKey struct{ namespaceID, runID string }

// entry is a record with its row, or a tombstone with the time of the deletion.
type entry struct {
	record    *visibility.Record
	row       eval.Row
	deletedAt time.Time
}

// Store is a visibility.Store in memory.
type Store struct {
	mu      sync.RWMutex
	entries map[runKey]entry
	deleted map[runKey]bool // the tombstones among entries
	now     func() time.Time
}

var _ visibility.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{entries: map[runKey]entry{}, deleted: map[runKey]bool{}, now: time.Now}
}

// Wipe forgets everything, as if the store had been lost.
func (s *Store) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.deleted = map[runKey]entry{}, map[runKey]bool{}
}

// Name implements visibility.Store.
func (s *Store) Name() string { return "memory" }

// Close implements visibility.Store.
func (s *Store) Close() error { return nil }

// Write implements visibility.Store.
func (s *Store) Write(ctx context.Context, records []*visibility.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for _, rec := range records {
		key := runKey{rec.NamespaceID, rec.RunID}
		if old, exists := s.entries[key]; exists && !isNewer(rec, old.record) {
			continue
		}
		kept := *rec
		if rec.Deleted {
			s.entries[key] = entry{record: &kept, deletedAt: now}
			s.deleted[key] = true
		} else {
			s.entries[key] = entry{record: &kept, row: visibility.Row(rec)}
			delete(s.deleted, key)
		}
	}
	s.forget(now)
	return nil
}

func isNewer(rec, stored *visibility.Record) bool {
	return rec.Version > stored.Version || rec.Again && rec.Version == stored.Version
}

// forget removes old tombstones.
func (s *Store) forget(now time.Time) {
	for key := range s.deleted {
		if now.Sub(s.entries[key].deletedAt) > visibility.TombstoneAge {
			delete(s.entries, key)
			delete(s.deleted, key)
		}
	}
}

// matching returns the entries that the query keeps, in no order.
func (s *Store) matching(namespaceID string, q *query.Query) []entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []entry
	for key, e := range s.entries {
		if key.namespaceID == namespaceID && !e.record.Deleted && eval.Match(q.Where, e.row) {
			found = append(found, e)
		}
	}
	return found
}

// List implements visibility.Store.
func (s *Store) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	after, err := req.Position()
	if err != nil {
		return nil, nil, err
	}
	terms := req.Query.Order()
	found := s.sorted(req, terms)
	var page []*visibility.Record
	var last visibility.Position
	for _, e := range found {
		if after != nil && eval.CompareTuples(terms, e.position, after) <= 0 {
			continue
		}
		if len(page) == req.Size() {
			return page, last.Token(req), nil
		}
		copied := *e.record
		page, last = append(page, &copied), e.position
	}
	return page, nil, nil
}

// placed is an entry with its place in an order.
type placed struct {
	entry
	position visibility.Position
}

// sorted returns the entries that the request finds in its order.
func (s *Store) sorted(req visibility.ListRequest, terms []query.OrderTerm) []placed {
	matching := s.matching(req.NamespaceID, req.Query)
	found := make([]placed, len(matching))
	for i, e := range matching {
		found[i] = placed{entry: e, position: eval.Tuple(terms, e.row)}
	}
	slices.SortFunc(found, func(a, b placed) int { return eval.CompareTuples(terms, a.position, b.position) })
	return found
}

// Count implements visibility.Store.
func (s *Store) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	if err := ctx.Err(); err != nil {
		return visibility.CountResult{}, err
	}
	grouper := eval.NewGrouper(q)
	for _, e := range s.matching(namespaceID, q) {
		grouper.Add(e.row)
	}
	return visibility.Result(q, grouper.Result()), nil
}
