package search

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"perdure/visibility"
	"perdure/visibility/query"
)

// Late is a store of search records that may be out of reach when the server
// starts: it is opened by the first call that reaches it. Until then it is
// blocked, and its queries fail.
type Late struct {
	name string
	open func(ctx context.Context) (visibility.Store, error)

	opening sync.Mutex
	mu      sync.Mutex
	store   visibility.Store
}

var (
	_ visibility.Store     = (*Late)(nil)
	_ visibility.Inventory = (*Late)(nil)
	_ visibility.Refresher = (*Late)(nil)
	_ visibility.Explainer = (*Late)(nil)
)

// OpenLate tries to open a store and goes on without it when that fails. The error is why, for the log.
func OpenLate(ctx context.Context, name string, open func(ctx context.Context) (visibility.Store, error)) (*Late, error) {
	l := &Late{name: name, open: open}
	_, err := l.reach(ctx)
	return l, err
}

func (l *Late) opened() visibility.Store {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store
}

// reach is the store, opened now if it was not before.
func (l *Late) reach(ctx context.Context) (visibility.Store, error) {
	if s := l.opened(); s != nil {
		return s, nil
	}
	l.opening.Lock()
	defer l.opening.Unlock()
	if s := l.opened(); s != nil {
		return s, nil
	}
	s, err := l.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("the search store is out of reach: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.store = s
	return s, nil
}

// Name implements visibility.Store.
func (l *Late) Name() string { return l.name }

// Write implements visibility.Store.
func (l *Late) Write(ctx context.Context, records []*visibility.Record) error {
	s, err := l.reach(ctx)
	if err == nil {
		return s.Write(ctx, records)
	}
	blocked := &visibility.WriteError{}
	for i := range records {
		blocked.Items = append(blocked.Items, visibility.ItemError{Index: i, Class: visibility.Blocked, Err: err})
	}
	return blocked
}

// List implements visibility.Store.
func (l *Late) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	s, err := l.reach(ctx)
	if err != nil {
		return nil, nil, err
	}
	return s.List(ctx, req)
}

// Count implements visibility.Store.
func (l *Late) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	s, err := l.reach(ctx)
	if err != nil {
		return visibility.CountResult{}, err
	}
	return s.Count(ctx, namespaceID, q)
}

// Refresh implements visibility.Refresher.
func (l *Late) Refresh(ctx context.Context) error {
	s, err := l.reach(ctx)
	if err != nil {
		return err
	}
	if refresher, later := s.(visibility.Refresher); later {
		return refresher.Refresh(ctx)
	}
	return nil
}

// Explain implements visibility.Explainer.
func (l *Late) Explain(ctx context.Context, req visibility.ExplainRequest) (visibility.Plan, error) {
	s, err := l.reach(ctx)
	if err != nil {
		return visibility.Plan{}, err
	}
	explainer, ok := s.(visibility.Explainer)
	if !ok {
		return visibility.Plan{}, ErrNoPlan
	}
	return explainer.Explain(ctx, req)
}

// Prepare makes the store anew where it was wiped, if it can.
func (l *Late) Prepare(ctx context.Context) error {
	s, err := l.reach(ctx)
	if err != nil {
		return err
	}
	if preparer, ok := s.(interface{ Prepare(context.Context) error }); ok {
		return preparer.Prepare(ctx)
	}
	return nil
}

var errNoInventory = errors.New("the search store has no inventory")

func (l *Late) inventory(ctx context.Context) (visibility.Inventory, error) {
	s, err := l.reach(ctx)
	if err != nil {
		return nil, err
	}
	inventory, ok := s.(visibility.Inventory)
	if !ok {
		return nil, errNoInventory
	}
	return inventory, nil
}

// Namespaces implements visibility.Inventory.
func (l *Late) Namespaces(ctx context.Context) ([]string, error) {
	inventory, err := l.inventory(ctx)
	if err != nil {
		return nil, err
	}
	return inventory.Namespaces(ctx)
}

// Digests implements visibility.Inventory.
func (l *Late) Digests(ctx context.Context, namespaceID string) ([]visibility.Digest, error) {
	inventory, err := l.inventory(ctx)
	if err != nil {
		return nil, err
	}
	return inventory.Digests(ctx, namespaceID)
}

// Keys implements visibility.Inventory.
func (l *Late) Keys(ctx context.Context, namespaceID string, bucket int64, after string, limit int) ([]visibility.Key, error) {
	inventory, err := l.inventory(ctx)
	if err != nil {
		return nil, err
	}
	return inventory.Keys(ctx, namespaceID, bucket, after, limit)
}

// Close implements visibility.Store.
func (l *Late) Close() error {
	if s := l.opened(); s != nil {
		return s.Close()
	}
	return nil
}
