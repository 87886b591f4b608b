package search

import (
	"context"
	"reflect"
	"sync"
	"time"

	"perdure/server/metrics"
	"perdure/visibility"
	"perdure/visibility/query"
)

// RouteConfig says which store answers whom.
type RouteConfig struct {
	Default visibility.Store
	// Of is the store of a namespace; nil: the default one. It may be nil.
	Of func(ctx context.Context, namespaceID string) visibility.Store
	// Shadow gets searches as well, to compare its answers; nil: none does.
	Shadow  visibility.Store
	Metrics *metrics.Registry
}

// Router sends searches to the store that answers them. What is written does not pass it.
type Router struct {
	visibility.Store
	config   RouteConfig
	shadows  chan struct{} // holds one for each comparison under way
	comparer sync.WaitGroup
}

var (
	_ visibility.Store     = (*Router)(nil)
	_ visibility.Explainer = (*Router)(nil)
)

const (
	// shadowsMax is how many searches are compared at once; others are skipped.
	shadowsMax = 4
	// shadowTimeout bounds one of them.
	shadowTimeout = 10 * time.Second
)

// Route makes a router. Its name is that of the default store.
func Route(c RouteConfig) *Router {
	return &Router{Store: c.Default, config: c, shadows: make(chan struct{}, shadowsMax)}
}

func (r *Router) of(ctx context.Context, namespaceID string) visibility.Store {
	if r.config.Of != nil {
		if s := r.config.Of(ctx, namespaceID); s != nil {
			return s
		}
	}
	return r.config.Default
}

// List implements visibility.Store.
func (r *Router) List(ctx context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	s := r.of(ctx, req.NamespaceID)
	page, next, err := s.List(ctx, req)
	if err == nil {
		r.compare(ctx, s, "list", func(ctx context.Context, shadow visibility.Store) (bool, error) {
			other, otherNext, err := shadow.List(ctx, req)
			return reflect.DeepEqual(runIDs(page), runIDs(other)) && (len(next) > 0) == (len(otherNext) > 0), err
		})
	}
	return page, next, err
}

// Count implements visibility.Store.
func (r *Router) Count(ctx context.Context, namespaceID string, q *query.Query) (visibility.CountResult, error) {
	s := r.of(ctx, namespaceID)
	result, err := s.Count(ctx, namespaceID, q)
	if err == nil {
		r.compare(ctx, s, "count", func(ctx context.Context, shadow visibility.Store) (bool, error) {
			other, err := shadow.Count(ctx, namespaceID, q)
			return other.Total == result.Total && len(other.Groups) == len(result.Groups), err
		})
	}
	return result, err
}

// Explain implements visibility.Explainer.
func (r *Router) Explain(ctx context.Context, req visibility.ExplainRequest) (visibility.Plan, error) {
	explainer, ok := r.of(ctx, req.NamespaceID).(visibility.Explainer)
	if !ok {
		return visibility.Plan{}, ErrNoPlan
	}
	return explainer.Explain(ctx, req)
}

func runIDs(records []*visibility.Record) []string {
	ids := make([]string, len(records))
	for i, rec := range records {
		ids[i] = rec.RunID
	}
	return ids
}

// compare asks the shadow store the same, behind the caller's back.
func (r *Router) compare(ctx context.Context, asked visibility.Store, api string, same func(context.Context, visibility.Store) (bool, error)) {
	shadow := r.config.Shadow
	if shadow == nil || shadow == asked {
		return
	}
	count := func(outcome string) {
		metrics.VisibilityShadow.In(r.config.Metrics, metrics.VisibilityCompared{Store: shadow.Name(), API: api, Outcome: outcome}).Inc()
	}
	select {
	case r.shadows <- struct{}{}:
	default:
		count("skipped")
		return
	}
	r.comparer.Go(func() {
		defer func() { <-r.shadows }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shadowTimeout)
		defer cancel()
		switch equal, err := same(ctx, shadow); {
		case err != nil:
			count("error")
		case equal:
			count("same")
		default:
			count("different")
		}
	})
}

// Close waits for comparisons under way. The stores are others'.
func (r *Router) Close() error {
	r.comparer.Wait()
	return nil
}
