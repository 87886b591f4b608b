package frontend_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// poll makes one poll of a version; it is handed on or refused.
func (b *bundle) poll(name, build string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := b.client.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: "q"}, Identity: "worker",
		DeploymentOptions: &deploymentpb.WorkerDeploymentOptions{
			DeploymentName: name, BuildId: build, WorkerVersioningMode: enumspb.WORKER_VERSIONING_MODE_VERSIONED,
		},
	})
	return err
}

func TestDeploymentsThroughTheirCalls(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	for _, build := range []string{"1", "2"} {
		require.Equal(t, codes.DataLoss, status.Code(b.poll("shop", build)), "handed on")
	}
	current, err := b.client.SetWorkerDeploymentCurrentVersion(ctx, &workflowservice.SetWorkerDeploymentCurrentVersionRequest{
		Namespace: "default", DeploymentName: "shop", BuildId: "1", Identity: "me",
	})
	require.NoError(t, err)
	require.Equal(t, "__unversioned__", current.GetPreviousVersion()) //nolint:staticcheck // older clients read it
	require.Nil(t, current.GetPreviousDeploymentVersion())            //nolint:staticcheck // likewise
	ramp := &workflowservice.SetWorkerDeploymentRampingVersionRequest{
		Namespace: "default", DeploymentName: "shop", Version: "shop.2", Percentage: 20, Identity: "me", ConflictToken: current.GetConflictToken(),
	}
	ramped, err := b.client.SetWorkerDeploymentRampingVersion(ctx, ramp)
	require.NoError(t, err)
	require.Empty(t, ramped.GetPreviousVersion()) //nolint:staticcheck // older clients read it
	ramp.Percentage = 30
	_, err = b.client.SetWorkerDeploymentRampingVersion(ctx, ramp)
	require.Equal(t, "conflict token mismatch", status.Convert(err).Message())

	described, err := b.client.DescribeWorkerDeployment(ctx, &workflowservice.DescribeWorkerDeploymentRequest{Namespace: "default", DeploymentName: "shop"})
	require.NoError(t, err)
	require.Equal(t, ramped.GetConflictToken(), described.GetConflictToken())
	routing := described.GetWorkerDeploymentInfo().GetRoutingConfig()
	require.Equal(t, "shop.1", routing.GetCurrentVersion()) //nolint:staticcheck // older clients read it
	require.Equal(t, "2", routing.GetRampingDeploymentVersion().GetBuildId())
	require.EqualValues(t, 20, routing.GetRampingVersionPercentage())
	require.Len(t, described.GetWorkerDeploymentInfo().GetVersionSummaries(), 2)

	for _, req := range []*workflowservice.DescribeWorkerDeploymentVersionRequest{
		{Namespace: "default", Version: "shop.2"},
		{Namespace: "default", DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: "shop", BuildId: "2"}},
	} {
		version, err := b.client.DescribeWorkerDeploymentVersion(ctx, req)
		require.NoError(t, err)
		require.Equal(t, enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING, version.GetWorkerDeploymentVersionInfo().GetStatus())
		require.Equal(t, "q", version.GetVersionTaskQueues()[0].GetName())
	}
	metadata, err := b.client.UpdateWorkerDeploymentVersionMetadata(ctx, &workflowservice.UpdateWorkerDeploymentVersionMetadataRequest{
		Namespace: "default", Version: "shop.2", UpsertEntries: map[string]*commonpb.Payload{"commit": {Data: []byte("abc")}},
	})
	require.NoError(t, err)
	require.Equal(t, "abc", string(metadata.GetMetadata().GetEntries()["commit"].GetData()))
}

func TestDeploymentsAreListedInPages(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	for _, name := range []string{"c", "a", "b"} {
		_, err := b.client.CreateWorkerDeployment(ctx, &workflowservice.CreateWorkerDeploymentRequest{Namespace: "default", DeploymentName: name})
		require.NoError(t, err)
	}
	_, err := b.client.CreateWorkerDeploymentVersion(ctx, &workflowservice.CreateWorkerDeploymentVersionRequest{
		Namespace: "default", DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: "a", BuildId: "1"},
	})
	require.NoError(t, err)
	var names []string
	req := &workflowservice.ListWorkerDeploymentsRequest{Namespace: "default", PageSize: 2}
	for pages := 1; ; pages++ {
		resp, err := b.client.ListWorkerDeployments(ctx, req)
		require.NoError(t, err)
		for _, d := range resp.GetWorkerDeployments() {
			names = append(names, d.GetName())
			if d.GetName() == "a" {
				require.Equal(t, enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_CREATED, d.GetLatestVersionSummary().GetStatus())
			}
		}
		if req.NextPageToken = resp.GetNextPageToken(); len(req.NextPageToken) == 0 {
			require.Equal(t, 2, pages)
			break
		}
	}
	require.Equal(t, []string{"b", "a", "c"}, names, "the newest first")
}

func TestDeploymentsEnd(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	require.Equal(t, codes.DataLoss, status.Code(b.poll("shop", "1")))
	manager := &workflowservice.SetWorkerDeploymentManagerRequest{
		Namespace: "default", DeploymentName: "shop", Identity: "ann",
		NewManagerIdentity: &workflowservice.SetWorkerDeploymentManagerRequest_Self{Self: true},
	}
	_, err := b.client.SetWorkerDeploymentManager(ctx, manager)
	require.NoError(t, err)
	remove := &workflowservice.DeleteWorkerDeploymentVersionRequest{Namespace: "default", Version: "shop.1", Identity: "bob"}
	_, err = b.client.DeleteWorkerDeploymentVersion(ctx, remove)
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	manager.NewManagerIdentity, manager.Identity = &workflowservice.SetWorkerDeploymentManagerRequest_ManagerIdentity{}, "bob"
	former, err := b.client.SetWorkerDeploymentManager(ctx, manager)
	require.NoError(t, err)
	require.Equal(t, "ann", former.GetPreviousManagerIdentity()) //nolint:staticcheck // older clients read it

	end := &workflowservice.DeleteWorkerDeploymentRequest{Namespace: "default", DeploymentName: "shop"}
	_, err = b.client.DeleteWorkerDeployment(ctx, end)
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	_, err = b.client.DeleteWorkerDeploymentVersion(ctx, remove)
	require.NoError(t, err)
	_, err = b.client.DeleteWorkerDeployment(ctx, end)
	require.NoError(t, err)
	_, err = b.client.DescribeWorkerDeployment(ctx, &workflowservice.DescribeWorkerDeploymentRequest{Namespace: "default", DeploymentName: "shop"})
	require.Equal(t, codes.NotFound, status.Code(err))
}

func TestNamesOfVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	long := make([]byte, 481)
	for i := range long {
		long[i] = 'x'
	}
	for _, c := range []struct{ name, build, words string }{
		{"a.b", "1", "worker deployment name cannot contain '.'"},
		{"a:b", "1", "worker deployment name cannot contain ':'"},
		{"__a", "1", "WorkerDeploymentName cannot start with '__'"},
		{"a", "__1", "BuildID cannot start with '__'"},
		{string(long), "1", "size of WorkerDeploymentName larger than the maximum allowed"},
		{"a", string(long), "size of BuildID larger than the maximum allowed"},
	} {
		err := b.poll(c.name, c.build)
		require.Equal(t, codes.InvalidArgument, status.Code(err), c.words)
		require.Equal(t, c.words, status.Convert(err).Message())
	}
}
