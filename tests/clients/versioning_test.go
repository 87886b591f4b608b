package clients

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// TestOlderVersioningIsDurable changes build id sets and rules of a task queue, restarts the server, and finds them again.
func TestOlderVersioningIsDurable(t *testing.T) {
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			options := store.options(t)
			options.ExtraArguments = []string{
				"--dynamic-config-value", "frontend.workerVersioningDataAPIs=true",
				"--dynamic-config-value", "frontend.workerVersioningRuleAPIs=true",
			}
			process := startServer(t, options)
			connection, err := grpc.NewClient(process.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
			require.NoError(t, err)
			defer connection.Close()
			v := olderVersioning{t, workflowservice.NewWorkflowServiceClient(connection), "versions-" + uuid.NewString()}
			v.addSet("1.0")
			v.addCompatible("1.1", "1.0")
			v.assign("2.0")

			stopServer(t, process)
			ctx, cancel := context.WithTimeout(t.Context(), serverStartTimeout)
			defer cancel()
			require.NoError(t, process.Restart(ctx))
			defer stopServer(t, process)
			eventually(t, "the client is connected again", func() bool {
				_, err := v.service.GetSystemInfo(t.Context(), &workflowservice.GetSystemInfoRequest{})
				return err == nil
			})
			require.Equal(t, []string{"1.0", "1.1"}, v.sets()[0].GetBuildIds())
			require.Equal(t, "2.0", v.rules().GetAssignmentRules()[0].GetRule().GetTargetBuildId())
			var newer *serviceerror.NewerBuildExists
			require.ErrorAs(t, v.poll("1.0"), &newer)
			require.Equal(t, "1.1", newer.DefaultBuildID)
		})
	}
}

// olderVersioning makes the calls about one task queue.
type olderVersioning struct {
	*testing.T
	service workflowservice.WorkflowServiceClient
	queue   string
}

func (v olderVersioning) change(request *workflowservice.UpdateWorkerBuildIdCompatibilityRequest) {
	request.Namespace, request.TaskQueue = "default", v.queue
	_, err := v.service.UpdateWorkerBuildIdCompatibility(v.Context(), request)
	require.NoError(v, err)
}

func (v olderVersioning) addSet(build string) {
	v.change(&workflowservice.UpdateWorkerBuildIdCompatibilityRequest{
		Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewBuildIdInNewDefaultSet{AddNewBuildIdInNewDefaultSet: build},
	})
}

func (v olderVersioning) addCompatible(build, with string) {
	v.change(&workflowservice.UpdateWorkerBuildIdCompatibilityRequest{
		Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleBuildId{
			AddNewCompatibleBuildId: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleVersion{
				NewBuildId: build, ExistingCompatibleBuildId: with,
			},
		},
	})
}

func (v olderVersioning) sets() []*taskqueuepb.CompatibleVersionSet {
	got, err := v.service.GetWorkerBuildIdCompatibility(v.Context(), &workflowservice.GetWorkerBuildIdCompatibilityRequest{
		Namespace: "default", TaskQueue: v.queue,
	})
	require.NoError(v, err)
	require.Len(v, got.GetMajorVersionSets(), 1)
	return got.GetMajorVersionSets()
}

func (v olderVersioning) rules() *workflowservice.GetWorkerVersioningRulesResponse {
	got, err := v.service.GetWorkerVersioningRules(v.Context(), &workflowservice.GetWorkerVersioningRulesRequest{
		Namespace: "default", TaskQueue: v.queue,
	})
	require.NoError(v, err)
	return got
}

func (v olderVersioning) assign(build string) {
	_, err := v.service.UpdateWorkerVersioningRules(v.Context(), &workflowservice.UpdateWorkerVersioningRulesRequest{
		Namespace: "default", TaskQueue: v.queue, ConflictToken: v.rules().GetConflictToken(),
		Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertAssignmentRule{
			InsertAssignmentRule: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertBuildIdAssignmentRule{
				Rule: &taskqueuepb.BuildIdAssignmentRule{TargetBuildId: build},
			},
		},
	})
	require.NoError(v, err)
}

// poll asks for a task as a worker of a build; a worker that is not refused would wait for ten seconds.
func (v olderVersioning) poll(build string) error {
	ctx, cancel := context.WithTimeout(v.Context(), 10*time.Second)
	defer cancel()
	_, err := v.service.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: v.queue},
		WorkerVersionCapabilities: &commonpb.WorkerVersionCapabilities{BuildId: build, UseVersioning: true},
	})
	return serviceerror.FromStatus(status.Convert(err))
}
