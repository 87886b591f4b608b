package frontend_test

import (
	"context"

	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
)

func (r *recorder) StartWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	return handle[workflowservice.StartWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) SignalWithStartWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error) {
	return handle[workflowservice.SignalWithStartWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) ExecuteMultiOperation(ctx context.Context, _ *cluster.Namespace, req *workflowservice.ExecuteMultiOperationRequest) (*workflowservice.ExecuteMultiOperationResponse, error) {
	return handle[workflowservice.ExecuteMultiOperationResponse](ctx, r, req)
}

func (r *recorder) SignalWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	return handle[workflowservice.SignalWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) RequestCancelWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RequestCancelWorkflowExecutionRequest) (*workflowservice.RequestCancelWorkflowExecutionResponse, error) {
	return handle[workflowservice.RequestCancelWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) TerminateWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.TerminateWorkflowExecutionRequest) (*workflowservice.TerminateWorkflowExecutionResponse, error) {
	return handle[workflowservice.TerminateWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) DescribeWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return handle[workflowservice.DescribeWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) GetWorkflowExecutionHistory(ctx context.Context, _ *cluster.Namespace, req *workflowservice.GetWorkflowExecutionHistoryRequest, hideTransient bool) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	r.hidden = hideTransient
	return handle[workflowservice.GetWorkflowExecutionHistoryResponse](ctx, r, req)
}

func (r *recorder) GetWorkflowExecutionHistoryReverse(ctx context.Context, _ *cluster.Namespace, req *workflowservice.GetWorkflowExecutionHistoryReverseRequest) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	return handle[workflowservice.GetWorkflowExecutionHistoryReverseResponse](ctx, r, req)
}

func (r *recorder) QueryWorkflow(ctx context.Context, _ *cluster.Namespace, req *workflowservice.QueryWorkflowRequest) (*workflowservice.QueryWorkflowResponse, error) {
	return handle[workflowservice.QueryWorkflowResponse](ctx, r, req)
}

func (r *recorder) UpdateWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.UpdateWorkflowExecutionResponse, error) {
	return handle[workflowservice.UpdateWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) PollWorkflowExecutionUpdate(ctx context.Context, _ *cluster.Namespace, req *workflowservice.PollWorkflowExecutionUpdateRequest) (*workflowservice.PollWorkflowExecutionUpdateResponse, error) {
	return handle[workflowservice.PollWorkflowExecutionUpdateResponse](ctx, r, req)
}

func (r *recorder) RespondWorkflowTaskCompleted(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondWorkflowTaskCompletedRequest) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	return handle[workflowservice.RespondWorkflowTaskCompletedResponse](ctx, r, req)
}

func (r *recorder) RespondWorkflowTaskFailed(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondWorkflowTaskFailedRequest) (*workflowservice.RespondWorkflowTaskFailedResponse, error) {
	return handle[workflowservice.RespondWorkflowTaskFailedResponse](ctx, r, req)
}

func (r *recorder) ResetStickyTaskQueue(ctx context.Context, _ *cluster.Namespace, req *workflowservice.ResetStickyTaskQueueRequest) (*workflowservice.ResetStickyTaskQueueResponse, error) {
	return handle[workflowservice.ResetStickyTaskQueueResponse](ctx, r, req)
}

func (r *recorder) RecordActivityTaskHeartbeat(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RecordActivityTaskHeartbeatRequest) (*workflowservice.RecordActivityTaskHeartbeatResponse, error) {
	return handle[workflowservice.RecordActivityTaskHeartbeatResponse](ctx, r, req)
}

func (r *recorder) RecordActivityTaskHeartbeatById(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RecordActivityTaskHeartbeatByIdRequest) (*workflowservice.RecordActivityTaskHeartbeatByIdResponse, error) {
	return handle[workflowservice.RecordActivityTaskHeartbeatByIdResponse](ctx, r, req)
}

func (r *recorder) RespondActivityTaskCompleted(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondActivityTaskCompletedRequest) (*workflowservice.RespondActivityTaskCompletedResponse, error) {
	return handle[workflowservice.RespondActivityTaskCompletedResponse](ctx, r, req)
}

func (r *recorder) RespondActivityTaskCompletedById(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondActivityTaskCompletedByIdRequest) (*workflowservice.RespondActivityTaskCompletedByIdResponse, error) {
	return handle[workflowservice.RespondActivityTaskCompletedByIdResponse](ctx, r, req)
}

func (r *recorder) RespondActivityTaskFailed(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondActivityTaskFailedRequest) (*workflowservice.RespondActivityTaskFailedResponse, error) {
	return handle[workflowservice.RespondActivityTaskFailedResponse](ctx, r, req)
}

func (r *recorder) RespondActivityTaskFailedById(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondActivityTaskFailedByIdRequest) (*workflowservice.RespondActivityTaskFailedByIdResponse, error) {
	return handle[workflowservice.RespondActivityTaskFailedByIdResponse](ctx, r, req)
}

func (r *recorder) RespondActivityTaskCanceled(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondActivityTaskCanceledRequest) (*workflowservice.RespondActivityTaskCanceledResponse, error) {
	return handle[workflowservice.RespondActivityTaskCanceledResponse](ctx, r, req)
}

func (r *recorder) RespondActivityTaskCanceledById(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondActivityTaskCanceledByIdRequest) (*workflowservice.RespondActivityTaskCanceledByIdResponse, error) {
	return handle[workflowservice.RespondActivityTaskCanceledByIdResponse](ctx, r, req)
}

