package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"perdure/server/clock"
	"perdure/server/metrics"
	"perdure/visibility"
	"perdure/visibility/query"
)

// Config is how a store is guarded. Logger and Metrics must be set.
type Config struct {
	Timeout time.Duration // of one query; 0: none
	Slow    time.Duration // a query that takes as long is told in the log; 0: none is
	Logger  *slog.Logger
	Metrics *metrics.Registry
	Clock   clock.Clock // nil: the machine's
}

// TimeoutError tells that a query had not ended when its time was over. It is
// no deadline of the caller's.
type TimeoutError struct{ After time.Duration }

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("the query did not end within %v: ask for less, or more precisely", e.After)
}

// Store is a guarded visibility.Store.
type Store struct {
	visibility.Store
	config     Config
	duration   metrics.Histogram
	explaining atomic.Bool // a plan is being asked for
	plans      sync.WaitGroup
}

var (
	_ visibility.Store     = (*Store)(nil)
	_ visibility.Explainer = (*Store)(nil)
)

// Guard guards the queries of a store; what is written passes as it is.
func Guard(s visibility.Store, c Config) *Store {
	if c.Clock == nil {
		c.Clock = clock.Wall()
	}
	return &Store{Store: s, config: c, duration: metrics.VisibilityQueryDuration.In(c.Metrics, metrics.Store{Store: s.Name()})}
}

// Close implements visibility.Store.
func (s *Store) Close() error {
	s.plans.Wait() // explainTimeout ends it
	return s.Store.Close()
}

// List implements visibility.Store. An error may be a TimeoutError.
func (s *Store) List(ctx context.Context, req visibility.ListRequest) (page []*visibility.Record, next []byte, err error) {
	a := asked{api: "list", explain: visibility.ExplainRequest{NamespaceID: req.NamespaceID, Query: req.Query}}
	err = s.ask(ctx, a, func(ctx context.Context) error {
		page, next, err = s.Store.List(ctx, req)
		return err
	})
	return page, next, err
}

// Count implements visibility.Store. An error may be a TimeoutError.
func (s *Store) Count(ctx context.Context, namespaceID string, q *query.Query) (result visibility.CountResult, err error) {
	a := asked{api: "count", explain: visibility.ExplainRequest{NamespaceID: namespaceID, Query: q, Counts: true}}
	err = s.ask(ctx, a, func(ctx context.Context) error {
		result, err = s.Store.Count(ctx, namespaceID, q)
		return err
	})
	return result, err
}

// ErrNoPlan tells that the store cannot explain itself.
var ErrNoPlan = errors.New("the store tells no plans")

// Explain implements visibility.Explainer; ErrNoPlan when the store does not.
func (s *Store) Explain(ctx context.Context, req visibility.ExplainRequest) (visibility.Plan, error) {
	explainer, can := s.Store.(visibility.Explainer)
	if !can {
		return visibility.Plan{}, ErrNoPlan
	}
	ctx, done := s.limited(ctx)
	defer done()
	return explainer.Explain(ctx, req)
}

// asked is a query under way.
type asked struct {
	api     string
	explain visibility.ExplainRequest
}

func (a *asked) shape() Shape { return ShapeOf(a.explain.Query, a.explain.Counts) }

func (s *Store) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.config.Timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.config.Timeout)
}

// ask runs a query within its time, counts it and tells when it was slow.
func (s *Store) ask(caller context.Context, a asked, run func(context.Context) error) error {
	ctx, done := s.limited(caller)
	defer done()
	start := s.config.Clock.Now()
	err := run(ctx)
	took := s.config.Clock.Now().Sub(start)
	outcome := outcomeOf(caller, ctx, err)
	s.duration.Observe(took.Seconds())
	metrics.VisibilityQueries.In(s.config.Metrics, metrics.VisibilityQuery{
		Store: s.Name(), API: a.api, Shape: string(a.shape()), Outcome: outcome,
	}).Inc()
	if s.config.Slow > 0 && took >= s.config.Slow {
		s.tellSlow(context.WithoutCancel(caller), a, took, outcome)
	}
	if outcome == "timeout" {
		return &TimeoutError{After: s.config.Timeout}
	}
	return err
}

// outcomeOf tells how a query ended. Drivers have errors of their own for a
// context that is over, so the contexts are asked.
func outcomeOf(caller, own context.Context, err error) string {
	var refused *query.Error
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, visibility.ErrPageToken), errors.As(err, &refused):
		return "invalid"
	case caller.Err() != nil:
		return "canceled"
	case own.Err() != nil:
		return "timeout"
	default:
		return "error"
	}
}

// explainTimeout bounds the look at the plan of a slow query.
const explainTimeout = 2 * time.Second

// tellSlow logs a slow query without its values; those are in the debug log
// only. One plan is asked for at a time: a store that is slow is not to get more to do.
func (s *Store) tellSlow(ctx context.Context, a asked, took time.Duration, outcome string) {
	text := a.explain.Query.String()
	fields := []any{
		"store", s.Name(), "api", a.api, "shape", string(a.shape()), "outcome", outcome, "took", took.String(),
		"namespace_id", a.explain.NamespaceID, "query", Redact(text),
	}
	s.config.Logger.DebugContext(ctx, "text of a slow search", "query", text)
	if _, can := s.Store.(visibility.Explainer); !can || !s.explaining.CompareAndSwap(false, true) {
		s.config.Logger.WarnContext(ctx, "slow search", fields...)
		return
	}
	s.plans.Go(func() {
		defer s.explaining.Store(false)
		ctx, done := context.WithTimeout(ctx, explainTimeout)
		defer done()
		plan, err := s.Explain(ctx, a.explain)
		s.config.Logger.WarnContext(ctx, "slow search", append(fields, planField(plan, err)...)...)
	})
}

func planField(plan visibility.Plan, err error) []any {
	if err != nil {
		return []any{"plan_error", err.Error()}
	}
	steps := make([]string, len(plan.Steps))
	for i, step := range plan.Steps {
		steps[i] = fmt.Sprintf("%s %s rows=%d", step.Kind, step.Index, step.Rows)
	}
	return []any{"plan", steps}
}
