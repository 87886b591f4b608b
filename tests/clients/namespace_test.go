package clients

import (
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

// deleteNamespaceCase deletes a namespace with a running workflow: its name is free at once, the rest goes by itself.
func deleteNamespaceCase(s goSuite) {
	name := "go-" + uuid.NewString()
	s.registerNamespace(name)
	described, err := s.client.WorkflowService().DescribeNamespace(s.context(), &workflowservice.DescribeNamespaceRequest{Namespace: name})
	require.NoError(s, err)
	id := described.NamespaceInfo.Id
	inside, err := client.NewClientFromExisting(s.client, client.Options{Namespace: name})
	require.NoError(s, err)
	s.Cleanup(inside.Close)
	_, err = inside.ExecuteWorkflow(s.context(), s.options(), blockedWorkflow)
	require.NoError(s, err)

	deleted, err := s.client.OperatorService().DeleteNamespace(s.context(), &operatorservice.DeleteNamespaceRequest{Namespace: name})
	require.NoError(s, err)
	require.Equal(s, name+"-deleted-"+id[:5], deleted.DeletedNamespace)
	_, err = s.client.WorkflowService().ListWorkflowExecutions(s.context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: deleted.DeletedNamespace})
	var gone *serviceerror.NamespaceNotFound
	if !errors.As(err, &gone) { // not reclaimed yet
		var invalid *serviceerror.NamespaceInvalidState
		require.ErrorAs(s, err, &invalid)
		require.Equal(s, enumspb.NAMESPACE_STATE_DELETED, invalid.State)
	}
	eventually(s.T, "the record goes when the runs are gone", func() bool {
		_, err := s.client.WorkflowService().DescribeNamespace(s.context(), &workflowservice.DescribeNamespaceRequest{Id: id})
		return errors.As(err, &gone)
	})
	s.registerNamespace(name)
	listed, err := inside.ListWorkflow(s.context(), &workflowservice.ListWorkflowExecutionsRequest{})
	require.NoError(s, err)
	require.Empty(s, listed.Executions)
}

func (s goSuite) registerNamespace(name string) {
	s.Helper()
	_, err := s.client.WorkflowService().RegisterNamespace(s.context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(s, err)
}
