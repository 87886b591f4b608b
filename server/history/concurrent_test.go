package history

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"perdure/server/execution"
)

func startingChild(request *workflowservice.StartWorkflowExecutionRequest, parentRun string, initiated int64) starting {
	parent := &commonpb.WorkflowExecution{WorkflowId: "parent", RunId: parentRun}
	return starting{
		request: request, kind: "child",
		parent: &execution.Parent{Namespace: shop.Name, NamespaceID: shop.ID, Execution: parent, InitiatedEventID: initiated, Root: parent},
	}
}

const callers = 20

// race makes the same call from many goroutines and returns the run ids of
// those that were answered and the errors of the others.
func race(call func(i int) (runID string, err error)) (runs map[string]int, errs []error) {
	runs = map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			run, err := call(i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			runs[run]++
		})
	}
	all.Wait()
	return runs, errs
}

func (n *node) raceOfStarts(sameRequest bool, policy enumspb.WorkflowIdConflictPolicy) (map[string]int, []error) {
	return race(func(i int) (string, error) {
		request := startRequest("a", name("request", i))
		if sameRequest {
			request.RequestId = "request"
		}
		request.WorkflowIdConflictPolicy = policy
		r, err := n.StartWorkflowExecution(n.t.Context(), shop, request)
		return r.GetRunId(), err
	})
}

func TestStartsOfOneID(t *testing.T) {
	for _, policy := range []enumspb.WorkflowIdConflictPolicy{
		enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
	} {
		for what, same := range map[string]bool{"same request": true, "different requests": false} {
			t.Run(policy.String()+" "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := newNode(t)
					defer n.close()
					runs, errs := n.raceOfStarts(same, policy)
					terminates := policy == enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING && !same
					fails := policy == enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL && !same
					for _, err := range errs {
						var exists *serviceerror.WorkflowExecutionAlreadyStarted
						require.ErrorAs(t, err, &exists)
					}
					switch {
					case terminates:
						require.Len(t, runs, callers)
					case fails:
						require.Len(t, errs, callers-1)
						require.Len(t, runs, 1)
					default:
						require.Len(t, runs, 1)
						require.Empty(t, errs)
					}
					n.requireOneOpen("a", runs)
				})
			})
		}
	}
}

// requireOneOpen checks that of all runs one is open, and that it is the current one.
func (n *node) requireOneOpen(id string, runs map[string]int) {
	n.t.Helper()
	var open []string
	for run := range runs {
		if n.status(id, run) == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			open = append(open, run)
		}
	}
	require.Len(n.t, open, 1)
	require.Equal(n.t, n.current(id).RunID, open[0])
}

// Signals and starts that meet a run as it continues go to the new run, and never make another.
func TestCallsWhileARunContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		taken := 0
		for round := range 50 {
			task := n.take()
			var calls sync.WaitGroup
			var mu sync.Mutex
			runs := map[string]int{}
			calls.Go(func() {
				// A signal may be faster; then the task fails and comes again.
				_ = n.tryComplete(task, continueAsNew())
			})
			for i := range 4 {
				calls.Go(func() {
					err := n.signal("a", name(name("s", round), i))
					for busy := (*serviceerror.ResourceExhausted)(nil); errors.As(err, &busy); { // a close was tried
						n.pause()
						err = n.signal("a", name(name("s", round), i))
					}
					require.NoError(t, err)
				})
				calls.Go(func() {
					request := startRequest("a", name(name("r", round), i))
					request.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
					r, err := n.StartWorkflowExecution(t.Context(), shop, request)
					require.NoError(t, err)
					require.False(t, r.Started, "the workflow is always open")
					mu.Lock()
					defer mu.Unlock()
					runs[r.RunId]++
				})
			}
			calls.Wait()
			taken += 4
		}
		signals := 0
		for run := n.current("a").RunID; run != ""; {
			events := n.history("a", run)
			signals += times(events, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
			run = events[0].GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
		}
		require.Equal(t, taken, signals, "each is in the history of one run of the chain")
	})
}

func TestSignalWithStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		runs, errs := race(func(i int) (string, error) {
			request := startRequest("a", "")
			r, err := n.SignalWithStartWorkflowExecution(t.Context(), shop, &workflowservice.SignalWithStartWorkflowExecutionRequest{
				WorkflowId: "a", WorkflowType: request.WorkflowType, TaskQueue: request.TaskQueue, SignalName: "news", RequestId: name("request", i),
			})
			return r.GetRunId(), err
		})
		require.Empty(t, errs)
		require.Len(t, runs, 1)
		require.Equal(t, callers, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
	})
}

func updateRequest(id, updateID string) *workflowservice.UpdateWorkflowExecutionRequest {
	return &workflowservice.UpdateWorkflowExecutionRequest{
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
		WaitPolicy:        &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED},
		Request:           &updatepb.Request{Meta: &updatepb.Meta{UpdateId: updateID}, Input: &updatepb.Input{Name: "change"}},
	}
}

func pollUpdateRequest(id, updateID string) *workflowservice.PollWorkflowExecutionUpdateRequest {
	return &workflowservice.PollWorkflowExecutionUpdateRequest{
		UpdateRef:  &updatepb.UpdateRef{WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id}, UpdateId: updateID},
		WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
	}
}

func TestUpdateWithStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		go func() {
			for task := n.poll(queueName, 5*time.Second); task != nil; task = n.poll(queueName, 5*time.Second) {
				_ = n.acceptUpdates(task)
			}
		}()
		runs, errs := race(func(i int) (string, error) {
			start := startRequest("a", name("request", i%5))
			start.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
			r, err := n.ExecuteMultiOperation(t.Context(), shop, &workflowservice.ExecuteMultiOperationRequest{Operations: []*workflowservice.ExecuteMultiOperationRequest_Operation{
				{Operation: &workflowservice.ExecuteMultiOperationRequest_Operation_StartWorkflow{StartWorkflow: start}},
				{Operation: &workflowservice.ExecuteMultiOperationRequest_Operation_UpdateWorkflow{UpdateWorkflow: updateRequest("a", name("u", i%5))}},
			}})
			return r.GetResponses()[0].GetStartWorkflow().GetRunId(), err
		})
		require.Empty(t, errs)
		require.Len(t, runs, 1)
		require.Equal(t, 5, times(n.history("a", ""), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED), "an update of one id is taken once")
		n.passes(10 * time.Second) // the worker goes
	})
}

func TestQueriesOnATakenOverShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		buffered := make(chan error, 1)
		go func() {
			_, err := n.QueryWorkflow(t.Context(), shop, queryRequest("a"))
			buffered <- err
		}()
		synctest.Wait()
		n.shardFor("a").reset(errors.New("test"))
		var unavailable *serviceerror.Unavailable
		require.ErrorAs(t, <-buffered, &unavailable)
	})
}

func TestBufferedQueryGoesWithTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		n.begin("a")
		answer := make(chan *workflowservice.QueryWorkflowResponse, 1)
		go func() {
			r, _ := n.QueryWorkflow(t.Context(), shop, queryRequest("a"))
			answer <- r
		}()
		synctest.Wait()
		task := n.take()
		require.Len(t, task.Queries, 1)
		require.NoError(t, n.answer(task, "fine"))
		require.Equal(t, payloads("fine").Payloads[0].Data, (<-answer).QueryResult.Payloads[0].Data)
	})
}

// With a cache far too small everything is read again and again, and nothing is lost.
func TestTinyCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newData(t), newIndex(), Config{CacheEntries: 4})
		defer n.close()
		const runs = 60
		var workers sync.WaitGroup
		for range 3 {
			workers.Go(n.tickTock)
		}
		for i := range runs {
			n.begin(name("w", i))
			n.passes(300 * time.Millisecond)
		}
		for round := range 3 {
			for i := range runs {
				require.NoError(t, n.signal(name("w", i), name("s", round)))
				n.passes(50 * time.Millisecond)
			}
		}
		n.eventuallyAll(runs)
		workers.Wait()
		for i := range runs {
			events := n.history(name("w", i), "")
			require.Equal(t, 3, times(events, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))
			require.Equal(t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, events[len(events)-1].EventType)
		}
		require.Greater(t, n.gate.count("Load")+n.gate.count("Current"), 3*runs, "runs were read again")
	})
}

