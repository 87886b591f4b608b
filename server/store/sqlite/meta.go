package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"perdure/server/store"
)

func scanMeta(rows *sql.Rows, into *store.Meta) error {
	return rows.Scan(&into.Kind, &into.Key, &into.Version, &into.Data)
}

// Meta reads one record.
func (s *Store) Meta(ctx context.Context, kind, key string) (store.Meta, error) {
	found, err := collect(ctx, s, scanMeta, "SELECT kind, key, version, data FROM meta WHERE kind = ? AND key = ?", kind, key)
	if err != nil {
		return store.Meta{}, err
	}
	if len(found) == 0 {
		return store.Meta{}, fmt.Errorf("%s %q: %w", kind, key, store.ErrNotFound)
	}
	return found[0], nil
}

// ListMeta reads all records of a kind.
func (s *Store) ListMeta(ctx context.Context, kind string) ([]store.Meta, error) {
	return collect(ctx, s, scanMeta, "SELECT kind, key, version, data FROM meta WHERE kind = ? ORDER BY key", kind)
}

// PutMeta writes or deletes one record.
func (s *Store) PutMeta(ctx context.Context, m store.Meta) error {
	return s.writer.transact(ctx, func(w *writer) error {
		changed, err := w.meta(m)
		if err == nil && changed != 1 {
			err = fmt.Errorf("%s %q, version %d: %w", m.Kind, m.Key, m.Version, store.ErrConflict)
		}
		return err
	})
}

func (w *writer) meta(m store.Meta) (changed int64, err error) {
	switch {
	case m.Data == nil:
		return w.exec("DELETE FROM meta WHERE kind = ? AND key = ? AND version = ?", m.Kind, m.Key, m.Version-1)
	case m.Version == 1:
		return w.exec("INSERT INTO meta (kind, key, version, data) VALUES (?, ?, 1, ?)", m.Kind, m.Key, m.Data)
	}
	return w.exec("UPDATE meta SET version = ?, data = ? WHERE kind = ? AND key = ? AND version = ?", m.Version, m.Data, m.Kind, m.Key, m.Version-1)
}
