package eval_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

// row is a run with one attribute of each type; others are absent.
var row = eval.Row{
	"WorkflowId":            {Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Value: "Order-7"},
	"ExecutionStatus":       {Type: enumspb.INDEXED_VALUE_TYPE_INT, Value: int64(2)},
	"StartTime":             {Type: enumspb.INDEXED_VALUE_TYPE_DATETIME, Value: time.Unix(1704067200, 5).UTC()},
	"env":                   {Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Value: "prod"},
	"CustomIntField":        {Type: enumspb.INDEXED_VALUE_TYPE_INT, Value: int64(1<<53 + 1)},
	"CustomDoubleField":     {Type: enumspb.INDEXED_VALUE_TYPE_DOUBLE, Value: 0.1},
	"Flag":                  {Type: enumspb.INDEXED_VALUE_TYPE_BOOL, Value: false},
	"Tags":                  {Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST, Value: []string{"a", "b"}},
	"Notes":                 {Type: enumspb.INDEXED_VALUE_TYPE_TEXT, Value: "Hello, World"},
	"TemporalScheduledById": {Type: enumspb.INDEXED_VALUE_TYPE_INT, Value: int64(1)}, // written with another type
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"":                               true,
		"WorkflowId = 'Order-7'":         true,
		"WorkflowId = 'order-7'":         false,
		"WorkflowId STARTS_WITH 'O'":     true,
		"WorkflowId NOT STARTS_WITH 'o'": true,
		"WorkflowId > 'Order' AND WorkflowId < 'Os'":  true,
		"ExecutionStatus = 'Completed'":               true,
		"ExecutionStatus IN (1, 'Failed')":            false,
		"StartTime = 1704067200000000005":             true,
		"StartTime > '2024-01-01T00:00:00Z'":          true,
		"StartTime BETWEEN 1 AND 1704067200000000004": false,
		"CustomIntField = 9007199254740993":           true,
		"CustomIntField = 9007199254740992":           false,
		"CustomIntField > 9007199254740992.5":         true,
		"CustomIntField < 9007199254740993.0":         false, // as a double the literal is one less
		"CustomIntField < 1e300":                      true,
		"CustomIntField > 1e300":                      false,
		"CustomIntField > -1e300":                     true,
		"CustomIntField = 0.5":                        false,
		"CustomIntField != 0.5":                       true,
		"CustomDoubleField = 0.1":                     true,
		"CustomDoubleField < 1":                       true,
		"Flag = false":                                true,
		"Flag < true":                                 true,
		"Tags = 'b'":                                  true,
		"Tags != 'b'":                                 false,
		"Tags IN ('x', 'a')":                          true,
		"Tags NOT IN ('x', 'y')":                      true,
		"Notes = 'world'":                             true,
		"Notes = 'nobody hello'":                      true,
		"Notes != 'hello'":                            false,
		"Notes = 'hell'":                              false,
		// Absent attributes: false, and the complements true.
		"Region = 'x'":                                    false,
		"Region != 'x'":                                   true,
		"NOT Region = 'x'":                                true,
		"Region NOT IN ('x')":                             true,
		"Region > ''":                                     false,
		"Region NOT BETWEEN 'a' AND 'b'":                  true,
		"Region NOT STARTS_WITH 'a'":                      true,
		"Region IS NULL":                                  true,
		"CloseTime IS NOT NULL":                           false,
		"NOT (Region = 'x' OR Region = 'y')":              true,
		"ScheduledById IS NULL":                           true,
		"ScheduledById = '1'":                             false,
		"TemporalNamespaceDivision = 'x' OR env = 'prod'": true,
	} {
		q := visibilitytest.Checked(t, text)
		require.Equal(t, want, eval.Match(q.Where, row), text)
	}
}

// TestComplement checks that an expression and its NOT share no row and miss none.
func TestComplement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := &query.Query{Where: visibilitytest.DrawExpr(t, 2)}
		require.NoError(t, query.Check(q, visibilitytest.CorpusTypes()))
		run := visibility.Row(visibilitytest.DrawRecord(t, "ns", 1))
		require.NotEqual(t, eval.Match(q.Where, run), eval.Match(&query.Not{X: q.Where}, run), q.String())
	})
}

// TestNegatedForms checks that NOT in front and NOT inside are the same.
func TestNegatedForms(t *testing.T) {
	for outside, inside := range map[string]string{
		"NOT env = 'a'":                 "env != 'a'",
		"NOT env IN ('a', 'b')":         "env NOT IN ('a', 'b')",
		"NOT env BETWEEN 'a' AND 'b'":   "env NOT BETWEEN 'a' AND 'b'",
		"NOT env STARTS_WITH 'a'":       "env NOT STARTS_WITH 'a'",
		"NOT env IS NULL":               "env IS NOT NULL",
		"NOT Tags IN ('a')":             "Tags != 'a'",
		"NOT CustomTextField = 'hello'": "CustomTextField != 'hello'",
	} {
		rapid.Check(t, func(t *rapid.T) {
			run := visibility.Row(visibilitytest.DrawRecord(t, "ns", 1))
			require.Equal(t, eval.Match(visibilitytest.Checked(t, outside).Where, run), eval.Match(visibilitytest.Checked(t, inside).Where, run), inside)
		})
	}
}

// TestOrderIsTotal checks that distinct runs never tie and that no cycle is possible.
func TestOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows [3]eval.Row
		for i := range rows {
			rows[i] = visibility.Row(visibilitytest.DrawRecord(t, "ns", i))
		}
		a, b, c := rows[0], rows[1], rows[2]
		require.NotZero(t, eval.Order(a, b))
		require.Equal(t, eval.Order(a, b), -eval.Order(b, a))
		require.Zero(t, eval.Order(a, a))
		if eval.Order(a, b) < 0 && eval.Order(b, c) < 0 {
			require.Negative(t, eval.Order(a, c))
		}
	})
}

func TestGroups(t *testing.T) {
	status := func(s int64) eval.Row {
		return eval.Row{attr.ExecutionStatus: {Type: enumspb.INDEXED_VALUE_TYPE_INT, Value: s}}
	}
	rows := []eval.Row{status(3), status(1), status(1), status(2), {}}
	require.Equal(t, []eval.Group{{Value: int64(1), Count: 2}, {Value: int64(2), Count: 1}, {Value: int64(3), Count: 1}, {Count: 1}}, eval.Groups(attr.ExecutionStatus, rows))
	require.Empty(t, eval.Groups(attr.ExecutionStatus, nil))
}
