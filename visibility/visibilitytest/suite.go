// Package visibilitytest is the specification of a visibility store, as tests,
// with recorded runs and queries and with generated ones that are compared
// with the evaluator.
package visibilitytest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// Run tests a store. Each test uses namespaces of its own, so open may return
// the same store every time.
func Run(t *testing.T, open func(t *testing.T) visibility.Store) {
	run(t, DrawList, open)
}

// RunUnordered tests a store that cannot sort by custom attributes.
func RunUnordered(t *testing.T, open func(t *testing.T) visibility.Store) {
	run(t, func(t *rapid.T) *query.Query { return &query.Query{Where: DrawList(t).Where} }, open)
}

func run(t *testing.T, drawList func(*rapid.T) *query.Query, open func(t *testing.T) visibility.Store) {
	tests := map[string]func(*testing.T, visibility.Store){
		"Versions":       testVersions,
		"Again":          testAgain,
		"Inventory":      testInventory,
		"VersionsBatch":  testVersionsBatch,
		"Deletion":       testDeletion,
		"WholeRecord":    testWholeRecord,
		"Order":          testOrder,
		"PagesMove":      testPagesWhileRunsClose,
		"Tokens":         testTokens,
		"Count":          testCount,
		"Namespaces":     testNamespaces,
		"Divisions":      testDivisions,
		"LargeBatch":     testLargeBatch,
		"ManyItems":      testManyItems,
		"Corpus":         testCorpus,
		"Generated":      func(t *testing.T, s visibility.Store) { testGenerated(t, s, drawList) },
		"Counts":         testCounts,
		"Many":           func(t *testing.T, s visibility.Store) { testMany(t, s, drawList) },
		"RetypedSkipped": testRetyped,
		"Canceled":       testCanceled,
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) { tests[name](t, open(t)) })
	}
}

// namespaceOf gives a test its own namespace.
func namespaceOf(t testing.TB) string { return t.Name() + fmt.Sprint(time.Now().UnixNano()) }

// Checked parses and checks a query against CorpusTypes.
func Checked(t require.TestingT, text string) *query.Query {
	q, err := query.Parse(text)
	require.NoError(t, err, text)
	require.NoError(t, query.CheckWith(q, CorpusOptions()), text)
	return q
}

// newRun returns an open run that started some seconds after 2024.
func newRun(namespaceID, runID string, startSeconds int64) *visibility.Record {
	start := time.Unix(1704067200+startSeconds, 0).UTC()
	return &visibility.Record{
		NamespaceID: namespaceID, WorkflowID: "workflow", RunID: runID, Version: 1, WorkflowType: "type", TaskQueue: "queue",
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: start, ExecutionTime: start,
	}
}

// closed returns the run at version 2, ended some seconds after 2024.
func closed(rec *visibility.Record, closeSeconds int64) *visibility.Record {
	out := *rec
	out.Version = 2
	out.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	out.CloseTime = time.Unix(1704067200+closeSeconds, 0).UTC()
	return &out
}

func write(t *testing.T, s visibility.Store, records ...*visibility.Record) {
	t.Helper()
	require.NoError(t, s.Write(t.Context(), records))
	refresh(t, s)
}

// refresh lets reads see what was written.
func refresh(t testing.TB, s visibility.Store) {
	t.Helper()
	if refresher, ok := s.(visibility.Refresher); ok {
		require.NoError(t, refresher.Refresh(t.Context()))
	}
}

// listAll reads all pages of a query.
func listAll(t *testing.T, s visibility.Store, namespaceID string, q *query.Query, pageSize int) []*visibility.Record {
	t.Helper()
	var all []*visibility.Record
	req := visibility.ListRequest{NamespaceID: namespaceID, Query: q, PageSize: pageSize}
	for {
		page, token, err := s.List(t.Context(), req)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), req.Size())
		all = append(all, page...)
		if len(token) == 0 {
			return all
		}
		require.Len(t, page, req.Size(), "a page before the last is full")
		req.PageToken = token
	}
}

func runIDs(records []*visibility.Record) []string {
	ids := make([]string, len(records))
	for i, rec := range records {
		ids[i] = rec.RunID
	}
	return ids
}

func list(t *testing.T, s visibility.Store, namespaceID, text string) []string {
	t.Helper()
	return runIDs(listAll(t, s, namespaceID, Checked(t, text), 0))
}

func testVersions(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	started := newRun(ns, "r", 0)
	ended := closed(started, 5)
	write(t, s, ended)
	write(t, s, started)
	require.Equal(t, []string{"r"}, list(t, s, ns, "ExecutionStatus = 'Completed'"), "an older version never overwrites")

	same := *ended
	same.WorkflowType = "other"
	write(t, s, &same)
	require.Empty(t, list(t, s, ns, "WorkflowType = 'other'"), "nor does the same version")

	same.Version++
	write(t, s, &same)
	require.Equal(t, []string{"r"}, list(t, s, ns, "WorkflowType = 'other'"))
}

