package memory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"perdure/server/store"
)

// Meta reads one record.
func (s *Store) Meta(ctx context.Context, kind, key string) (meta store.Meta, err error) {
	err = s.read(ctx, func(d *Data) error {
		found, ok := d.meta[metaKey{kind, key}]
		if !ok {
			return fmt.Errorf("%s %q: %w", kind, key, store.ErrNotFound)
		}
		meta = found
		return nil
	})
	return meta, err
}

// ListMeta reads all records of a kind.
func (s *Store) ListMeta(ctx context.Context, kind string) (metas []store.Meta, err error) {
	err = s.read(ctx, func(d *Data) error {
		for key, meta := range d.meta {
			if key.kind == kind {
				metas = append(metas, meta)
			}
		}
		slices.SortFunc(metas, func(a, b store.Meta) int { return strings.Compare(a.Key, b.Key) })
		return nil
	})
	return metas, err
}

// PutMeta writes or deletes one record.
func (s *Store) PutMeta(ctx context.Context, m store.Meta) error {
	return s.write(ctx, func(d *Data) error {
		key := metaKey{m.Kind, m.Key}
		stored, found := d.meta[key] // version 0 when there is none
		if stored.Version != m.Version-1 || m.Data == nil && !found {
			return fmt.Errorf("%s %q, version %d: %w", m.Kind, m.Key, m.Version, store.ErrConflict)
		}
		if m.Data == nil {
			delete(d.meta, key)
			return nil
		}
		m.Data = bytes.Clone(m.Data)
		d.meta[key] = m
		return nil
	})
}
