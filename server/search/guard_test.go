package search_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
	"perdure/server/search"
	"perdure/visibility"
	"perdure/visibility/query"
)

// slowStore answers after a while, or when its context is over.
type slowStore struct {
	visibility.Store
	takes time.Duration
	err   error
}

func (s *slowStore) Name() string { return "slow" }
func (s *slowStore) Close() error { return nil }

func (s *slowStore) List(ctx context.Context, _ visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	return nil, nil, s.wait(ctx)
}

func (s *slowStore) Count(ctx context.Context, _ string, _ *query.Query) (visibility.CountResult, error) {
	return visibility.CountResult{Total: 7}, s.wait(ctx)
}

func (s *slowStore) wait(ctx context.Context) error {
	select {
	case <-time.After(s.takes):
		return s.err
	case <-ctx.Done():
		return errors.New("the driver's own words")
	}
}

// explaining is a store that tells its plan.
type explaining struct{ slowStore }

func (*explaining) Explain(context.Context, visibility.ExplainRequest) (visibility.Plan, error) {
	return visibility.Plan{Statement: "SELECT", Steps: []visibility.Step{{Kind: "Index Scan", Index: "by_type", Rows: 12}}}, nil
}

type bundle struct {
	store   *search.Store
	metrics *metrics.Registry
	log     *bytes.Buffer
}

func guard(behind visibility.Store) *bundle {
	b := &bundle{metrics: metrics.NewRegistry(), log: &bytes.Buffer{}}
	b.store = search.Guard(behind, search.Config{
		Timeout: 10 * time.Second, Slow: time.Second, Logger: slog.New(slog.NewTextHandler(b.log, nil)), Metrics: b.metrics,
	})
	return b
}

func (b *bundle) outcomes(api, outcome, shape string) float64 {
	return b.metrics.Value("perdure_visibility_query_total", api, outcome, shape, "slow")
}

func TestQueryHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := guard(&slowStore{takes: 10*time.Second - time.Millisecond})
		counted, err := b.store.Count(t.Context(), "ns", checked(t, ""))
		require.NoError(t, err)
		require.EqualValues(t, 7, counted.Total)
		require.Equal(t, 1.0, b.outcomes("count", "ok", "aggregate"))

		b = guard(&slowStore{takes: 10*time.Second + time.Millisecond})
		start := time.Now()
		_, err = b.store.Count(t.Context(), "ns", checked(t, ""))
		var late *search.TimeoutError
		require.ErrorAs(t, err, &late)
		require.Equal(t, 10*time.Second, time.Since(start))
		require.Equal(t, 1.0, b.outcomes("count", "timeout", "aggregate"))
	})
}

func TestCallersEndIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := guard(&slowStore{takes: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, _, err := b.store.List(ctx, visibility.ListRequest{NamespaceID: "ns", Query: checked(t, "")})
		require.EqualError(t, err, "the driver's own words")
		require.Equal(t, 1.0, b.outcomes("list", "canceled", "list"))
	})
}

func TestSlowQueryIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := checked(t, "WorkflowType = 'secret'")
		b := guard(&slowStore{takes: time.Second - time.Millisecond})
		_, err := b.store.Count(t.Context(), "ns", q)
		require.NoError(t, err)
		require.Empty(t, b.log.String())

		b = guard(&slowStore{takes: time.Second})
		_, err = b.store.Count(t.Context(), "ns", q)
		require.NoError(t, err)
		require.Contains(t, b.log.String(), `query="WorkflowType = ? AND TemporalNamespaceDivision IS NULL"`)
		require.NotContains(t, b.log.String(), "secret")
		require.NotContains(t, b.log.String(), "plan")

		b = guard(&explaining{slowStore{takes: time.Second}})
		_, err = b.store.Count(t.Context(), "ns", q)
		require.NoError(t, err)
		require.NoError(t, b.store.Close(), "waits for the plan")
		require.Contains(t, b.log.String(), "Index Scan by_type rows=12")
		require.NotContains(t, b.log.String(), "secret")
	})
}

func TestOutcomes(t *testing.T) {
	for outcome, err := range map[string]error{
		"error": errors.New("broken"), "invalid": visibility.ErrPageToken,
	} {
		b := guard(&slowStore{err: err})
		_, _, got := b.store.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: checked(t, "RunId = 'x'")})
		require.ErrorIs(t, got, err)
		require.Equal(t, 1.0, b.outcomes("list", outcome, "point"))
	}
}

func TestExplain(t *testing.T) {
	req := visibility.ExplainRequest{NamespaceID: "ns", Query: checked(t, "")}
	_, err := guard(&slowStore{}).store.Explain(t.Context(), req)
	require.ErrorIs(t, err, search.ErrNoPlan)
	plan, err := guard(&explaining{}).store.Explain(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "by_type", plan.Steps[0].Index)
}
