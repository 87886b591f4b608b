package clients

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// blobLimitBytes is the largest input a server takes; one byte more is refused.
	blobLimitBytes = 2 << 20
	// messageLimitBytes is the largest gRPC message.
	messageLimitBytes = 4 << 20
	// idLimitBytes is the longest id.
	idLimitBytes = 1000
)

// TestBadInput sends what a server must refuse with one clear answer, and looks that nothing stored has changed.
func TestBadInput(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		connection, err := grpc.NewClient(server.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = connection.Close() })
		service := workflowservice.NewWorkflowServiceClient(connection)
		stored := startRequest()
		started, err := service.StartWorkflowExecution(t.Context(), stored)
		require.NoError(t, err)
		history := historyOf(t, service, stored.WorkflowId)
		for name, test := range badStarts() {
			t.Run(name, func(t *testing.T) {
				request := startRequest()
				test.spoil(request)
				_, err := service.StartWorkflowExecution(t.Context(), request)
				test.requireRefused(t, err)
			})
		}
		t.Run("invalid UTF-8", func(t *testing.T) { requireBadUTF8Refused(t, connection) })
		require.True(t, proto.Equal(history, historyOf(t, service, stored.WorkflowId)), "what was stored is unchanged")
		_, err = service.TerminateWorkflowExecution(t.Context(), &workflowservice.TerminateWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: stored.WorkflowId, RunId: started.RunId},
		})
		require.NoError(t, err)
	})
}

// badStart spoils a good start request; the answer must have the code and the text.
type badStart struct {
	spoil func(*workflowservice.StartWorkflowExecutionRequest)
	code  codes.Code
	text  string
}

func (b badStart) requireRefused(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, b.code, status.Code(err), err)
	require.Contains(t, err.Error(), b.text)
	require.NotContains(t, err.Error(), "\n", "one line")
	if b.code == codes.NotFound {
		var missing *serviceerror.NamespaceNotFound
		require.ErrorAs(t, serviceerror.FromStatus(status.Convert(err)), &missing)
	}
}

func badStarts() map[string]badStart {
	type request = *workflowservice.StartWorkflowExecutionRequest
	long := strings.Repeat("x", idLimitBytes+1)
	return map[string]badStart{
		"unknown namespace":    {func(r request) { r.Namespace = "nowhere" }, codes.NotFound, "nowhere"},
		"empty namespace":      {func(r request) { r.Namespace = "" }, codes.InvalidArgument, "Namespace"},
		"empty workflow id":    {func(r request) { r.WorkflowId = "" }, codes.InvalidArgument, "WorkflowId"},
		"long workflow id":     {func(r request) { r.WorkflowId = long }, codes.InvalidArgument, "exceeds"},
		"long workflow type":   {func(r request) { r.WorkflowType.Name = long }, codes.InvalidArgument, "exceeds"},
		"long task queue":      {func(r request) { r.TaskQueue.Name = long }, codes.InvalidArgument, "length"},
		"long request id":      {func(r request) { r.RequestId = long }, codes.InvalidArgument, "exceeds"},
		"negative run timeout": {func(r request) { r.WorkflowRunTimeout = durationpb.New(-time.Second) }, codes.InvalidArgument, "WorkflowRunTimeout"},
		"negative execution timeout": {
			func(r request) { r.WorkflowExecutionTimeout = durationpb.New(-time.Second) }, codes.InvalidArgument, "WorkflowExecutionTimeout",
		},
		"negative task timeout": {
			func(r request) { r.WorkflowTaskTimeout = durationpb.New(-time.Second) }, codes.InvalidArgument, "WorkflowTaskTimeout",
		},
		"bad cron schedule": {func(r request) { r.CronSchedule = "every now and then" }, codes.InvalidArgument, "CronSchedule"},
		"oversized input":   {func(r request) { r.Input = payloads(blobLimitBytes + 1) }, codes.InvalidArgument, "exceeds"},
		"oversized message": {func(r request) { r.Input = payloads(messageLimitBytes + 1) }, codes.ResourceExhausted, "larger than max"},
	}
}

func startRequest() *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: "bad-input-" + uuid.NewString(), RequestId: uuid.NewString(),
		WorkflowType: &commonpb.WorkflowType{Name: "nobody-runs-this"},
		TaskQueue:    &taskqueuepb.TaskQueue{Name: "bad-input-" + uuid.NewString()},
	}
}

func payloads(bytes int) *commonpb.Payloads {
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: make([]byte, bytes)}}}
}

func historyOf(t *testing.T, service workflowservice.WorkflowServiceClient, workflowID string) proto.Message {
	t.Helper()
	answer, err := service.GetWorkflowExecutionHistory(t.Context(), &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: "default", Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
		HistoryEventFilterType: enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT,
	})
	require.NoError(t, err)
	return answer.History
}

// requireBadUTF8Refused sends a start request whose workflow id is not UTF-8. The library refuses to encode one, so the
// message is made with an id of the same length that is replaced on its way.
func requireBadUTF8Refused(t *testing.T, connection *grpc.ClientConn) {
	t.Helper()
	request := startRequest()
	encoded, err := proto.Marshal(request)
	require.NoError(t, err)
	broken := strings.Replace(string(encoded), request.WorkflowId, strings.Repeat("\xff", len(request.WorkflowId)), 1)
	var answer workflowservice.StartWorkflowExecutionResponse
	err = connection.Invoke(t.Context(), workflowservice.WorkflowService_StartWorkflowExecution_FullMethodName, []byte(broken), &answer,
		grpc.ForceCodec(rawCodec{}))
	require.Equal(t, codes.Internal, status.Code(err), err)
	require.Contains(t, err.Error(), "UTF-8")
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string                        { return "proto" }
func (rawCodec) Marshal(message any) ([]byte, error) { return message.([]byte), nil }
func (rawCodec) Unmarshal(data []byte, message any) error {
	return proto.Unmarshal(data, message.(proto.Message))
}
