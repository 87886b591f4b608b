package server

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/config"
	"perdure/server/metrics"
)

// TestWithoutSearch: a server that keeps no search records does everything but list and count, and says why it does not.
func TestWithoutSearch(t *testing.T) {
	c := config.Default()
	c.Store, c.Visibility, c.Namespaces, c.Shards = "memory:", "none:", []string{"default"}, 2
	require.NoError(t, c.Validate())
	s := &trial{t: t, metrics: metrics.NewRegistry(), log: &logged{}}
	var err error
	s.services, err = startServices(t.Context(), c, Options{Version: "trial", Logger: slog.New(slog.NewTextHandler(s.log, nil)), Metrics: s.metrics})
	require.NoError(t, err)
	s.connect()
	defer s.stop()
	_, err = s.StartWorkflowExecution(t.Context(), startOf("a"))
	require.NoError(t, err)
	_, err = s.ListWorkflowExecutions(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default"})
	require.Contains(t, said(err), "InvalidArgument: invalid query: operation is not supported by the visibility store: this server keeps no search records")
	_, err = s.CountWorkflowExecutions(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default"})
	require.Contains(t, said(err), "InvalidArgument")
	require.NoError(t, s.services.history.Fresh(t.Context()))
	run := &commonpb.WorkflowExecution{WorkflowId: "a"}
	_, err = s.TerminateWorkflowExecution(t.Context(), &workflowservice.TerminateWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: run})
	require.NoError(t, err)
	told, err := s.DescribeWorkflowExecution(t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{Namespace: "default", Execution: run})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, told.WorkflowExecutionInfo.Status)
	_, err = s.DeleteWorkflowExecution(t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{Namespace: "default", WorkflowExecution: run})
	require.NoError(t, err)
	c.Store = "none:"
	require.ErrorContains(t, c.Validate(), `store: "none:" is no store URL`)
}
