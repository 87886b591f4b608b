package search_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
	"perdure/server/search"
	"perdure/server/store/memory"
	"perdure/visibility"
	visibilitymemory "perdure/visibility/memory"
	"perdure/visibility/query"
)

func letter(runID string, second int64) visibility.DeadLetter {
	return visibility.DeadLetter{Store: "s", NamespaceID: "n", WorkflowID: "w", RunID: runID, Error: "no number", FirstAt: time.Unix(second, 0).UTC(), Attempts: 1}
}

// Dead letters outlive the process, count how often a run was refused, and are forgotten only as they were read.
func TestDeadLetters(t *testing.T) {
	records, err := memory.Open(1)
	require.NoError(t, err)
	d := search.NewDeadLetters(records, "s", 10)
	require.NoError(t, d.Add(t.Context(), letter("b", 2)))
	require.NoError(t, d.Add(t.Context(), letter("a", 1)))
	require.NoError(t, d.Add(t.Context(), letter("b", 3)))
	d = search.NewDeadLetters(records, "s", 10)
	list, err := d.List(t.Context())
	require.NoError(t, err)
	again := letter("b", 2)
	again.Attempts = 2
	require.Equal(t, []visibility.DeadLetter{letter("a", 1), again}, list)
	other, err := search.NewDeadLetters(records, "other", 10).List(t.Context())
	require.NoError(t, err)
	require.Empty(t, other)

	require.NoError(t, d.Add(t.Context(), letter("a", 9)), "refused again since it was read")
	for _, l := range list {
		require.NoError(t, d.Remove(t.Context(), l))
	}
	list, err = d.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, 2, list[0].Attempts)
	require.NoError(t, d.Remove(t.Context(), list[0]))
	require.NoError(t, d.Remove(t.Context(), list[0]), "twice does nothing")
}

func TestDeadLettersAreBounded(t *testing.T) {
	records, err := memory.Open(1)
	require.NoError(t, err)
	for range 2 { // a new process counts what is there
		d := search.NewDeadLetters(records, "s", 3)
		for i := range 5 {
			require.NoError(t, d.Add(t.Context(), letter(fmt.Sprint(i), int64(i))))
		}
		list, err := d.List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 3)
	}
}

func listAll(t *testing.T, s visibility.Store, namespaceID string) []*visibility.Record {
	t.Helper()
	q := &query.Query{}
	require.NoError(t, query.CheckList(q, nil))
	page, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: namespaceID, Query: q})
	require.NoError(t, err)
	return page
}

func filled(t *testing.T, runIDs ...string) *visibilitymemory.Store {
	t.Helper()
	s := visibilitymemory.New()
	for _, id := range runIDs {
		for _, ns := range []string{"n", "other"} {
			require.NoError(t, s.Write(t.Context(), []*visibility.Record{{NamespaceID: ns, WorkflowID: "w", RunID: id, Version: 1}}))
		}
	}
	return s
}

// A namespace may have a store of its own to read; the shadow's answers are compared and change nothing.
func TestRoute(t *testing.T) {
	usual, own, shadow := filled(t, "a"), filled(t, "b"), filled(t, "a")
	reg := metrics.NewRegistry()
	r := search.Route(search.RouteConfig{
		Default: usual, Shadow: shadow, Metrics: reg,
		Of: func(_ context.Context, id string) visibility.Store {
			if id == "other" {
				return own
			}
			return nil
		},
	})
	compared := func(outcome string) float64 {
		return reg.Value("perdure_visibility_shadow_total", "list", outcome, "memory")
	}
	require.Equal(t, "a", listAll(t, r, "n")[0].RunID)
	require.NoError(t, r.Close())
	require.EqualValues(t, 1, compared("same"))
	require.Equal(t, "b", listAll(t, r, "other")[0].RunID)
	require.NoError(t, r.Close())
	require.EqualValues(t, 1, compared("different"))
	q := &query.Query{}
	require.NoError(t, query.Check(q, nil))
	counted, err := r.Count(t.Context(), "n", q)
	require.NoError(t, err)
	require.EqualValues(t, 1, counted.Total)
	require.NoError(t, r.Close())
	require.EqualValues(t, 1, reg.Value("perdure_visibility_shadow_total", "count", "same", "memory"))
}

// A store that cannot be reached at the start is blocked, and serves from the first call that reaches it.
func TestLateStore(t *testing.T) {
	down := true
	s, err := search.OpenLate(t.Context(), "late", func(context.Context) (visibility.Store, error) {
		if down {
			return nil, errors.New("refused")
		}
		return filled(t, "a"), nil
	})
	require.ErrorContains(t, err, "out of reach")
	records := []*visibility.Record{{NamespaceID: "n", RunID: "r", Version: 1}, {NamespaceID: "n", RunID: "s", Version: 1}}
	var items *visibility.WriteError
	require.ErrorAs(t, s.Write(t.Context(), records), &items)
	require.Len(t, items.Items, 2)
	require.Equal(t, visibility.Blocked, items.Items[1].Class)
	_, err = s.Count(t.Context(), "n", &query.Query{})
	require.Error(t, err)
	require.NoError(t, s.Close())
	down = false
	require.NoError(t, s.Write(t.Context(), records))
	require.Len(t, listAll(t, s, "n"), 3)
	names, err := s.Namespaces(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"n", "other"}, names)
}
