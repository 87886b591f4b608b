package main

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility"
	"perdure/visibility/attr"
)

const benchNamespace = "3f0e8b1c-8a0d-4d6e-9a55-0d7a3d7b9c11"

// makeRecords returns runs as a service of orders has them: most have ended, each has four attributes and a memo.
func makeRecords(count int) []*visibility.Record {
	records := make([]*visibility.Record, count)
	for n := range records {
		records[n] = makeRecord(n)
	}
	return records
}

func makeRecord(n int) *visibility.Record {
	start := time.Unix(1704067200, int64(n)*12_345_678).UTC()
	runID := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, "run", n)).String()
	rec := &visibility.Record{
		NamespaceID: benchNamespace, WorkflowID: fmt.Sprint("order-", n), RunID: runID, Version: 3,
		WorkflowType: fmt.Sprint("Order", n%20), TaskQueue: fmt.Sprint("orders-", n%8),
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: start, ExecutionTime: start,
		RootWorkflowID: fmt.Sprint("order-", n), RootRunID: runID,
		Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{"note": {Data: fmt.Appendf(nil, `"order %d of the shop"`, n)}}},
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			"CustomerId": attr.Encode(fmt.Sprint("customer-", n%5000), enumspb.INDEXED_VALUE_TYPE_KEYWORD),
			"Amount":     attr.Encode(float64(n%9999)+0.5, enumspb.INDEXED_VALUE_TYPE_DOUBLE),
			"Items":      attr.Encode(int64(n%17), enumspb.INDEXED_VALUE_TYPE_INT),
			"Tags":       attr.Encode([]string{"shop", fmt.Sprint("region-", n%9)}, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST),
		}},
	}
	if n%10 != 0 {
		rec.CloseTime, rec.Status = start.Add(time.Duration(n%600)*time.Second), enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		rec.HistoryLength, rec.HistorySizeBytes, rec.StateTransitionCount = 11, int64(2000+n%1000), 9
	}
	return rec
}
