package query_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility/attr"
	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

// eachLine decodes the JSON lines of a file of testdata.
func eachLine[T any](t *testing.T, name string, f func(T)) int {
	file, err := os.Open("testdata/" + name)
	require.NoError(t, err)
	defer file.Close()
	scanner, lines := bufio.NewScanner(file), 0
	for ; scanner.Scan(); lines++ {
		var line T
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		f(line)
	}
	require.NoError(t, scanner.Err())
	return lines
}

// place is what stands behind the words of an error.
var place = regexp.MustCompile(`^( \(byte \d+.*\))?$`)

// TestInvalid compares recorded refusals, but for the place at their end. A
// line with a reference is one where the words differ on purpose; it keeps what
// the reference said.
func TestInvalid(t *testing.T) {
	lines := eachLine(t, "invalid.jsonl", func(line struct{ Query, Error string }) {
		q, err := query.Parse(line.Query)
		if err == nil {
			err = query.CheckListWith(q, visibilitytest.CorpusOptions())
		}
		require.Error(t, err, line.Query)
		require.True(t, strings.HasPrefix(err.Error(), line.Error), "%s: %s", line.Query, err)
		require.Regexp(t, place, err.Error()[len(line.Error):], line.Query)
	})
	require.Equal(t, 574, lines)
}

// TestNoRecordedQueryIsLeftOut counts them where they are replayed: 1,081 that the reference answered (q) and 495 that it refused (i).
func TestNoRecordedQueryIsLeftOut(t *testing.T) {
	seen, kinds := map[string]bool{}, map[byte]int{}
	for _, name := range []string{"invalid.jsonl", "extended.jsonl", "../../visibilitytest/testdata/queries.jsonl"} {
		eachLine(t, name, func(line struct{ ID string }) {
			require.Regexp(t, `^[iq]\d{4}$`, line.ID)
			require.False(t, seen[line.ID], line.ID)
			seen[line.ID] = true
			kinds[line.ID[0]]++
		})
	}
	require.Equal(t, map[byte]int{'q': 1081, 'i': 495}, kinds)
}

// TestExtended checks that what the reference refuses and this language has is accepted:
// by lists, or only by counts.
func TestExtended(t *testing.T) {
	lines := eachLine(t, "extended.jsonl", func(line struct {
		Query, Reference string
		Count            bool
	}) {
		require.NotEmpty(t, line.Reference, line.Query)
		require.NoError(t, query.CheckCount(parse(t, withoutOrder(line.Query)), visibilitytest.CorpusOptions()), line.Query)
		err := query.CheckListWith(parse(t, line.Query), visibilitytest.CorpusOptions())
		require.Equal(t, line.Count, err != nil, "%s: %v", line.Query, err)
	})
	require.Equal(t, 43, lines)
}

// withoutOrder cuts ORDER BY off a query without groups, since a count has no order.
func withoutOrder(text string) string {
	if strings.Contains(text, "GROUP BY") {
		return text
	}
	text, _, _ = strings.Cut(text, "ORDER BY")
	return text
}

// TestPrintParse checks that a query survives its text, before and after Check.
func TestPrintParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := visibilitytest.DrawList(t)
		if rapid.Bool().Draw(t, "counts") {
			q = visibilitytest.DrawCount(t)
		}
		parsed := query.Erase(parse(t, q.String()))
		require.Equal(t, parsed, query.Erase(parse(t, parsed.String())), q.String())

		require.NoError(t, query.CheckWith(parsed, visibilitytest.CorpusOptions()))
		again := query.Erase(parse(t, parsed.String()))
		require.NoError(t, query.CheckWith(again, visibilitytest.CorpusOptions()))
		require.Equal(t, parsed, again, parsed.String())
		query.Normalize(parsed)
		normal := parsed.String()
		require.Equal(t, normal, parse(t, normal).String())
		query.Normalize(parsed)
		require.Equal(t, normal, parsed.String(), "normal form is stable")
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
		strings.Repeat("(", 32) + "WorkflowId = 'x'" + strings.Repeat(")", 32):        "nested deeper than",
		strings.Repeat("HistoryLength = 1 OR ", 200) + "HistoryLength = 1":            "more than 200 predicates",
		"HistoryLength IN (" + strings.Repeat("1,", query.MaxInValues) + "1)":         "2001 values of IN",
		"WorkflowId STARTS_WITH '\x80'":                                               "not UTF-8",
		"HistoryLength IN (" + strings.Repeat("1,", query.MaxInValues-1) + "1) AND 1": "expression of type",
	} {
		_, err := query.Parse(text)
		var queryErr *query.Error
		require.ErrorAs(t, err, &queryErr)
		require.ErrorContains(t, err, want)
	}
}

