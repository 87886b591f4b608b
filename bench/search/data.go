package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
)

// What the rows are made of. Values are skewed, as in life: most are of few types, few have failed, few have parents.
const (
	types, queues, customers = 200, 100, 50_000
	startEvery               = 800 * time.Millisecond // between the starts of two runs
	openPercent              = 1
)

var (
	firstStart  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	regions     = []string{"eu-west", "us-east", "us-west", "ap-south", "ap-north", "sa-east", "af-south", "me-central"}
	words       = []string{"order", "refund", "invoice", "paid", "late", "gift", "return", "express", "fragile", "insured", "pickup", "customs"}
	customTypes = attr.Types{
		"Customer": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "Region": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "Amount": enumspb.INDEXED_VALUE_TYPE_INT,
		"Score": enumspb.INDEXED_VALUE_TYPE_DOUBLE, "DueAt": enumspb.INDEXED_VALUE_TYPE_DATETIME, "Express": enumspb.INDEXED_VALUE_TYPE_BOOL,
		"Tags": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST, "Notes": enumspb.INDEXED_VALUE_TYPE_TEXT,
	}
)

// skewed draws a number below n; small ones are the most frequent.
func skewed(r *rand.Rand, n int) int { return int(float64(n) * math.Pow(r.Float64(), 4)) }

func runID(number int) string {
	return fmt.Sprintf("%08x-7000-7000-8000-%012x", uint32(number)*2654435761, number)
}

func workflowID(number int) string {
	return fmt.Sprintf("order-%d", number-number%100*boolInt(number%10 == 0))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// record makes the run of a number, as it is when all runs are there. Of ten runs one shares its workflow id with nine others.
func record(namespaceID string, number int) *visibility.Record {
	r := rand.New(rand.NewPCG(uint64(number), 1))
	start := firstStart.Add(time.Duration(number)*startEvery + time.Duration(r.Int64N(int64(time.Second))))
	rec := &visibility.Record{
		NamespaceID: namespaceID, Version: 2, RunID: runID(number), WorkflowID: workflowID(number),
		WorkflowType: fmt.Sprint("type-", skewed(r, types)), TaskQueue: fmt.Sprint("queue-", skewed(r, queues)),
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: start, ExecutionTime: start,
		SearchAttributes: attributes(r, start),
	}
	rec.RootWorkflowID, rec.RootRunID = rec.WorkflowID, rec.RunID
	if r.IntN(10) == 0 && number > 1000 {
		parent := number - 1 - r.IntN(1000)
		rec.ParentWorkflowID, rec.ParentRunID = workflowID(parent), runID(parent)
		rec.RootWorkflowID, rec.RootRunID = rec.ParentWorkflowID, rec.ParentRunID
	}
	if r.IntN(50) == 0 {
		rec.ExecutionTime = start.Add(time.Duration(r.Int64N(int64(24 * time.Hour))))
	}
	if r.IntN(100) >= openPercent {
		end(r, rec)
	}
	return rec
}

func end(r *rand.Rand, rec *visibility.Record) {
	rec.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	if r.IntN(20) == 0 {
		rec.Status = enumspb.WorkflowExecutionStatus(3 + skewed(r, 5))
	}
	rec.CloseTime = rec.ExecutionTime.Add(time.Duration(math.Exp(r.NormFloat64()*2+2) * float64(time.Second)))
	rec.HistoryLength = 5 + 6*int64(math.Exp(r.NormFloat64()))
	rec.HistorySizeBytes = rec.HistoryLength*300 + r.Int64N(5000)
	rec.StateTransitionCount = rec.HistoryLength / 2
}

func attributes(r *rand.Rand, start time.Time) *commonpb.SearchAttributes {
	fields := map[string]*commonpb.Payload{}
	set := func(name string, value any) { fields[name] = attr.Encode(value, customTypes[name]) }
	set("Customer", fmt.Sprint("customer-", skewed(r, customers)))
	set("Region", regions[skewed(r, len(regions))])
	set("Amount", int64(math.Exp(r.NormFloat64()+6)))
	set("Score", r.Float64())
	if r.IntN(4) == 0 {
		set("DueAt", start.Add(time.Duration(r.Int64N(int64(30*24*time.Hour)))))
		set("Express", r.IntN(10) == 0)
		set("Tags", []string{words[skewed(r, len(words))], fmt.Sprint("batch-", r.IntN(10_000))})
	}
	if r.IntN(10) == 0 {
		set("Notes", fmt.Sprintf("%s %s for parcel p%d", words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(100_000)))
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}
