package frontend_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"perdure/server/deployment"
	"perdure/server/match"
)

func pinnedTo(v *deploymentpb.WorkerDeploymentVersion) *workflowpb.VersioningOverride {
	return &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_Pinned{Pinned: &workflowpb.VersioningOverride_PinnedOverride{
		Behavior: workflowpb.VersioningOverride_PINNED_OVERRIDE_BEHAVIOR_PINNED, Version: v,
	}}}
}

// TestOverridesHaveOneForm sends what clients of all ages send; history gets the newest form or nothing.
func TestOverridesHaveOneForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.behind.answer = &workflowservice.StartWorkflowExecutionResponse{}
	known := match.Version{Deployment: "shop", BuildID: "1"}
	require.NoError(t, b.deployments.Register(t.Context(), b.ns.ID, known, deployment.WorkflowQueue("orders")))
	upgrade := &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_AutoUpgrade{AutoUpgrade: true}}
	const pinned = enumspb.VERSIONING_BEHAVIOR_PINNED
	for name, c := range map[string]struct {
		sent, kept *workflowpb.VersioningOverride
		code       codes.Code
		words      string
	}{
		"none":          {},
		"pinned":        {sent: pinnedTo(known.Proto()), kept: pinnedTo(known.Proto())},
		"older pinned":  {sent: &workflowpb.VersioningOverride{Behavior: pinned, PinnedVersion: "shop.1"}, kept: pinnedTo(known.Proto())},
		"oldest pinned": {sent: &workflowpb.VersioningOverride{Behavior: pinned, Deployment: &deploymentpb.Deployment{SeriesName: "shop", BuildId: "1"}}, kept: pinnedTo(known.Proto())},
		"upgrade":       {sent: upgrade, kept: upgrade},
		"older upgrade": {sent: &workflowpb.VersioningOverride{Behavior: enumspb.VERSIONING_BEHAVIOR_AUTO_UPGRADE}, kept: upgrade},
		"empty":         {sent: &workflowpb.VersioningOverride{}, code: codes.InvalidArgument, words: "override behavior is required"},
		"no version":    {sent: pinnedTo(nil), code: codes.InvalidArgument, words: "must provide version if override is pinned."},
		"not dotted":    {sent: &workflowpb.VersioningOverride{Behavior: pinned, PinnedVersion: "shop"}, code: codes.InvalidArgument, words: "invalid version string"},
		"unknown": {
			sent: pinnedTo(&deploymentpb.WorkerDeploymentVersion{DeploymentName: "shop", BuildId: "2"}), code: codes.FailedPrecondition,
			words: "Pinned version 'shop:2' is not present in task queue 'orders' of type 'Workflow'",
		},
	} {
		req := startRequest()
		req.VersioningOverride = c.sent
		_, err := b.client.StartWorkflowExecution(context.Background(), req)
		require.Equal(t, c.code, status.Code(err), "%s: %v", name, err)
		if err != nil {
			require.Contains(t, err.Error(), c.words, name)
			continue
		}
		kept := b.behind.last().(*workflowservice.StartWorkflowExecutionRequest).GetVersioningOverride()
		require.True(t, proto.Equal(c.kept, kept), "%s: %v", name, kept)
	}
}

func TestOverridesAreUpdatedWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.behind.answer = &workflowservice.UpdateWorkflowExecutionOptionsResponse{}
	update := func(path string, o *workflowpb.VersioningOverride) error {
		_, err := b.client.UpdateWorkflowExecutionOptions(context.Background(), &workflowservice.UpdateWorkflowExecutionOptionsRequest{
			Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "w"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{path}},
			WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{VersioningOverride: o},
		})
		return err
	}
	masked := func(mask *fieldmaskpb.FieldMask) error {
		_, err := b.client.UpdateWorkflowExecutionOptions(context.Background(), &workflowservice.UpdateWorkflowExecutionOptionsRequest{
			Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "w"}, UpdateMask: mask,
			WorkflowExecutionOptions: &workflowpb.WorkflowExecutionOptions{},
		})
		return err
	}
	require.ErrorContains(t, masked(nil), "UpdateMask is required")
	require.NoError(t, masked(&fieldmaskpb.FieldMask{}), "changes nothing")
	require.NoError(t, update("versioning_override", pinnedTo(nil)), "the run's own version")
	require.ErrorContains(t, update("versioning_override.pinned", pinnedTo(nil)), "versioning_override doesn't support partial updates")
}

// TestWorkersTellTheirVersion completes a task as workers of all ages do.
func TestWorkersTellTheirVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.behind.answer = &workflowservice.RespondWorkflowTaskCompletedResponse{}
	const versioned = enumspb.WORKER_VERSIONING_MODE_VERSIONED
	complete := func(req *workflowservice.RespondWorkflowTaskCompletedRequest) (match.Version, error) {
		req.TaskToken = b.token()
		_, err := b.client.RespondWorkflowTaskCompleted(context.Background(), req)
		if err != nil {
			return match.Version{}, err
		}
		return match.WorkerVersion(b.behind.last().(*workflowservice.RespondWorkflowTaskCompletedRequest).GetDeploymentOptions()), nil
	}
	v, err := complete(&workflowservice.RespondWorkflowTaskCompletedRequest{Deployment: &deploymentpb.Deployment{BuildId: "1"}})
	require.NoError(t, err)
	require.Empty(t, v, "Go workers without a version send this")
	v, err = complete(&workflowservice.RespondWorkflowTaskCompletedRequest{Deployment: &deploymentpb.Deployment{SeriesName: "shop", BuildId: "1"}})
	require.NoError(t, err)
	require.Equal(t, match.Version{Deployment: "shop", BuildID: "1"}, v)
	_, err = complete(&workflowservice.RespondWorkflowTaskCompletedRequest{
		DeploymentOptions: &deploymentpb.WorkerDeploymentOptions{DeploymentName: "shop", WorkerVersioningMode: versioned},
	})
	require.ErrorContains(t, err, "must be set together")
	_, err = complete(&workflowservice.RespondWorkflowTaskCompletedRequest{VersioningBehavior: enumspb.VERSIONING_BEHAVIOR_PINNED})
	require.ErrorContains(t, err, "versioning behavior cannot be specified")
}
