package matching

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/tasktoken"
)

var (
	errStopping = serviceerror.NewUnavailable("The server is shutting down.")
	errMoved    = serviceerror.NewUnavailable("The task queue moves to another node.")
)

// query waits for a poller, then for the worker's answer.
type query struct {
	id       string
	task     *cluster.QueryTask
	response *workflowservice.PollWorkflowTaskQueueResponse
	answer   chan queryAnswer // one value fits; only the first counts
	handed   atomic.Bool      // a poller got it
	// withdrawn tells that its caller is gone. The queue's mutex guards it.
	withdrawn bool
}

type queryAnswer struct {
	result *cluster.QueryResult
	err    error
}

func (q *query) reply(a queryAnswer) bool {
	select {
	case q.answer <- a:
		return true
	default:
		return false
	}
}

// queryTable finds the query that an answer belongs to.
type queryTable struct {
	mu   sync.Mutex
	byID map[string]*query
}

func (t *queryTable) add(q *query) {
	t.mu.Lock()
	t.byID[q.id] = q
	t.mu.Unlock()
}

func (t *queryTable) remove(id string) *query {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.byID[id]
	delete(t.byID, id)
	return q
}

// DispatchQuery hands a query to a poller and waits for the worker's answer. See cluster.Matching.
func (e *Engine) DispatchQuery(ctx context.Context, task *cluster.QueryTask) (*cluster.QueryResult, error) {
	result, err := e.dispatchQuery(ctx, task)
	e.meter.queried(ctx, err)
	return result, err
}

func (e *Engine) dispatchQuery(ctx context.Context, task *cluster.QueryTask) (*cluster.QueryResult, error) {
	for {
		result, err := e.tryQuery(ctx, task)
		if !errors.Is(err, errMisplaced) {
			return result, err
		}
	}
}

// tryQuery asks workers of the version that the routing names now.
func (e *Engine) tryQuery(ctx context.Context, task *cluster.QueryTask) (*cluster.QueryResult, error) {
	if !e.open() {
		return nil, errStopping
	}
	key, ok := e.routedKey(task.Queue, task.Direct, task.Worker)
	if !ok || key.sticky && e.lookup(key) == nil {
		return nil, cluster.ErrNoPoller
	}
	query := newQuery(task)
	e.queries.add(query)
	defer e.queries.remove(query.id)
	q := e.locked(key)
	err := q.ask(query)
	q.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case a := <-query.answer:
		return a.result, a.err
	case <-ctx.Done():
		q.withdrawQuery(query)
		return nil, ctx.Err()
	}
}

func newQuery(task *cluster.QueryTask) *query {
	q := &query{id: uuid.NewString(), task: task, response: task.Response, answer: make(chan queryAnswer, 1)}
	q.response.TaskToken = tasktoken.Token{
		NamespaceID: task.Execution.NamespaceID,
		WorkflowID:  task.Execution.WorkflowID,
		RunID:       task.Execution.RunID,
		Slot:        task.Execution.Slot,
		Exec:        task.Execution.Exec,
		QueryID:     q.id,
		TaskQueue:   task.Queue.Name,
	}.Encode()
	return q
}

// ask enters a query. The mutex is held.
func (q *queue) ask(query *query) error {
	now := time.Now()
	q.lastUsed = now
	if q.draining {
		return errStopping
	}
	if q.key.sticky && !q.polledLately(now) {
		return cluster.ErrNoPoller
	}
	if key, ok := q.engine.routedKey(query.task.Queue, query.task.Direct, query.task.Worker); !ok || key != q.key {
		return errMisplaced
	}
	q.queries = append(q.queries, query)
	if q.polls.count > 0 {
		q.polls.pop().hand(handover{query: q.popQuery()})
	}
	return nil
}

func (q *queue) popQuery() *query {
	first := q.queries[0]
	first.handed.Store(true)
	q.queries = slices.Delete(q.queries, 0, 1)
	return first
}

// requeue returns a query that went to a poll whose client is gone.
func (q *queue) requeue(query *query) {
	var reports outcomes
	defer reports.send()
	q.mu.Lock()
	defer q.mu.Unlock()
	if query.withdrawn {
		return
	}
	if q.draining {
		query.reply(queryAnswer{err: errStopping})
		return
	}
	q.queries = slices.Insert(q.queries, 0, query)
	q.dispatch(time.Now(), &reports)
}

func (q *queue) withdrawQuery(query *query) {
	q.mu.Lock()
	defer q.mu.Unlock()
	query.withdrawn = true
	if at := slices.Index(q.queries, query); at >= 0 {
		q.queries = slices.Delete(q.queries, at, at+1)
	}
}

// failQueries ends all waiting queries.
func (q *queue) failQueries(err error) {
	for _, query := range q.queries {
		query.reply(queryAnswer{err: err})
	}
	q.queries = nil
}

// RespondQueryTaskCompleted gives a worker's answer to whoever asked.
func (e *Engine) RespondQueryTaskCompleted(_ context.Context, ns *cluster.Namespace, req *workflowservice.RespondQueryTaskCompletedRequest) (*workflowservice.RespondQueryTaskCompletedResponse, error) {
	if len(req.GetTaskToken()) == 0 {
		return nil, serviceerror.NewInvalidArgument("Task token not set on request.")
	}
	token, err := tasktoken.Decode(req.GetTaskToken())
	if err != nil || token.QueryID == "" {
		return nil, serviceerror.NewInvalidArgument("Error deserializing task token.")
	}
	if token.NamespaceID != ns.ID {
		return nil, serviceerror.NewInvalidArgument("Operation requested with a token from a different namespace.")
	}
	query := e.queries.remove(token.QueryID)
	if query == nil || !query.reply(queryAnswer{result: resultOf(req)}) {
		return nil, serviceerror.NewNotFound("Query not found: it was answered or nobody waits for it any more.")
	}
	return &workflowservice.RespondQueryTaskCompletedResponse{}, nil
}

func resultOf(req *workflowservice.RespondQueryTaskCompletedRequest) *cluster.QueryResult {
	return &cluster.QueryResult{
		Result: &querypb.WorkflowQueryResult{
			ResultType:   req.GetCompletedType(),
			Answer:       req.GetQueryResult(),
			ErrorMessage: req.GetErrorMessage(),
			Failure:      req.GetFailure(),
		},
		Request: req,
	}
}
