package query_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/eval"
	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

// TestPrintExtensions prints what the reference does not have.
func TestPrintExtensions(t *testing.T) {
	for text, want := range map[string]string{
		"a like 'x!%y' escape '!'":                               "a LIKE 'x\\\\%y'",
		"a LIKE 'x\\%y' ESCAPE ''":                               "a LIKE 'x\\\\\\\\%y'",
		"a not ilike 'x' or a Contains 'y'":                      "a NOT ILIKE 'x' OR a CONTAINS 'y'",
		"a ends_with 'x' && a has_any ('x','y')":                 "a ENDS_WITH 'x' AND a HAS_ANY ('x', 'y')",
		"a <> b AND `like` >= c.d":                               "a != b AND `like` >= c.d",
		"a > now() - '1h30m' + '10m'":                            "a > AGO('1h20m0s')",
		"a BETWEEN ago('1d') AND NOW()+'1s'":                     "a BETWEEN AGO('24h0m0s') AND NOW() + '1s'",
		"a >= today() or a < TODAY('Asia/Tokyo') - '1h'":         "a >= TODAY() OR a < TODAY('Asia/Tokyo') - '1h0m0s'",
		"match(*, 'it''s') OR MATCH(a, `b c`, 'x')":              "MATCH(*, 'it''s') OR MATCH(a, `b c`, 'x')",
		"exists(PendingTimer where a = 1 or b = 2) AND c = 3":    "EXISTS(PendingTimer WHERE a = 1 OR b = 2) AND c = 3",
		"view('x', n=>-5, s => 'y')":                             "VIEW('x', n => -5, s => 'y')",
		"explain where a = 1":                                    "EXPLAIN WHERE a = 1",
		"select count(*) as n, p95(a), pct(a, 99.95)":            "SELECT COUNT(*) AS n, P95(a), PCT(a, 99.95)",
		"select pct(a, 50) from executions where b = 1":          "SELECT P50(a) WHERE b = 1",
		"group by a, bucket(b,'1d','Europe/Berlin'), range(c,1)": "GROUP BY a, BUCKET(b, '24h0m0s', 'Europe/Berlin'), RANGE(c, 1)",
		"group by a having count(*) > 1 and max(b) != 2.5 order by count(*) desc, a nulls first limit 3": "GROUP BY a HAVING COUNT(*) > 1 AND MAX(b) != 2.5 ORDER BY COUNT(*) DESC, a NULLS FIRST LIMIT 3",
		"order by a nulls last, b desc nulls first":                                                      "ORDER BY a, b DESC NULLS FIRST",
		// Words of the extensions are names where a name stands.
		"contains = 'x' AND now IS NULL AND nulls IN (1) ORDER BY first, nulls": "contains = 'x' AND now IS NULL AND nulls IN (1) ORDER BY first, nulls",
		"bucket = 1 GROUP BY count, view":                                       "bucket = 1 GROUP BY count, view",
	} {
		require.Equal(t, want, parse(t, text).String(), text)
		require.Equal(t, want, parse(t, want).String(), text)
	}
}

