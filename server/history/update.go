package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/metrics"
)

func (e *Engine) UpdateWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.UpdateWorkflowExecutionResponse, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	ref, err := e.inChain(ctx, ns, req.WorkflowExecution, req.FirstExecutionRunId)
	if err != nil {
		return nil, err
	}
	for {
		en, err := e.find(ctx, ns.ID, ref.GetWorkflowId(), ref.GetRunId())
		if err != nil {
			return nil, err
		}
		progress, admitted, err := e.updateEntry(ctx, en, req.Request, req.WaitPolicy.GetLifecycleStage())
		en.shard.unpin(en)
		// One that was admitted shares the fate of its run, whatever run comes next.
		late := !admitted && ref.GetRunId() == "" && isNotFound(err) && en.shard.superseded(en)
		if errors.Is(err, errEvicted) || late {
			continue
		}
		if err != nil {
			return nil, err
		}
		metrics.Updates.In(e.cfg.Metrics, metrics.NamespaceOutcome{Namespace: ns.Name, Outcome: updateOutcome(progress)}).Inc()
		return &workflowservice.UpdateWorkflowExecutionResponse{
			UpdateRef: updateRef(en, req.Request.GetMeta().GetUpdateId()), Stage: progress.stage, Outcome: progress.outcome,
			Link: updateLink(ns, en, req.Request.GetRequestId(), progress),
		}, nil
	}
}

func updateRef(en *entry, id string) *updatepb.UpdateRef {
	return &updatepb.UpdateRef{
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: en.workflow.WorkflowID, RunId: en.runID}, UpdateId: id,
	}
}

// updateOutcome is how far an update had come when its caller was answered, as a label.
func updateOutcome(p progress) string {
	switch {
	case p.outcome == nil:
		return "accepted"
	case p.outcome.GetFailure() != nil:
		return "failed"
	}
	return "completed"
}

// progress is how far an update has come.
type progress struct {
	stage   enumspb.UpdateWorkflowExecutionLifecycleStage
	outcome *updatepb.Outcome
}

// updateLink points at the event of an accepted update, or at the run that refused it.
func updateLink(ns *cluster.Namespace, en *entry, requestID string, p progress) *commonpb.Link {
	switch {
	case p.outcome.GetFailure() != nil: // clients see a failed update as a rejected one
		return workflowLink(ns, en, "Update rejected")
	case p.stage < enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED:
		return nil
	}
	return &commonpb.Link{Variant: &commonpb.Link_WorkflowEvent_{WorkflowEvent: &commonpb.Link_WorkflowEvent{
		Namespace: ns.Name, WorkflowId: en.workflow.WorkflowID, RunId: en.runID,
		Reference: &commonpb.Link_WorkflowEvent_RequestIdRef{RequestIdRef: &commonpb.Link_WorkflowEvent_RequestIdReference{
			RequestId: requestID, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
		}},
	}}}
}

// updateEntry admits an update to a run and waits for a stage.
func (e *Engine) updateEntry(ctx context.Context, en *entry, request *updatepb.Request, stage enumspb.UpdateWorkflowExecutionLifecycleStage) (reached progress, admitted bool, err error) {
	id := request.GetMeta().GetUpdateId()
	waiter, err := en.await(id)
	if err != nil {
		return progress{}, false, err
	}
	defer en.unawait(id, waiter)
	if _, err := e.do(ctx, en, execution.AdmitUpdate{Request: request}); err != nil {
		return progress{}, false, err
	}
	reached, err = e.awaitUpdate(ctx, en, id, stage, waiter)
	return reached, true, err
}

// await registers for what becomes of an update.
func (en *entry) await(id string) (chan execution.UpdateResult, error) {
	en.mu.Lock()
	defer en.mu.Unlock()
	if en.gone != nil {
		return nil, en.gone
	}
	return en.awaitLocked(id), nil
}

func (en *entry) awaitLocked(id string) chan execution.UpdateResult {
	if en.waiters == nil {
		en.waiters = make(map[string][]chan execution.UpdateResult)
	}
	waiter := make(chan execution.UpdateResult, 3) // accepted, completed, and one for a run that goes away
	en.waiters[id] = append(en.waiters[id], waiter)
	return waiter
}

