package history

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

func signalWithStart(id, requestID string) *workflowservice.SignalWithStartWorkflowExecutionRequest {
	return &workflowservice.SignalWithStartWorkflowExecutionRequest{
		Namespace: shop.Name, WorkflowId: id, RequestId: requestID, SignalName: "s",
		WorkflowType: &commonpb.WorkflowType{Name: "order"}, TaskQueue: queue(queueName),
	}
}

// The request that started the workflow is known by the run that a reset made of it; the one of the reset is no start.
func TestStartAgainAfterAReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		first, err := n.StartWorkflowExecution(t.Context(), shop, startRequest("a", "first"))
		require.NoError(t, err)
		n.complete(n.take())
		reset := resetRequest("a", first.RunId, 4)
		forked, err := n.ResetWorkflowExecution(t.Context(), shop, reset)
		require.NoError(t, err)

		again, err := n.StartWorkflowExecution(t.Context(), shop, startRequest("a", "first"))
		require.NoError(t, err)
		require.True(t, again.Started)
		require.Equal(t, forked.RunId, again.RunId)
		for _, id := range []string{"other", reset.RequestId} {
			_, err = n.StartWorkflowExecution(t.Context(), shop, startRequest("a", id))
			var running *serviceerror.WorkflowExecutionAlreadyStarted
			require.ErrorAs(t, err, &running)
			require.Equal(t, "first", running.StartRequestId)
			require.Equal(t, forked.RunId, running.RunId)
		}
		twice, err := n.ResetWorkflowExecution(t.Context(), shop, reset)
		require.NoError(t, err)
		require.Equal(t, forked.RunId, twice.RunId, "a reset is done once")
	})
}

// Starts and signals have ids of their own: one kind does not stand for the other.
func TestStartsAndSignalsWithOneRequestID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		_, err := n.StartWorkflowExecution(t.Context(), shop, startRequest("a", "one"))
		require.NoError(t, err)
		require.NoError(t, n.signal("a", "one"))
		require.NoError(t, n.signal("a", "one"))
		r, err := n.SignalWithStartWorkflowExecution(t.Context(), shop, signalWithStart("a", "two"))
		require.NoError(t, err)
		require.False(t, r.Started)
		require.Equal(t, 2, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
		_, err = n.StartWorkflowExecution(t.Context(), shop, startRequest("a", "two"))
		var running *serviceerror.WorkflowExecutionAlreadyStarted
		require.ErrorAs(t, err, &running)
	})
}

// A start with a signal that comes twice is done once, even when its run has ended meanwhile.
func TestSignalWithStartTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		first, err := n.SignalWithStartWorkflowExecution(t.Context(), shop, signalWithStart("a", "one"))
		require.NoError(t, err)
		require.True(t, first.Started)
		sameRun := func(request *workflowservice.SignalWithStartWorkflowExecutionRequest) {
			again, err := n.SignalWithStartWorkflowExecution(t.Context(), shop, request)
			require.NoError(t, err)
			require.False(t, again.Started)
			require.Equal(t, first.RunId, again.RunId)
		}
		sameRun(signalWithStart("a", "one"))
		replacing := signalWithStart("a", "one")
		replacing.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
		sameRun(replacing)
		n.complete(n.take(), finish())
		sameRun(signalWithStart("a", "one"))
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))

		next, err := n.SignalWithStartWorkflowExecution(t.Context(), shop, signalWithStart("a", "two"))
		require.NoError(t, err)
		require.True(t, next.Started)
		require.NotEqual(t, first.RunId, next.RunId)
	})
}

// A start with a signal does not wait for the time that an earlier start asked for; a signal does.
func TestSignalWithStartOfADelayedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		request := startRequest("a", "one")
		request.WorkflowStartDelay = durationpb.New(time.Hour)
		_, err := n.StartWorkflowExecution(t.Context(), shop, request)
		require.NoError(t, err)
		require.NoError(t, n.signal("a", ""))
		require.Nil(t, n.poll(queueName, time.Second))
		_, err = n.SignalWithStartWorkflowExecution(t.Context(), shop, signalWithStart("a", "two"))
		require.NoError(t, err)
		n.complete(n.take(), finish())
	})
}
