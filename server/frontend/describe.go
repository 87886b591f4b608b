package frontend

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// DescribeWorkflowExecution tells the state of a run.
func (f *Frontend) DescribeWorkflowExecution(ctx context.Context, req *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if err := checkExecution(req.GetExecution()); err != nil {
		return nil, err
	}
	ns := namespaceOf(ctx)
	resp, err := f.history.DescribeWorkflowExecution(ctx, ns, req)
	if info := resp.GetWorkflowExecutionInfo(); info != nil {
		info.SearchAttributes = ns.AttributeKeys.Shown(ns.SearchAttributes, info.SearchAttributes)
	}
	return resp, err
}

// clientsWithoutTransientEvents show histories to people, who would wonder at
// events that vanish.
var clientsWithoutTransientEvents = map[string]bool{"temporal-cli": true, "temporal-ui": true}

// GetWorkflowExecutionHistory reads a page of events, or waits for one.
func (f *Frontend) GetWorkflowExecutionHistory(ctx context.Context, req *workflowservice.GetWorkflowExecutionHistoryRequest) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	if err := checkExecution(req.GetExecution()); err != nil {
		return nil, err
	}
	req.MaximumPageSize = pageSize(req.GetMaximumPageSize(), f.limits.HistoryPageMax)
	if req.GetHistoryEventFilterType() != enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT {
		req.HistoryEventFilterType = enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT
	}
	hideTransient := clientsWithoutTransientEvents[header(ctx, "client-name")]
	if !req.GetWaitNewEvent() {
		return f.history.GetWorkflowExecutionHistory(ctx, namespaceOf(ctx), req, hideTransient)
	}
	return waitUntilDrain(f, ctx, func(ctx context.Context) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
		return f.history.GetWorkflowExecutionHistory(ctx, namespaceOf(ctx), req, hideTransient)
	})
}

// GetWorkflowExecutionHistoryReverse reads a page of events, newest first.
func (f *Frontend) GetWorkflowExecutionHistoryReverse(ctx context.Context, req *workflowservice.GetWorkflowExecutionHistoryReverseRequest) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	if err := checkExecution(req.GetExecution()); err != nil {
		return nil, err
	}
	req.MaximumPageSize = pageSize(req.GetMaximumPageSize(), f.limits.HistoryPageMax)
	return f.history.GetWorkflowExecutionHistoryReverse(ctx, namespaceOf(ctx), req)
}

// pageSize is the size asked for, or max when that is not a usable size.
func pageSize(asked int32, max int) int32 {
	if asked <= 0 || int(asked) > max {
		return int32(max)
	}
	return asked
}