func (en *entry) unawait(id string, waiter chan execution.UpdateResult) {
	en.mu.Lock()
	defer en.mu.Unlock()
	for i, other := range en.waiters[id] {
		if other == waiter {
			en.waiters[id] = append(en.waiters[id][:i:i], en.waiters[id][i+1:]...)
		}
	}
	if len(en.waiters[id]) == 0 {
		delete(en.waiters, id)
	}
}

// awaitUpdate waits until the update has come as far as asked, or patience ends.
func (e *Engine) awaitUpdate(ctx context.Context, en *entry, id string, stage enumspb.UpdateWorkflowExecutionLifecycleStage, waiter chan execution.UpdateResult) (progress, error) {
	// No reserve here: a caller whose time ends before hears that it ended.
	patience := time.NewTimer(e.cfg.LongPoll)
	defer patience.Stop()
	e.metrics.longPolls.Add(1)
	defer e.metrics.longPolls.Add(-1)
	for {
		reached, err := e.updateProgress(ctx, en, id)
		if err != nil || reached.stage >= stage {
			return reached, err
		}
		select {
		case result := <-waiter:
			if result.Err != nil {
				return progress{}, result.Err
			}
			if result.Outcome != nil {
				return progress{stage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED, outcome: result.Outcome}, nil
			}
		case <-patience.C:
			return reached, nil
		case <-e.draining:
			return reached, nil
		case <-ctx.Done():
			return progress{}, contextError(ctx)
		}
	}
}

// updateProgress tells how far the update has come for all to see.
func (e *Engine) updateProgress(ctx context.Context, en *entry, id string) (progress, error) {
	state, _, err := en.view(ctx)
	if err != nil {
		return progress{}, err
	}
	u := state.Updates.Get(id)
	switch {
	case u == nil || u.Stage < execution.UpdateAccepted:
		return progress{stage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED}, nil
	case u.Stage == execution.UpdateCompleted:
		event, err := e.event(ctx, en, u.CompletedEventID)
		if err != nil {
			return progress{}, err
		}
		outcome := event.GetWorkflowExecutionUpdateCompletedEventAttributes().GetOutcome()
		return progress{stage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED, outcome: outcome}, nil
	case !state.Open():
		return progress{stage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED, outcome: execution.AcceptedOutcome()}, nil
	}
	return progress{stage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED}, nil
}

func (e *Engine) PollWorkflowExecutionUpdate(ctx context.Context, ns *cluster.Namespace, req *workflowservice.PollWorkflowExecutionUpdateRequest) (*workflowservice.PollWorkflowExecutionUpdateResponse, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	ref := req.GetUpdateRef()
	for {
		en, err := e.find(ctx, ns.ID, ref.GetWorkflowExecution().GetWorkflowId(), ref.GetWorkflowExecution().GetRunId())
		if err != nil {
			return nil, err
		}
		reached, err := e.pollUpdate(ctx, en, ref.GetUpdateId(), req.WaitPolicy.GetLifecycleStage())
		en.shard.unpin(en)
		if errors.Is(err, errEvicted) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &workflowservice.PollWorkflowExecutionUpdateResponse{
			Outcome: reached.outcome, Stage: reached.stage, UpdateRef: updateRef(en, ref.GetUpdateId()),
		}, nil
	}
}

func (e *Engine) pollUpdate(ctx context.Context, en *entry, id string, stage enumspb.UpdateWorkflowExecutionLifecycleStage) (progress, error) {
	waiter, err := en.await(id)
	if err != nil {
		return progress{}, err
	}
	defer en.unawait(id, waiter)
	state, _, err := en.view(ctx)
	if err != nil {
		return progress{}, err
	}
	if state.Updates.Get(id) == nil {
		return progress{}, serviceerror.NewNotFound(fmt.Sprintf("update %q not found", id))
	}
	return e.awaitUpdate(ctx, en, id, stage, waiter)
}
