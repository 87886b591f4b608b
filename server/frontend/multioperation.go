package frontend

import (
	"context"
	"errors"
	"slices"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
	"perdure/server/cluster"
)

// ExecuteMultiOperation starts a run unless it runs, and updates it.
func (f *Frontend) ExecuteMultiOperation(ctx context.Context, req *workflowservice.ExecuteMultiOperationRequest) (*workflowservice.ExecuteMultiOperationResponse, error) {
	ns := namespaceOf(ctx)
	start, update, err := startAndUpdate(req)
	if err != nil {
		return nil, err
	}
	if err := eachOperation(f.checkMultiStart(ctx, ns, start), f.checkMultiUpdate(ns, start, update)); err != nil {
		return nil, err
	}
	return waitUntilDrain(f, ctx, func(ctx context.Context) (*workflowservice.ExecuteMultiOperationResponse, error) {
		return f.history.ExecuteMultiOperation(ctx, ns, req)
	})
}

// startAndUpdate takes the two operations out of the request.
func startAndUpdate(req *workflowservice.ExecuteMultiOperationRequest) (*workflowservice.StartWorkflowExecutionRequest, *workflowservice.UpdateWorkflowExecutionRequest, error) {
	if ops := req.GetOperations(); len(ops) == 2 {
		start, update := ops[0].GetStartWorkflow(), ops[1].GetUpdateWorkflow()
		if start != nil && update != nil {
			return start, update, nil
		}
	}
	return nil, nil, apierr.InvalidArgument("Operations have to be exactly [Start, Update].")
}

// eachOperation combines the errors of the operations: an operation without
// one was given up for the other.
func eachOperation(errs ...error) error {
	if errors.Join(errs...) == nil {
		return nil
	}
	for i, err := range errs {
		if err == nil {
			errs[i] = serviceerror.NewMultiOperationAborted("Operation was aborted.")
		}
	}
	return serviceerror.NewMultiOperationExecution("Update-with-Start could not be executed.", errs)
}

var errOtherNamespace = serviceerror.NewInvalidArgument("Operation namespace did not match request's namespace.")

func (f *Frontend) checkMultiStart(ctx context.Context, ns *cluster.Namespace, req *workflowservice.StartWorkflowExecutionRequest) error {
	if req.GetNamespace() != "" && req.GetNamespace() != ns.Name {
		return errOtherNamespace
	}
	if err := checkState(ns, true); err != nil {
		return err
	}
	req.Namespace = ns.Name
	return (&startCheck{f: f, ctx: ctx, ns: ns, req: req, rules: multiStartRules}).run()
}

// multiStartRules refuse what makes no sense with an update before they look at sizes and versions.
var multiStartRules = func() rules {
	r := startRules
	r.checks = slices.Insert(slices.Clone(r.checks), len(r.checks)-2, (*startCheck).withUpdate)
	return r
}()

func (c *startCheck) withUpdate() error {
	switch {
	case c.req.GetCronSchedule() != "":
		return apierr.InvalidArgument("CronSchedule is not allowed.")
	case c.req.GetRequestEagerExecution():
		return apierr.InvalidArgument("RequestEagerExecution is not supported.")
	case c.req.GetWorkflowStartDelay() != nil:
		return apierr.InvalidArgument("WorkflowStartDelay is not supported.")
	}
	return nil
}

func (f *Frontend) checkMultiUpdate(ns *cluster.Namespace, start *workflowservice.StartWorkflowExecutionRequest, req *workflowservice.UpdateWorkflowExecutionRequest) error {
	switch {
	case req.GetNamespace() != "" && req.GetNamespace() != ns.Name:
		return errOtherNamespace
	case req.GetWorkflowExecution().GetRunId() != "":
		return apierr.InvalidArgument("RunId is not allowed.")
	case req.GetFirstExecutionRunId() != "":
		return apierr.InvalidArgument("FirstExecutionRunId is not allowed.")
	}
	if err := f.checkUpdate(req); err != nil {
		return err
	}
	if req.GetWorkflowExecution().GetWorkflowId() != start.GetWorkflowId() {
		return apierr.InvalidArgument("WorkflowId is not consistent with previous operation(s).")
	}
	req.Namespace = ns.Name
	return nil
}
