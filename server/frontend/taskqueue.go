package frontend

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
)

// taskQueuer is a request about a task queue.
type taskQueuer interface {
	GetTaskQueue() *taskqueuepb.TaskQueue
}

// DescribeTaskQueue tells who polls a queue and what waits in it.
func (f *Frontend) DescribeTaskQueue(ctx context.Context, req *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	if err := f.checkTaskQueue(req.GetTaskQueue()); err != nil {
		return nil, err
	}
	//nolint:staticcheck // the CLI asks in this mode
	if req.GetApiMode() == enumspb.DESCRIBE_TASK_QUEUE_MODE_ENHANCED && req.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_STICKY {
		return nil, apierr.InvalidArgument("Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.")
	}
	if req.GetTaskQueueType() != enumspb.TASK_QUEUE_TYPE_ACTIVITY && req.GetTaskQueueType() != enumspb.TASK_QUEUE_TYPE_NEXUS {
		req.TaskQueueType = enumspb.TASK_QUEUE_TYPE_WORKFLOW
	}
	resp, err := f.matching.DescribeTaskQueue(ctx, namespaceOf(ctx), req)
	if err != nil || !req.GetReportTaskReachability() {
		return resp, err
	}
	return resp, f.reportReachability(ctx, req.GetTaskQueue().GetName(), resp)
}

// ListTaskQueuePartitions tells into which partitions a queue is divided.
func (f *Frontend) ListTaskQueuePartitions(ctx context.Context, req *workflowservice.ListTaskQueuePartitionsRequest) (*workflowservice.ListTaskQueuePartitionsResponse, error) {
	if err := f.checkTaskQueue(req.GetTaskQueue()); err != nil {
		return nil, err
	}
	return f.matching.ListTaskQueuePartitions(ctx, namespaceOf(ctx), req)
}