// Again replaces a record of the same version, never one of a newer or a deletion.
func testAgain(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	run := newRun(ns, "r", 0)
	write(t, s, run)
	again := *run
	again.Again, again.WorkflowType = true, "other"
	write(t, s, &again)
	require.Equal(t, []string{"r"}, list(t, s, ns, "WorkflowType = 'other'"))
	write(t, s, closed(run, 5), &again)
	require.Empty(t, list(t, s, ns, "WorkflowType = 'other'"), "a newer one stays")
	write(t, s, &visibility.Record{NamespaceID: ns, RunID: "r", WorkflowID: "workflow", Version: 3, Deleted: true})
	again.Version = 2
	write(t, s, &again)
	require.Empty(t, list(t, s, ns, ""), "so does a deletion")
}

func testVersionsBatch(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	a, b := newRun(ns, "a", 0), newRun(ns, "b", 1)
	gone := *b
	gone.Version, gone.Deleted = 3, true
	write(t, s, closed(a, 5), a, b, &gone, closed(b, 6))
	require.Equal(t, []string{"a"}, list(t, s, ns, ""))
	require.Equal(t, []string{"a"}, list(t, s, ns, "CloseTime IS NOT NULL"))
	write(t, s)
}

func testDeletion(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	run := newRun(ns, "r", 0)
	tombstone := &visibility.Record{NamespaceID: ns, RunID: "r", WorkflowID: "workflow", Version: 5, Deleted: true}
	write(t, s, run)
	write(t, s, tombstone)
	require.Empty(t, list(t, s, ns, ""))
	write(t, s, closed(run, 5))
	require.Empty(t, list(t, s, ns, ""), "an older record does not bring a deleted run back")
	result, err := s.Count(t.Context(), ns, Checked(t, ""))
	require.NoError(t, err)
	require.Zero(t, result.Total)

	unseen := *tombstone
	unseen.RunID = "never written"
	write(t, s, &unseen)
	write(t, s, newRun(ns, "never written", 0))
	require.Empty(t, list(t, s, ns, ""), "a deletion that comes first holds")

	again := *run
	again.Version = 6
	write(t, s, &again)
	require.Equal(t, []string{"r"}, list(t, s, ns, ""), "a newer record is shown")
}

func testWholeRecord(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	rec := closed(newRun(ns, "run \x00 'quoted'", 7), 9)
	rec.WorkflowID, rec.TaskQueue = "wörk\x00flow\\", "queue\n"
	rec.StartTime = rec.StartTime.Add(123456789)
	rec.HistoryLength, rec.HistorySizeBytes, rec.StateTransitionCount = 11, 222, 7
	rec.ParentWorkflowID, rec.ParentRunID, rec.RootWorkflowID, rec.RootRunID = "p", "pr", "o", "or"
	rec.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{"m": {Data: []byte{0, 1, 2}}}}
	rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
		"env": attr.Encode("x", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
	}}
	write(t, s, rec)
	found := listAll(t, s, ns, Checked(t, ""), 0)
	require.Len(t, found, 1)
	require.True(t, proto.Equal(visibility.Info(rec), visibility.Info(found[0])), "%v", visibility.Info(found[0]))
	found[0].Memo, found[0].SearchAttributes = rec.Memo, rec.SearchAttributes
	require.Equal(t, rec, found[0])
}

func testOrder(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	write(t, s,
		newRun(ns, "open-a", 1), newRun(ns, "open-b", 1), newRun(ns, "open-late", 2),
		closed(newRun(ns, "closed-a", 1), 9), closed(newRun(ns, "closed-b", 1), 9), closed(newRun(ns, "closed-c", 2), 9),
		closed(newRun(ns, "closed-late", 0), 10))
	want := []string{"open-late", "open-b", "open-a", "closed-late", "closed-c", "closed-b", "closed-a"}
	for pageSize := range 9 {
		require.Equal(t, want, runIDs(listAll(t, s, ns, Checked(t, ""), pageSize)), "page size %d", pageSize)
	}
}

// testPagesWhileRunsClose checks that a run that closes between pages can repeat but is not lost.
func testPagesWhileRunsClose(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	want := map[string]bool{}
	for i := range int64(10) {
		rec := newRun(ns, fmt.Sprint("r", i), i)
		want[rec.RunID] = true
		write(t, s, rec)
	}
	req := visibility.ListRequest{NamespaceID: ns, Query: Checked(t, ""), PageSize: 3}
	for i := int64(0); ; i++ {
		page, token, err := s.List(t.Context(), req)
		require.NoError(t, err)
		for _, rec := range page {
			delete(want, rec.RunID)
		}
		if len(token) == 0 {
			break
		}
		req.PageToken = token
		write(t, s, closed(newRun(ns, fmt.Sprint("r", i), i), 100+i))
	}
	require.Empty(t, want)
}

