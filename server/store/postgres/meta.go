package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"perdure/server/store"
)

func scanMeta(row pgx.CollectableRow) (meta store.Meta, err error) {
	err = row.Scan(&meta.Kind, &meta.Key, &meta.Version, &meta.Data)
	meta.Kind, meta.Key = unescape(meta.Kind), unescape(meta.Key)
	return meta, err
}

// Meta reads one record.
func (s *Store) Meta(ctx context.Context, kind, key string) (store.Meta, error) {
	found, err := collect(ctx, s, scanMeta, "SELECT kind, key, version, data FROM meta WHERE kind = $1 AND key = $2", escape(kind), escape(key))
	if err != nil {
		return store.Meta{}, err
	}
	if len(found) == 0 {
		return store.Meta{}, fmt.Errorf("%s %q: %w", kind, key, store.ErrNotFound)
	}
	return found[0], nil
}

// ListMeta reads all records of a kind. They are ordered here, since the stored
// form of a text may sort differently.
func (s *Store) ListMeta(ctx context.Context, kind string) ([]store.Meta, error) {
	metas, err := collect(ctx, s, scanMeta, "SELECT kind, key, version, data FROM meta WHERE kind = $1", escape(kind))
	slices.SortFunc(metas, func(a, b store.Meta) int { return strings.Compare(a.Key, b.Key) })
	return metas, err
}

// PutMeta writes or deletes one record.
func (s *Store) PutMeta(ctx context.Context, m store.Meta) error {
	err := onConnection(ctx, s.others, func(conn *connection) error {
		s.counters.Statement(1)
		tag, err := putMeta(ctx, conn, m)
		if err == nil && tag.RowsAffected() != 1 {
			err = store.ErrConflict
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s %q, version %d: %w", m.Kind, m.Key, m.Version, err)
	}
	return nil
}

func putMeta(ctx context.Context, conn *connection, m store.Meta) (pgconn.CommandTag, error) {
	kind, key := escape(m.Kind), escape(m.Key)
	switch {
	case m.Data == nil:
		return conn.Exec(ctx, "DELETE FROM meta WHERE kind = $1 AND key = $2 AND version = $3", kind, key, m.Version-1)
	case m.Version == 1:
		return conn.Exec(ctx, "INSERT INTO meta (kind, key, version, data) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING", kind, key, m.Data)
	}
	return conn.Exec(ctx, "UPDATE meta SET version = $3, data = $4 WHERE kind = $1 AND key = $2 AND version = $3 - 1", kind, key, m.Version, m.Data)
}
