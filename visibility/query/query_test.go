package query_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility/attr"
	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

// TestInvalid compares recorded refusals. A line with a reference is one where
// the words differ on purpose; it keeps what the reference said.
func TestInvalid(t *testing.T) {
	f, err := os.Open("testdata/invalid.jsonl")
	require.NoError(t, err)
	defer f.Close()
	scanner := bufio.NewScanner(f)
	lines := 0
	for scanner.Scan() {
		var line struct{ Query, Error string }
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		q, err := query.Parse(line.Query)
		if err == nil {
			err = query.CheckList(q, visibilitytest.CorpusTypes())
		}
		require.EqualError(t, err, line.Error, line.Query)
		lines++
	}
	require.NoError(t, scanner.Err())
	require.Greater(t, lines, 500)
}

// TestPrintParse checks that a query survives its text, before and after Check.
func TestPrintParse(t *testing.T) {
	types := visibilitytest.CorpusTypes()
	rapid.Check(t, func(t *rapid.T) {
		q := &query.Query{Where: visibilitytest.DrawExpr(t, 3)}
		parsed := parse(t, q.String())
		require.Equal(t, parsed, parse(t, parsed.String()), q.String())

		require.NoError(t, query.Check(parsed, types))
		again := parse(t, parsed.String())
		require.NoError(t, query.Check(again, types))
		require.Equal(t, parsed, again, parsed.String())
	})
}

func parse(t require.TestingT, text string) *query.Query {
	q, err := query.Parse(text)
	require.NoError(t, err, text)
	return q
}

func TestPrint(t *testing.T) {
	for text, want := range map[string]string{
		"":                                         "",
		"a=1 and b=2 or c=3":                       "a = 1 AND b = 2 OR c = 3",
		"a=1 and (b=2 or c=3)":                     "a = 1 AND (b = 2 OR c = 3)",
		"a=1 or (b=2 or c=3)":                      "a = 1 OR (b = 2 OR c = 3)",
		"not (a=1 or b=2) && not not c = 3":        "NOT (a = 1 OR b = 2) AND NOT NOT c = 3",
		"not a=1 AND b=2":                          "NOT a = 1 AND b = 2",
		"`select` <> \"it's\"":                     "`select` != 'it''s'",
		"`a``b` IN ('x\\\\y', 1.5, -2, true)":      "`a``b` IN ('x\\\\y', 1.5, -2, true)",
		"a not between 1 and 2 GROUP BY `b`":       "a NOT BETWEEN 1 AND 2 GROUP BY b",
		"a starts_with 'x' order by b, c desc;":    "a STARTS_WITH 'x' ORDER BY b, c DESC",
		"a is null /* why */ and b is not null":    "a IS NULL AND b IS NOT NULL",
		"a = 1e3 -- the end":                       "a = 1000.0",
		"a = 'back\\slash' and b = 'it\\'s'":       "a = 'back\\\\slash' AND b = 'it''s'",
		"a = -9223372036854775808 or a = 12345678": "a = -9223372036854775808 OR a = 12345678",
	} {
		require.Equal(t, want, parse(t, text).String(), text)
	}
}

func TestCheckResolvesNames(t *testing.T) {
	types := attr.Types{"env": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
	for text, want := range map[string]string{
		"ScheduleId = 'a'":            "WorkflowId = 'temporal-sys-scheduler:a' AND TemporalNamespaceDivision IS NULL",
		"TemporalScheduleId IN ('a')": "WorkflowId IN ('temporal-sys-scheduler:a') AND TemporalNamespaceDivision IS NULL",
		"ScheduledById = 'a'":         "TemporalScheduledById = 'a' AND TemporalNamespaceDivision IS NULL",
		"TemporalWorkflowId = 'a'":    "WorkflowId = 'a' AND TemporalNamespaceDivision IS NULL",
		"NamespaceDivision = 'x'":     "TemporalNamespaceDivision = 'x'",
		"":                            "TemporalNamespaceDivision IS NULL",
		"env = 'x' or env = 'y'":      "(env = 'x' OR env = 'y') AND TemporalNamespaceDivision IS NULL",
		"ExecutionStatus = 'Failed'":  "ExecutionStatus = 3 AND TemporalNamespaceDivision IS NULL",
		"ExecutionDuration > '1d2h'":  "ExecutionDuration > 93600000000000 AND TemporalNamespaceDivision IS NULL",
		"HistoryLength = 4.2e1":       "HistoryLength = 42 AND TemporalNamespaceDivision IS NULL",
		"StartTime > 1":               "StartTime > '1970-01-01T00:00:00.000000001Z' AND TemporalNamespaceDivision IS NULL",
		"GROUP BY NamespaceDivision":  "GROUP BY TemporalNamespaceDivision",
	} {
		q := parse(t, text)
		require.NoError(t, query.Check(q, types), text)
		require.Equal(t, want, q.String())
		require.NoError(t, query.Check(q, types), "checked twice")
		require.Equal(t, want, q.String())
	}
	own := attr.Types{"ScheduleId": enumspb.INDEXED_VALUE_TYPE_INT}
	q := parse(t, "ScheduleId = 5")
	require.NoError(t, query.Check(q, own))
	require.Equal(t, "ScheduleId = 5 AND TemporalNamespaceDivision IS NULL", q.String())
}

func TestLimits(t *testing.T) {
	for text, want := range map[string]string{
		"WorkflowId = '" + strings.Repeat("x", query.MaxTextBytes) + "'":              "query text of",
		strings.Repeat("(", 70) + "WorkflowId = 'x'" + strings.Repeat(")", 70):        "nested deeper than",
		strings.Repeat("NOT ", 5000) + "WorkflowId = 'x'":                             "nested deeper than",
		strings.Repeat("HistoryLength = 1 OR ", 200) + "HistoryLength = 1":            "more than 200 predicates",
		"HistoryLength IN (" + strings.Repeat("1,", query.MaxInValues) + "1)":         "2001 values of IN",
		"HistoryLength IN (" + strings.Repeat("1,", query.MaxInValues-1) + "1) AND 1": "expression of type",
	} {
		_, err := query.Parse(text)
		var queryErr *query.Error
		require.ErrorAs(t, err, &queryErr)
		require.ErrorContains(t, err, want)
	}
}

// FuzzParse looks for texts that panic, or that change when they are printed.
func FuzzParse(f *testing.F) {
	for _, line := range visibilitytest.CorpusQueries() {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil {
			var queryErr *query.Error
			require.True(t, errors.As(err, &queryErr))
			return
		}
		printed := q.String()
		again, err := query.Parse(printed)
		require.NoError(t, err, printed)
		require.Equal(t, printed, again.String())
		if query.Check(q, visibilitytest.CorpusTypes()) == nil {
			require.NoError(t, query.Check(again, visibilitytest.CorpusTypes()), printed)
		}
	})
}
