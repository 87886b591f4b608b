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

// drawn are runs of a namespace, in a store and as rows for the evaluator.
type drawn struct {
	store       visibility.Store
	namespaceID string
	rows        []eval.Row
}

// writeDrawn writes records, all of one namespace.
func writeDrawn(t *testing.T, s visibility.Store, records []*visibility.Record) drawn {
	write(t, s, records...)
	d := drawn{store: s, namespaceID: records[0].NamespaceID}
	for _, rec := range records {
		d.rows = append(d.rows, visibility.Row(rec))
	}
	return d
}

// drawRecords writes up to twelve drawn runs to a namespace of their own.
func drawRecords(t *testing.T, rt *rapid.T, s visibility.Store, set int) drawn {
	ns := fmt.Sprint(namespaceOf(t), set)
	var records []*visibility.Record
	for i := range rapid.IntRange(1, 12).Draw(rt, "runs") {
		records = append(records, DrawRecord(rt, ns, i))
	}
	return writeDrawn(t, s, records)
}

// testGenerated compares lists and counts over drawn records with the evaluator.
func testGenerated(t *testing.T, s visibility.Store, drawList func(*rapid.T) *query.Query) {
	sets := 0
	rapid.Check(t, func(rt *rapid.T) {
		sets++
		d := drawRecords(t, rt, s, sets)
		for range 10 {
			d.compareList(t, rt, drawList(rt))
		}
	})
}

// testCounts does so with counts.
func testCounts(t *testing.T, s visibility.Store) {
	sets := 0
	rapid.Check(t, func(rt *rapid.T) {
		sets++
		d := drawRecords(t, rt, s, sets)
		for range 10 {
			d.compareCount(t, rt, DrawCount(rt))
		}
	})
}

// manyRuns is how many runs the queries of testMany look at.
const manyRuns = 2000

// testMany compares lists and counts over many drawn records, which stay the same, so that
// each query has much to find and orders have much to tie. With -rapid.checks=5000 it
// compares 5,000 of each.
func testMany(t *testing.T, s visibility.Store, drawList func(*rapid.T) *query.Query) {
	ns, seed := namespaceOf(t), 0
	one := rapid.Custom(func(rt *rapid.T) *visibility.Record { return DrawRecord(rt, ns, seed) })
	var records []*visibility.Record
	for ; seed < manyRuns; seed++ {
		records = append(records, one.Example(seed))
	}
	d := writeDrawn(t, s, records)
	rapid.Check(t, func(rt *rapid.T) {
		d.compareFirstPage(t, rt, drawList(rt))
		d.compareCount(t, rt, DrawCount(rt))
	})
}

// compareFirstPage compares a first page, and the next one from a place in the middle.
func (d drawn) compareFirstPage(t *testing.T, rt *rapid.T, q *query.Query) {
	text := checkDrawn(rt, q)
	rows, terms := d.kept(q), q.Order()
	slices.SortFunc(rows, func(a, b eval.Row) int { return eval.Order(terms, a, b) })
	req := visibility.ListRequest{NamespaceID: d.namespaceID, Query: q, PageSize: rapid.IntRange(1, 200).Draw(rt, "page size")}
	for _, first := range []int{0, len(rows) / 2} {
		if first > 0 {
			req.PageToken = visibility.Position(eval.Tuple(terms, rows[first-1])).Token(req)
		}
		page, token, err := d.store.List(t.Context(), req)
		require.NoError(rt, err, text)
		want := rows[first:min(first+req.PageSize, len(rows))]
		require.Equal(rt, idsOf(want), runIDs(page), text)
		require.Equal(rt, first+req.PageSize < len(rows), len(token) > 0, text)
	}
}

func idsOf(rows []eval.Row) []string {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row[attr.RunID].Value.(string)
	}
	return ids
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
func (d drawn) kept(q *query.Query) []eval.Row {
	var rows []eval.Row
	for _, row := range d.rows {
		if eval.Match(q.Where, row) {
			rows = append(rows, row)
		}
	}
	return rows
}

func (d drawn) compareList(t *testing.T, rt *rapid.T, q *query.Query) {
	text := checkDrawn(rt, q)
	rows, terms := d.kept(q), q.Order()
	slices.SortFunc(rows, func(a, b eval.Row) int { return eval.Order(terms, a, b) })
	want := idsOf(rows)
	pageSize := rapid.IntRange(1, 5).Draw(rt, "page size")
	require.Equal(rt, want, runIDs(listAll(t, d.store, d.namespaceID, q, pageSize)), text)
	if len(rows) > 0 {
		req := visibility.ListRequest{NamespaceID: d.namespaceID, Query: q}
		place := rapid.IntRange(0, len(rows)-1).Draw(rt, "place")
		req.PageToken = visibility.Position(eval.Tuple(terms, rows[place])).Token(req)
		rest, _, err := d.store.List(t.Context(), req)
		require.NoError(rt, err, text)
		require.Equal(rt, want[place+1:], runIDs(rest), "a token of another store: %s", text)
	}
}

func (d drawn) compareCount(t *testing.T, rt *rapid.T, q *query.Query) {
	text := checkDrawn(rt, q)
	rows := d.kept(q)
	grouper := eval.NewGrouper(q)
	for _, row := range rows {
		grouper.Add(row)
	}
	want := visibility.Result(q, grouper.Result())
	got, err := d.store.Count(t.Context(), d.namespaceID, q)
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
