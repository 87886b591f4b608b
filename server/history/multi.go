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
		var closed errAborted
		if !errors.As(err, &closed) {
			return r, err
		}
		if retried {
			return nil, multiError(errNotDone(), closed.error)
		}
		// The run that was found closed under the update: another one is started.
	}
}

// errAborted tells that a run that was found closed before it accepted the update.
type errAborted struct{ error }

func (e *Engine) updateWithStart(ctx context.Context, ns *cluster.Namespace, start *workflowservice.StartWorkflowExecutionRequest, update *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.ExecuteMultiOperationResponse, error) {
	if r, err := e.existingUpdate(ctx, ns, start, update); r != nil || err != nil {
		return r, err
	}
	b, err := e.start(ctx, ns, starting{
		request: start, update: &execution.AdmitUpdate{Request: update.Request},
		reuse: start.WorkflowIdReusePolicy, conflict: conflictOf(start.WorkflowIdConflictPolicy), kind: "start",
	})
	if err != nil {
		return nil, multiError(err, errNotDone())
	}
	defer b.entry.shard.unpin(b.entry)
	reached, err := e.updateStarted(ctx, b, update)
	switch {
	case err != nil && b.isNew:
		return nil, multiError(nil, err)
	case isNotFound(err):
		return nil, errAborted{serviceerror.NewAborted("update was aborted since the workflow closed: " + err.Error())}
	case err != nil:
		return nil, multiError(errNotDone(), err)
	}
	return multiResponse(ns, start, update, b, reached), nil
}

// updateStarted waits for the update of a run that was just started with it, or found.
func (e *Engine) updateStarted(ctx context.Context, b *begun, update *workflowservice.UpdateWorkflowExecutionRequest) (progress, error) {
	stage := update.WaitPolicy.GetLifecycleStage()
	if !b.isNew {
		reached, _, err := e.updateEntry(ctx, b.entry, update.Request, stage)
		return reached, err
	}
	id := update.Request.GetMeta().GetUpdateId()
	defer b.entry.unawait(id, b.updated)
	return e.awaitUpdate(ctx, b.entry, id, stage, b.updated)
}

// existingUpdate answers with an update that the latest run knows; nil when it does not.
func (e *Engine) existingUpdate(ctx context.Context, ns *cluster.Namespace, start *workflowservice.StartWorkflowExecutionRequest, update *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.ExecuteMultiOperationResponse, error) {
	en, state, err := e.look(ctx, ns, start.WorkflowId, "")
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, multiError(err, errNotDone())
	}
	defer en.shard.unpin(en)
	known := state.Updates.Get(update.Request.GetMeta().GetUpdateId())
	if known == nil || (!state.Open() && known.Stage < execution.UpdateCompleted) {
		return nil, nil
	}
	reached, err := e.pollUpdate(ctx, en, known.ID, update.WaitPolicy.GetLifecycleStage())
	if err != nil {
		return nil, multiError(errNotDone(), err)
	}
	response := multiResponse(ns, start, update, &begun{entry: en, state: state}, reached)
	if known.Stage == execution.UpdateCompleted {
		response.Responses[0].GetStartWorkflow().Link, response.Responses[1].GetUpdateWorkflow().Link = nil, nil
	}
	return response, nil
}

func multiResponse(ns *cluster.Namespace, start *workflowservice.StartWorkflowExecutionRequest, update *workflowservice.UpdateWorkflowExecutionRequest, b *begun, reached progress) *workflowservice.ExecuteMultiOperationResponse {
	started := &workflowservice.StartWorkflowExecutionResponse{
		RunId: b.entry.runID, Started: b.isNew, Status: b.state.ShownStatus(), Link: startLink(ns, start, b),
	}
	if b.isNew {
		started.FirstExecutionRunId = b.state.FirstRunID()
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

// errNotDone is told of the operation beside the one that failed, unless it was done.
func errNotDone() error { return serviceerror.NewMultiOperationAborted("Operation was aborted.") }

// multiError holds what became of each operation; nil: it was done.
func multiError(startErr, updateErr error) error {
	var late *serviceerror.DeadlineExceeded
	if errors.As(errors.Join(startErr, updateErr), &late) {
		return late // the caller's time is over, whatever came of the operations
	}
	return serviceerror.NewMultiOperationExecution("Update-with-Start could not be executed.", []error{startErr, updateErr})
}