func (r *recorder) PollWorkflowTaskQueue(ctx context.Context, _ *cluster.Namespace, req *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	return handle[workflowservice.PollWorkflowTaskQueueResponse](ctx, r, req)
}

func (r *recorder) PollActivityTaskQueue(ctx context.Context, _ *cluster.Namespace, req *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	return handle[workflowservice.PollActivityTaskQueueResponse](ctx, r, req)
}

func (r *recorder) RespondQueryTaskCompleted(ctx context.Context, _ *cluster.Namespace, req *workflowservice.RespondQueryTaskCompletedRequest) (*workflowservice.RespondQueryTaskCompletedResponse, error) {
	return handle[workflowservice.RespondQueryTaskCompletedResponse](ctx, r, req)
}

func (r *recorder) DescribeTaskQueue(ctx context.Context, _ *cluster.Namespace, req *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	return handle[workflowservice.DescribeTaskQueueResponse](ctx, r, req)
}

func (r *recorder) ListTaskQueuePartitions(ctx context.Context, _ *cluster.Namespace, req *workflowservice.ListTaskQueuePartitionsRequest) (*workflowservice.ListTaskQueuePartitionsResponse, error) {
	return handle[workflowservice.ListTaskQueuePartitionsResponse](ctx, r, req)
}

func (r *recorder) UpdateTaskQueueConfig(ctx context.Context, _ *cluster.Namespace, req *workflowservice.UpdateTaskQueueConfigRequest) (*workflowservice.UpdateTaskQueueConfigResponse, error) {
	return handle[workflowservice.UpdateTaskQueueConfigResponse](ctx, r, req)
}

func (r *recorder) ShutdownWorker(ctx context.Context, _ *cluster.Namespace, req *workflowservice.ShutdownWorkerRequest) (*workflowservice.ShutdownWorkerResponse, error) {
	return handle[workflowservice.ShutdownWorkerResponse](ctx, r, req)
}

func (r *recorder) ResetWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.ResetWorkflowExecutionRequest) (*workflowservice.ResetWorkflowExecutionResponse, error) {
	return handle[workflowservice.ResetWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) DeleteWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.DeleteWorkflowExecutionRequest) (*workflowservice.DeleteWorkflowExecutionResponse, error) {
	return handle[workflowservice.DeleteWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) UpdateWorkflowExecutionOptions(ctx context.Context, _ *cluster.Namespace, req *workflowservice.UpdateWorkflowExecutionOptionsRequest) (*workflowservice.UpdateWorkflowExecutionOptionsResponse, error) {
	return handle[workflowservice.UpdateWorkflowExecutionOptionsResponse](ctx, r, req)
}

func (r *recorder) PauseActivity(ctx context.Context, _ *cluster.Namespace, req *workflowservice.PauseActivityRequest) (*workflowservice.PauseActivityResponse, error) {
	return handle[workflowservice.PauseActivityResponse](ctx, r, req)
}

func (r *recorder) UnpauseActivity(ctx context.Context, _ *cluster.Namespace, req *workflowservice.UnpauseActivityRequest) (*workflowservice.UnpauseActivityResponse, error) {
	return handle[workflowservice.UnpauseActivityResponse](ctx, r, req)
}

func (r *recorder) ResetActivity(ctx context.Context, _ *cluster.Namespace, req *workflowservice.ResetActivityRequest) (*workflowservice.ResetActivityResponse, error) {
	return handle[workflowservice.ResetActivityResponse](ctx, r, req)
}

func (r *recorder) UpdateActivityOptions(ctx context.Context, _ *cluster.Namespace, req *workflowservice.UpdateActivityOptionsRequest) (*workflowservice.UpdateActivityOptionsResponse, error) {
	return handle[workflowservice.UpdateActivityOptionsResponse](ctx, r, req)
}

func (r *recorder) PauseActivityExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.PauseActivityExecutionRequest) (*workflowservice.PauseActivityExecutionResponse, error) {
	return handle[workflowservice.PauseActivityExecutionResponse](ctx, r, req)
}

func (r *recorder) UnpauseActivityExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.UnpauseActivityExecutionRequest) (*workflowservice.UnpauseActivityExecutionResponse, error) {
	return handle[workflowservice.UnpauseActivityExecutionResponse](ctx, r, req)
}

func (r *recorder) ResetActivityExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.ResetActivityExecutionRequest) (*workflowservice.ResetActivityExecutionResponse, error) {
	return handle[workflowservice.ResetActivityExecutionResponse](ctx, r, req)
}

func (r *recorder) UpdateActivityExecutionOptions(ctx context.Context, _ *cluster.Namespace, req *workflowservice.UpdateActivityExecutionOptionsRequest) (*workflowservice.UpdateActivityExecutionOptionsResponse, error) {
	return handle[workflowservice.UpdateActivityExecutionOptionsResponse](ctx, r, req)
}

func (r *recorder) PauseWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.PauseWorkflowExecutionRequest) (*workflowservice.PauseWorkflowExecutionResponse, error) {
	return handle[workflowservice.PauseWorkflowExecutionResponse](ctx, r, req)
}

func (r *recorder) UnpauseWorkflowExecution(ctx context.Context, _ *cluster.Namespace, req *workflowservice.UnpauseWorkflowExecutionRequest) (*workflowservice.UnpauseWorkflowExecutionResponse, error) {
	return handle[workflowservice.UnpauseWorkflowExecutionResponse](ctx, r, req)
}
