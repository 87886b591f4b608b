package frontend_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/errordetails/v1"
	"go.temporal.io/api/operatorservice/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"

	"perdure/server/frontend"
)

// seen remembers what an observer is told.
type seen struct {
	mu       sync.Mutex
	started  []string
	finished []frontend.Finished
}

func (s *seen) Started(method string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = append(s.started, method)
}

func (s *seen) Finished(f frontend.Finished) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = append(s.finished, f)
}

func TestPanicIsMaskedAndObserved(t *testing.T) {
	t.Parallel()
	watched := &seen{}
	b := setup(t, func(c *frontend.Config) {
		c.History = nil // a call to it panics
		c.Observer = watched
	})
	_, err := b.client.StartWorkflowExecution(context.Background(), startRequest())
	require.Equal(t, codes.Internal, status.Code(err))
	require.Regexp(t, `^something went wrong, please retry \([0-9a-f]{8}\)$`, status.Convert(err).Message())
	require.Equal(t, []string{"StartWorkflowExecution"}, watched.started)
	require.Len(t, watched.finished, 1)
	require.Equal(t, codes.Internal, watched.finished[0].Code)
	require.Equal(t, "default", watched.finished[0].Namespace)
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	watched := &seen{}
	b := setup(t, func(c *frontend.Config) {
		c.Limits.NamespacePerSecond = 1 // and a burst of 2
		c.Observer = watched
	})
	var headers metadata.MD
	var err error
	for range 3 {
		_, err = b.client.CountWorkflowExecutions(context.Background(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default"}, grpc.Header(&headers))
	}
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	detail := status.Convert(err).Details()[0].(*errordetails.ResourceExhaustedFailure)
	require.Equal(t, enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, detail.GetCause())
	require.Equal(t, enumspb.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE, detail.GetScope())
	require.Equal(t, []string{"RpsLimit"}, headers.Get("X-Resource-Exhausted-Cause"))
	require.Equal(t, []string{"Namespace"}, headers.Get("X-Resource-Exhausted-Scope"))
	require.Equal(t, enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, watched.finished[2].Refusal.GetCause())
	_, err = b.client.GetSystemInfo(context.Background(), &workflowservice.GetSystemInfoRequest{})
	require.NoError(t, err, "clients must be able to connect")
}

func TestVisibilityLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *frontend.Config) { c.Limits.VisibilityPerSec = 1 })
	count := func() error {
		_, err := b.client.CountWorkflowExecutions(context.Background(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default"})
		return err
	}
	require.NoError(t, count())
	require.Equal(t, codes.ResourceExhausted, status.Code(count()))
	_, err := b.client.StartWorkflowExecution(context.Background(), startRequest())
	require.Equal(t, codes.DataLoss, status.Code(err), "other calls go on")
}

func poll(ctx context.Context, b *bundle) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	return b.client.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: "orders"},
	})
}

func TestConcurrentPollsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *frontend.Config) { c.ConcurrentLongPollsMax = 1 })
	b.behind.entered = make(chan struct{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	first := make(chan error, 1)
	go func() {
		_, err := poll(ctx, b)
		first <- err
	}()
	<-b.behind.entered
	second, cancelSecond := context.WithTimeout(context.Background(), time.Minute)
	defer cancelSecond()
	_, err := poll(second, b)
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.Equal(t, "namespace concurrent poller limit exceeded", status.Convert(err).Message())
	cancel()
	require.Equal(t, codes.Canceled, status.Code(<-first))
}

func TestDrainAnswersWaitingCalls(t *testing.T) {
	t.Parallel()
	watched := &seen{}
	b := setup(t, func(c *frontend.Config) { c.Observer = watched })
	b.behind.entered = make(chan struct{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	polled, read := make(chan error, 1), make(chan error, 1)
	go func() {
		resp, err := poll(ctx, b)
		if err == nil && len(resp.GetTaskToken()) != 0 {
			err = errReached
		}
		polled <- err
	}()
	<-b.behind.entered
	go func() {
		_, err := b.client.GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: "w"}, WaitNewEvent: true,
		})
		read <- err
	}()
	<-b.behind.entered
	b.frontend.Drain()
	require.NoError(t, <-polled, "a poll is answered empty")
	require.Equal(t, codes.Unavailable, status.Code(<-read), "a read is retried")
	health, err := healthpb.NewHealthClient(b.conn).Check(ctx, &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_NOT_SERVING, health.GetStatus())
	require.Len(t, watched.finished, 3)
	for _, f := range watched.finished[:2] {
		require.True(t, f.LongPoll)
		require.Equal(t, f.Method == "PollWorkflowTaskQueue", f.Empty)
	}
}

func TestPollNeedsADeadline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := poll(context.Background(), b)
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Equal(t, "Context timeout is not set.", status.Convert(err).Message())
}