// TestErrorsHelp checks what stands behind the recorded words: the place, what was
// expected and the name that was meant.
func TestErrorsHelp(t *testing.T) {
	for text, want := range map[string]string{
		"WorkflowID = 'x'":                       "invalid search attribute: WorkflowID (byte 1; did you mean WorkflowId?)",
		"env = 'x' AND Amuont > 1":               "invalid search attribute: Amuont (byte 15; did you mean Amount?)",
		"Unthinkable = 1":                        "invalid search attribute: Unthinkable (byte 1)",
		"env 'x'":                                "syntax error at position 35 near 'x' (byte 5: expected an operator, such as = or IN)",
		"env = 'x' Amount > 1":                   "(byte 11: expected AND, OR, a clause or the end)",
		"(env = 'x'":                             "(byte 11: expected ')')",
		"env IS 5":                               "(byte 8: expected NULL)",
		"env NOT = 'x'":                          "expected IN, BETWEEN, STARTS_WITH, LIKE or another operator that has NOT)",
		"env = 'x' AND Amount = 'y'":             "(byte 15)",
		"env LIKE 'x\\'":                         "syntax error",
		"env LIKE 'x!' ESCAPE '!'":               "the pattern of LIKE ends with its escape character (byte 1)",
		"env LIKE 'x' ESCAPE 'ab'":               "ESCAPE needs one character, or none",
		"env CONTAINS 'x' ESCAPE '!'":            "ESCAPE behind CONTAINS",
		"Notes CONTAINS 'x'":                     "operator 'CONTAINS' not supported for Text type search attribute 'Notes' (byte 1)",
		"Amount LIKE 'x'":                        "invalid value type for search attribute Amount of type Int",
		"env HAS_ANY ('x')":                      "operator 'HAS_ANY' not supported for Keyword type search attribute 'env' (byte 1)",
		"Tags HAS_ALL (1)":                       "invalid value type for search attribute Tags of type KeywordList: 1",
		"env = Amount":                           "comparison of search attribute env of type Keyword with Amount of type Int (byte 1)",
		"Tags = BuildIds":                        "operator '=' not supported for KeywordList type search attribute 'Tags' (byte 1)",
		"env > NOW()":                            "invalid value type for search attribute env of type Keyword",
		"StartTime > NOW() - 'soon'":             "\"soon\" is no duration",
		"StartTime > AGO(5)":                     "5 is no duration",
		"StartTime > TODAY('Mars')":              "unknown time zone 'Mars'",
		"NOW() > StartTime":                      "must be a column name but was a function",
		"MATCH(env, 'x')":                        "operator 'MATCH' not supported for Keyword type search attribute 'env' (byte 1)",
		"MATCH(Notes, '!!!')":                    "no words to search for in MATCH (byte 1)",
		"MATCH('x')":                             "MATCH needs attributes to search, or *",
		"EXISTS(Event)":                          "EXISTS over Event: there are PendingActivity, PendingChild and PendingTimer",
		"EXISTS(PendingTimer WHERE Attempt = 1)": "invalid search attribute: Attempt (byte 27)",
		"VIEW('x')":                              "VIEW where there are no views (byte 1)",
		"FROM archived WHERE env = 'x'":          "FROM archived: only executions can be searched in this version",
		"GROUP BY Tags":                          "'GROUP BY' clause is not supported for search attribute Tags (byte 10)",
		"GROUP BY BUCKET(env, '1h')":             "operator 'BUCKET' not supported for Keyword type search attribute 'env'",
		"GROUP BY BUCKET(StartTime, '1ms')":      "BUCKET needs a duration in whole seconds",
		"GROUP BY BUCKET(StartTime, '1h', 'Asia/Tokyo')": "BUCKET in a time zone is of whole days, not of 1h0m0s",
		"GROUP BY RANGE(env, 1)":                         "operator 'RANGE' not supported for Keyword type search attribute 'env'",
		"GROUP BY RANGE(Amount, 2, 1)":                   "the bounds of a RANGE ascend",
		"SELECT env":                                     "SELECT of env, which is no key of GROUP BY (byte 8)",
		"SELECT AVG(env)":                                "operator 'AVG' not supported for Keyword type search attribute 'env' (byte 12)",
		"SELECT PCT(Amount, 101)":                        "a percentile is a number from 0 to 100",
		"SELECT COUNT(env)":                              "expected '*')",
		"GROUP BY env HAVING MAX(StartTime) > 1":         "'HAVING' of MAX(StartTime), which is no number",
		"GROUP BY env HAVING COUNT(*) > 'x'":             "'HAVING' compares COUNT(*) with a number",
		"GROUP BY env HAVING env > 1":                    "expected an aggregate, such as COUNT(*))",
		"GROUP BY env ORDER BY Amount":                   "'ORDER BY' clause with Amount, which is no key of GROUP BY (byte 23)",
		"env = 'x' ORDER BY COUNT(*)":                    "'ORDER BY' clause with COUNT(*) without groups",
		"env = 'x' ORDER BY StartTime":                   "'ORDER BY' clause",
		"env = 'x' LIMIT 5":                              "'LIMIT' clause",
		"env = 'x' HAVING COUNT(*) > 1":                  "'HAVING' clause",
		"GROUP BY env LIMIT 0":                           "'LIMIT' clause",
		"ORDER BY env NULLS":                             "expected FIRST or LAST)",
	} {
		q, err := query.Parse(text)
		if err == nil {
			err = query.CheckCount(q, visibilitytest.CorpusOptions())
		}
		var refused *query.Error
		require.ErrorAs(t, err, &refused, text)
		require.Contains(t, refused.Message, want, text)
		require.Regexp(t, "^invalid query: (invalid|operation|malformed)", refused.Message, text)
	}
}

