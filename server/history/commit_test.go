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

	"perdure/server/store"
	"perdure/server/store/fault"
)

func TestChangesOfOneRunAreOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		n.begin("b")
		before := len(n.gate.committed())
		release := n.gate.hold("Commit")
		var calls sync.WaitGroup
		calls.Go(func() { require.NoError(t, n.signal("b", "first")) })
		synctest.Wait() // the group of this signal is under way
		for i := range 5 {
			calls.Go(func() { require.NoError(t, n.signal("a", name("s", i))) })
		}
		synctest.Wait()
		release()
		calls.Wait()

		groups := n.gate.committed()[before:]
		require.Len(t, groups, 2, "what comes while a group is under way goes with the next one")
		part := groups[1].Shards[0]
		require.Len(t, part.Executions, 1)
		write := part.Executions[0]
		require.EqualValues(t, 1, write.PrevVersion)
		require.EqualValues(t, 6, write.Version)
		require.Len(t, part.History, 1)
		require.EqualValues(t, 3, part.History[0].FirstEvent)
		require.EqualValues(t, 8, part.History[0].NextEvent)
		require.Equal(t, 5, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
	})
}

func TestNothingIsToldBeforeItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		release := n.gate.hold("Commit")
		var calls sync.WaitGroup
		told := make(chan string, 10)
		calls.Go(func() { n.begin("a"); told <- "start" })
		synctest.Wait()
		calls.Go(func() { require.NotNil(t, n.poll(queueName, time.Hour)); told <- "task" })
		calls.Go(func() { n.status("a", ""); told <- "describe" })
		calls.Go(func() { n.history("a", ""); told <- "history" })
		calls.Go(func() { require.NoError(t, n.signal("a", "s")); told <- "signal" })
		// The same request again is answered by what is not durable yet, so it waits too.
		calls.Go(func() { n.begin("a"); told <- "again" })
		synctest.Wait()
		require.Empty(t, told)
		release()
		calls.Wait()
		require.Len(t, told, 6)
	})
}

func TestViewOfARunShowsNoLaterChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		release := n.gate.hold("Commit")
		var calls sync.WaitGroup
		calls.Go(func() { n.begin("a") })
		synctest.Wait()
		calls.Go(func() { require.NoError(t, n.signal("a", "s")) })
		synctest.Wait()
		var events int
		calls.Go(func() { events = len(n.history("a", "")) })
		synctest.Wait()
		second := n.gate.hold("Commit")
		release()
		synctest.Wait()
		require.Contains(t, []int{0, 2}, events, "the signal is not durable")
		second()
		calls.Wait()
		require.Contains(t, []int{2, 3}, events)
	})
}

func TestHistoryLongPollWaitsForDurability(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		first, err := n.GetWorkflowExecutionHistory(t.Context(), shop, longPoll("a", nil), true)
		require.NoError(t, err)
		require.Len(t, first.History.Events, 2)
		news := make(chan int, 1)
		go func() {
			r, err := n.GetWorkflowExecutionHistory(t.Context(), shop, longPoll("a", first.NextPageToken), true)
			if err == nil {
				news <- len(r.History.Events)
			}
		}()
		release := n.gate.hold("Commit")
		go func() { _ = n.signal("a", "s") }()
		synctest.Wait()
		require.Empty(t, news)
		release()
		require.Equal(t, 1, <-news)
	})
}

func longPoll(id string, token []byte) *workflowservice.GetWorkflowExecutionHistoryRequest {
	return &workflowservice.GetWorkflowExecutionHistoryRequest{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id}, WaitNewEvent: true, NextPageToken: token,
	}
}

func TestVolatileDecisionsRideWithTheNextCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		before := len(n.gate.committed())
		task := n.take()
		require.Len(t, n.gate.committed(), before, "a started task lives in memory")
		require.EqualValues(t, 3, task.StartedEventId)
		require.Len(t, n.history("a", ""), 3)
		n.complete(task, finish())
		groups := n.gate.committed()[before:]
		require.Len(t, groups, 1)
		batch := groups[0].Shards[0].History[0]
		require.EqualValues(t, 3, batch.FirstEvent, "the started event comes along")
		require.EqualValues(t, 6, batch.NextEvent)
		require.EqualValues(t, 1, groups[0].Shards[0].Executions[0].PrevVersion)
	})
}

