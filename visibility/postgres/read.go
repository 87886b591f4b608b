package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"perdure/visibility"
	"perdure/visibility/eval"
	"perdure/visibility/query"
	"perdure/visibility/sqlform"
)

// List implements visibility.Store.
func (s *Store) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	defer s.note(ctx, req.Query, time.Now())
	number, known, err := s.numberOf(ctx, req.NamespaceID)
	if err != nil {
		return nil, nil, err
	}
	text, args, err := sqlform.List(s.dialect(ctx), number, req)
	if err != nil || !known {
		return nil, nil, err
	}
	if err := s.guard(ctx, number, req.Query); err != nil {
		return nil, nil, err
	}
	var found []*visibility.Record
	err = s.records(ctx, req.NamespaceID, text, args, func(rec *visibility.Record) { found = append(found, rec) })
	if err != nil {
		return nil, nil, fmt.Errorf("list visibility: %w", err)
	}
	page, token := sqlform.Page(req, found)
	return page, token, nil
}

// records gives the records that a statement finds to take.
func (s *Store) records(ctx context.Context, namespaceID, text string, args []any, take func(*visibility.Record)) error {
	return s.rows(ctx, text, args, func(row pgx.Rows) error {
		var version int64
		var data []byte
		if err := row.Scan(&version, &data); err != nil {
			return err
		}
		rec, err := visibility.Decode(namespaceID, version, data)
		if err == nil {
			take(rec)
		}
		return err
	})
}

func (s *Store) rows(ctx context.Context, text string, args []any, each func(pgx.Rows) error) error {
	rows, err := s.pool.Query(ctx, text, append([]any{freshPlan}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Count implements visibility.Store.
func (s *Store) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	defer s.note(ctx, q, time.Now())
	number, _, err := s.numberOf(ctx, namespaceID)
	if err != nil {
		return visibility.CountResult{}, err
	}
	counting, ok := sqlform.Count(s.dialect(ctx), number, q)
	if !ok {
		return s.countRows(ctx, namespaceID, number, q)
	}
	var groups []eval.Group
	var total int64
	err = s.rows(ctx, counting.Text, counting.Args, func(row pgx.Rows) error {
		values, err := row.Values()
		if err != nil {
			return err
		}
		group, all, err := counting.Group(values)
		groups, total = append(groups, group), all
		return err
	})
	if err != nil {
		return visibility.CountResult{}, fmt.Errorf("count visibility: %w", err)
	}
	return counting.Result(groups, total)
}

// countRows counts what PostgreSQL has no function for.
func (s *Store) countRows(ctx context.Context, namespaceID string, number int64, q *query.Query) (visibility.CountResult, error) {
	counter := sqlform.NewRowCounter(q)
	text, args := sqlform.Rows(s.dialect(ctx), number, q.Where)
	if err := s.records(ctx, namespaceID, text, args, counter.Add); err != nil {
		return visibility.CountResult{}, fmt.Errorf("count visibility: %w", err)
	}
	return counter.Result()
}

// bounded gives a query its time.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.queryTimeout > 0 {
		return context.WithTimeout(ctx, s.queryTimeout)
	}
	return ctx, func() {}
}
