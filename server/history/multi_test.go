package history

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
)

func updateWithStart(id, requestID, updateID string, conflict enumspb.WorkflowIdConflictPolicy) *workflowservice.ExecuteMultiOperationRequest {
	start := startRequest(id, requestID)
	start.WorkflowIdConflictPolicy = conflict
	update := updateRequest(id, updateID)
	update.WaitPolicy = &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED}
	return &workflowservice.ExecuteMultiOperationRequest{Operations: []*workflowservice.ExecuteMultiOperationRequest_Operation{
		{Operation: &workflowservice.ExecuteMultiOperationRequest_Operation_StartWorkflow{StartWorkflow: start}},
		{Operation: &workflowservice.ExecuteMultiOperationRequest_Operation_UpdateWorkflow{UpdateWorkflow: update}},
	}}
}

func (n *node) terminate(id string) {
	n.t.Helper()
	_, err := n.TerminateWorkflowExecution(n.t.Context(), shop, &workflowservice.TerminateWorkflowExecutionRequest{
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
	})
	require.NoError(n.t, err)
}

type multiAnswer struct {
	*workflowservice.ExecuteMultiOperationResponse
	err error
}

func (n *node) goUpdateWithStart(request *workflowservice.ExecuteMultiOperationRequest) chan multiAnswer {
	answer := make(chan multiAnswer, 1)
	go func() {
		r, err := n.ExecuteMultiOperation(n.t.Context(), shop, request)
		answer <- multiAnswer{r, err}
	}()
	synctest.Wait()
	return answer
}

// An update whose run was found and closes before it took it goes to another run, which is started for it.
func TestUpdateWithStartGoesOnToAnotherRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		first := n.begin("a")
		n.take()
		answer := n.goUpdateWithStart(updateWithStart("a", "again", "u", enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING))
		n.terminate("a")
		task := n.take()
		require.NotEqual(t, first, task.WorkflowExecution.RunId)
		require.Len(t, task.Messages, 1)
		n.complete(task)
		r := <-answer
		require.NoError(t, r.err)
		started := r.Responses[0].GetStartWorkflow()
		require.True(t, started.Started)
		require.Equal(t, task.WorkflowExecution.RunId, started.RunId)
		require.NotNil(t, r.Responses[1].GetUpdateWorkflow().Outcome.GetFailure(), "the worker did not answer it")
	})
}

// An update that ends with the run that was started for it says so, and that the run was started.
func TestUpdateWithStartOfARunThatCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		answer := n.goUpdateWithStart(updateWithStart("a", "first", "u", enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL))
		n.terminate("a")
		var failed *serviceerror.MultiOperationExecution
		require.ErrorAs(t, (<-answer).err, &failed)
		require.Equal(t, codes.NotFound, failed.Status().Code())
		errs := failed.OperationErrors()
		require.NoError(t, errs[0], "it was started")
		require.EqualError(t, errs[1], "workflow update was aborted by closing workflow")
	})
}

// What was there before is not called started, and an update that is known to have its outcome is answered without links.
func TestUpdateWithStartOfWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		again := updateWithStart("a", "start a", "u", enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING)
		answer := n.goUpdateWithStart(again)
		require.NoError(t, n.acceptUpdates(n.take()))
		r := <-answer
		require.NoError(t, r.err)
		started := r.Responses[0].GetStartWorkflow()
		require.False(t, started.Started)
		require.Empty(t, started.FirstExecutionRunId)
		require.Equal(t, int64(1), started.Link.GetWorkflowEvent().GetEventRef().GetEventId())
		require.NotNil(t, r.Responses[1].GetUpdateWorkflow().Link)

		r = <-n.goUpdateWithStart(again)
		require.NoError(t, r.err)
		require.False(t, r.Responses[0].GetStartWorkflow().Started)
		require.Nil(t, r.Responses[0].GetStartWorkflow().Link)
		require.NotNil(t, r.Responses[1].GetUpdateWorkflow().Outcome.GetSuccess())
		require.Nil(t, r.Responses[1].GetUpdateWorkflow().Link)
	})
}
