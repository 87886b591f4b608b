package frontend_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"perdure/server/tasktoken"
)

func (b *bundle) token() []byte {
	return tasktoken.Token{NamespaceID: b.ns.ID, WorkflowID: "w", RunID: "r", ScheduledEventID: 5}.Encode()
}

func tooLarge() *commonpb.Payloads {
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: make([]byte, 2<<20)}}}
}

func application(message, stack, source, kind string, cause *failurepb.Failure) *failurepb.Failure {
	return &failurepb.Failure{
		Message: message, StackTrace: stack, Source: source, Cause: cause,
		FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: kind}},
	}
}

// requireServerFailure checks a failure made by the server.
func requireServerFailure(t *testing.T, message string, f *failurepb.Failure) {
	t.Helper()
	require.Equal(t, message, f.GetMessage())
	require.True(t, f.GetServerFailureInfo().GetNonRetryable())
}

func TestTooLargeAnswersFailTheActivity(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	b.behind.answer = &workflowservice.RespondActivityTaskFailedResponse{}
	_, err := b.client.RespondActivityTaskCompleted(ctx, &workflowservice.RespondActivityTaskCompletedRequest{TaskToken: b.token(), Result: tooLarge(), Identity: "w"})
	require.NoError(t, err)
	failed := b.behind.last().(*workflowservice.RespondActivityTaskFailedRequest)
	requireServerFailure(t, "Complete result exceeds size limit.", failed.GetFailure())
	require.Equal(t, "w", failed.GetIdentity())
	require.Equal(t, b.token(), failed.GetTaskToken())

	beat, err := b.client.RecordActivityTaskHeartbeat(ctx, &workflowservice.RecordActivityTaskHeartbeatRequest{TaskToken: b.token(), Details: tooLarge()})
	require.NoError(t, err)
	require.True(t, beat.GetCancelRequested())
	requireServerFailure(t, "Heartbeat details exceed size limit.", b.behind.last().(*workflowservice.RespondActivityTaskFailedRequest).GetFailure())

	_, err = b.client.RespondActivityTaskCanceled(ctx, &workflowservice.RespondActivityTaskCanceledRequest{TaskToken: b.token(), Details: tooLarge()})
	require.NoError(t, err)
	requireServerFailure(t, "Cancel details exceed size limit.", b.behind.last().(*workflowservice.RespondActivityTaskFailedRequest).GetFailure())
}

func TestTooLargeAnswersByID(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	b.behind.answer = &workflowservice.RespondActivityTaskFailedByIdResponse{}
	last := func() *failurepb.Failure {
		return b.behind.last().(*workflowservice.RespondActivityTaskFailedByIdRequest).GetFailure()
	}
	_, err := b.client.RespondActivityTaskCompletedById(ctx, &workflowservice.RespondActivityTaskCompletedByIdRequest{
		Namespace: "default", WorkflowId: "w", ActivityId: "a", Result: tooLarge(),
	})
	require.NoError(t, err)
	requireServerFailure(t, "Complete result exceeds size limit.", last())
	beat, err := b.client.RecordActivityTaskHeartbeatById(ctx, &workflowservice.RecordActivityTaskHeartbeatByIdRequest{
		Namespace: "default", WorkflowId: "w", ActivityId: "a", Details: tooLarge(),
	})
	require.NoError(t, err)
	require.True(t, beat.GetCancelRequested())
	requireServerFailure(t, "Heartbeat details exceed size limit.", last())
	_, err = b.client.RespondActivityTaskCanceledById(ctx, &workflowservice.RespondActivityTaskCanceledByIdRequest{
		Namespace: "default", WorkflowId: "w", ActivityId: "a", Details: tooLarge(),
	})
	require.NoError(t, err)
	requireServerFailure(t, "Cancel details exceed size limit.", last())
	resp, err := b.client.RespondActivityTaskFailedById(ctx, &workflowservice.RespondActivityTaskFailedByIdRequest{
		Namespace: "default", WorkflowId: "w", ActivityId: "a", LastHeartbeatDetails: tooLarge(), Failure: application("m", "", "", "T", nil),
	})
	require.NoError(t, err)
	require.Len(t, resp.GetFailures(), 1)
	requireServerFailure(t, "Heartbeat details exceed size limit.", resp.GetFailures()[0])
	require.Equal(t, "m", last().GetMessage())
}

