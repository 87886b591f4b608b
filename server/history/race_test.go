package history

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/store"
)

// A checkpoint that is due while the shard is taken over must not move the
// cursors past what recovery has not read yet.
func TestCheckpointDuringATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newData(t), newIndex(), Config{CheckpointInterval: time.Second})
		defer n.close()
		n.begin("a")
		n.complete(n.take(), timer("t", time.Minute))
		s := n.shardFor("a")
		release := n.gate.hold("ReadLog")
		s.reset(store.ErrUnknownOutcome)
		n.passes(10 * time.Second)
		release()
		n.eventually("the shard serves again", s.serving)
		n.passes(2 * time.Minute)
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_TIMER_FIRED))
	})
}

// The report that an attempt is in the backlog may come when the next attempt waits already.
func TestLateReportOfTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		en := n.entryOf("a")
		s := en.shard
		n.offered(en, &cluster.Task{ScheduledEventID: 2, Stamp: -1}, cluster.Stored)
		s.dirtyMu.Lock()
		at := s.dirty[en.key]
		s.dirtyMu.Unlock()
		require.Equal(t, atOnce, at, "the next owner must offer the task")
	})
}

// A task in the backlog may also be offered from memory, when its run was
// loaded again. Who takes it from memory makes the one in the backlog stale, so
// the start must be remembered.
func TestTaskOfferedBesideItsBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{})
		n.begin("a")
		n.passes(5 * time.Second) // to the backlog
		require.NoError(t, n.shardFor("a").checkpoint(t.Context()))
		n.crash()
		n = makeNode(t, data, records, Config{})
		release := n.gate.hold("Queues") // the backlog is not known yet
		require.NoError(t, n.Start(t.Context()))
		var polls sync.WaitGroup
		polls.Go(func() { n.take() })
		synctest.Wait()
		s := n.shardFor("a")
		en, err := s.byKey(t.Context(), n.current("a").Key)
		require.NoError(t, err)
		n.republish(en)
		s.unpin(en)
		polls.Wait()
		release()
		require.Nil(t, n.poll(queueName, 5*time.Second), "the task in the backlog is stale")
		n.crash()

		n = startNode(t, data, records, Config{})
		defer n.close()
		task := n.poll(queueName, time.Minute)
		require.NotNil(t, task, "the task that died with its worker comes again")
		n.complete(task, finish())
	})
}

// A row that was read before a change must not come into the cache after it.
func TestLookUpDuringChangeAndEviction(t *testing.T) {
	for what, drop := range map[string]func(*node){
		"evicted": func(n *node) { n.passes(2 * time.Second); n.evict() },
		"taken over": func(n *node) {
			n.shardFor("a").reset(store.ErrUnknownOutcome)
			n.eventually("serves", n.shardFor("a").serving)
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data, records := newData(t), newIndex()
				n := startNode(t, data, records, Config{})
				run := n.begin("a")
				n.complete(n.take(), timer("t", time.Hour))
				n.close()
				n = startNode(t, data, records, Config{})
				defer n.close()
				release := n.gate.hold("Current")
				var events int64
				var calls sync.WaitGroup
				calls.Go(func() {
					r, err := n.DescribeWorkflowExecution(t.Context(), shop, &workflowservice.DescribeWorkflowExecutionRequest{
						Execution: &commonpb.WorkflowExecution{WorkflowId: "a"},
					})
					if err == nil {
						events = r.WorkflowExecutionInfo.HistoryLength
					}
				})
				synctest.Wait()
				signal := signalRequest("a", "s")
				signal.WorkflowExecution.RunId = run
				_, err := n.SignalWorkflowExecution(t.Context(), shop, signal)
				require.NoError(t, err)
				task := n.take()
				n.complete(task)
				drop(n)
				release()
				calls.Wait()
				require.Contains(t, []int64{0, 9}, events, "the signal and its task show")
				require.Len(t, n.history("a", ""), 9)
				require.NoError(t, n.signal("a", "s2"))
			})
		})
	}
}

// That a workflow runs already is told only when it is durable that it does.
func TestRefusedStartWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		release := n.gate.hold("Commit")
		var calls sync.WaitGroup
		calls.Go(func() { n.begin("a") })
		synctest.Wait()
		refused := make(chan error, 1)
		calls.Go(func() {
			_, err := n.StartWorkflowExecution(t.Context(), shop, startRequest("a", "other"))
			refused <- err
		})
		synctest.Wait()
		require.Empty(t, refused)
		release()
		calls.Wait()
		var exists *serviceerror.WorkflowExecutionAlreadyStarted
		require.ErrorAs(t, <-refused, &exists)
	})
}

