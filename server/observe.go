package server

import (
	"context"
	"errors"
	"time"

	"perdure/server/metrics"
	"perdure/server/store"
	"perdure/visibility"
	"perdure/visibility/query"
)

// statementCounter is a store that counts what it sends to its database.
type statementCounter interface{ Stats() store.Stats }

// instrument wraps a store so that every call is counted and timed under the store's name.
func instrument(s store.Store, name string, reg *metrics.Registry) store.Store {
	if counter, ok := s.(statementCounter); ok {
		countStatements(counter, name, reg)
	}
	weighed := &weighedStore{s, metrics.CommitBytes.In(reg, metrics.None{})}
	return store.Instrument(weighed, func(method string, seconds float64, err error) {
		call := metrics.StoreCall{Store: name, Op: method}
		metrics.StoreRequests.In(reg, call).Inc()
		metrics.StoreDuration.In(reg, call).Observe(seconds)
		if err != nil {
			metrics.StoreErrors.In(reg, metrics.StoreError{Store: name, Op: method, Reason: reasonOf(err)}).Inc()
		}
	})
}

// weighedStore tells how large groups are.
type weighedStore struct {
	store.Store
	bytes metrics.Histogram
}

func (w *weighedStore) Commit(ctx context.Context, group store.Group) error {
	_, bytes := group.Size()
	w.bytes.Observe(float64(bytes))
	return w.Store.Commit(ctx, group)
}

// countStatements moves the store's own count into the counter at each scrape.
func countStatements(counter statementCounter, name string, reg *metrics.Registry) {
	statements := metrics.StoreStatements.In(reg, metrics.Store{Store: name})
	var reported int64
	reg.OnScrape(func() {
		now := counter.Stats().Statements
		statements.Add(float64(now - reported))
		reported = now
	})
}

// observedVisibility counts and times searches; the indexer counts what is written.
type observedVisibility struct {
	visibility.Store
	reg      *metrics.Registry
	duration metrics.Histogram
}

func observeVisibility(s visibility.Store, reg *metrics.Registry) visibility.Store {
	return &observedVisibility{s, reg, metrics.VisibilityQueryDuration.In(reg, metrics.Store{Store: s.Name()})}
}

func (v *observedVisibility) List(ctx context.Context, req visibility.ListRequest) (page []*visibility.Record, next []byte, err error) {
	defer func(start time.Time) { v.done("list", start, err) }(time.Now())
	return v.Store.List(ctx, req)
}

func (v *observedVisibility) Count(ctx context.Context, namespaceID string, q *query.Query) (result visibility.CountResult, err error) {
	defer func(start time.Time) { v.done("count", start, err) }(time.Now())
	return v.Store.Count(ctx, namespaceID, q)
}

func (v *observedVisibility) done(api string, start time.Time, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	v.duration.Since(start)
	metrics.VisibilityQueries.In(v.reg, metrics.VisibilityQuery{Store: v.Name(), API: api, Outcome: outcome}).Inc()
}

func reasonOf(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{store.ErrNotFound, "not_found"}, {store.ErrLeaseLost, "lease_lost"},
		{store.ErrConflict, "conflict"}, {store.ErrUnknownOutcome, "unknown_outcome"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "other"
}
