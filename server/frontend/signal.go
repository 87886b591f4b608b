package frontend

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
)

// SignalWorkflowExecution sends a signal to a run.
func (f *Frontend) SignalWorkflowExecution(ctx context.Context, req *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	if err := f.checkSignal(ctx, req); err != nil {
		return nil, err
	}
	return f.history.SignalWorkflowExecution(ctx, namespaceOf(ctx), req)
}

func (f *Frontend) checkSignal(ctx context.Context, req *workflowservice.SignalWorkflowExecutionRequest) error {
	if err := checkExecution(req.GetWorkflowExecution()); err != nil {
		return err
	}
	switch {
	case req.GetSignalName() == "":
		return apierr.InvalidArgument("SignalName is not set on request.")
	case f.tooLong(req.GetSignalName()):
		return apierr.InvalidArgument("SignalName length exceeds limit.")
	}
	if err := f.checkRequestID(req.GetRequestId()); err != nil {
		return err
	}
	if err := f.checkLinks(req.GetLinks()); err != nil {
		return err
	}
	if err := f.checkBlob(ctx, req.GetInput()); err != nil {
		return err
	}
	return nil
}

// signalWithStartRules differ from those of a plain start in the policies, in
// the words and in the order.
var signalWithStartRules = rules{
	conflictDefault: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	failRefused:     true,
	typeMissing:     "workflow type not set",
	typeTooLong:     "workflow type name exceeds maximum allowed length",
	requestTooLong:  "Request ID exceeds maximum allowed length",
	lengthsShown:    true,
	checks: []func(*startCheck) error{
		(*startCheck).cron, (*startCheck).workflowID, (*startCheck).signalName, (*startCheck).workflowType, (*startCheck).taskQueue,
		(*startCheck).requestID, (*startCheck).timeouts, (*startCheck).retryPolicy, (*startCheck).noDelayWithCron, (*startCheck).delay,
		(*startCheck).policies, (*startCheck).searchAttributes, (*startCheck).priority, (*startCheck).links, (*startCheck).sizes, (*startCheck).override,
	},
}

// SignalWithStartWorkflowExecution signals the running workflow or starts it with the signal.
func (f *Frontend) SignalWithStartWorkflowExecution(ctx context.Context, req *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error) {
	ns := namespaceOf(ctx)
	start := startOf(req)
	if err := (&startCheck{f: f, ctx: ctx, ns: ns, req: start, signal: req.GetSignalName(), rules: signalWithStartRules}).run(); err != nil {
		return nil, err
	}
	takeOver(req, start)
	if err := f.checkBlob(ctx, req.GetSignalInput()); err != nil {
		return nil, err
	}
	return f.history.SignalWithStartWorkflowExecution(ctx, ns, req)
}

// startOf is the start half of the request.
func startOf(req *workflowservice.SignalWithStartWorkflowExecutionRequest) *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace:                req.GetNamespace(),
		WorkflowId:               req.GetWorkflowId(),
		WorkflowType:             req.GetWorkflowType(),
		TaskQueue:                req.GetTaskQueue(),
		Input:                    req.GetInput(),
		WorkflowExecutionTimeout: req.GetWorkflowExecutionTimeout(),
		WorkflowRunTimeout:       req.GetWorkflowRunTimeout(),
		WorkflowTaskTimeout:      req.GetWorkflowTaskTimeout(),
		Identity:                 req.GetIdentity(),
		RequestId:                req.GetRequestId(),
		WorkflowIdReusePolicy:    req.GetWorkflowIdReusePolicy(),
		WorkflowIdConflictPolicy: req.GetWorkflowIdConflictPolicy(),
		RetryPolicy:              req.GetRetryPolicy(),
		CronSchedule:             req.GetCronSchedule(),
		Memo:                     req.GetMemo(),
		SearchAttributes:         req.GetSearchAttributes(),
		WorkflowStartDelay:       req.GetWorkflowStartDelay(),
		Links:                    req.GetLinks(),
		VersioningOverride:       req.GetVersioningOverride(),
		Priority:                 req.GetPriority(),
	}
}

// takeOver puts what the check filled in back into the request.
func takeOver(req *workflowservice.SignalWithStartWorkflowExecutionRequest, start *workflowservice.StartWorkflowExecutionRequest) {
	req.TaskQueue = start.GetTaskQueue()
	req.WorkflowExecutionTimeout = start.GetWorkflowExecutionTimeout()
	req.WorkflowRunTimeout = start.GetWorkflowRunTimeout()
	req.WorkflowTaskTimeout = start.GetWorkflowTaskTimeout()
	req.WorkflowStartDelay = start.GetWorkflowStartDelay()
	req.RequestId = start.GetRequestId()
	req.VersioningOverride = start.GetVersioningOverride()
	req.WorkflowIdReusePolicy = start.GetWorkflowIdReusePolicy()
	req.WorkflowIdConflictPolicy = start.GetWorkflowIdConflictPolicy()
}
