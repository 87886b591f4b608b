package frontend

import (
	"context"

	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
)

// QueryWorkflow asks a worker about the state of a run.
func (f *Frontend) QueryWorkflow(ctx context.Context, req *workflowservice.QueryWorkflowRequest) (*workflowservice.QueryWorkflowResponse, error) {
	if err := f.checkQuery(ctx, req); err != nil {
		return nil, err
	}
	return waitUntilDrain(f, ctx, func(ctx context.Context) (*workflowservice.QueryWorkflowResponse, error) {
		return f.history.QueryWorkflow(ctx, namespaceOf(ctx), req)
	})
}

func (f *Frontend) checkQuery(ctx context.Context, req *workflowservice.QueryWorkflowRequest) error {
	if err := checkExecution(req.GetExecution()); err != nil {
		return err
	}
	switch {
	case req.GetQuery() == nil:
		return apierr.InvalidArgument("WorkflowQuery is not set on request.")
	case req.GetQuery().GetQueryType() == "":
		return apierr.InvalidArgument("QueryType is not set on request.")
	}
	return f.checkBlob(ctx, req.GetQuery().GetQueryArgs())
}

// RespondQueryTaskCompleted brings a worker's answer to a query. One that is
// too large becomes a failure of the query.
func (f *Frontend) RespondQueryTaskCompleted(ctx context.Context, req *workflowservice.RespondQueryTaskCompletedRequest) (*workflowservice.RespondQueryTaskCompletedResponse, error) {
	if f.oversized(ctx, req.GetQueryResult()) {
		failQuery(req, blobTooLarge)
	}
	return f.matching.RespondQueryTaskCompleted(ctx, namespaceOf(ctx), req)
}
