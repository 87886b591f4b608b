package matching_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/tasktoken"
)

func queryOf(queue cluster.TaskQueue) *cluster.QueryTask {
	return &cluster.QueryTask{
		Queue:     queue,
		Execution: cluster.ExecutionRef{NamespaceID: ns.ID, WorkflowID: "wf", RunID: "run", Slot: 7, Exec: 42},
		Response:  &workflowservice.PollWorkflowTaskQueueResponse{Query: &querypb.WorkflowQuery{QueryType: "state"}},
	}
}

type asked struct {
	result *cluster.QueryResult
	err    error
}

func (r *rig) ask(ctx context.Context) chan asked {
	c := make(chan asked, 1)
	go func() {
		result, err := r.engine.DispatchQuery(ctx, queryOf(queue()))
		c <- asked{result, err}
	}()
	return c
}

func (r *rig) answer(token []byte, text string) error {
	_, err := r.engine.RespondQueryTaskCompleted(r.t.Context(), ns, &workflowservice.RespondQueryTaskCompletedRequest{
		TaskToken: token, CompletedType: enumspb.QUERY_RESULT_TYPE_FAILED, ErrorMessage: text,
	})
	return err
}

func (r *rig) pollQuery() *workflowservice.PollWorkflowTaskQueueResponse {
	response, err := r.engine.PollWorkflowTaskQueue(r.t.Context(), ns, pollRequest(queue()))
	require.NoError(r.t, err)
	require.Equal(r.t, "state", response.GetQuery().GetQueryType())
	return response
}

func TestQueryRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		r.offer(task(queue(), "a"))
		c := r.ask(t.Context())
		synctest.Wait()
		polled := r.pollQuery() // before the task, which is older
		token, err := tasktoken.Decode(polled.TaskToken)
		require.NoError(t, err)
		require.NotEmpty(t, token.QueryID)
		want := tasktoken.Token{NamespaceID: ns.ID, WorkflowID: "wf", RunID: "run", Slot: 7, Exec: 42, QueryID: token.QueryID, TaskQueue: "orders"}
		require.Equal(t, want, token)
		require.NoError(t, r.answer(polled.TaskToken, "no such query"))
		got := <-c
		require.NoError(t, got.err)
		require.Equal(t, "no such query", got.result.Result.GetErrorMessage())
		require.Equal(t, enumspb.QUERY_RESULT_TYPE_FAILED, got.result.Result.GetResultType())
		require.Equal(t, polled.TaskToken, got.result.Request.GetTaskToken())

		var notFound *serviceerror.NotFound
		require.ErrorAs(t, r.answer(polled.TaskToken, "again"), &notFound)
		require.Equal(t, "a", r.poll(t.Context(), queue()))
	})
}

func TestQueryFindsAWaitingPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		polled := make(chan *workflowservice.PollWorkflowTaskQueueResponse, 1)
		go func() { polled <- r.pollQuery() }()
		synctest.Wait()
		c := r.ask(t.Context())
		require.NoError(t, r.answer((<-polled).TaskToken, ""))
		require.NoError(t, (<-c).err)
	})
}

func TestQueryEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.ErrorIs(t, (<-r.ask(ctx)).err, context.DeadlineExceeded)
		require.Empty(t, r.pollFor(queue(), 3*time.Second), "the query left the queue")

		ctx2, cancel2 := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel2()
		c := r.ask(ctx2)
		synctest.Wait()
		polled := r.pollQuery() // and the worker never answers
		require.ErrorIs(t, (<-c).err, context.DeadlineExceeded)
		var notFound *serviceerror.NotFound
		require.ErrorAs(t, r.answer(polled.TaskToken, "late"), &notFound)
		require.EqualValues(t, 2, r.registry.Value("perdure_query_dispatch_total", "timeout"))
	})
}

func TestQueryAnswersThatAreNotOnes(t *testing.T) {
	r := newRig(t)
	defer r.stop()
	var invalid *serviceerror.InvalidArgument
	require.ErrorAs(t, r.answer(nil, ""), &invalid)
	require.Equal(t, "Task token not set on request.", invalid.Message)
	for _, token := range [][]byte{
		{0xff, 0xff},
		tasktoken.Token{NamespaceID: ns.ID, WorkflowID: "wf"}.Encode(),
		tasktoken.Token{NamespaceID: "another", QueryID: "q"}.Encode(),
	} {
		require.ErrorAs(t, r.answer(token, ""), &invalid)
	}
	var notFound *serviceerror.NotFound
	require.ErrorAs(t, r.answer(tasktoken.Token{NamespaceID: ns.ID, QueryID: "q"}.Encode(), ""), &notFound)
}

func TestQueryEndsWhenTheEngineStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		c := r.ask(t.Context())
		synctest.Wait()
		r.stop()
		var unavailable *serviceerror.Unavailable
		require.ErrorAs(t, (<-c).err, &unavailable)
		require.ErrorAs(t, (<-r.ask(t.Context())).err, &unavailable)
	})
}

// The client of the poll that got the query is gone: the next poll gets it,
// unless the caller is gone, too.
func TestQueryOfADeadPollGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		c := r.ask(t.Context())
		synctest.Wait()
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		response, err := r.engine.PollWorkflowTaskQueue(dead, ns, pollRequest(queue()))
		require.NoError(t, err)
		require.Empty(t, response.TaskToken)
		require.NoError(t, r.answer(r.pollQuery().TaskToken, ""))
		require.NoError(t, (<-c).err)
	})
}
