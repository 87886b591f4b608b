package frontend

import (
	"context"
	"fmt"
	"strings"

	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"perdure/server/apierr"
)

// ResetWorkflowExecution goes back to a point in a run's history and on from there in a new run.
func (f *Frontend) ResetWorkflowExecution(ctx context.Context, req *workflowservice.ResetWorkflowExecutionRequest) (*workflowservice.ResetWorkflowExecutionResponse, error) {
	if err := checkExecution(req.GetWorkflowExecution()); err != nil {
		return nil, err
	}
	if req.GetRequestId() == "" {
		return nil, apierr.InvalidArgument("RequestId is not set on request.")
	}
	if err := f.checkRequestID(req.GetRequestId()); err != nil {
		return nil, err
	}
	if _, known := enumspb.ResetReapplyType_name[int32(req.GetResetReapplyType())]; !known {
		return nil, apierr.InvalidArgument("unknown reset reapply type: %v", req.GetResetReapplyType())
	}
	for _, operation := range req.GetPostResetOperations() {
		if err := f.checkPostReset(operation); err != nil {
			return nil, err
		}
	}
	return f.history.ResetWorkflowExecution(ctx, namespaceOf(ctx), req)
}

func (f *Frontend) checkPostReset(operation *workflowpb.PostResetOperation) error {
	variant, ok := operation.GetVariant().(*workflowpb.PostResetOperation_UpdateWorkflowOptions_)
	if !ok {
		return apierr.InvalidArgument("unsupported post reset operation: %s", typeName(operation.GetVariant()))
	}
	return f.checkOptions(variant.UpdateWorkflowOptions.GetWorkflowExecutionOptions(), variant.UpdateWorkflowOptions.GetUpdateMask())
}

// typeName is the name of a variant as clients of this API see it in errors.
func typeName(variant any) string {
	if variant == nil {
		return "<nil>"
	}
	return fmt.Sprintf("%T", variant)
}

// DeleteWorkflowExecution removes a run and all that is kept of it.
func (f *Frontend) DeleteWorkflowExecution(ctx context.Context, req *workflowservice.DeleteWorkflowExecutionRequest) (*workflowservice.DeleteWorkflowExecutionResponse, error) {
	if err := checkExecution(req.GetWorkflowExecution()); err != nil {
		return nil, err
	}
	return f.history.DeleteWorkflowExecution(ctx, namespaceOf(ctx), req)
}

// UpdateWorkflowExecutionOptions changes options of an open run.
func (f *Frontend) UpdateWorkflowExecutionOptions(ctx context.Context, req *workflowservice.UpdateWorkflowExecutionOptionsRequest) (*workflowservice.UpdateWorkflowExecutionOptionsResponse, error) {
	if err := checkOperated(req.GetWorkflowExecution()); err != nil {
		return nil, err
	}
	if err := f.checkOptions(req.GetWorkflowExecutionOptions(), req.GetUpdateMask()); err != nil {
		return nil, err
	}
	return f.history.UpdateWorkflowExecutionOptions(ctx, namespaceOf(ctx), req)
}

func (f *Frontend) checkOptions(o *workflowpb.WorkflowExecutionOptions, mask *fieldmaskpb.FieldMask) error {
	switch {
	case mask == nil: // an empty one changes nothing
		return apierr.InvalidArgument("UpdateMask is required")
	case o == nil:
		return apierr.InvalidArgument("WorkflowExecutionOptions is required")
	}
	if _, err := fieldmaskpb.New(&workflowpb.WorkflowExecutionOptions{}, mask.GetPaths()...); err != nil {
		return apierr.InvalidArgument("invalid UpdateMask: %v", err)
	}
	for _, path := range mask.GetPaths() {
		if path != "versioning_override" && strings.HasPrefix(path, "versioning_override.") {
			return apierr.InvalidArgument("error applying update_options: versioning_override doesn't support partial updates")
		}
	}
	override, err := canonicalOverride(o.GetVersioningOverride(), false)
	if err != nil {
		return err
	}
	o.VersioningOverride = override
	return f.checkPriority(o.GetPriority())
}

