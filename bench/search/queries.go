package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/query"
	"perdure/visibility/sqlform"
)

// question is a query with values that differ from call to call.
type question struct {
	name string
	text func(r *rand.Rand, b *bench) string
}

// pages are the questions for a first page: by each system attribute, with a value that many and one that few runs have, and by
// each custom attribute that has an index.
var pages = []question{
	{"all", func(*rand.Rand, *bench) string { return "" }},
	{"open", func(*rand.Rand, *bench) string { return "CloseTime IS NULL" }},
	{"WorkflowId", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("WorkflowId = '%s'", workflowID(r.IntN(b.rows)))
	}},
	{"WorkflowId prefix", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("WorkflowId STARTS_WITH 'order-%d'", r.IntN(1000))
	}},
	{"RunId", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("RunId = '%s'", runID(r.IntN(b.rows))) }},
	{"WorkflowType", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("WorkflowType = 'type-%d'", r.IntN(types)) }},
	{"WorkflowType, none", func(r *rand.Rand, b *bench) string { return "WorkflowType = 'no-such'" }},
	{"TaskQueue", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("TaskQueue = 'queue-%d'", r.IntN(queues)) }},
	{"ExecutionStatus", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("ExecutionStatus = %d", 1+r.IntN(7)) }},
	{"ExecutionStatus IN", func(*rand.Rand, *bench) string { return "ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')" }},
	{"type and status", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("WorkflowType = 'type-%d' AND ExecutionStatus = 'Completed'", r.IntN(types))
	}},
	{"StartTime, an hour", func(r *rand.Rand, b *bench) string { return b.span(r, "StartTime", time.Hour) }},
	{"StartTime, since", func(r *rand.Rand, b *bench) string { return "StartTime > " + quoted(b.instant(r)) }},
	{"ExecutionTime, an hour", func(r *rand.Rand, b *bench) string { return b.span(r, "ExecutionTime", time.Hour) }},
	{"ExecutionTime, since", func(r *rand.Rand, b *bench) string { return "ExecutionTime > " + quoted(b.instant(r)) }},
	{"CloseTime, an hour", func(r *rand.Rand, b *bench) string { return b.span(r, "CloseTime", time.Hour) }},
	{"CloseTime, before", func(r *rand.Rand, b *bench) string { return "CloseTime < " + quoted(b.instant(r)) }},
	{"ExecutionDuration, long", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("ExecutionDuration > '%dm'", 1+r.IntN(600)) }},
	{"ExecutionDuration, short", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("ExecutionDuration < '%ds'", 1+r.IntN(10)) }},
	{"HistoryLength, long", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("HistoryLength > %d", 20+r.IntN(300)) }},
	{"HistoryLength", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("HistoryLength = %d", 5+6*r.IntN(40)) }},
	{"HistorySizeBytes, large", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("HistorySizeBytes > %d", 10_000+r.IntN(100_000))
	}},
	{"StateTransitionCount", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("StateTransitionCount > %d", 10+r.IntN(150)) }},
	{"ParentWorkflowId", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("ParentWorkflowId = '%s'", workflowID(r.IntN(b.rows)))
	}},
	{"ParentRunId", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("ParentRunId = '%s'", runID(r.IntN(b.rows))) }},
	{"RootWorkflowId", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("RootWorkflowId = '%s'", workflowID(r.IntN(b.rows)))
	}},
	{"RootRunId", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("RootRunId = '%s'", runID(r.IntN(b.rows))) }},
	{"ORDER BY StartTime", func(*rand.Rand, *bench) string { return "ORDER BY StartTime" }},
	{"ORDER BY StartTime DESC", func(*rand.Rand, *bench) string { return "ORDER BY StartTime DESC" }},
	{"ORDER BY CloseTime DESC", func(*rand.Rand, *bench) string { return "ORDER BY CloseTime DESC" }},
	{"ORDER BY ExecutionDuration DESC", func(*rand.Rand, *bench) string { return "ORDER BY ExecutionDuration DESC" }},
	{"ORDER BY HistoryLength DESC", func(*rand.Rand, *bench) string { return "ORDER BY HistoryLength DESC" }},
	{"ORDER BY HistorySizeBytes DESC", func(*rand.Rand, *bench) string { return "ORDER BY HistorySizeBytes DESC" }},
	{"Keyword, indexed", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("Customer = 'customer-%d'", skewed(r, customers))
	}},
	{"Keyword of few values, indexed", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("Region = '%s'", regions[r.IntN(len(regions))])
	}},
	{"Int, indexed", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("Amount > %d", 5000+r.IntN(20_000)) }},
	{"ORDER BY Int, indexed", func(*rand.Rand, *bench) string { return "ORDER BY Amount DESC" }},
	{"Double, indexed", func(r *rand.Rand, b *bench) string {
		low := r.Float64()
		return fmt.Sprintf("Score BETWEEN %f AND %f", low, low+0.0001)
	}},
	{"Datetime, indexed", func(r *rand.Rand, b *bench) string { return b.span(r, "DueAt", time.Hour) }},
	{"KeywordList", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("Tags = 'batch-%d'", r.IntN(10_000)) }},
	{"Text", func(r *rand.Rand, b *bench) string { return fmt.Sprintf("Notes = 'p%d'", r.IntN(100_000)) }},
	{"phrase", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("MATCH(Notes, '\"parcel p%d\"')", r.IntN(100_000))
	}},
	{"part of a keyword, indexed", func(r *rand.Rand, b *bench) string {
		return fmt.Sprintf("Customer CONTAINS 'er-%d'", 10_000+r.IntN(40_000))
	}},
}