// TestTooLargeFailureIsCut compares with the lengths that the public dev server keeps.
func TestTooLargeFailureIsCut(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	x := strings.Repeat
	const large = 2_200_000
	for name, c := range map[string]struct {
		sent                  *failurepb.Failure
		message, stack, cause int
	}{
		"message":               {application(x("m", large), "", "", "", nil), 524280, 0, 0},
		"message and type":      {application(x("m", large), "", "", "TTTTTTTTTT", nil), 524266, 0, 0},
		"message and source":    {application(x("m", large), "", "SSSSSSSSSS", "", nil), 524266, 0, 0},
		"stack":                 {application("x", x("s", large), "", "", nil), 1, 524275, 0},
		"message, source, both": {application(x("m", 1000), x("s", large), "SrcSrcSrcS", "", nil), 1000, 523262, 0},
		"message fills it":      {application(x("m", 1_200_000), x("s", 1_200_000), "Src", "", nil), 524273, 0, 0},
		"cause":                 {application(x("m", 300_000), "", "", "", application(x("c", large), "", "", "", nil)), 300_000, 0, 224264},
		"no room for the cause": {application(x("m", large), "", "", "", application(x("c", 100_000), "", "", "", nil)), 524280, 0, 0},
	} {
		b.behind.answer = &workflowservice.RespondActivityTaskFailedResponse{}
		resp, err := b.client.RespondActivityTaskFailed(ctx, &workflowservice.RespondActivityTaskFailedRequest{TaskToken: b.token(), Failure: c.sent})
		require.NoError(t, err, name)
		kept := b.behind.last().(*workflowservice.RespondActivityTaskFailedRequest).GetFailure()
		requireServerFailure(t, "Failure exceeds size limit.", kept)
		require.Len(t, kept.GetCause().GetMessage(), c.message, name)
		require.Len(t, kept.GetCause().GetStackTrace(), c.stack, name)
		require.Len(t, kept.GetCause().GetCause().GetMessage(), c.cause, name)
		require.Equal(t, c.sent.GetApplicationFailureInfo().GetType(), kept.GetCause().GetApplicationFailureInfo().GetType(), name)
		require.Len(t, resp.GetFailures(), 1)
		require.True(t, proto.Equal(kept, resp.GetFailures()[0]), name)
	}
}

func TestTooLargeTaskFailureIsCut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.client.RespondWorkflowTaskFailed(context.Background(), &workflowservice.RespondWorkflowTaskFailedRequest{
		TaskToken: b.token(), Failure: &failurepb.Failure{Message: strings.Repeat("m", 2_097_200)},
	})
	require.Equal(t, codes.DataLoss, status.Code(err))
	kept := b.behind.last().(*workflowservice.RespondWorkflowTaskFailedRequest).GetFailure()
	requireServerFailure(t, "Failure exceeds size limit.", kept)
	require.Len(t, kept.GetCause().GetMessage(), 524288)
}

func TestTooLargeQueryAnswerFailsTheQuery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.client.RespondQueryTaskCompleted(context.Background(), &workflowservice.RespondQueryTaskCompletedRequest{
		TaskToken: b.token(), CompletedType: enumspb.QUERY_RESULT_TYPE_ANSWERED, QueryResult: tooLarge(),
	})
	require.Equal(t, codes.DataLoss, status.Code(err))
	got := b.behind.last().(*workflowservice.RespondQueryTaskCompletedRequest)
	require.Equal(t, enumspb.QUERY_RESULT_TYPE_FAILED, got.GetCompletedType())
	require.Nil(t, got.GetQueryResult())
	require.Equal(t, "Blob data size exceeds limit.", got.GetErrorMessage())
}
