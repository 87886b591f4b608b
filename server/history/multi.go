package history

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
)

// ExecuteMultiOperation is update-with-start: [start, update], as the frontend has checked.
func (e *Engine) ExecuteMultiOperation(ctx context.Context, ns *cluster.Namespace, req *workflowservice.ExecuteMultiOperationRequest) (*workflowservice.ExecuteMultiOperationResponse, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	start, update := req.Operations[0].GetStartWorkflow(), req.Operations[1].GetUpdateWorkflow()
	for retried := false; ; retried = true {
		r, err := e.updateWithStart(ctx, ns, start, update)
		if aborted(err) && !retried {
			continue // the run closed under the update: there may be a new one
		}
		return r, err
	}
}

// errAborted tells that the run closed before it accepted the update.
type errAborted struct{ error }

func aborted(err error) bool {
	var a errAborted
	return errors.As(err, &a)
}

func (e *Engine) updateWithStart(ctx context.Context, ns *cluster.Namespace, start *workflowservice.StartWorkflowExecutionRequest, update *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.ExecuteMultiOperationResponse, error) {
	if r, err := e.existingUpdate(ctx, ns, start, update); r != nil || err != nil {
		return r, err
	}
	b, err := e.start(ctx, ns, starting{
		request: start, update: &execution.AdmitUpdate{Request: update.Request},
		reuse: start.WorkflowIdReusePolicy, conflict: conflictOf(start.WorkflowIdConflictPolicy), kind: "start",
	})
	if err != nil {
		return nil, multiError(err, nil)
	}
	defer b.entry.shard.unpin(b.entry)
	reached, err := e.updateStarted(ctx, b, update)
	if err != nil {
		return nil, multiError(nil, err)
	}
	return multiResponse(ns, start, update, b, reached), nil
}

// updateStarted waits for the update of a run that was just started or found.
func (e *Engine) updateStarted(ctx context.Context, b *begun, update *workflowservice.UpdateWorkflowExecutionRequest) (progress, error) {
	reached, _, err := e.updateEntry(ctx, b.entry, update.Request, update.WaitPolicy.GetLifecycleStage())
	if isNotFound(err) && !b.isNew {
		return reached, errAborted{serviceerror.NewAborted("update was aborted since the workflow closed: " + err.Error())}
	}
	return reached, err
}

// existingUpdate answers with an update that the latest run knows; nil when it does not.
func (e *Engine) existingUpdate(ctx context.Context, ns *cluster.Namespace, start *workflowservice.StartWorkflowExecutionRequest, update *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.ExecuteMultiOperationResponse, error) {
	en, state, err := e.look(ctx, ns, start.WorkflowId, "")
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, multiError(err, nil)
	}
	defer en.shard.unpin(en)
	known := state.Updates.Get(update.Request.GetMeta().GetUpdateId())
	if known == nil || (!state.Open() && known.Stage < execution.UpdateCompleted) {
		return nil, nil
	}
	reached, err := e.pollUpdate(ctx, en, known.ID, update.WaitPolicy.GetLifecycleStage())
	if err != nil {
		return nil, multiError(nil, err)
	}
	return multiResponse(ns, start, update, &begun{entry: en, state: state, deduped: state.RequestID == start.RequestId}, reached), nil
}

func multiResponse(ns *cluster.Namespace, start *workflowservice.StartWorkflowExecutionRequest, update *workflowservice.UpdateWorkflowExecutionRequest, b *begun, reached progress) *workflowservice.ExecuteMultiOperationResponse {
	started := &workflowservice.StartWorkflowExecutionResponse{
		RunId: b.entry.runID, Started: b.started(), Status: b.state.Status, Link: startLink(ns, start, b), FirstExecutionRunId: b.state.FirstRunID(),
	}
	if !b.started() {
		started.FirstExecutionRunId = ""
	}
	updated := &workflowservice.UpdateWorkflowExecutionResponse{
		UpdateRef: updateRef(b.entry, update.Request.GetMeta().GetUpdateId()), Stage: reached.stage, Outcome: reached.outcome,
		Link: updateLink(ns, b.entry, update.Request.GetRequestId(), reached),
	}
	return &workflowservice.ExecuteMultiOperationResponse{Responses: []*workflowservice.ExecuteMultiOperationResponse_Response{
		{Response: &workflowservice.ExecuteMultiOperationResponse_Response_StartWorkflow{StartWorkflow: started}},
		{Response: &workflowservice.ExecuteMultiOperationResponse_Response_UpdateWorkflow{UpdateWorkflow: updated}},
	}}
}

// multiError is the error of one operation beside that of the other, which was not done or was fine.
func multiError(startErr, updateErr error) error {
	var late *serviceerror.DeadlineExceeded
	switch {
	case errors.As(errors.Join(startErr, updateErr), &late):
		return late // the caller's time is over, whatever came of the operations
	case startErr != nil:
		return serviceerror.NewMultiOperationExecution("Update-with-Start could not be executed.",
			[]error{startErr, serviceerror.NewMultiOperationAborted("Operation was aborted.")})
	default:
		return serviceerror.NewMultiOperationExecution("Update-with-Start could not be executed.",
			[]error{serviceerror.NewMultiOperationAborted("Operation was aborted."), updateErr})
	}
}