// A run may be continued by a new one while a reset reads its history: the
// reset then begins after that run, not beside it.
func TestResetOfARunThatGoesOnMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		n := startNode(t, data, records, Config{})
		first := n.begin("a")
		n.complete(n.take(), timer("t", time.Hour))
		require.NoError(t, n.signal("a", "s"))
		n.close()
		n = startNode(t, data, records, Config{})
		defer n.close()
		task := n.take()
		release := n.gate.hold("History")
		var calls sync.WaitGroup
		var fork string
		calls.Go(func() { fork = n.resetTo("a", first, 4) })
		synctest.Wait()
		n.complete(task, continueAsNew())
		second := n.current("a").RunID
		require.NotEqual(t, first, second)
		release()
		calls.Wait()
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, n.status("a", second), "one run is open")
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, n.status("a", fork))
		require.Equal(t, fork, n.current("a").RunID)
	})
}

// resetTo resets a workflow to the end of a task and returns the new run.
func (n *node) resetTo(id, runID string, event int64) string {
	n.t.Helper()
	r, err := n.ResetWorkflowExecution(n.t.Context(), shop, resetRequest(id, runID, event))
	require.NoError(n.t, err)
	return r.RunId
}

func resetRequest(id, runID string, event int64) *workflowservice.ResetWorkflowExecutionRequest {
	return &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: shop.Name, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID},
		WorkflowTaskFinishEventId: event, RequestId: "reset " + id, Reason: "test",
	}
}

// What comes when the engine has stopped is answered, not left waiting.
func TestCallsAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		s := n.shardFor("a")
		lease := n.leaseOf("a")
		n.close()
		b, err := n.beginRun(s, shop, starting{request: startRequest("a", "late"), kind: "start", lease: lease}, nil)
		require.NoError(t, err)
		require.Error(t, n.settle(t.Context(), b))
		_, err = n.lookups.current(t.Context(), keyOf(shop.ID, "a"))
		require.Error(t, err)
	})
}

// A query that waits for a task of a run that is ended from outside goes its own way.
func TestQueryOfARunThatIsTerminated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.complete(n.take(), timer("t", time.Hour))
		require.NoError(t, n.signal("a", "s"))
		began := time.Now()
		answered := make(chan error, 1)
		go func() {
			_, err := n.QueryWorkflow(t.Context(), shop, queryRequest("a"))
			answered <- err
		}()
		synctest.Wait()
		_, err := n.TerminateWorkflowExecution(t.Context(), shop, &workflowservice.TerminateWorkflowExecutionRequest{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "a"},
		})
		require.NoError(t, err)
		task := n.take()
		require.NotNil(t, task.Query)
		_, err = n.matching.RespondQueryTaskCompleted(t.Context(), shop, &workflowservice.RespondQueryTaskCompletedRequest{
			TaskToken: task.TaskToken, CompletedType: enumspb.QUERY_RESULT_TYPE_ANSWERED, QueryResult: payloads("ended"),
		})
		require.NoError(t, err)
		require.NoError(t, <-answered)
		require.Less(t, time.Since(began), time.Second)
	})
}

// Who waits for another start's look-up, or a stop for a checkpoint, waits no longer than its time.
func TestTurnsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		release := n.gate.hold("Current")
		var calls sync.WaitGroup
		calls.Go(func() { n.begin("a") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := n.StartWorkflowExecution(ctx, shop, startRequest("a", "other"))
		cancel()
		var late *serviceerror.DeadlineExceeded
		require.ErrorAs(t, err, &late)
		release()
		calls.Wait()

		release = n.gate.hold("Checkpoint")
		n.passes(20 * time.Second) // the checkpoint is under way
		require.NoError(t, n.signal("a", "s"))
		began := time.Now()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		require.Error(t, n.Stop(ctx))
		cancel()
		require.Equal(t, time.Second, time.Since(began))
		release()
		n.crash()
	})
}

// A query that comes while the end of its task is on the way to the store waits for that: it does not ask again and again.
func TestQueryBehindATaskThatIsBeingCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		task := n.take()
		release := n.gate.hold("Commit")
		go n.complete(task)
		synctest.Wait()
		answer := make(chan string, 1)
		go func() {
			r, err := n.QueryWorkflow(t.Context(), shop, queryRequest("a"))
			if err == nil {
				answer <- string(r.QueryResult.Payloads[0].Data)
			}
		}()
		synctest.Wait() // returns only when nobody runs any more
		release()
		direct := n.take()
		require.NotNil(t, direct.Query)
		_, err := n.matching.RespondQueryTaskCompleted(t.Context(), shop, &workflowservice.RespondQueryTaskCompletedRequest{
			TaskToken: direct.TaskToken, CompletedType: enumspb.QUERY_RESULT_TYPE_ANSWERED, QueryResult: payloads("done"),
		})
		require.NoError(t, err)
		require.Equal(t, string(payloads("done").Payloads[0].Data), <-answer)
	})
}