func testTokens(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	write(t, s, newRun(ns, "a", 0), newRun(ns, "b", 1))
	req := visibility.ListRequest{NamespaceID: ns, Query: Checked(t, ""), PageSize: 1}
	_, token, err := s.List(t.Context(), req)
	require.NoError(t, err)
	require.NotEmpty(t, token)

	other := req
	other.Query, other.PageToken = Checked(t, "WorkflowId = 'workflow'"), token
	for name, bad := range map[string]visibility.ListRequest{
		"of another query": other,
		"garbage":          {NamespaceID: ns, Query: req.Query, PageToken: []byte("nonsense that is long enough to be one")},
		"too short":        {NamespaceID: ns, Query: req.Query, PageToken: []byte{1}},
	} {
		_, _, err := s.List(t.Context(), bad)
		require.ErrorIs(t, err, visibility.ErrPageToken, name)
	}
}

func testCount(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	hidden := newRun(ns, "hidden", 0)
	hidden.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
		attr.NamespaceDivision: attr.Encode("scheduler", enumspb.INDEXED_VALUE_TYPE_KEYWORD),
	}}
	write(t, s, hidden, newRun(ns, "a", 0), newRun(ns, "b", 0), closed(newRun(ns, "c", 0), 1))
	require.Equal(t, map[string]int64{"Running": 2, "Completed": 1}, groups(t, s, ns, "GROUP BY ExecutionStatus"))
	require.Equal(t, map[string]int64{"": 3, "scheduler": 1}, groups(t, s, ns, "GROUP BY TemporalNamespaceDivision"))
	require.Empty(t, groups(t, s, ns, "WorkflowId = 'nope' GROUP BY ExecutionStatus"))
	result, err := s.Count(t.Context(), ns, Checked(t, "ExecutionStatus = 'Running'"))
	require.NoError(t, err)
	require.Equal(t, visibility.CountResult{Total: 2}, result)
}

// groups counts by group and checks the total.
func groups(t *testing.T, s visibility.Store, namespaceID, text string) map[string]int64 {
	t.Helper()
	result, err := s.Count(t.Context(), namespaceID, Checked(t, text))
	require.NoError(t, err)
	counts, total := map[string]int64{}, int64(0)
	for _, group := range result.Groups {
		value, err := attr.Decode(group.Values[0], enumspb.INDEXED_VALUE_TYPE_KEYWORD)
		require.NoError(t, err)
		counts[value.(string)] += group.Count
		total += group.Count
	}
	require.Equal(t, result.Total, total)
	return counts
}

func testNamespaces(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	write(t, s, newRun(ns+"1", "r", 0), newRun(ns+"2", "r", 0))
	write(t, s, &visibility.Record{NamespaceID: ns + "1", RunID: "r", Version: 2, Deleted: true})
	require.Empty(t, list(t, s, ns+"1", ""))
	require.Equal(t, []string{"r"}, list(t, s, ns+"2", ""))
}

func testLargeBatch(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	const runs = 2500
	records := make([]*visibility.Record, runs)
	for i := range records {
		records[i] = newRun(ns, fmt.Sprintf("%06d", i), int64(i%7))
	}
	write(t, s, records...)
	seen := map[string]bool{}
	for _, rec := range listAll(t, s, ns, Checked(t, ""), 0) {
		seen[rec.RunID] = true
	}
	require.Len(t, seen, runs)
}

// testCorpus runs the recorded queries over the recorded runs.
func testCorpus(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	keys := map[string]string{}
	var records []*visibility.Record
	for key, rec := range CorpusRecords(ns) {
		keys[rec.RunID] = key
		records = append(records, rec)
	}
	require.Len(t, records, 272)
	write(t, s, records...)
	require.Len(t, corpusQueries(), 959, "the others are refused here: query/testdata")
	for _, c := range corpusQueries() {
		q := Checked(t, c.Query)
		result, err := s.Count(t.Context(), ns, q)
		require.NoError(t, err, c.Query)
		require.EqualValues(t, len(c.Keys), result.Total, c.Query)
		require.Len(t, result.Groups, len(c.Groups), c.Query)
		for i, group := range result.Groups {
			require.Equal(t, c.Groups[i].Count, group.Count, c.Query)
			require.JSONEq(t, fmt.Sprintf("%q", c.Groups[i].Value), string(group.Values[0].GetData()), c.Query)
		}
		found := runIDs(listAll(t, s, ns, q, 0))
		for i, runID := range found {
			found[i] = keys[runID]
		}
		require.Equal(t, strings.Join(c.Keys, " "), strings.Join(found, " "), c.Query)
	}
}

// testRetyped checks that a value written while an attribute had another type is absent.
func testRetyped(t *testing.T, s visibility.Store) {
	ns := namespaceOf(t)
	rec := newRun(ns, "r", 0)
	rec.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
		"env": attr.Encode(int64(5), enumspb.INDEXED_VALUE_TYPE_INT),
	}}
	write(t, s, rec)
	require.Equal(t, []string{"r"}, list(t, s, ns, "env IS NULL"))
	require.Empty(t, list(t, s, ns, "env > ''"))
}

func testCanceled(t *testing.T, s visibility.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ns := namespaceOf(t)
	require.Error(t, s.Write(ctx, []*visibility.Record{newRun(ns, "r", 0)}))
	_, _, err := s.List(ctx, visibility.ListRequest{NamespaceID: ns, Query: Checked(t, "")})
	require.Error(t, err)
	require.Empty(t, list(t, s, ns, ""))
}
