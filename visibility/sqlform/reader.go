package sqlform

import (
	"context"
	"fmt"
	"time"

	"perdure/visibility"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// Scanner is a row of an answer.
type Scanner interface{ Scan(targets ...any) error }

// Database is what a Reader needs of a database.
type Database interface {
	// Dialect is the database's part of the compiler.
	Dialect(ctx context.Context) Dialect
	// Rows gives each row that a statement finds.
	Rows(ctx context.Context, text string, args []any, each func(Scanner) error) error
	// Exec runs a statement that changes something.
	Exec(ctx context.Context, text string, args ...any) error
	// Guard refuses a list that costs too much.
	Guard(ctx context.Context, number int64, q *query.Query) error
	// IsFew estimates whether few runs are in a range, as FewAt says.
	IsFew(ctx context.Context, number int64, q *query.Query) (bool, error)
}

// Reader is the half of a store that reads, and what both halves know.
type Reader struct {
	Database Database
	Timeout  time.Duration // of a search; 0: that of its context alone

	numbers namespaces
	wishes  wishes
}

var _ visibility.Inventory = (*Reader)(nil)

// List implements visibility.Store.
func (r *Reader) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	defer r.note(ctx, req.Query, time.Now())
	number, known, err := r.NumberOf(ctx, req.NamespaceID)
	if err != nil {
		return nil, nil, err
	}
	few, err := r.Database.IsFew(ctx, number, req.Query)
	if err != nil {
		return nil, nil, err
	}
	text, args, err := List(r.Database.Dialect(ctx), number, req, few)
	if err != nil || !known {
		return nil, nil, err
	}
	if err := r.Database.Guard(ctx, number, req.Query); err != nil {
		return nil, nil, err
	}
	var found []*visibility.Record
	err = r.records(ctx, req.NamespaceID, text, args, func(rec *visibility.Record) { found = append(found, rec) })
	if err != nil {
		return nil, nil, fmt.Errorf("list visibility: %w", err)
	}
	page, token := Page(req, found)
	return page, token, nil
}

// records gives the records that a statement finds to take.
func (r *Reader) records(ctx context.Context, namespaceID, text string, args []any, take func(*visibility.Record)) error {
	return r.Database.Rows(ctx, text, args, func(row Scanner) error {
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

// Count implements visibility.Store.
func (r *Reader) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	defer r.note(ctx, q, time.Now())
	number, _, err := r.NumberOf(ctx, namespaceID)
	if err != nil {
		return visibility.CountResult{}, err
	}
	counting, ok := Count(r.Database.Dialect(ctx), number, q)
	if !ok {
		return r.countRows(ctx, namespaceID, number, q)
	}
	var groups []eval.Group
	var total int64
	err = r.Database.Rows(ctx, counting.Text, counting.Args, func(row Scanner) error {
		group, all, err := scanGroup(row, counting)
		groups, total = append(groups, group), all
		return err
	})
	if err != nil {
		return visibility.CountResult{}, fmt.Errorf("count visibility: %w", err)
	}
	return counting.Result(groups, total)
}

func scanGroup(row Scanner, counting *Counting) (eval.Group, int64, error) {
	values, targets := make([]any, counting.Columns), make([]any, counting.Columns)
	for i := range values {
		targets[i] = &values[i]
	}
	if err := row.Scan(targets...); err != nil {
		return eval.Group{}, 0, err
	}
	return counting.Group(values)
}

// countRows counts what the database has no function for.
func (r *Reader) countRows(ctx context.Context, namespaceID string, number int64, q *query.Query) (visibility.CountResult, error) {
	counter := NewRowCounter(q)
	text, args := Rows(r.Database.Dialect(ctx), number, q.Where)
	if err := r.records(ctx, namespaceID, text, args, counter.Add); err != nil {
		return visibility.CountResult{}, fmt.Errorf("count visibility: %w", err)
	}
	return counter.Result()
}

// bounded gives a search its time.
func (r *Reader) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.Timeout > 0 {
		return context.WithTimeout(ctx, r.Timeout)
	}
	return ctx, func() {}
}

// note counts a query for the advice, and now and then stores what was counted.
func (r *Reader) note(ctx context.Context, q *query.Query, begun time.Time) {
	now := time.Now()
	if r.wishes.note(q, now.Sub(begun), now) {
		r.StoreWishes(context.WithoutCancel(ctx))
	}
}

// StoreWishes stores what was counted for the advice. What fails to be stored is lost: it is no more than advice.
func (r *Reader) StoreWishes(ctx context.Context) {
	for _, wish := range r.wishes.take(time.Now()) {
		_ = r.Database.Exec(ctx, addWish, wish.values()...)
	}
}

// AdviseIndexes implements a part of visibility.IndexKeeper.
func (r *Reader) AdviseIndexes(ctx context.Context) ([]visibility.IndexAdvice, error) {
	r.StoreWishes(ctx)
	var advice []visibility.IndexAdvice
	err := r.Database.Rows(ctx, listWishes, nil, func(row Scanner) error {
		var a visibility.IndexAdvice
		var nanoseconds int64
		err := row.Scan(&a.Attribute, &a.Type, &a.Use, &a.Queries, &nanoseconds)
		a.Seconds = time.Duration(nanoseconds).Seconds()
		advice = append(advice, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("advise indexes: %w", err)
	}
	return advice, nil
}
