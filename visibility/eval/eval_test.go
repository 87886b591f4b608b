package eval_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility"
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
		require.NoError(t, query.CheckWith(q, visibilitytest.CorpusOptions()))
		run := visibility.Row(visibilitytest.DrawRecord(t, "ns", 1))
		require.NotEqual(t, eval.Match(q.Where, run), eval.Match(&query.Not{X: q.Where}, run), q.String())
	})
}

// TestNormalize checks that the simpler filter keeps the same rows.
func TestNormalize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := &query.Query{Where: visibilitytest.DrawExpr(t, 4)}
		require.NoError(t, query.CheckWith(q, visibilitytest.CorpusOptions()))
		normal := *q
		query.Normalize(&normal)
		for run := range 10 {
			row := visibility.Row(visibilitytest.DrawRecord(t, "ns", run))
			require.Equal(t, eval.Match(q.Where, row), eval.Match(normal.Where, row), "%s is not %s", q, &normal)
		}
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
		q := visibilitytest.DrawList(t)
		require.NoError(t, query.CheckWith(q, visibilitytest.CorpusOptions()))
		order := func(a, b eval.Row) int { return eval.Order(q.Order(), a, b) }
		var rows [3]eval.Row
		for i := range rows {
			rows[i] = visibility.Row(visibilitytest.DrawRecord(t, "ns", i))
		}
		a, b, c := rows[0], rows[1], rows[2]
		require.NotZero(t, order(a, b))
		require.Equal(t, order(a, b), -order(b, a))
		require.Zero(t, order(a, a))
		if order(a, b) < 0 && order(b, c) < 0 {
			require.Negative(t, order(a, c))
		}
	})
}

// TestAddTimes checks that rows added at once count as if they came one by one.
func TestAddTimes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q := visibilitytest.DrawCount(rt)
		require.NoError(rt, query.CheckWith(q, visibilitytest.CorpusOptions()))
		atOnce, oneByOne := eval.NewGrouper(q), eval.NewGrouper(q)
		for i := range 5 {
			row, times := visibility.Row(visibilitytest.DrawRecord(rt, "ns", i)), rapid.Int64Range(1, 4).Draw(rt, "times")
			atOnce.AddTimes(row, times)
			for range times {
				oneByOne.Add(row)
			}
		}
		require.Equal(rt, oneByOne.Result(), atOnce.Result())
	})
}
