package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/query"
	"perdure/visibility/sqlform"
)

var _ visibility.IndexKeeper = (*Store)(nil)

// own returns how to build an index.
func own(index visibility.AttributeIndex) (sqlform.OwnIndex, error) {
	return sqlform.Own(index, func(key string, t enumspb.IndexedValueType) string {
		return dialect(nil).Extract("attributes", sqlform.Literal(key), t)
	})
}

// CreateIndex implements visibility.IndexKeeper. Writers go on meanwhile.
func (s *Store) CreateIndex(ctx context.Context, index visibility.AttributeIndex) error {
	o, err := own(index)
	if err != nil {
		return err
	}
	method := "(namespace, " + o.Value + o.Behind + ")"
	if index.Use == visibility.IndexInfix {
		if err := s.ensureTrigrams(ctx); err != nil {
			return err
		}
		method = "USING gin (" + o.Value + " gin_trgm_ops)"
	}
	// What an earlier attempt left is not valid, and no use.
	var valid *bool
	err = s.database.pool.QueryRow(ctx, "SELECT (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1))", o.Name).Scan(&valid)
	if err == nil && valid != nil && !*valid {
		_, err = s.database.pool.Exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+o.Name)
	}
	if err == nil {
		_, err = s.database.pool.Exec(ctx, "CREATE INDEX CONCURRENTLY IF NOT EXISTS "+o.Name+" ON "+sqlform.Table+" "+method+
			" WHERE NOT deleted AND "+o.Value+" IS NOT NULL")
	}
	if err == nil && o.Key != "" {
		// Without statistics of the expression the planner guesses. It does not use those of an index of some rows.
		_, err = s.database.pool.Exec(ctx, "CREATE STATISTICS IF NOT EXISTS "+o.Name+"_values ON ("+o.Value+") FROM "+sqlform.Table)
	}
	if err == nil {
		_, err = s.database.pool.Exec(ctx, "ANALYZE "+sqlform.Table)
	}
	if err == nil {
		_, err = s.database.pool.Exec(ctx, "INSERT INTO "+sqlform.IndexesTable+" (name, attribute, type, use) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			o.Name, index.Attribute, int64(index.Type), string(index.Use))
	}
	if err != nil {
		return fmt.Errorf("create index of %s: %w", index.Attribute, err)
	}
	s.database.forgetIndexes()
	return nil
}

// ensureTrigrams needs an extension that comes with PostgreSQL but may not be installed.
func (s *Store) ensureTrigrams(ctx context.Context) error {
	_, err := s.database.pool.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS pg_trgm")
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return &query.Error{Message: "an index for parts of keywords needs the extension pg_trgm, which this database does not let us create: " + refused.Message}
	}
	return err
}

// DropIndex implements visibility.IndexKeeper.
func (s *Store) DropIndex(ctx context.Context, index visibility.AttributeIndex) error {
	o, err := own(index)
	if err == nil {
		_, err = s.database.pool.Exec(ctx, "DELETE FROM "+sqlform.IndexesTable+" WHERE name = $1", o.Name)
	}
	if err == nil {
		s.database.forgetIndexes()
		_, err = s.database.pool.Exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+o.Name)
	}
	if err == nil {
		_, err = s.database.pool.Exec(ctx, "DROP STATISTICS IF EXISTS "+o.Name+"_values")
	}
	if err != nil {
		return fmt.Errorf("drop index of %s: %w", index.Attribute, err)
	}
	return nil
}

// Indexes implements visibility.IndexKeeper.
func (s *Store) Indexes(ctx context.Context) ([]visibility.BuiltIndex, error) {
	rows, err := s.database.pool.Query(ctx, "SELECT i.attribute, i.type, i.use, pg_relation_size(c.oid), pg_stat_get_numscans(c.oid) FROM "+sqlform.IndexesTable+
		" i JOIN pg_class c ON c.oid = to_regclass(i.name) ORDER BY i.attribute, i.type, i.use")
	if err != nil {
		return nil, fmt.Errorf("list indexes: %w", err)
	}
	built, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b visibility.BuiltIndex, err error) {
		return b, row.Scan(&b.Attribute, &b.Type, &b.Use, &b.Bytes, &b.Scans)
	})
	if err != nil {
		return nil, fmt.Errorf("list indexes: %w", err)
	}
	return built, nil
}

// indexesEvery is how long another process's new index is not used, at most.
const indexesEvery = 10 * time.Second

// Dialect implements sqlform.Database: the compiler's part with the attributes that have an index for their values.
func (d *database) Dialect(ctx context.Context) sqlform.Dialect {
	d.indexes.mu.Lock()
	defer d.indexes.mu.Unlock()
	if d.indexes.known != nil && time.Since(d.indexes.read) < indexesEvery {
		return d.indexes.known
	}
	known, err := d.readIndexes(ctx)
	if err != nil {
		return d.indexes.known // as it was; the query itself will tell of a database that is gone
	}
	d.indexes.known, d.indexes.read = known, time.Now()
	return maps.Clone(known)
}

func (d *database) readIndexes(ctx context.Context) (dialect, error) {
	rows, err := d.pool.Query(ctx, "SELECT attribute, type FROM "+sqlform.IndexesTable+" WHERE use <> $1", string(visibility.IndexInfix))
	if err != nil {
		return nil, err
	}
	known := dialect{}
	var name string
	var t enumspb.IndexedValueType
	_, err = pgx.ForEachRow(rows, []any{&name, &t}, func() error {
		known[sqlform.Key(name, t)] = true
		return nil
	})
	return known, err
}

func (d *database) forgetIndexes() {
	d.indexes.mu.Lock()
	defer d.indexes.mu.Unlock()
	d.indexes.known = nil
}