// totals are the questions for a number.
var totals = []question{
	{"count", func(*rand.Rand, *bench) string { return "" }},
	{"count by status", func(*rand.Rand, *bench) string { return "GROUP BY ExecutionStatus" }},
	{"count of a status", func(*rand.Rand, *bench) string { return "ExecutionStatus = 'Failed'" }},
	{"count of an hour by status", func(r *rand.Rand, b *bench) string {
		return b.span(r, "StartTime", time.Hour) + " GROUP BY ExecutionStatus"
	}},
}

// onDemand are the indexes that an operator would have asked for.
var onDemand = []visibility.AttributeIndex{
	{Attribute: "Customer", Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Use: visibility.IndexValues},
	{Attribute: "Region", Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Use: visibility.IndexValues},
	{Attribute: "Amount", Type: enumspb.INDEXED_VALUE_TYPE_INT, Use: visibility.IndexOrder},
	{Attribute: "Score", Type: enumspb.INDEXED_VALUE_TYPE_DOUBLE, Use: visibility.IndexOrder},
	{Attribute: "DueAt", Type: enumspb.INDEXED_VALUE_TYPE_DATETIME, Use: visibility.IndexOrder},
	{Attribute: "Customer", Type: enumspb.INDEXED_VALUE_TYPE_KEYWORD, Use: visibility.IndexInfix},
}

// chosen are the questions to ask.
func (b *bench) chosen(questions []question) ([]question, error) {
	names, err := regexp.Compile(b.only)
	return slices.DeleteFunc(slices.Clone(questions), func(q question) bool { return err != nil || !names.MatchString(q.name) }), err
}

func quoted(t time.Time) string { return "'" + t.Format(time.RFC3339Nano) + "'" }

// instant is a time while runs were started.
func (b *bench) instant(r *rand.Rand) time.Time {
	return firstStart.Add(time.Duration(r.IntN(b.settings.rows)) * startEvery)
}

func (b *bench) span(r *rand.Rand, name string, length time.Duration) string {
	t := b.instant(r)
	return fmt.Sprintf("%s BETWEEN %s AND %s", name, quoted(t), quoted(t.Add(length)))
}

func (b *bench) queries(ctx context.Context) error {
	keeper, ok := b.store.(visibility.IndexKeeper)
	if !ok {
		return fmt.Errorf("the store %s has no indexes on demand", b.store.Name())
	}
	asked, err := b.chosen(pages)
	if err != nil {
		return err
	}
	for _, index := range onDemand {
		if !slices.ContainsFunc(asked, func(q question) bool { return strings.HasSuffix(q.name, ", indexed") }) {
			break
		}
		begun := time.Now()
		if err := keeper.CreateIndex(ctx, index); err != nil {
			return err
		}
		say("index of %s for %s: %.1f s", index.Attribute, index.Use, time.Since(begun).Seconds())
	}
	built, err := keeper.Indexes(ctx)
	if err != nil {
		return err
	}
	for _, index := range built {
		b.result.OnDemandBytes += index.Bytes
	}
	if !b.filled {
		if err := b.execute(ctx, "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
			return err
		}
	}
	// A list that searches or sorts beyond its limit is refused, which the bench would tell as its error.
	for _, q := range asked {
		t, err := b.ask(q, func(checked *query.Query) (int, error) {
			page, _, err := b.store.List(ctx, visibility.ListRequest{NamespaceID: namespaceID, Query: checked, PageSize: b.pageSize})
			return len(page), err
		})
		if err == nil {
			t.Plans, err = b.plans(ctx, q)
		}
		if err != nil {
			return err
		}
		b.result.Queries = append(b.result.Queries, t)
	}
	return nil
}

