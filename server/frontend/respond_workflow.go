package frontend

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// RespondWorkflowTaskCompleted brings the commands of a workflow task. They
// are checked by history, since a wrong command fails the task.
func (f *Frontend) RespondWorkflowTaskCompleted(ctx context.Context, req *workflowservice.RespondWorkflowTaskCompletedRequest) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	return f.history.RespondWorkflowTaskCompleted(ctx, namespaceOf(ctx), req)
}

// RespondWorkflowTaskFailed tells that a workflow task failed.
func (f *Frontend) RespondWorkflowTaskFailed(ctx context.Context, req *workflowservice.RespondWorkflowTaskFailedRequest) (*workflowservice.RespondWorkflowTaskFailedResponse, error) {
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	req.Failure, _ = f.limitFailure(req.GetFailure())
	return f.history.RespondWorkflowTaskFailed(ctx, namespaceOf(ctx), req)
}

// failQuery turns a worker's answer to a query into a failure.
func failQuery(req *workflowservice.RespondQueryTaskCompletedRequest, message string) {
	req.CompletedType = enumspb.QUERY_RESULT_TYPE_FAILED
	req.QueryResult = nil
	req.ErrorMessage = message
	req.Failure = serverFailure(message)
}
