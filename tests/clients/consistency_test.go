package clients

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// consistencyWriters write and read at the same time, so that their commits share groups.
	consistencyWriters = 16
	// consistencySignals is how many signals each of them sends.
	consistencySignals = 50
)

// TestReadsSeeAcknowledgedWrites: what was acknowledged is in the history that is read next, whoever else writes.
func TestReadsSeeAcknowledgedWrites(t *testing.T) {
	eachTarget(t, func(t *testing.T, server target) {
		connection, err := grpc.NewClient(server.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = connection.Close() })
		service := workflowservice.NewWorkflowServiceClient(connection)
		var writers errgroup.Group
		for range consistencyWriters {
			writers.Go(func() error { return writeAndRead(t, service) })
		}
		require.NoError(t, writers.Wait())
	})
}

// writeAndRead sends signals to a workflow of its own and reads its history after each.
func writeAndRead(t *testing.T, service workflowservice.WorkflowServiceClient) error {
	request := startRequest()
	if _, err := service.StartWorkflowExecution(t.Context(), request); err != nil {
		return err
	}
	execution := &commonpb.WorkflowExecution{WorkflowId: request.WorkflowId}
	for sent := 1; sent <= consistencySignals; sent++ {
		_, err := service.SignalWorkflowExecution(t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
			Namespace: "default", WorkflowExecution: execution, SignalName: "text", RequestId: uuid.NewString(),
		})
		if err != nil {
			return err
		}
		answer, err := service.GetWorkflowExecutionHistory(t.Context(), &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: "default", Execution: execution,
		})
		if err != nil {
			return err
		}
		if got := signalsIn(answer.History.Events); got != sent {
			return fmt.Errorf("%d signals were acknowledged, the history has %d", sent, got)
		}
	}
	_, err := service.TerminateWorkflowExecution(t.Context(), &workflowservice.TerminateWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: execution,
	})
	return err
}

func signalsIn(events []*historypb.HistoryEvent) int {
	count := 0
	for _, event := range events {
		if event.GetWorkflowExecutionSignaledEventAttributes() != nil {
			count++
		}
	}
	return count
}