func TestRelativeTimes(t *testing.T) {
	options := query.Options{Now: time.Date(2024, 3, 31, 1, 30, 0, 5, time.UTC), Zone: time.LoadLocation}
	for text, want := range map[string]string{
		"NOW()":                         "2024-03-31T01:30:00.000000005Z",
		"AGO('1d')":                     "2024-03-30T01:30:00.000000005Z",
		"NOW() + '2h'":                  "2024-03-31T03:30:00.000000005Z",
		"TODAY()":                       "2024-03-31T00:00:00Z",
		"TODAY('UTC') - '1ns'":          "2024-03-30T23:59:59.999999999Z",
		"TODAY('Europe/Berlin')":        "2024-03-30T23:00:00Z",
		"TODAY('America/New_York')":     "2024-03-30T04:00:00Z",
		"TODAY('Europe/Berlin') + '1d'": "2024-03-31T23:00:00Z",
		"TODAY('Pacific/Kiritimati')":   "2024-03-30T10:00:00Z",
	} {
		q := parse(t, "StartTime >= "+text)
		require.NoError(t, query.CheckWith(q, options), text)
		require.Equal(t, "StartTime >= '"+want+"' AND TemporalNamespaceDivision IS NULL", q.String(), text)
		require.Equal(t, options.Now, q.AsOf)
	}
	q := parse(t, "StartTime >= 1")
	require.NoError(t, query.CheckWith(q, options))
	require.Zero(t, q.AsOf)
	q = parse(t, "EXISTS(PendingActivity WHERE ScheduledTime < AGO('1h'))")
	require.NoError(t, query.CheckWith(q, options))
	require.Equal(t, options.Now, q.AsOf)
}

// TestMidnight compares with a search for the first second of the day.
func TestMidnight(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Beirut", "Asia/Tehran", "America/Havana", "Pacific/Chatham"}
	rapid.Check(t, func(t *rapid.T) {
		location, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		require.NoError(t, err)
		year, month, date := time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "seconds"), 0).UTC().Date()
		got := query.Midnight(year, month, date, location)
		require.Equal(t, date, got.In(location).Day())
		require.NotEqual(t, date, got.Add(-1).In(location).Day(), "%s is not the first instant", got.In(location))
	})
}

func TestMidnightOfASkippedDay(t *testing.T) {
	location, err := time.LoadLocation("Pacific/Apia")
	require.NoError(t, err)
	require.Equal(t, query.Midnight(2011, 12, 31, location), query.Midnight(2011, 12, 30, location))
}

