package postgres_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/visibility"
	"perdure/visibility/postgres"
	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

// FuzzCompile runs whatever passes the check on a real server: it must be SQL that the database takes, must keep what the
// evaluator keeps, and must leave the table as it is.
func FuzzCompile(f *testing.F) {
	for i, text := range visibilitytest.CorpusQueries() {
		if i%10 == 0 {
			f.Add(text)
		}
	}
	for _, text := range []string{
		"env LIKE '%''; DROP TABLE visibility_executions; --%'", "`env'` = 'x'", "env ILIKE '_\\%\"' ORDER BY DueAt DESC, `my-kw`", "MATCH(*, '\"a b\" -c OR d')",
		"SELECT COUNT(*), P95(CustomDoubleField) GROUP BY BUCKET(DueAt, '1h'), env HAVING COUNT(*) > 1 ORDER BY COUNT(*) LIMIT 3", "env = BatcherUser", "Tags HAS_ALL ('a', 'b')",
		"EXISTS(PendingActivity WHERE Type = 'it''s' AND Attempt > 1.5 OR LastFailure LIKE '%\"') AND NOT EXISTS(PendingTimer WHERE FireTime < NOW())",
		"env = '$1' OR env = '{\"a\": \"\\\\u0000\"}' OR Tags = '$$; SELECT 1'",
	} {
		f.Add(text)
	}
	s, err := postgres.Open(f.Context(), pgtest.Database(f), postgres.Options{Connections: 2})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	var records []*visibility.Record
	for _, rec := range visibilitytest.CorpusRecords("ns") {
		records = append(records, rec)
	}
	require.NoError(f, s.Write(f.Context(), records))
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil || query.CheckWith(q, visibilitytest.CorpusOptions()) != nil {
			return
		}
		var refused *query.Error
		if q.IsGrouped() || len(q.OrderBy) == 0 {
			_, err := s.Count(t.Context(), "ns", q)
			require.True(t, err == nil || errors.As(err, &refused), "%s: %v", q, err)
		}
		if !q.IsGrouped() {
			page, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: q})
			require.NoError(t, err, q)
			require.Len(t, page, visibilitytest.Kept(records, q), q.String())
		}
		total, err := s.Count(t.Context(), "ns", visibilitytest.Checked(t, "TemporalNamespaceDivision IS NULL OR TemporalNamespaceDivision IS NOT NULL"))
		require.NoError(t, err)
		require.EqualValues(t, len(records), total.Total)
	})
}
