package search

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"perdure/server/store"
	"perdure/visibility"
)

// DeadLetters are the records that a store of search records refused, kept as metadata records of the store of executions.
type DeadLetters struct {
	records store.Store
	kind    string
	max     int
	count   atomic.Int64 // about how many there are; below zero: not known yet
}

// NewDeadLetters are those of the named store of search records. There are at most max; later ones are not kept.
func NewDeadLetters(records store.Store, name string, max int) *DeadLetters {
	d := &DeadLetters{records: records, kind: "visibility_dead/" + name, max: max}
	d.count.Store(-1)
	return d
}

func letterKey(namespaceID, runID string) string { return namespaceID + "/" + runID }

// Add keeps a letter, or counts one more attempt of one that is there.
func (d *DeadLetters) Add(ctx context.Context, letter visibility.DeadLetter) error {
	if d.count.Load() < 0 {
		if _, err := d.List(ctx); err != nil {
			return err
		}
	}
	for {
		meta, err := d.records.Meta(ctx, d.kind, letterKey(letter.NamespaceID, letter.RunID))
		isNew := errors.Is(err, store.ErrNotFound)
		switch {
		case isNew && d.count.Load() >= int64(d.max):
			return nil // the record itself tells of the refusal
		case err != nil && !isNew:
			return fmt.Errorf("read a dead letter: %w", err)
		}
		var earlier visibility.DeadLetter
		if !isNew && json.Unmarshal(meta.Data, &earlier) == nil {
			letter.FirstAt, letter.Attempts = earlier.FirstAt, earlier.Attempts+1
		}
		err = d.put(ctx, letter, meta.Version+1)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err == nil && isNew {
			d.count.Add(1)
		}
		return err
	}
}

func (d *DeadLetters) put(ctx context.Context, letter visibility.DeadLetter, version int64) error {
	data, err := json.Marshal(letter)
	if err != nil {
		return fmt.Errorf("write a dead letter: %w", err)
	}
	key := letterKey(letter.NamespaceID, letter.RunID)
	if err := d.records.PutMeta(ctx, store.Meta{Kind: d.kind, Key: key, Version: version, Data: data}); err != nil {
		return fmt.Errorf("write a dead letter: %w", err)
	}
	return nil
}

// List reads all letters, the oldest first.
func (d *DeadLetters) List(ctx context.Context) ([]visibility.DeadLetter, error) {
	metas, err := d.records.ListMeta(ctx, d.kind)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	d.count.Store(int64(len(metas)))
	letters := make([]visibility.DeadLetter, 0, len(metas))
	for _, meta := range metas {
		var letter visibility.DeadLetter
		if err := json.Unmarshal(meta.Data, &letter); err != nil {
			return nil, fmt.Errorf("%w: dead letter %s: %w", store.ErrDamaged, meta.Key, err)
		}
		letters = append(letters, letter)
	}
	slices.SortStableFunc(letters, func(a, b visibility.DeadLetter) int { return cmp.Compare(a.FirstAt.UnixNano(), b.FirstAt.UnixNano()) })
	return letters, nil
}

// Remove forgets a letter, unless it has changed since it was read.
func (d *DeadLetters) Remove(ctx context.Context, letter visibility.DeadLetter) error {
	key := letterKey(letter.NamespaceID, letter.RunID)
	meta, err := d.records.Meta(ctx, d.kind, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	var now visibility.DeadLetter
	if err == nil {
		err = json.Unmarshal(meta.Data, &now)
	}
	if err != nil {
		return fmt.Errorf("read a dead letter: %w", err)
	}
	if now.Attempts != letter.Attempts {
		return nil // refused again
	}
	err = d.records.PutMeta(ctx, store.Meta{Kind: d.kind, Key: key, Version: meta.Version + 1})
	if err == nil {
		d.count.Add(-1)
	}
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}
