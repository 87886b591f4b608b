package eval_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"pgregory.net/rapid"

	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
	"perdure/visibility/visibilitytest"
)

const (
	keyword  = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	integer  = enumspb.INDEXED_VALUE_TYPE_INT
	double   = enumspb.INDEXED_VALUE_TYPE_DOUBLE
	datetime = enumspb.INDEXED_VALUE_TYPE_DATETIME
)

// TestMatchExtensions looks at the row of TestMatch with what the reference does not have.
func TestMatchExtensions(t *testing.T) {
	for text, want := range map[string]bool{
		"WorkflowId LIKE 'Order-_'":                      true,
		"WorkflowId LIKE 'order-_'":                      false,
		"WorkflowId ILIKE 'oRDER%'":                      true,
		"WorkflowId LIKE '%'":                            true,
		"WorkflowId LIKE '%r%r%7'":                       true,
		"WorkflowId LIKE '%r%r%r%7'":                     false,
		"WorkflowId LIKE 'Order\\_7'":                    false,
		"WorkflowId LIKE 'Order!-7' ESCAPE '!'":          true,
		"WorkflowId LIKE 'Order\\-7' ESCAPE ''":          false,
		"WorkflowId NOT LIKE 'x%'":                       true,
		"WorkflowId CONTAINS 'der'":                      true,
		"WorkflowId CONTAINS '%'":                        false,
		"WorkflowId ENDS_WITH '-7'":                      true,
		"WorkflowId ENDS_WITH '-'":                       false,
		"Tags LIKE 'b%'":                                 true,
		"Tags NOT CONTAINS 'b'":                          false,
		"Tags HAS_ANY ('x', 'b')":                        true,
		"Tags HAS_ALL ('a', 'b')":                        true,
		"Tags HAS_ALL ('a', 'x')":                        false,
		"Tags NOT HAS_ALL ('a', 'x')":                    true,
		"Tags NOT HAS_ANY ('a')":                         false,
		"WorkflowId > env":                               false,
		"WorkflowId < env":                               true,
		"env = env":                                      true,
		"env != WorkflowId":                              true,
		"StartTime < AGO('1d')":                          false,
		"StartTime <= NOW()":                             true,
		"StartTime > NOW() - '1s'":                       true,
		"StartTime = TODAY() + '5ns'":                    true,
		"StartTime < TODAY('America/New_York') + '1d1s'": true,
		"MATCH(Notes, 'world')":                          true,
		"MATCH(Notes, 'HELLO world')":                    true,
		`MATCH(Notes, '"hello world"')`:                  true,
		`MATCH(Notes, '"world hello"')`:                  false,
		"MATCH(Notes, 'hello-world')":                    true,
		"MATCH(Notes, 'hello -world')":                   false,
		"MATCH(Notes, 'hello nobody')":                   false,
		"MATCH(Notes, 'nobody or world')":                true,
		"MATCH(Notes, '-nobody')":                        true,
		"MATCH(*, 'world')":                              true,
		"MATCH(CustomTextField, Notes, 'world')":         true,
		"MATCH(CustomTextField, 'world')":                false,
		// Absent attributes: false, and the complements true.
		"Region LIKE '%'":                     false,
		"Region NOT LIKE '%'":                 true,
		"Region = env":                        false,
		"Region != env":                       true,
		"env != Region":                       true,
		"Region <= Region":                    false,
		"NOT MATCH(CustomTextField, 'world')": true,
		"BuildIds NOT HAS_ANY ('x')":          true,
		"EXISTS(PendingActivity)":             false,
		"NOT EXISTS(PendingTimer)":            true,
	} {
		q := visibilitytest.Checked(t, text)
		require.Equal(t, want, eval.Match(q.Where, row), text)
		query.Normalize(q)
		require.Equal(t, want, eval.Match(q.Where, row), "%s as %s", text, q)
	}
}

// TestItems asks about the pending items of a run: one of them must hold all that is asked.
func TestItems(t *testing.T) {
	item := func(name string, attempt int64) eval.Row {
		return eval.Row{"Type": {Type: keyword, Value: name}, "Attempt": {Type: integer, Value: attempt}}
	}
	stuck := eval.Row{eval.ItemsKey(attr.PendingActivity): {Value: []eval.Row{item("Charge", 2), item("Ship", 7)}}}
	for text, want := range map[string]bool{
		"EXISTS(PendingActivity)": true,
		"EXISTS(PendingActivity WHERE Type = 'Charge' AND Attempt > 1)": true,
		"EXISTS(PendingActivity WHERE Type = 'Charge' AND Attempt > 2)": false,
		"EXISTS(PendingActivity WHERE NOT Type LIKE 'Ch%')":             true,
		"EXISTS(PendingActivity WHERE LastFailure CONTAINS 'timeout')":  false,
		"EXISTS(PendingActivity WHERE LastFailure IS NULL)":             true,
		"EXISTS(PendingChild)": false,
		"NOT EXISTS(PendingActivity WHERE Attempt BETWEEN 3 AND 6)":         true,
		"EXISTS(PendingActivity WHERE ScheduledTime < AGO('1h'))":           false,
		"EXISTS(PendingActivity WHERE Attempt > 7) OR EXISTS(PendingTimer)": false,
	} {
		q := visibilitytest.Checked(t, text)
		require.Equal(t, want, eval.Match(q.Where, stuck), text)
		query.Normalize(q)
		require.Equal(t, want, eval.Match(q.Where, stuck), "%s as %s", text, q)
	}
}

