package instrument_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/metrics"
	"perdure/visibility"
	"perdure/visibility/instrument"
	"perdure/visibility/memory"
	"perdure/visibility/visibilitytest"
)

func TestStore(t *testing.T) {
	visibilitytest.Run(t, func(*testing.T) visibility.Store { return instrument.Store(memory.New(), nil) })
}

func TestMetrics(t *testing.T) {
	registry := metrics.NewRegistry()
	s := instrument.Store(memory.New(), registry)
	all := visibility.ListRequest{NamespaceID: "ns", Query: visibilitytest.Checked(t, "")}
	_, _, err := s.List(t.Context(), all)
	require.NoError(t, err)
	_, err = s.Count(t.Context(), "ns", all.Query)
	require.NoError(t, err)
	_, err = s.Count(t.Context(), "ns", visibilitytest.Checked(t, "GROUP BY ExecutionStatus"))
	require.NoError(t, err)

	bad := all
	bad.PageToken = []byte{0}
	_, _, err = s.List(t.Context(), bad)
	require.ErrorIs(t, err, visibility.ErrPageToken)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Count(canceled, "ns", all.Query)
	require.ErrorIs(t, err, context.Canceled)

	for _, labels := range [][]string{{"list", "ok"}, {"count", "ok"}, {"group", "ok"}, {"list", "invalid"}, {"count", "error"}} {
		require.EqualValues(t, 1, registry.Value("perdure_visibility_query_total", append(labels, "memory")...), labels)
	}
	require.EqualValues(t, 5, registry.Value("perdure_visibility_query_duration_seconds", "memory"))
}
