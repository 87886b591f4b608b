package frontend

import (
	"context"

	"go.temporal.io/api/workflowservice/v1"

	"perdure/visibility"
)

// ListOpenWorkflowExecutions finds open runs by start time and one more filter.
func (f *Frontend) ListOpenWorkflowExecutions(ctx context.Context, req *workflowservice.ListOpenWorkflowExecutionsRequest) (*workflowservice.ListOpenWorkflowExecutionsResponse, error) {
	q, err := visibility.OpenQuery(visibility.LegacyFilter{
		StartTime: req.GetStartTimeFilter(),
		Execution: req.GetExecutionFilter(),
		Type:      req.GetTypeFilter(),
	})
	if err != nil {
		return nil, badQuery(err)
	}
	runs, next, err := f.list(ctx, q, req.GetMaximumPageSize(), req.GetNextPageToken())
	if err != nil {
		return nil, err
	}
	return &workflowservice.ListOpenWorkflowExecutionsResponse{Executions: runs, NextPageToken: next}, nil
}

// ListClosedWorkflowExecutions finds closed runs by close time and one more filter.
func (f *Frontend) ListClosedWorkflowExecutions(ctx context.Context, req *workflowservice.ListClosedWorkflowExecutionsRequest) (*workflowservice.ListClosedWorkflowExecutionsResponse, error) {
	filter := visibility.LegacyFilter{
		StartTime: req.GetStartTimeFilter(),
		Execution: req.GetExecutionFilter(),
		Type:      req.GetTypeFilter(),
	}
	if chosen, ok := req.GetFilters().(*workflowservice.ListClosedWorkflowExecutionsRequest_StatusFilter); ok {
		filter.Status = chosen.StatusFilter
	}
	q, err := visibility.ClosedQuery(filter)
	if err != nil {
		return nil, badQuery(err)
	}
	runs, next, err := f.list(ctx, q, req.GetMaximumPageSize(), req.GetNextPageToken())
	if err != nil {
		return nil, err
	}
	return &workflowservice.ListClosedWorkflowExecutionsResponse{Executions: runs, NextPageToken: next}, nil
}