// TestWithinLimits takes the longest that is accepted.
func TestWithinLimits(t *testing.T) {
	for _, text := range []string{
		"WorkflowId = '" + strings.Repeat("x", query.MaxTextBytes-len("WorkflowId = ''")) + "'",
		strings.Repeat("(", query.MaxDepth-1) + "WorkflowId = 'x'" + strings.Repeat(")", query.MaxDepth-1),
		strings.Repeat("NOT ", query.MaxDepth-1) + "WorkflowId = 'x'",
		strings.Repeat("HistoryLength = 1 OR ", query.MaxPredicates-1) + "HistoryLength = 1",
		"HistoryLength IN (" + strings.Repeat("1,", query.MaxInValues-1) + "1)",
		"GROUP BY " + strings.Repeat("WorkflowType,", query.MaxGroupKeys-1) + "WorkflowType",
		"GROUP BY RANGE(HistoryLength" + numbers(query.MaxRangeBounds) + ")",
		"SELECT COUNT(*) ORDER BY " + strings.Repeat("COUNT(*),", query.MaxOrderTerms-1) + "COUNT(*)",
		"SELECT " + percentiles(query.MaxAggregates),
	} {
		require.NoError(t, query.CheckCount(parse(t, text), query.Options{}), text)
	}
}

// TestClauseLimits takes one more than is accepted.
func TestClauseLimits(t *testing.T) {
	for text, want := range map[string]string{
		"GROUP BY " + strings.Repeat("WorkflowType,", query.MaxGroupKeys) + "WorkflowType":          "more than 10 keys",
		"GROUP BY RANGE(HistoryLength" + numbers(query.MaxRangeBounds+1) + ")":                      "more than 100 bounds",
		"SELECT COUNT(*) ORDER BY " + strings.Repeat("COUNT(*),", query.MaxOrderTerms) + "COUNT(*)": "more than 10 terms",
		"SELECT " + percentiles(query.MaxAggregates+1):                                              "more than 50 aggregates",
	} {
		require.ErrorContains(t, query.CheckCount(parse(t, text), query.Options{}), want, text)
	}
}

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", %d", i)
	}
	return b.String()
}

func percentiles(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("PCT(HistoryLength, %d)", i))
	}
	return strings.Join(all, ", ")
}

// FuzzParse looks for texts that panic, or that change when they are printed.
func FuzzParse(f *testing.F) {
	for _, line := range visibilitytest.CorpusQueries() {
		f.Add(line)
	}
	for _, line := range extensions {
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
		require.Equal(t, query.Erase(q), query.Erase(again), printed)
		if query.CheckWith(q, visibilitytest.CorpusOptions()) == nil {
			require.NoError(t, query.CheckWith(again, visibilitytest.CorpusOptions()), printed)
			require.Equal(t, q.String(), again.String())
			query.Normalize(q)
		}
	})
}

// extensions are texts with what the reference does not have.
var extensions = []string{
	"env NOT ILIKE 'a%' OR env LIKE 'x!%' ESCAPE '!' AND env CONTAINS 'y' AND NOT env ENDS_WITH 'z'",
	"Tags HAS_ALL ('a', 'b') AND Tags NOT HAS_ANY ('c') AND StartTime < CloseTime",
	"StartTime > NOW() - '1d' AND CloseTime < AGO('1h30m') AND DueAt >= TODAY('Europe/Berlin') + '8h'",
	`MATCH(*, 'hello -world OR "the quick fox"') AND MATCH(Notes, CustomTextField, 'x')`,
	"EXISTS(PendingActivity WHERE Type = 'Charge' AND Attempt > 5) OR EXISTS(PendingTimer)",
	"VIEW('stuck', days => 7, env => 'prod')",
	"EXPLAIN SELECT COUNT(*) AS n, P95(ExecutionDuration), PCT(HistoryLength, 99.9), env FROM executions WHERE env = 'x' GROUP BY env, BUCKET(StartTime, '7d', 'Europe/Berlin'), RANGE(Amount, 1, 10) HAVING COUNT(*) > 1 AND MAX(Amount) != 2.5 ORDER BY n DESC, env NULLS FIRST LIMIT 5",
	"ORDER BY env DESC NULLS FIRST, StartTime ASC NULLS LAST",
}
