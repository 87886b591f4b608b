package search_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"perdure/server/search"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

func checked(t *testing.T, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	require.NoError(t, err)
	require.NoError(t, query.Check(q, attr.Types{}))
	return q
}

func TestShapes(t *testing.T) {
	for text, want := range map[string]search.Shape{
		"":                                          search.List,
		"WorkflowType = 'a'":                        search.List,
		"WorkflowId = 'a'":                          search.Point,
		"CloseTime IS NULL AND RunId = 'a'":         search.Point,
		"WorkflowId = 'a' OR RunId = 'b'":           search.List,
		"NOT WorkflowId = 'a'":                      search.List,
		"WorkflowId != 'a'":                         search.List,
		"WorkflowId STARTS_WITH 'a'":                search.List,
		"WorkflowType = 'WorkflowId = \"b\"'":       search.List,
		"WorkflowType LIKE 'a%'":                    search.List,
		"WorkflowType LIKE '%a'":                    search.Infix,
		"WorkflowType ILIKE 'a%'":                   search.Infix,
		"WorkflowType CONTAINS 'a'":                 search.Infix,
		"NOT (WorkflowType ENDS_WITH 'a')":          search.Infix,
		"RunId = 'a' AND WorkflowType CONTAINS 'a'": search.Point,
		"EXISTS(PendingActivity WHERE Attempt > 5)": search.Infix,
	} {
		require.Equal(t, want, search.ShapeOf(checked(t, text), false), text)
	}
	require.Equal(t, search.Aggregate, search.ShapeOf(checked(t, ""), true))
	require.Equal(t, search.Aggregate, search.ShapeOf(checked(t, "GROUP BY ExecutionStatus"), true))
	require.Equal(t, search.Point, search.ShapeOf(checked(t, "RunId = 'a'"), true))
	require.Less(t, search.List.Cost(), search.Aggregate.Cost())
}

func TestRedactLeavesNoValue(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"WorkflowId = 'secret'": "WorkflowId = ?",
		`WorkflowId = 'it''s \' secret' AND HistoryLength > -3.5e-7`: "WorkflowId = ? AND HistoryLength > ?",
		"WorkflowId IN ('a', 'b', 'c')":                              "WorkflowId IN (?)",
		"StartTime BETWEEN '2026' AND 17":                            "StartTime BETWEEN ? AND ?",
		"`odd ''name 5` = 5":                                         "`odd ''name 5` = ?",
		"Keyword01 = 1 AND `a``b 'c` = 'd'":                          "Keyword01 = ? AND `a``b 'c` = ?",
		"naïve2 = 'unended":                                          "naïve2 = ?",
		"x = true":                                                   "x = true",
	} {
		require.Equal(t, want, search.Redact(text))
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("WorkflowId = 'secret' AND x > 5")
	f.Add("`a' = \"b")
	f.Fuzz(func(t *testing.T, text string) { search.Redact(text) })
}

func TestFillParameters(t *testing.T) {
	filled, names := search.FillParameters("City = :city AND x IN (:a,:b2) AND t > 'at 10:30' AND `odd:name` = 1 AND y = : z", "''")
	require.Equal(t, "City = '' AND x IN ('','') AND t > 'at 10:30' AND `odd:name` = 1 AND y = : z", filled)
	require.Equal(t, []string{"city", "a", "b2"}, names)
}