// checkOperated checks the reference to the run of an operator's call, which has words of its own.
func checkOperated(e *commonpb.WorkflowExecution) error {
	switch {
	case e.GetWorkflowId() == "":
		return apierr.InvalidArgument("WorkflowId is not set on request.")
	case e.GetRunId() != "" && !isUUID(e.GetRunId()):
		return apierr.InvalidArgument("RunId is not valid UUID.")
	}
	return nil
}

// checkSelector requires the call to name activities: by id, by type, or all.
func checkSelector(named ...bool) error {
	for _, is := range named {
		if is {
			return nil
		}
	}
	return apierr.InvalidArgument("Either Activity.Id or Activity.Type should be set on request.")
}

// PauseActivity keeps pending activities from being started.
func (f *Frontend) PauseActivity(ctx context.Context, req *workflowservice.PauseActivityRequest) (*workflowservice.PauseActivityResponse, error) {
	if err := checkOperated(req.GetExecution()); err != nil {
		return nil, err
	}
	if err := checkSelector(req.GetId() != "", req.GetType() != ""); err != nil {
		return nil, err
	}
	return f.history.PauseActivity(ctx, namespaceOf(ctx), req)
}

// UnpauseActivity lets paused activities go on.
func (f *Frontend) UnpauseActivity(ctx context.Context, req *workflowservice.UnpauseActivityRequest) (*workflowservice.UnpauseActivityResponse, error) {
	if err := checkOperated(req.GetExecution()); err != nil {
		return nil, err
	}
	if err := checkSelector(req.GetId() != "", req.GetType() != "", req.GetUnpauseAll()); err != nil {
		return nil, err
	}
	return f.history.UnpauseActivity(ctx, namespaceOf(ctx), req)
}

// ResetActivity begins the attempts of activities anew.
func (f *Frontend) ResetActivity(ctx context.Context, req *workflowservice.ResetActivityRequest) (*workflowservice.ResetActivityResponse, error) {
	if err := checkOperated(req.GetExecution()); err != nil {
		return nil, err
	}
	if err := checkSelector(req.GetId() != "", req.GetType() != "", req.GetMatchAll()); err != nil {
		return nil, err
	}
	return f.history.ResetActivity(ctx, namespaceOf(ctx), req)
}

// UpdateActivityOptions changes options of pending activities.
func (f *Frontend) UpdateActivityOptions(ctx context.Context, req *workflowservice.UpdateActivityOptionsRequest) (*workflowservice.UpdateActivityOptionsResponse, error) {
	if err := checkOperated(req.GetExecution()); err != nil {
		return nil, err
	}
	if err := checkSelector(req.GetId() != "", req.GetType() != "", req.GetMatchAll()); err != nil {
		return nil, err
	}
	if err := checkActivityOptions(req, "RestoreOriginal and UpdateMask cannot be used together"); err != nil {
		return nil, err
	}
	return f.history.UpdateActivityOptions(ctx, namespaceOf(ctx), req)
}

// optionsRequest is what both forms of changing an activity's options have in common.
type optionsRequest interface {
	GetRestoreOriginal() bool
	GetUpdateMask() *fieldmaskpb.FieldMask
	GetActivityOptions() *activitypb.ActivityOptions
}

func checkActivityOptions(req optionsRequest, bothSet string) error {
	masked := len(req.GetUpdateMask().GetPaths()) > 0
	switch {
	case req.GetRestoreOriginal() && masked:
		return apierr.InvalidArgument("%s", bothSet)
	case req.GetRestoreOriginal():
		return nil
	case req.GetActivityOptions() == nil || proto.Size(req.GetActivityOptions()) == 0 && !masked:
		return apierr.InvalidArgument("ActivityOptions are not provided")
	case !masked:
		return apierr.InvalidArgument("UpdateMask is not provided")
	}
	return nil
}
