package frontend

import (
	"context"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
)

// UpdateWorkflowExecution sends an update to a run and waits for a stage of it.
func (f *Frontend) UpdateWorkflowExecution(ctx context.Context, req *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.UpdateWorkflowExecutionResponse, error) {
	if err := f.checkUpdate(req); err != nil {
		return nil, err
	}
	return waitUntilDrain(f, ctx, func(ctx context.Context) (*workflowservice.UpdateWorkflowExecutionResponse, error) {
		return f.history.UpdateWorkflowExecution(ctx, namespaceOf(ctx), req)
	})
}

// checkUpdate refuses a bad request, and fills in the update id and the stage to wait for.
func (f *Frontend) checkUpdate(req *workflowservice.UpdateWorkflowExecutionRequest) error {
	if err := checkExecution(req.GetWorkflowExecution()); err != nil {
		return err
	}
	update := req.GetRequest()
	switch {
	case update.GetMeta() == nil:
		return apierr.InvalidArgument("Update meta is not set on request.")
	case f.tooLong(update.GetMeta().GetUpdateId()):
		return apierr.InvalidArgument("UpdateId length exceeds limit.")
	case update.GetInput() == nil:
		return apierr.InvalidArgument("Update input is not set on request.")
	case update.GetInput().GetName() == "":
		return apierr.InvalidArgument("Update name is not set on request.")
	}
	if err := f.checkUpdateCallbacks(update); err != nil {
		return err
	}
	stage, err := stageToWaitFor(req.GetWaitPolicy())
	if err != nil {
		return err
	}
	req.WaitPolicy = &updatepb.WaitPolicy{LifecycleStage: stage}
	if update.GetMeta().GetUpdateId() == "" {
		update.Meta.UpdateId = uuid.NewString()
	}
	return nil
}

// stageToWaitFor is the stage at which the call is answered. A stage this
// server does not know is answered at once: every update has got past ADMITTED.
func stageToWaitFor(w *updatepb.WaitPolicy) (enumspb.UpdateWorkflowExecutionLifecycleStage, error) {
	switch stage := w.GetLifecycleStage(); stage {
	case enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_UNSPECIFIED:
		return enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED, nil
	case enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED:
		return stage, serviceerror.NewPermissionDenied("UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.", "")
	case enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED, enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED:
		return stage, nil
	default:
		return enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED, nil
	}
}

// PollWorkflowExecutionUpdate waits for a stage of an update that was sent before.
func (f *Frontend) PollWorkflowExecutionUpdate(ctx context.Context, req *workflowservice.PollWorkflowExecutionUpdateRequest) (*workflowservice.PollWorkflowExecutionUpdateResponse, error) {
	execution := req.GetUpdateRef().GetWorkflowExecution()
	switch {
	case req.GetUpdateRef() == nil:
		return nil, apierr.InvalidArgument("UpdateRef is not set on request.")
	case execution.GetWorkflowId() == "":
		return nil, apierr.InvalidArgument("WorkflowId is not set on request.")
	case execution.GetRunId() != "" && !isUUID(execution.GetRunId()):
		return nil, apierr.InvalidArgument(runIDNotUUID)
	}
	return waitUntilDrain(f, ctx, func(ctx context.Context) (*workflowservice.PollWorkflowExecutionUpdateResponse, error) {
		return f.history.PollWorkflowExecutionUpdate(ctx, namespaceOf(ctx), req)
	})
}

const runIDNotUUID = "RunId is not valid UUID."
