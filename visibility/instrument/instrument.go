// Package instrument measures the searches of a visibility store. Writes are
// measured by the indexer.
package instrument

import (
	"context"
	"errors"
	"time"

	"perdure/server/metrics"
	"perdure/visibility"
	"perdure/visibility/query"
)

// Store returns s with its searches counted and timed in the registry.
func Store(s visibility.Store, registry *metrics.Registry) visibility.Store {
	return &measured{
		Store:    s,
		registry: registry,
		duration: metrics.VisibilityQueryDuration.In(registry, metrics.Store{Store: s.Name()}),
	}
}

type measured struct {
	visibility.Store
	registry *metrics.Registry
	duration metrics.Histogram
}

// List implements visibility.Store.
func (m *measured) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	start := time.Now()
	records, token, err := m.Store.List(ctx, req)
	m.observe("list", start, err)
	return records, token, err
}

// Count implements visibility.Store.
func (m *measured) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	start := time.Now()
	result, err := m.Store.Count(ctx, namespaceID, q)
	api := "count"
	if len(q.GroupBy) > 0 {
		api = "group"
	}
	m.observe(api, start, err)
	return result, err
}

func (m *measured) observe(api string, start time.Time, err error) {
	outcome := "ok"
	switch {
	case errors.Is(err, visibility.ErrPageToken):
		outcome = "invalid"
	case err != nil:
		outcome = "error"
	}
	m.duration.Since(start)
	metrics.VisibilityQueries.In(m.registry, metrics.VisibilityQuery{Store: m.Name(), API: api, Outcome: outcome}).Inc()
}