// run has a keyword, an Int, a Double and a start; nil leaves one out.
func run(env, amount, score, start any) eval.Row {
	row := eval.Row{}
	for name, value := range map[string]attr.Value{
		"env": {Type: keyword, Value: env}, "Amount": {Type: integer, Value: amount},
		"Score": {Type: double, Value: score}, "StartTime": {Type: datetime, Value: start},
	} {
		if value.Value != nil {
			row[name] = value
		}
	}
	return row
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// grouped returns the groups of the rows as a query divides them.
func grouped(t *testing.T, text string, rows ...eval.Row) []eval.Group {
	q := visibilitytest.Checked(t, text)
	grouper := eval.NewGrouper(q)
	for _, row := range rows {
		if eval.Match(q.Where, row) {
			grouper.Add(row)
		}
	}
	return grouper.Result().Groups
}

func TestGroups(t *testing.T) {
	rows := []eval.Row{
		run("a", int64(1), 0.5, nil), run("a", int64(3), nil, nil), run("b", int64(10), 1.5, nil),
		run(nil, int64(2), -2.0, nil), run("b", nil, nil, nil), run("c", int64(7), 0.0, nil),
	}
	for text, want := range map[string][]eval.Group{
		"GROUP BY env": {
			{Values: []any{"a"}, Count: 2, Aggregates: []any{}}, {Values: []any{"b"}, Count: 2, Aggregates: []any{}},
			{Values: []any{"c"}, Count: 1, Aggregates: []any{}}, {Values: []any{nil}, Count: 1, Aggregates: []any{}},
		},
		"GROUP BY env HAVING COUNT(*) > 1 ORDER BY env DESC": {
			{Values: []any{"b"}, Count: 2, Aggregates: []any{int64(2)}}, {Values: []any{"a"}, Count: 2, Aggregates: []any{int64(2)}},
		},
		"GROUP BY env ORDER BY env NULLS FIRST LIMIT 1": {{Values: []any{nil}, Count: 1, Aggregates: []any{}}},
		"GROUP BY RANGE(Amount, 2, 7)": {
			{Values: []any{int64(1)}, Count: 2, Aggregates: []any{}}, {Values: []any{int64(2)}, Count: 2, Aggregates: []any{}},
			{Values: []any{int64(0)}, Count: 1, Aggregates: []any{}}, {Values: []any{nil}, Count: 1, Aggregates: []any{}},
		},
		"SELECT SUM(Amount) AS total, env WHERE env IS NOT NULL GROUP BY env ORDER BY total DESC LIMIT 2": {
			{Values: []any{"b"}, Count: 2, Aggregates: []any{int64(10)}}, {Values: []any{"c"}, Count: 1, Aggregates: []any{int64(7)}},
		},
		"SELECT COUNT(*), COUNT_DISTINCT(env), MIN(Amount), MAX(env), AVG(Amount), SUM(Score), P50(Amount), PCT(Amount, 0), PCT(Amount, 100)": {
			{Values: []any{}, Count: 6, Aggregates: []any{int64(6), int64(3), int64(1), "c", 4.6, 0.0, int64(3), int64(1), int64(10)}},
		},
		"SELECT MIN(Amount), SUM(Amount), COUNT_DISTINCT(Amount) WHERE env = 'none'": {{Aggregates: []any{nil, nil, int64(0)}}},
	} {
		require.Equal(t, want, grouped(t, text, rows...), text)
	}
}

func TestBuckets(t *testing.T) {
	starts := []string{"2024-03-30T22:59:59Z", "2024-03-30T23:00:00Z", "2024-03-31T21:59:59Z", "2024-03-31T22:00:00Z"}
	var rows []eval.Row
	for _, start := range starts {
		rows = append(rows, run("a", nil, nil, at(start)))
	}
	for text, want := range map[string]map[string]int64{
		"GROUP BY BUCKET(StartTime, '1d')":                  {"2024-03-30T00:00:00Z": 2, "2024-03-31T00:00:00Z": 2},
		"GROUP BY BUCKET(StartTime, '1d', 'Europe/Berlin')": {"2024-03-29T23:00:00Z": 1, "2024-03-30T23:00:00Z": 2, "2024-03-31T22:00:00Z": 1},
		"GROUP BY BUCKET(StartTime, '7d')":                  {"2024-03-25T00:00:00Z": 4},
		"GROUP BY BUCKET(StartTime, '7d', 'Europe/Berlin')": {"2024-03-24T23:00:00Z": 3, "2024-03-31T22:00:00Z": 1},
		"StartTime >= '2024-03-30T23:30:00Z' AND StartTime < '2024-04-02T00:00:00Z' GROUP BY BUCKET(StartTime, '1d')": {
			"2024-03-30T00:00:00Z": 0, "2024-03-31T00:00:00Z": 2, "2024-04-01T00:00:00Z": 0,
		},
		"StartTime BETWEEN '2024-03-30T00:00:00Z' AND '2024-04-01T23:00:00Z' GROUP BY BUCKET(StartTime, '1d', 'Europe/Berlin')": {
			"2024-03-29T23:00:00Z": 1, "2024-03-30T23:00:00Z": 2, "2024-03-31T22:00:00Z": 1, "2024-04-01T22:00:00Z": 0,
		},
	} {
		got := map[string]int64{}
		for _, group := range grouped(t, text, rows...) {
			got[group.Values[0].(time.Time).Format(time.RFC3339)] = group.Count
		}
		require.Equal(t, want, got, text)
	}
}

// TestBucketHoldsItsTime checks that a bucket begins at or before its times,
// that the next one begins after them, and that all times of a bucket have the same one.
func TestBucketHoldsItsTime(t *testing.T) {
	zones := []string{"", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Asia/Beirut", "Australia/Lord_Howe"}
	rapid.Check(t, func(t *rapid.T) {
		key := query.Key{Bucket: time.Duration(rapid.IntRange(1, 14).Draw(t, "days")) * 24 * time.Hour, Zone: rapid.SampledFrom(zones).Draw(t, "zone")}
		if key.Zone != "" {
			location, err := time.LoadLocation(key.Zone)
			require.NoError(t, err)
			key.Location = location
		}
		now := time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "seconds"), 5)
		start := eval.BucketStart(key, now)
		require.False(t, start.After(now))
		require.Less(t, now.Sub(start), key.Bucket+25*time.Hour)
		require.Equal(t, start, eval.BucketStart(key, start), "a bucket begins in itself")
		between := start.Add(time.Duration(rapid.Int64Range(0, int64(now.Sub(start))).Draw(t, "between")))
		require.Equal(t, start, eval.BucketStart(key, between))
	})
}

