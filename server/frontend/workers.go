package frontend

import (
	"context"

	"go.temporal.io/api/serviceerror"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// RecordWorkerHeartbeat remembers what worker processes tell of themselves.
func (f *Frontend) RecordWorkerHeartbeat(ctx context.Context, req *workflowservice.RecordWorkerHeartbeatRequest) (*workflowservice.RecordWorkerHeartbeatResponse, error) {
	return f.workers.RecordWorkerHeartbeat(ctx, namespaceOf(ctx), req)
}

// ListWorkers finds worker processes by a filter.
func (f *Frontend) ListWorkers(ctx context.Context, req *workflowservice.ListWorkersRequest) (*workflowservice.ListWorkersResponse, error) {
	return f.workers.ListWorkers(ctx, namespaceOf(ctx), req)
}

// CountWorkers counts the worker processes that a filter finds.
func (f *Frontend) CountWorkers(ctx context.Context, req *workflowservice.CountWorkersRequest) (*workflowservice.CountWorkersResponse, error) {
	return f.workers.CountWorkers(ctx, namespaceOf(ctx), req)
}

// DescribeWorker tells what a worker process said last.
func (f *Frontend) DescribeWorker(ctx context.Context, req *workflowservice.DescribeWorkerRequest) (*workflowservice.DescribeWorkerResponse, error) {
	return f.workers.DescribeWorker(ctx, namespaceOf(ctx), req)
}

// ShutdownWorker tells that a worker goes: its sticky queue is given up and,
// where the namespace claims so, its polls are answered.
func (f *Frontend) ShutdownWorker(ctx context.Context, req *workflowservice.ShutdownWorkerRequest) (*workflowservice.ShutdownWorkerResponse, error) {
	if !f.features.PollCompleteOnShutdown {
		req.WorkerInstanceKey = "" // the client ends its polls itself
	}
	resp, err := f.matching.ShutdownWorker(ctx, namespaceOf(ctx), req)
	if err != nil || req.GetWorkerHeartbeat() == nil {
		return resp, err
	}
	_, err = f.workers.RecordWorkerHeartbeat(ctx, namespaceOf(ctx), &workflowservice.RecordWorkerHeartbeatRequest{
		Identity: req.GetIdentity(), WorkerHeartbeat: []*workerpb.WorkerHeartbeat{req.GetWorkerHeartbeat()},
	})
	return resp, err
}

// FetchWorkerConfig answers as a server does that cannot configure workers.
func (f *Frontend) FetchWorkerConfig(context.Context, *workflowservice.FetchWorkerConfigRequest) (*workflowservice.FetchWorkerConfigResponse, error) {
	return nil, serviceerror.NewUnimplemented("FetchWorkerConfig command is not enabled.")
}

// UpdateWorkerConfig answers as a server does that cannot configure workers.
func (f *Frontend) UpdateWorkerConfig(context.Context, *workflowservice.UpdateWorkerConfigRequest) (*workflowservice.UpdateWorkerConfigResponse, error) {
	return nil, serviceerror.NewUnimplemented("UpdateWorkerConfig command is not enabled.")
}
