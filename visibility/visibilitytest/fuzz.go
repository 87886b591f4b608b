package visibilitytest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/visibility"
	"perdure/visibility/query"
)

// hostileQueries try to reach the language behind a compiler, or where compilers differ most.
var hostileQueries = []string{
	"env LIKE '%''; DROP TABLE visibility_executions; --%'", "`env'` = 'x'", "env ILIKE '_\\%\"' ORDER BY DueAt DESC, `my-kw`", "MATCH(*, '\"a b\" -c OR d')",
	"SELECT COUNT(*), P95(CustomDoubleField) GROUP BY BUCKET(DueAt, '1h'), env HAVING COUNT(*) > 1 ORDER BY COUNT(*) LIMIT 3", "env = BatcherUser", "Tags HAS_ALL ('a', 'b')",
	"EXISTS(PendingActivity WHERE Type = 'it''s' AND Attempt > 1.5 OR LastFailure LIKE '%\"') AND NOT EXISTS(PendingTimer WHERE FireTime < NOW())",
	"env = '$1' OR env = '{\"a\": \"\\\\u0000\"}' OR Tags = '$$; SELECT 1'",
}

// FuzzCompile runs whatever passes the check on a store of a database: it must be a statement that the database takes, must keep
// what the evaluator keeps, and must leave the records as they are. Of the recorded queries each step-th is a seed.
func FuzzCompile(f *testing.F, s visibility.Store, step int) {
	for i, text := range CorpusQueries() {
		if i%step == 0 {
			f.Add(text)
		}
	}
	for _, text := range hostileQueries {
		f.Add(text)
	}
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	var records []*visibility.Record
	for _, rec := range CorpusRecords("ns") {
		records = append(records, rec)
	}
	require.NoError(f, s.Write(f.Context(), records))
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil || query.CheckWith(q, CorpusOptions()) != nil {
			return
		}
		requireAnswer(t, s, q, records)
		total, err := s.Count(t.Context(), "ns", Checked(t, "TemporalNamespaceDivision IS NULL OR TemporalNamespaceDivision IS NOT NULL"))
		require.NoError(t, err)
		require.EqualValues(t, len(records), total.Total)
	})
}

func requireAnswer(t *testing.T, s visibility.Store, q *query.Query, records []*visibility.Record) {
	var refused *query.Error
	if q.IsGrouped() || len(q.OrderBy) == 0 {
		_, err := s.Count(t.Context(), "ns", q)
		require.True(t, err == nil || errors.As(err, &refused), "%s: %v", q, err)
	}
	if q.IsGrouped() {
		return
	}
	page, _, err := s.List(t.Context(), visibility.ListRequest{NamespaceID: "ns", Query: q})
	require.NoError(t, err, q)
	require.Len(t, page, Kept(records, q), q.String())
}