// Whatever the store answers, a call that was refused can be made again with
// its request id, and then it has happened once.
func TestRefusedCommit(t *testing.T) {
	for what, kind := range map[string]fault.Kind{"not done": fault.Error, "done, answer lost": fault.LostAck} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t)
				defer n.close()
				run := n.begin("a")
				epoch := n.leaseOf("a").Epoch

				n.fault.Order(kind)
				err := n.signal("a", "s")
				var unavailable *serviceerror.Unavailable
				require.ErrorAs(t, err, &unavailable, "nothing is acknowledged")
				n.eventually("the signal is taken", func() bool { return n.signal("a", "s") == nil })
				require.Greater(t, n.leaseOf("a").Epoch, epoch, "the shard was taken over")
				require.Equal(t, 1, times(n.history("a", run), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))

				n.fault.Order(kind)
				_, err = n.StartWorkflowExecution(t.Context(), shop, startRequest("b", "start b"))
				require.ErrorAs(t, err, &unavailable)
				n.eventually("the start is taken", func() bool {
					_, err = n.StartWorkflowExecution(t.Context(), shop, startRequest("b", "start b"))
					return err == nil
				})
				task := n.take()
				n.complete(task, finish())
				n.complete(n.take(), finish())
				require.Nil(t, n.poll(queueName, time.Minute), "no task was offered twice")
			})
		})
	}
}

func (n *node) leaseOf(id string) store.Lease {
	n.t.Helper()
	lease, _ := n.Lease(keyOf(shop.ID, id).Slot)
	return lease
}

func TestConflictDropsTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		row := n.current("a")
		// Somebody else changes the row under the same lease, which must never happen.
		changed := *row
		changed.Version++
		require.NoError(t, n.gate.Store.Commit(t.Context(), store.Group{Shards: []store.ShardGroup{{
			Lease: n.leaseOf("a"), Executions: []store.ExecutionWrite{{Execution: changed, PrevVersion: row.Version}},
		}}}))
		require.Error(t, n.signal("a", "s"))
		n.eventually("the run is read again", func() bool { return n.signal("a", "s") == nil })
		require.Equal(t, 1, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
	})
}

func TestSecondOwnerTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		data, records := newData(t), newIndex()
		first := startNode(t, data, records, Config{Owner: "first", LeaseDuration: 10 * time.Second})
		first.begin("a")
		second := makeNode(t, data, records, Config{Owner: "second", LeaseDuration: 10 * time.Second})
		began := time.Now()
		waiting, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		require.ErrorIs(t, second.Start(waiting), context.DeadlineExceeded, "as long as the first renews its lease")
		cancel()
		second.crash()

		release := first.gate.hold("Renew") // as if the first had stopped to run
		second = makeNode(t, data, records, Config{Owner: "second", LeaseDuration: 10 * time.Second})
		began = time.Now()
		require.NoError(t, second.Start(t.Context()))
		require.Greater(t, time.Since(began), 4*time.Second)
		require.Less(t, time.Since(began), 12*time.Second)
		require.NoError(t, second.signal("a", "by second"))

		require.Error(t, first.signal("a", "by first"), "the fence holds")
		release()
		require.Error(t, first.signal("a", "by first"))
		_, err := first.DescribeWorkflowExecution(t.Context(), shop, &workflowservice.DescribeWorkflowExecutionRequest{
			Execution: &commonpb.WorkflowExecution{WorkflowId: "a"},
		})
		require.Error(t, err, "nothing is told from a cache of a lost shard")
		require.Len(t, second.history("a", ""), 3)
		second.close()
		first.eventually("the first comes back when the second lets go", func() bool { return first.signal("a", "again") == nil })
		require.Equal(t, 2, times(first.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
		first.close()
	})
}

// A start that was looked up before the shard was taken over must not make a
// second run beside one that began after it.
func TestStartAcrossATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		key := keyOf(shop.ID, "a")
		s, err := n.shardOf(key.Slot)
		require.NoError(t, err)
		w := s.hold(key) // as a start does that then waits for the processor
		s.reset(store.ErrUnknownOutcome)
		n.eventually("the shard serves again", s.serving)
		run := n.begin("a")

		late, err := n.beginRun(s, shop, starting{request: startRequest("a", "late"), kind: "start", lease: w.lease}, nil)
		require.NoError(t, err)
		require.Error(t, n.settle(t.Context(), late))
		s.unpin(late.entry)
		s.release(key, w)
		n.eventually("the shard serves again", s.serving)
		require.Equal(t, run, n.current("a").RunID)
		require.Equal(t, run, n.begin("a"))
	})
}