func (b *bench) counts(ctx context.Context) error {
	asked, err := b.chosen(totals)
	if err != nil {
		return err
	}
	for _, q := range asked {
		t, err := b.ask(q, func(checked *query.Query) (int, error) {
			counted, err := b.store.Count(ctx, namespaceID, checked)
			return int(counted.Total), err
		})
		if err != nil {
			return err
		}
		b.result.Counts = append(b.result.Counts, t)
	}
	return nil
}

// plansAsked is how many calls of a question are asked for their plan.
const plansAsked = 50

// plans returns the indexes of the plans of a question's calls, each set once.
func (b *bench) plans(ctx context.Context, q question) ([]string, error) {
	explainer, ok := b.store.(visibility.Explainer)
	if !ok {
		return nil, fmt.Errorf("the store %s tells no plans", b.store.Name())
	}
	r := rand.New(rand.NewPCG(7, 7))
	seen := map[string]bool{}
	for range plansAsked {
		checked, err := check(q.text(r, b))
		if err != nil {
			return nil, err
		}
		plan, err := explainer.Explain(ctx, visibility.ExplainRequest{NamespaceID: namespaceID, Query: checked})
		if err != nil {
			return nil, err
		}
		seen[indexesOf(plan)] = true
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

func indexesOf(plan visibility.Plan) string {
	var names []string
	for _, step := range plan.Steps {
		name := strings.TrimPrefix(step.Index, sqlform.Table+"_")
		if name == "" && strings.HasSuffix(step.Kind, "Seq Scan") {
			name = "all rows"
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

func check(text string) (*query.Query, error) {
	checked, err := query.Parse(text)
	if err == nil {
		err = query.Check(checked, customTypes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return checked, nil
}

// askMax bounds the time of one question, so that a slow one does not take the whole evening.
const askMax = 2 * time.Minute

// ask calls a question as often as the settings say.
func (b *bench) ask(q question, answer func(*query.Query) (int, error)) (timing, error) {
	r := rand.New(rand.NewPCG(7, 7))
	t := timing{Name: q.name}
	var took []time.Duration
	begun, rows := time.Now(), 0
	for range b.calls {
		t.Query = q.text(r, b)
		checked, err := check(t.Query)
		if err != nil {
			return t, err
		}
		start := time.Now()
		found, err := answer(checked)
		if err != nil {
			return t, fmt.Errorf("%s: %w", t.Query, err)
		}
		took = append(took, time.Since(start))
		if rows += found; time.Since(begun) > askMax {
			break
		}
	}
	t.Rows = float64(rows) / float64(len(took))
	t.fill(took)
	say("%-32s %8.2f ms p50 %8.2f p99 %8.2f max", t.Name, t.P50, t.P99, t.Max)
	return t, nil
}

func (t *timing) fill(took []time.Duration) {
	slices.Sort(took)
	milliseconds := func(percent int) float64 {
		return float64(took[(len(took)-1)*percent/100].Microseconds()) / 1000
	}
	t.P50, t.P99, t.Max = milliseconds(50), milliseconds(99), milliseconds(100)
}

// freshness writes one run after another, each as a batch of its own, and finds it.
func (b *bench) freshness(ctx context.Context) error {
	b.result.Freshness = timing{Name: "write of one run until it is found"}
	var took []time.Duration
	for i := range b.calls {
		rec := record(namespaceID, b.rows+i)
		rec.WorkflowID = fmt.Sprint("fresh-", i)
		checked, err := check("WorkflowId = '" + rec.WorkflowID + "'")
		if err != nil {
			return err
		}
		start := time.Now()
		if err := b.store.Write(ctx, []*visibility.Record{rec}); err != nil {
			return err
		}
		found, _, err := b.store.List(ctx, visibility.ListRequest{NamespaceID: namespaceID, Query: checked})
		if err != nil || len(found) != 1 {
			return fmt.Errorf("%d runs found, not the one that was written: %w", len(found), err)
		}
		took = append(took, time.Since(start))
	}
	b.result.Freshness.fill(took)
	return nil
}