func TestViews(t *testing.T) {
	texts := map[string]string{
		"stuck":   "ExecutionStatus = 'Running' AND StartTime < AGO(:age)",
		"ours":    "env = :env OR env IN ('x', :env)",
		"both":    "VIEW('ours', env => :who) AND NOT VIEW('fixed')",
		"fixed":   "Amount > 5",
		"endless": "VIEW('endless')",
		"ordered": "env = 'x' ORDER BY env",
		"broken":  "env = ",
		"typo":    "Amuont = 1",
		"many":    manyPredicates(query.MaxPredicates / 2),
		"empty":   "",
	}
	options := visibilitytest.CorpusOptions()
	options.View = func(name string) (string, error) {
		text, ok := texts[name]
		if !ok {
			return "", &query.Error{Message: "invalid query: invalid expression: no view '" + name + "'"}
		}
		return text, nil
	}
	for text, want := range map[string]string{
		"VIEW('fixed')":                            "Amount > 5",
		"NOT VIEW('ours', env => 'it''s')":         "NOT (env = 'it''s' OR env IN ('x', 'it''s'))",
		"VIEW('both', who => ':env') OR env = 'a'": "(env = ':env' OR env IN ('x', ':env')) AND NOT Amount > 5 OR env = 'a'",
		"VIEW('stuck', age => '1d')":               "ExecutionStatus = 1 AND StartTime < '2023-12-31T00:00:00.123456789Z'",
		"VIEW('many') AND VIEW('fixed')":           texts["many"] + " AND Amount > 5",
	} {
		q := parse(t, text)
		require.NoError(t, query.CheckWith(q, options), text)
		require.Equal(t, parse(t, and(want, "TemporalNamespaceDivision IS NULL")).String(), q.String(), text)
	}
	for text, want := range map[string]string{
		"VIEW('none')":                  "no view 'none'",
		"VIEW('ours')":                  "no value for parameter env in view 'ours'",
		"VIEW('fixed', n => 1)":         "view 'fixed' has no parameter n",
		"VIEW('stuck', age => 5)":       "5 is no duration",
		"VIEW('endless')":               "nested deeper than 4",
		"VIEW('ordered')":               "view 'ordered' is no filter alone",
		"VIEW('empty')":                 "view 'empty' is no filter alone",
		"VIEW('broken')":                "syntax error",
		"VIEW('many') OR VIEW('many')":  "more than 200 predicates",
		"env = 'x' OR VIEW('fixed', 1)": "expected the name of a parameter",
		"VIEW('typo')":                  "invalid search attribute: Amuont (byte 1; did you mean Amount?) in view 'typo'",
		"env = :env":                    "syntax error",
	} {
		q, err := query.Parse(text)
		if err == nil {
			err = query.CheckWith(q, options)
		}
		require.ErrorContains(t, err, want, text)
	}
}

func manyPredicates(n int) string {
	text := "Amount = 0"
	for range n - 1 {
		text += " AND Amount = 0"
	}
	return text
}

func TestNormalForms(t *testing.T) {
	for text, want := range map[string]string{
		"NOT (env = 'a' AND Region != 'b')":        "env != 'a' OR Region = 'b'",
		"NOT NOT env = 'a'":                        "env = 'a'",
		"NOT env < 'a'":                            "NOT env < 'a'",
		"env IN ('c', 'a', 'b', 'a')":              "env IN ('a', 'b', 'c')",
		"env NOT IN ('a', 'a')":                    "env != 'a'",
		"env = 'a' AND (env = 'b' AND env = 'a')":  "env = 'a' AND env = 'b'",
		"Amount = 5.5 OR env = 'a'":                "env = 'a'",
		"Amount < 5.5":                             "Amount <= 5",
		"Amount > 5.5":                             "Amount > 5",
		"Amount < 1e300":                           "Amount IS NOT NULL",
		"Amount BETWEEN 5 AND 5":                   "Amount = 5",
		"Amount NOT BETWEEN 6 AND 5 AND env = 'a'": "env = 'a'",
		"env LIKE 'a%'":                            "env STARTS_WITH 'a'",
		"env NOT LIKE 'a'":                         "env != 'a'",
		"env CONTAINS ''":                          "env IS NOT NULL",
		"Tags LIKE 'a%'":                           "Tags LIKE 'a%'",
		"env ILIKE 'a'":                            "env ILIKE 'a'",
		"env = env":                                "env IS NOT NULL",
		"NOT env != env":                           "env IS NOT NULL",
		"Tags NOT HAS_ANY ('b', 'a')":              "Tags NOT IN ('a', 'b')",
		"NOT EXISTS(PendingTimer WHERE Id < Id)":   "",
		"EXISTS(PendingTimer WHERE NOT Id < Id)":   "EXISTS(PendingTimer)",
		"Amount = 5.5":                             "RunId IS NULL",
	} {
		q := visibilitytest.Checked(t, text)
		query.Normalize(q)
		if want != "RunId IS NULL" {
			want = parse(t, and(want, "TemporalNamespaceDivision IS NULL")).String()
		}
		require.Equal(t, want, q.String(), text)
	}
}

