package clients

import (
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// pauseCase holds a run: calls are answered by what it means, signals wait, and the worker goes on afterwards.
func pauseCase(s goSuite) {
	run := s.start(counterWorkflow, 1)
	require.Equal(s, 1, s.queryValue(run.GetID()))
	service := s.client.WorkflowService()
	_, err := service.PauseWorkflowExecution(s.context(), &workflowservice.PauseWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: run.GetID(), Reason: "hold", Identity: "operator", RequestId: "pause",
	})
	require.NoError(s, err)
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED, s.status(run.GetID()))
	eventually(s.T, "search tells of the pause", func() bool {
		return len(s.list(`ExecutionStatus = "Paused" AND WorkflowId = "`+run.GetID()+`"`)) == 1
	})
	s.requireHeld(run)

	_, err = service.UnpauseWorkflowExecution(s.context(), &workflowservice.UnpauseWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: run.GetID(), Reason: "go", Identity: "operator", RequestId: "unpause",
	})
	require.NoError(s, err)
	requireResult(s, run, 1)
	history := s.history(run)
	require.Equal(s, 1, countEvents(history, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED))
	require.Equal(s, 1, countEvents(history, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED))
}

func (s goSuite) requireHeld(run client.WorkflowRun) {
	s.Helper()
	s.finish(run) // is recorded, and no worker hears of it
	_, err := s.add(run.GetID(), 1, client.WorkflowUpdateStageAccepted)
	var refused *serviceerror.FailedPrecondition
	require.ErrorAs(s, err, &refused)
	answer, err := s.client.QueryWorkflowWithOptions(s.context(), &client.QueryWorkflowWithOptionsRequest{WorkflowID: run.GetID(), QueryType: "value"})
	require.NoError(s, err)
	require.Equal(s, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED, answer.QueryRejected.GetStatus())
	description, err := s.client.DescribeWorkflowExecution(s.context(), run.GetID(), "")
	require.NoError(s, err)
	require.Equal(s, "hold", description.WorkflowExtendedInfo.PauseInfo.GetReason())
	require.Nil(s, description.PendingWorkflowTask)
}
