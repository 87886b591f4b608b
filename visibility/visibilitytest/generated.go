package visibilitytest

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/eval"
	"perdure/visibility/query"
)

// drawRecords writes up to twelve drawn runs to a namespace of their own.
func drawRecords(t *testing.T, rt *rapid.T, s visibility.Store, set int) []*visibility.Record {
	ns := fmt.Sprint(namespaceOf(t), set)
	var records []*visibility.Record
	for i := range rapid.IntRange(1, 12).Draw(rt, "runs") {
		records = append(records, DrawRecord(rt, ns, i))
	}
	write(t, s, records...)
	return records
}

// testGenerated compares lists and counts over drawn records with the evaluator.
func testGenerated(t *testing.T, s visibility.Store, features query.Features) {
	sets := 0
	rapid.Check(t, func(rt *rapid.T) {
		sets++
		records := drawRecords(t, rt, s, sets)
		for range 10 {
			compareList(t, rt, s, records, DrawList(rt, features))
		}
	})
}

// testCounts does so with counts.
func testCounts(t *testing.T, s visibility.Store, features query.Features) {
	sets := 0
	rapid.Check(t, func(rt *rapid.T) {
		sets++
		records := drawRecords(t, rt, s, sets)
		for range 10 {
			compareCount(t, rt, s, records, DrawCount(rt, features))
		}
	})
}

// CorpusOptions are what the corpus and drawn queries are checked with.
func CorpusOptions() query.Options {
	return query.Options{Custom: CorpusTypes(), Now: time.Unix(1704067200, 123456789).UTC(), Zone: time.LoadLocation}
}

// checkDrawn checks a drawn query, and simplifies it in one of two cases.
func checkDrawn(rt *rapid.T, q *query.Query) (text string) {
	text = q.String()
	require.NoError(rt, query.CheckWith(q, CorpusOptions()), text)
	if rapid.Bool().Draw(rt, "normalized") {
		query.Normalize(q)
	}
	return text
}

// kept returns the rows that the filter keeps.
func kept(records []*visibility.Record, q *query.Query) []eval.Row {
	var rows []eval.Row
	for _, rec := range records {
		if row := visibility.Row(rec); eval.Match(q.Where, row) {
			rows = append(rows, row)
		}
	}
	return rows
}

func compareList(t *testing.T, rt *rapid.T, s visibility.Store, records []*visibility.Record, q *query.Query) {
	text := checkDrawn(rt, q)
	rows, terms := kept(records, q), q.Order()
	slices.SortFunc(rows, func(a, b eval.Row) int { return eval.Order(terms, a, b) })
	want := make([]string, len(rows))
	for i, row := range rows {
		want[i] = row[attr.RunID].Value.(string)
	}
	pageSize := rapid.IntRange(1, 5).Draw(rt, "page size")
	require.Equal(rt, want, runIDs(listAll(t, s, records[0].NamespaceID, q, pageSize)), text)
	if len(rows) > 0 {
		req := visibility.ListRequest{NamespaceID: records[0].NamespaceID, Query: q}
		place := rapid.IntRange(0, len(rows)-1).Draw(rt, "place")
		req.PageToken = visibility.Position(eval.Tuple(terms, rows[place])).Token(req)
		rest, _, err := s.List(t.Context(), req)
		require.NoError(rt, err, text)
		require.Equal(rt, want[place+1:], runIDs(rest), "a token of another store: %s", text)
	}
}

func compareCount(t *testing.T, rt *rapid.T, s visibility.Store, records []*visibility.Record, q *query.Query) {
	text := checkDrawn(rt, q)
	rows := kept(records, q)
	grouper := eval.NewGrouper(q)
	for _, row := range rows {
		grouper.Add(row)
	}
	want := visibility.Result(q, grouper.Result())
	got, err := s.Count(t.Context(), records[0].NamespaceID, q)
	require.NoError(rt, err, text)
	require.Equal(rt, want.Total, got.Total, text)
	require.Equal(rt, want.Truncated, got.Truncated, text)
	require.Len(rt, got.Groups, len(want.Groups), text)
	for i, group := range want.Groups {
		require.Equal(rt, group.Count, got.Groups[i].Count, text)
		require.Len(rt, got.Groups[i].Values, len(group.Values), text)
		for j, p := range group.Values {
			requirePayload(rt, q, p, got.Groups[i].Values[j], rows, text)
		}
	}
}

// tolerance is how much of the sum of all sizes a sum may be wrong, since a
// store may add in another order.
const tolerance = 1e-9

func requirePayload(rt *rapid.T, q *query.Query, want, got *commonpb.Payload, rows []eval.Row, text string) {
	written := string(want.GetMetadata()[visibility.MetadataAggregate])
	require.Equal(rt, written, string(got.GetMetadata()[visibility.MetadataAggregate]), text)
	for _, a := range q.Aggregates() {
		if written == a.String() && isRounded(a) && string(want.GetData()) != "null" {
			var wanted, found float64
			require.NoError(rt, json.Unmarshal(want.GetData(), &wanted), text)
			require.NoError(rt, json.Unmarshal(got.GetData(), &found), text)
			require.InDelta(rt, wanted, found, tolerance*sizes(a, rows), "%s %s", written, text)
			return
		}
	}
	require.Equal(rt, string(want.GetData()), string(got.GetData()), "%s %s", written, text)
	require.Equal(rt, want.GetMetadata(), got.GetMetadata(), text)
}

// sizes adds up the absolute values of an attribute.
func sizes(a query.Aggregate, rows []eval.Row) float64 {
	total := 0.0
	for _, row := range rows {
		switch value := row[a.Field.Name].Value.(type) {
		case int64:
			total += math.Abs(float64(value))
		case float64:
			total += math.Abs(value)
		}
	}
	return total
}

// testUnsupported checks that a store refuses what it says that it lacks.
func testUnsupported(t *testing.T, s visibility.Store, features query.Features) {
	ns := namespaceOf(t)
	for text, feature := range map[string]query.Features{
		"env LIKE 'a%b'": query.Patterns, "env = BatcherUser": query.FieldPairs, "MATCH(Notes, 'a')": query.Phrases,
		"EXISTS(PendingTimer)": query.Items, "GROUP BY env": query.Grouping, "SELECT COUNT(*)": query.Aggregates,
	} {
		_, err := s.Count(t.Context(), ns, Checked(t, text))
		if features&feature == 0 {
			require.ErrorIs(t, err, visibility.ErrUnsupported, text)
		} else {
			require.NoError(t, err, text)
		}
	}
}