func and(left, right string) string {
	if left == "" {
		return right
	}
	return "(" + left + ") AND " + right
}

// TestSQLNulls looks at a run without the attributes: no predicate on them keeps it, negated or not.
func TestSQLNulls(t *testing.T) {
	options := visibilitytest.CorpusOptions()
	options.SQLNulls = true
	for text, want := range map[string]string{
		"env != 'a'":                               "env IS NOT NULL AND env != 'a'",
		"env = 'a'":                                "env = 'a'",
		"NOT env = 'a'":                            "env IS NOT NULL AND env != 'a'",
		"NOT NOT env = 'a'":                        "env = 'a'",
		"NOT env < 'a'":                            "env IS NOT NULL AND NOT env < 'a'",
		"NOT (env = 'a' OR Region NOT IN ('b'))":   "env IS NOT NULL AND env != 'a' AND Region IN ('b')",
		"NOT (env = 'a' AND Region = 'b')":         "env IS NOT NULL AND env != 'a' OR Region IS NOT NULL AND Region != 'b'",
		"env IS NULL AND NOT Region IS NULL":       "env IS NULL AND Region IS NOT NULL",
		"env != Region":                            "Region IS NOT NULL AND (env IS NOT NULL AND env != Region)",
		"NOT MATCH(Notes, 'x')":                    "Notes IS NOT NULL AND NOT MATCH(Notes, '\"x\"')",
		"Tags NOT HAS_ANY ('x')":                   "Tags IS NOT NULL AND Tags NOT IN ('x')",
		"NOT EXISTS(PendingTimer WHERE Id != 'x')": "NOT EXISTS(PendingTimer WHERE Id IS NOT NULL AND Id != 'x')",
	} {
		q := parse(t, text)
		require.NoError(t, query.CheckWith(q, options), text)
		require.Equal(t, parse(t, and(want, "TemporalNamespaceDivision IS NULL")).String(), q.String(), text)
	}
}

// TestSQLNullsAreThreeValued compares with a logic of three values.
func TestSQLNullsAreThreeValued(t *testing.T) {
	options := visibilitytest.CorpusOptions()
	rapid.Check(t, func(t *rapid.T) {
		x := visibilitytest.DrawExpr(t, 4)
		text := (&query.Query{Where: x}).String()
		plain, strict := parse(t, text), parse(t, text)
		require.NoError(t, query.CheckWith(plain, options))
		options.SQLNulls = true
		require.NoError(t, query.CheckWith(strict, options))
		options.SQLNulls = false
		for run := range 5 {
			row := visibility.Row(visibilitytest.DrawRecord(t, "ns", run))
			require.Equal(t, threeValued(plain.Where, row) == 1, eval.Match(strict.Where, row), "%s as %s", text, strict)
		}
	})
}

// threeValued is 1 for true, -1 for false and 0 for neither.
func threeValued(x query.Expr, row eval.Row) int {
	switch x := x.(type) {
	case *query.And:
		return min(threeValued(x.Left, row), threeValued(x.Right, row))
	case *query.Or:
		return max(threeValued(x.Left, row), threeValued(x.Right, row))
	case *query.Not:
		return -threeValued(x.X, row)
	case *query.Exists: // the rule holds for each item, and whether there is one is never unknown
		items, _ := row[eval.ItemsKey(x.Kind)].Value.([]eval.Row)
		for _, item := range items {
			if threeValued(x.Where, item) == 1 {
				return 1
			}
		}
		return -1
	case nil:
		return 1
	}
	if _, isNull := x.(*query.IsNull); !isNull {
		for _, name := range query.Fields(x) {
			if _, present := row[name]; !present {
				return 0
			}
		}
	}
	if eval.Match(x, row) {
		return 1
	}
	return -1
}
