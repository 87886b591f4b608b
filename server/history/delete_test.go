package history

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/store"
	"perdure/server/store/fault"
)

func (n *node) tryDelete(id, runID string) error {
	_, err := n.DeleteWorkflowExecution(n.t.Context(), shop, &workflowservice.DeleteWorkflowExecutionRequest{
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID},
	})
	return err
}

// requireNothing checks that nothing of a run is found anywhere.
func (n *node) requireNothing(id, runID string) {
	n.t.Helper()
	_, err := n.DescribeWorkflowExecution(n.t.Context(), shop, &workflowservice.DescribeWorkflowExecutionRequest{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID},
	})
	require.True(n.t, isNotFound(err), "%v", err)
	n.eventually("search forgets it", func() bool { return n.index.record(runID).Deleted }) // after a lost answer it hears of it from the log
	rows, err := n.gate.Store.Executions(n.t.Context(), store.ExecutionKey{}, 100)
	require.NoError(n.t, err)
	for _, row := range rows {
		require.NotEqual(n.t, runID, row.RunID)
	}
}

func TestDelete(t *testing.T) {
	for what, open := range map[string]bool{"open": true, "closed": false} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data, records := newData(t), newIndex()
				n := startNode(t, data, records, Config{})
				run := n.begin("a")
				if open {
					n.complete(n.take(), timer("t", time.Hour))
				} else {
					n.complete(n.take(), finish())
				}
				require.NoError(t, n.tryDelete("a", run))
				n.requireNothing("a", run)
				require.True(t, isNotFound(n.tryDelete("a", run)))
				require.True(t, isNotFound(n.signal("a", "s")))
				n.crash() // what its log rows tell of the run finds none
				n = startNode(t, data, records, Config{})
				defer n.close()
				n.passes(2 * time.Hour)
				n.requireNothing("a", run)
				again := n.begin("a")
				require.NotEqual(t, run, again, "the id is free")
				n.complete(n.take(), finish())
				require.Zero(t, n.logRowsSoon())
			})
		})
	}
}

// logRowsSoon counts the log's rows when a checkpoint has had its time.
func (n *node) logRowsSoon() int {
	n.passes(time.Minute)
	return n.logRows()
}

// The run before the one that is deleted becomes the newest.
func TestDeleteOfTheNewestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		first := n.begin("a")
		n.complete(n.take(), continueAsNew())
		second := n.current("a").RunID
		require.NoError(t, n.tryDelete("a", ""))
		n.requireNothing("a", second)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, n.status("a", ""))
		require.NoError(t, n.tryDelete("a", first))
		n.requireNothing("a", first)
	})
}

// A child that is deleted tells its parent before it goes.
func TestDeleteOfAChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.complete(n.take(), child("c", enumspb.PARENT_CLOSE_POLICY_ABANDON))
		run := n.takeFrom("parcels").WorkflowExecution.RunId
		require.NoError(t, n.tryDelete("c", ""))
		n.requireNothing("c", run)
		n.eventually("the parent hears", func() bool {
			return times(n.history("a", ""), enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED) == 1
		})
		n.complete(n.take(), finish())
	})
}

// A delete of unknown outcome may be asked for again.
func TestLostDelete(t *testing.T) {
	for _, kind := range []fault.Kind{fault.Error, fault.LostAck} {
		for skip := range 2 { // the commit that ends the run, and the delete
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				defer n.close()
				run := n.begin("a")
				order := make([]fault.Kind, skip+1)
				order[skip] = kind
				n.fault.Order(order...)
				require.Error(t, n.tryDelete("a", run))
				n.eventually("the run is gone", func() bool {
					err := n.tryDelete("a", run)
					return err == nil || isNotFound(err)
				})
				n.requireNothing("a", run)
			})
		}
	}
}