func TestCompressedRequests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.client.StartWorkflowExecution(context.Background(), startRequest(), grpc.UseCompressor(gzip.Name))
	require.Equal(t, codes.DataLoss, status.Code(err), "%v", err)
	require.Equal(t, "order-1", b.behind.last().(*workflowservice.StartWorkflowExecutionRequest).GetWorkflowId())
}

func TestClientVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		name, version, servers string
		want                   codes.Code
		message                string
	}{
		{"temporal-go", "1.50.0", ">=1.0.0 <2.0.0", codes.OK, ""},
		{"temporal-go", "9.0.0", "", codes.FailedPrecondition, "Client version 9.0.0 is not supported. Server supports temporal-go versions: <2.0.0"},
		{"temporal-go", "zz", "", codes.InvalidArgument, "Unable to parse client version: No Major.Minor.Patch elements found"},
		{"temporal-go", "2.0.0-rc.1", "", codes.OK, ""},
		{"somebody", "zz", "", codes.OK, ""},
		{"temporal-go", "1.2.0", ">=2.0.0", codes.FailedPrecondition, "Server version 1.32.0 is not supported. Client supports server versions: >=2.0.0"},
		{"temporal-go", "1.2.0", "zz", codes.InvalidArgument, `Unable to parse supported server versions: Could not get version from string: "zz"`},
		{"temporal-go", "1.2.0", ">=2.0.0 || <1.33.0 !=1.31.0", codes.OK, ""},
	} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "client-name", c.name, "client-version", c.version)
		if c.servers != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "supported-server-versions", c.servers)
		}
		_, err := b.client.GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
		require.Equal(t, c.want, status.Code(err), "%+v", c)
		require.Equal(t, c.message, status.Convert(err).Message())
	}
}

func TestTransientEventsAreHiddenFromPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, want := range map[string]bool{"temporal-cli": true, "temporal-ui": true, "temporal-go": false, "": false} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "client-name", name)
		_, err := b.client.GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: "w"}, MaximumPageSize: 5000,
		})
		require.Equal(t, codes.DataLoss, status.Code(err))
		require.Equal(t, want, b.behind.hidden, name)
		got := b.behind.last().(*workflowservice.GetWorkflowExecutionHistoryRequest)
		require.Equal(t, int32(256), got.GetMaximumPageSize())
		require.Equal(t, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT, got.GetHistoryEventFilterType())
	}
}

func TestMissingFeaturesAreUnimplementedAndNotClaimed(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	_, err := b.client.CreateSchedule(ctx, &workflowservice.CreateScheduleRequest{Namespace: "default"})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = operatorservice.NewOperatorServiceClient(b.conn).ListNexusEndpoints(ctx, &operatorservice.ListNexusEndpointsRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err))

	info, err := b.client.GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	require.NoError(t, err)
	require.Equal(t, frontend.ServerVersion, info.GetServerVersion())
	require.False(t, info.GetCapabilities().GetSupportsSchedules())
	require.False(t, info.GetCapabilities().GetNexus())
	require.True(t, info.GetCapabilities().GetEagerWorkflowStart())
	described, err := b.client.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	require.NoError(t, err)
	require.False(t, described.GetNamespaceInfo().GetCapabilities().GetWorkerCommands())
	require.False(t, described.GetNamespaceInfo().GetSupportsSchedules())
	require.Equal(t, int64(2<<20), described.GetNamespaceInfo().GetLimits().GetBlobSizeLimitError())
}

func TestHealthAndReflection(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	for _, name := range []string{"", "temporal.api.workflowservice.v1.WorkflowService", "temporal.api.operatorservice.v1.OperatorService"} {
		health, err := healthpb.NewHealthClient(b.conn).Check(ctx, &healthpb.HealthCheckRequest{Service: name})
		require.NoError(t, err)
		require.Equal(t, healthpb.HealthCheckResponse_SERVING, health.GetStatus())
	}
	stream, err := reflectionv1.NewServerReflectionClient(b.conn).ServerReflectionInfo(ctx)
	require.NoError(t, err)
	require.NoError(t, stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "temporal.api.workflowservice.v1.WorkflowService"},
	}))
	described, err := stream.Recv()
	require.NoError(t, err)
	require.NotEmpty(t, described.GetFileDescriptorResponse().GetFileDescriptorProto())
	old, err := reflectionv1alpha.NewServerReflectionClient(b.conn).ServerReflectionInfo(ctx) //nolint:staticcheck // old tools use it
	require.NoError(t, err)
	require.NoError(t, old.Send(&reflectionv1alpha.ServerReflectionRequest{
		MessageRequest: &reflectionv1alpha.ServerReflectionRequest_ListServices{},
	}))
	listed, err := old.Recv()
	require.NoError(t, err)
	require.NotEmpty(t, listed.GetListServicesResponse().GetService())
}
