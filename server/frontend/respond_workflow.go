package frontend

import (
	"context"

	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
)

// RespondWorkflowTaskCompleted brings the commands of a workflow task. They
// are checked by history, since a wrong command fails the task.
func (f *Frontend) RespondWorkflowTaskCompleted(ctx context.Context, req *workflowservice.RespondWorkflowTaskCompletedRequest) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	if err := resolveWorker(req); err != nil {
		return nil, err
	}
	for id, result := range req.GetQueryResults() {
		if f.oversized(ctx, result.GetAnswer()) {
			req.QueryResults[id] = &querypb.WorkflowQueryResult{
				ResultType: enumspb.QUERY_RESULT_TYPE_FAILED, ErrorMessage: blobTooLarge, Failure: serverFailure(blobTooLarge),
			}
		}
	}
	return f.history.RespondWorkflowTaskCompleted(ctx, namespaceOf(ctx), req)
}

// resolveWorker reads the older form in which a worker tells its version, and
// requires a version of a worker that tells how its runs change versions. Workers
// without a version send a deployment without a name.
func resolveWorker(req *workflowservice.RespondWorkflowTaskCompletedRequest) error {
	//nolint:staticcheck // older workers send it
	if d := req.GetDeployment(); d.GetSeriesName() != "" && d.GetBuildId() != "" && req.GetDeploymentOptions() == nil {
		req.DeploymentOptions = &deploymentpb.WorkerDeploymentOptions{
			DeploymentName: d.GetSeriesName(), BuildId: d.GetBuildId(), WorkerVersioningMode: enumspb.WORKER_VERSIONING_MODE_VERSIONED,
		}
	}
	o := req.GetDeploymentOptions()
	versioned := o.GetWorkerVersioningMode() == enumspb.WORKER_VERSIONING_MODE_VERSIONED
	switch {
	case req.GetVersioningBehavior() != enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED && !versioned:
		return apierr.InvalidArgument("versioning behavior cannot be specified without deployment options being set with versioned mode")
	case versioned && (o.GetDeploymentName() == "" || o.GetBuildId() == ""):
		return apierr.InvalidArgument("Deployment name and build id must be set together.")
	}
	return nil
}

// RespondWorkflowTaskFailed tells that a workflow task failed.
func (f *Frontend) RespondWorkflowTaskFailed(ctx context.Context, req *workflowservice.RespondWorkflowTaskFailedRequest) (*workflowservice.RespondWorkflowTaskFailedResponse, error) {
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	req.Failure, _ = f.limitFailure(ctx, req.GetFailure())
	return f.history.RespondWorkflowTaskFailed(ctx, namespaceOf(ctx), req)
}

// failQuery turns a worker's answer to a query into a failure.
func failQuery(req *workflowservice.RespondQueryTaskCompletedRequest, message string) {
	req.CompletedType = enumspb.QUERY_RESULT_TYPE_FAILED
	req.QueryResult = nil
	req.ErrorMessage = message
	req.Failure = serverFailure(message)
}