// tickTock is a worker that sets a timer again and again until three signals have come.
func (n *node) tickTock() {
	for task := n.poll(queueName, time.Minute); task != nil; task = n.poll(queueName, time.Minute) {
		events := n.history(task.WorkflowExecution.WorkflowId, task.WorkflowExecution.RunId)
		if times(events, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) == 3 {
			_ = n.tryComplete(task, finish()) // a signal that comes now makes it come again
			continue
		}
		_ = n.tryComplete(task, timer(name("t", len(events)), 5*time.Second))
	}
}

func (n *node) eventuallyAll(runs int) {
	n.t.Helper()
	for i := range runs {
		n.eventually(name("w", i), func() bool { return n.status(name("w", i), "") == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED })
	}
}

// answer completes a task and answers its queries.
func (n *node) answer(task *workflowTask, text string) error {
	results := map[string]*querypb.WorkflowQueryResult{}
	for id := range task.Queries {
		results[id] = &querypb.WorkflowQueryResult{ResultType: enumspb.QUERY_RESULT_TYPE_ANSWERED, Answer: payloads(text)}
	}
	_, err := n.RespondWorkflowTaskCompleted(n.t.Context(), shop, &workflowservice.RespondWorkflowTaskCompletedRequest{
		TaskToken: task.TaskToken, QueryResults: results,
	})
	return err
}

// acceptUpdates completes a task and accepts and completes the updates that came with it.
func (n *node) acceptUpdates(task *workflowTask) error {
	var messages []*protocolpb.Message
	var commands []*commandpb.Command
	add := func(id, instance string, body proto.Message) {
		packed, err := anypb.New(body)
		if err != nil {
			panic(err) // messages of the protocol always pack
		}
		messages = append(messages, &protocolpb.Message{Id: id, ProtocolInstanceId: instance, Body: packed})
		commands = append(commands, &commandpb.Command{
			CommandType: enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE,
			Attributes: &commandpb.Command_ProtocolMessageCommandAttributes{
				ProtocolMessageCommandAttributes: &commandpb.ProtocolMessageCommandAttributes{MessageId: id},
			},
		})
	}
	for _, m := range task.Messages {
		request := &updatepb.Request{}
		if err := m.Body.UnmarshalTo(request); err != nil {
			return err
		}
		add(m.ProtocolInstanceId+"/accept", m.ProtocolInstanceId, &updatepb.Acceptance{
			AcceptedRequestMessageId: m.Id, AcceptedRequestSequencingEventId: m.GetEventId(), AcceptedRequest: request,
		})
		add(m.ProtocolInstanceId+"/complete", m.ProtocolInstanceId, &updatepb.Response{
			Meta: request.Meta, Outcome: &updatepb.Outcome{Value: &updatepb.Outcome_Success{Success: payloads("done")}},
		})
	}
	_, err := n.RespondWorkflowTaskCompleted(n.t.Context(), shop, &workflowservice.RespondWorkflowTaskCompletedRequest{
		TaskToken: task.TaskToken, Commands: commands, Messages: messages,
	})
	return err
}

// A child that went on as a new run before its parent heard of its start is not started again.
func TestChildContinuesBeforeItsParentKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		defer n.close()
		parent := n.begin("parent")
		task := n.take()
		b, err := n.start(t.Context(), shop, startingChild(startRequest("kid", "of the parent"), parent, 5))
		require.NoError(t, err)
		b.entry.shard.unpin(b.entry)
		n.complete(n.take(), continueAsNew())
		n.complete(task, child("kid", enumspb.PARENT_CLOSE_POLICY_ABANDON)) // initiated by event 5
		var started string
		n.eventually("the parent knows", func() bool {
			for _, e := range n.history("parent", "") {
				if a := e.GetChildWorkflowExecutionStartedEventAttributes(); a != nil {
					started = a.WorkflowExecution.RunId
				}
			}
			return started != ""
		})
		require.Equal(t, b.entry.runID, started)
	})
}
