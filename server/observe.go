package server

import (
	"context"
	"errors"

	"perdure/server/metrics"
	"perdure/server/store"
)

// statementCounter is a store that counts what it sends to its database.
type statementCounter interface{ Stats() store.Stats }

// instrument wraps a store so that every call is counted and timed under the store's name.
func instrument(s store.Store, name string, reg *metrics.Registry) store.Store {
	if counter, ok := s.(statementCounter); ok {
		countStatements(counter, name, reg)
	}
	observePools(s, reg)
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

// countStatements moves the store's own counts into counters at each scrape.
func countStatements(counter statementCounter, name string, reg *metrics.Registry) {
	labels := metrics.Store{Store: name}
	statements := growing{counter: metrics.StoreStatements.In(reg, labels)}
	rows := growing{counter: metrics.StoreRows.In(reg, labels)}
	bytes := growing{counter: metrics.StoreBytes.In(reg, labels)}
	reg.OnScrape(func() {
		now := counter.Stats()
		statements.set(float64(now.Statements))
		rows.set(float64(now.Rows))
		bytes.set(float64(now.Bytes))
	})
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