// TestTruncated has one group more than an answer shows.
func TestTruncated(t *testing.T) {
	q := visibilitytest.Checked(t, "GROUP BY Amount ORDER BY Amount")
	for _, extra := range []int64{0, 1} {
		grouper := eval.NewGrouper(q)
		for i := range query.MaxGroups + extra {
			grouper.Add(run("a", i, nil, nil))
		}
		result := grouper.Result()
		require.Len(t, result.Groups, query.MaxGroups)
		require.Equal(t, extra > 0, result.Truncated)
		require.Equal(t, query.MaxGroups+extra, result.Total)
		require.Equal(t, int64(query.MaxGroups-1), result.Groups[query.MaxGroups-1].Values[0])
	}
}

// TestRank compares the rank with its definition: the least one whose share of
// all values is at least the percentage.
func TestRank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := query.Aggregate{Function: query.Percentile, Thousandths: rapid.Int64Range(0, 100_000).Draw(t, "thousandths")}
		n := rapid.Int64Range(1, 1<<40).Draw(t, "values")
		rank := a.Rank(n)
		require.GreaterOrEqual(t, rank, int64(1))
		require.LessOrEqual(t, rank, n)
		require.GreaterOrEqual(t, rank*100_000, a.Thousandths*n)
		if rank > 1 {
			require.Less(t, (rank-1)*100_000, a.Thousandths*n)
		}
	})
}

// TestSumsAreExact adds what a sum in floating point loses, and beyond what an Int holds.
func TestSumsAreExact(t *testing.T) {
	rows := []eval.Row{run("a", int64(1<<62), 1e300, nil), run("a", int64(1<<62), 1.0, nil), run("a", int64(-1), -1e300, nil)}
	require.Equal(t, []any{int64(1<<63 - 1), 1.0}, grouped(t, "SELECT SUM(Amount), SUM(Score)", rows...)[0].Aggregates)
	rows = append(rows, run("a", int64(1), nil, nil))
	require.Equal(t, []any{float64(1 << 63), float64(1<<63) / 4}, grouped(t, "SELECT SUM(Amount), AVG(Amount)", rows...)[0].Aggregates)
}
