package clients

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// answerUpdate plays the worker: it gives tasks empty answers until one carries the update, which it accepts and completes.
func (s callbackServer) answerUpdate(t *testing.T, start *workflowservice.StartWorkflowExecutionRequest, result string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callbackWithin)
	defer cancel()
	poll := &workflowservice.PollWorkflowTaskQueueRequest{Namespace: "default", TaskQueue: start.TaskQueue}
	task, err := s.PollWorkflowTaskQueue(ctx, poll)
	require.NoError(t, err)
	for len(task.Messages) == 0 {
		_, err = s.RespondWorkflowTaskCompleted(ctx, &workflowservice.RespondWorkflowTaskCompletedRequest{Namespace: "default", TaskToken: task.TaskToken})
		require.NoError(t, err)
		task, err = s.PollWorkflowTaskQueue(ctx, poll)
		require.NoError(t, err)
	}
	asked := task.Messages[0]
	request := &updatepb.Request{}
	require.NoError(t, asked.Body.UnmarshalTo(request))
	say := func(kind string, body proto.Message) *protocolpb.Message {
		packed, err := anypb.New(body)
		require.NoError(t, err)
		return &protocolpb.Message{Id: kind, ProtocolInstanceId: asked.ProtocolInstanceId, Body: packed}
	}
	_, err = s.RespondWorkflowTaskCompleted(t.Context(), &workflowservice.RespondWorkflowTaskCompletedRequest{
		Namespace: "default", TaskToken: task.TaskToken, Messages: []*protocolpb.Message{
			say("accept", &updatepb.Acceptance{
				AcceptedRequestMessageId: asked.Id, AcceptedRequestSequencingEventId: asked.GetEventId(), AcceptedRequest: request,
			}),
			say("respond", &updatepb.Response{Meta: request.Meta, Outcome: &updatepb.Outcome{Value: &updatepb.Outcome_Success{
				Success: &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(result)}}},
			}}}),
		},
	})
	require.NoError(t, err)
}

func (s callbackServer) update(ctx context.Context, workflowID, requestID string, callbacks ...*commonpb.Callback) (*workflowservice.UpdateWorkflowExecutionResponse, error) {
	return s.UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
		Request: &updatepb.Request{
			Meta: &updatepb.Meta{UpdateId: "change"}, Input: &updatepb.Input{Name: "change"}, RequestId: requestID, CompletionCallbacks: callbacks,
		},
	})
}

// TestUpdateCallbacksAreDelivered when the update ends, while its workflow goes on.
func TestUpdateCallbacksAreDelivered(t *testing.T) {
	receiver := newCallbackReceiver(t)
	eachCallbackServer(t, func(t *testing.T, s callbackServer) {
		start := startRequest()
		path, requestID := "/update/"+start.WorkflowId, uuid.NewString()
		_, err := s.StartWorkflowExecution(t.Context(), start)
		require.NoError(t, err)
		var call errgroup.Group
		call.Go(func() error {
			answer, err := s.update(t.Context(), start.WorkflowId, requestID, nexusCallback(receiver.url+path))
			if err == nil && answer.Link.GetWorkflowEvent().GetRequestIdRef().GetRequestId() != requestID {
				t.Errorf("link %v", answer.Link)
			}
			return err
		})
		s.answerUpdate(t, start, `"changed"`)
		require.NoError(t, call.Wait())
		got := receiver.await(t, path)
		require.Equal(t, `"changed"`, got.body)
		require.Contains(t, got.header.Get("Nexus-Link"), "eventType=WorkflowExecutionUpdateAccepted&referenceType=RequestIdReference&requestID="+requestID)
		info := s.callbacks(t, start.WorkflowId, enumspb.CALLBACK_STATE_SUCCEEDED)[0]
		require.Equal(t, "change", info.Trigger.GetUpdateWorkflowExecutionCompleted().GetUpdateId())
	})
}

// TestUpdateCallbacksAreChecked before the update goes anywhere.
func TestUpdateCallbacksAreChecked(t *testing.T) {
	eachCallbackServer(t, func(t *testing.T, s callbackServer) {
		start := startRequest()
		_, err := s.StartWorkflowExecution(t.Context(), start)
		require.NoError(t, err)
		good := nexusCallback("http://127.0.0.1:1/x")
		many := make([]*commonpb.Callback, 33)
		for i := range many {
			many[i] = good
		}
		for _, c := range []struct {
			requestID string
			callbacks []*commonpb.Callback
			code      codes.Code
			message   string
		}{
			{"", []*commonpb.Callback{good}, codes.InvalidArgument, "invalid *update.Request: request_id is required when completion_callbacks are set"},
			{"r", []*commonpb.Callback{nexusCallback("ftp://127.0.0.1:1/x")}, codes.InvalidArgument, "invalid url: unknown scheme: ftp://127.0.0.1:1/x"},
			{"r", many, codes.FailedPrecondition, "cannot attach more than 32 callbacks to an update (0 callbacks already attached)"},
		} {
			_, err := s.update(t.Context(), start.WorkflowId, c.requestID, c.callbacks...)
			require.Equal(t, c.code, status.Code(err))
			require.Equal(t, c.message, status.Convert(err).Message())
		}
	})
}
