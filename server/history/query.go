package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/execution"
	"perdure/server/match"
	"perdure/server/metrics"
)

// bufferedQuery waits for a workflow task to carry it to a worker.
type bufferedQuery struct {
	id    string
	query *querypb.WorkflowQuery
	stamp int64 // of the started task that has it; 0: none yet
	done  chan queryOutcome
}

// queryOutcome is a worker's answer, or direct when the query is to go its own way.
type queryOutcome struct {
	result *querypb.WorkflowQueryResult
	direct bool
	err    error
}

func (q *bufferedQuery) finish(o queryOutcome) {
	select {
	case q.done <- o:
	default: // answered already
	}
}

func errQueryCleared() error {
	return serviceerror.NewUnavailable("buffered query cleared, please retry")
}

// attachQueries gives the waiting queries to a started task.
func (en *entry) attachQueries(stamp int64) map[string]*querypb.WorkflowQuery {
	en.mu.Lock()
	defer en.mu.Unlock()
	if len(en.queries) == 0 {
		return nil
	}
	attached := make(map[string]*querypb.WorkflowQuery, len(en.queries))
	for _, q := range en.queries {
		q.stamp = stamp
		attached[q.id] = q.query
	}
	return attached
}

// answerQueries hands answers to those who asked. Queries that the completion
// left open go their own way unless another task follows.
func (en *entry) answerQueries(stamp int64, results map[string]*querypb.WorkflowQueryResult, d execution.Decision) {
	en.mu.Lock()
	defer en.mu.Unlock()
	rest := en.queries[:0]
	for _, q := range en.queries {
		result := results[q.id]
		switch {
		case q.stamp == stamp && result != nil:
			q.finish(queryOutcome{result: result})
		case en.state.Task == nil:
			q.finish(queryOutcome{direct: true})
		default:
			if q.stamp == stamp {
				q.stamp = 0
			}
			rest = append(rest, q)
		}
	}
	en.queries = rest
}

// releaseQueries lets queries go their own way when no task will carry them any
// more: the run was ended from outside, or is held.
func (en *entry) releaseQueries(s *execution.State) {
	ended := s.Status == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED || s.Status == enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
	if !ended && !(s.Paused() && s.Task == nil) {
		return
	}
	for _, q := range en.queries {
		q.finish(queryOutcome{direct: true})
	}
	en.queries = nil
}

func (en *entry) detachQueries(stamp int64) {
	en.mu.Lock()
	defer en.mu.Unlock()
	for _, q := range en.queries {
		if q.stamp == stamp {
			q.stamp = 0
		}
	}
}

func (en *entry) dropQuery(q *bufferedQuery) {
	en.mu.Lock()
	defer en.mu.Unlock()
	for i, other := range en.queries {
		if other == q {
			en.queries = append(en.queries[:i:i], en.queries[i+1:]...)
			return
		}
	}
}

func (e *Engine) QueryWorkflow(ctx context.Context, ns *cluster.Namespace, req *workflowservice.QueryWorkflowRequest) (*workflowservice.QueryWorkflowResponse, error) {
	ctx, cancel := early(ctx)
	defer cancel()
	r, err := e.query(ctx, ns, req)
	outcome := "answered"
	if err != nil {
		outcome = "failed"
	}
	metrics.Queries.In(e.cfg.Metrics, metrics.NamespaceOutcome{Namespace: ns.Name, Outcome: outcome}).Inc()
	return r, err
}

func (e *Engine) query(ctx context.Context, ns *cluster.Namespace, req *workflowservice.QueryWorkflowRequest) (*workflowservice.QueryWorkflowResponse, error) {
	for {
		en, err := e.find(ctx, ns.ID, req.Execution.GetWorkflowId(), req.Execution.GetRunId())
		if err != nil {
			return nil, err
		}
		r, err := e.queryEntry(ctx, ns, en, req)
		en.shard.unpin(en)
		if errors.Is(err, errEvicted) {
			continue
		}
		return r, err
	}
}

func (e *Engine) queryEntry(ctx context.Context, ns *cluster.Namespace, en *entry, req *workflowservice.QueryWorkflowRequest) (*workflowservice.QueryWorkflowResponse, error) {
	for {
		state, changed, err := en.view(ctx)
		if err != nil {
			return nil, err
		}
		if rejected := rejects(state, req.QueryRejectCondition); rejected {
			link := workflowLink(ns, en, "Query rejected")
			if state.Paused() {
				link = nil // the run's own answer is still to come
			}
			return &workflowservice.QueryWorkflowResponse{
				QueryRejected: &querypb.QueryRejected{Status: state.ShownStatus()}, Link: link,
			}, nil
		}
		if err := mayQuery(ctx, state); err != nil {
			return nil, err
		}
		switch {
		case state.Open() && state.Task != nil:
			outcome := e.bufferQuery(ctx, en, req.Query)
			if !outcome.direct {
				return queryResponse(ns, en, outcome)
			}
			if !isClosedInTime(ctx, changed) { // what ended the task may still be on its way to the store
				return nil, errQueryTimeout()
			}
		case state.Open() && state.PreviousStartedID == 0:
			if !isClosedInTime(ctx, changed) { // the first task comes after a backoff
				return nil, errQueryTimeout()
			}
		default:
			return queryResponse(ns, en, e.queryDirectly(ctx, en, state, req.Query))
		}
	}
}

func isClosedInTime(ctx context.Context, changed <-chan struct{}) bool {
	select {
	case <-changed:
		return true
	case <-ctx.Done():
		return false
	}
}

func rejects(s *execution.State, condition enumspb.QueryRejectCondition) bool {
	if s.Paused() {
		return true
	}
	switch condition {
	case enumspb.QUERY_REJECT_CONDITION_NOT_OPEN:
		return !s.Open()
	case enumspb.QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY:
		return !s.Open() && s.Status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}
	return false
}

func mayQuery(ctx context.Context, s *execution.State) error {
	switch {
	case !s.Open() && s.PreviousStartedID == 0:
		return serviceerror.NewWorkflowNotReady("Workflow execution closed before WorkflowTaskStarted event")
	case s.FirstTaskDelayed && afterDeadline(ctx, s.ExecutionTime):
		return serviceerror.NewWorkflowNotReady("Workflow task is not scheduled yet.")
	case s.Task != nil && s.Task.Attempt >= 3, s.WorkflowTaskFailures >= 3:
		return serviceerror.NewWorkflowNotReady("Unable to query workflow due to Workflow Task in failed state.")
	}
	return nil
}

func afterDeadline(ctx context.Context, at time.Time) bool {
	deadline, ok := ctx.Deadline()
	return ok && at.After(deadline)
}

func errQueryTimeout() error {
	return serviceerror.NewDeadlineExceeded("query timed out before a worker could process it")
}

// bufferQuery waits until the pending task has carried the query to a worker.
func (e *Engine) bufferQuery(ctx context.Context, en *entry, query *querypb.WorkflowQuery) queryOutcome {
	q := &bufferedQuery{id: uuid.NewString(), query: query, done: make(chan queryOutcome, 1)}
	en.mu.Lock()
	switch {
	case en.gone != nil:
		en.mu.Unlock()
		return queryOutcome{err: en.gone}
	case en.state.Task == nil:
		en.mu.Unlock()
		return queryOutcome{direct: true}
	case len(en.queries) >= e.cfg.BufferedQueries:
		en.mu.Unlock()
		return queryOutcome{err: &serviceerror.ResourceExhausted{
			Cause: enumspb.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW, Scope: enumspb.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
			Message: "consistent query buffer is full, this may be caused by too many queries and workflow not able to process query fast enough",
		}}
	}
	en.queries = append(en.queries, q)
	en.mu.Unlock()
	defer en.dropQuery(q)
	select {
	case outcome := <-q.done:
		return outcome
	case <-ctx.Done():
		return queryOutcome{err: errQueryTimeout()}
	}
}

// noAnswer explains why a query ran out of time.
func (e *Engine) noAnswer(en *entry) error {
	lookup, ok := e.cfg.Matching.(cluster.PollerLookup)
	en.mu.Lock()
	name := en.state.StartedAttributes().GetTaskQueue().GetName()
	version, directive := en.state.PinnedVersion(), en.state.Directive()
	en.mu.Unlock()
	if target, _ := e.routes(en.workflow.NamespaceID).Target(deployment.WorkflowQueue(name), directive); target.Older() != "" {
		version = target
	}
	if !ok {
		return errQueryTimeout()
	}
	queue := cluster.TaskQueue{NamespaceID: en.workflow.NamespaceID, Name: name, Type: enumspb.TASK_QUEUE_TYPE_WORKFLOW, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
	for _, p := range lookup.RecentPollers(queue) {
		if version != (match.Version{}) && workerOf(p) != version {
			continue
		}
		if time.Since(p.LastAccessTime.AsTime()) < e.cfg.NoPollerWindow {
			return errQueryTimeout()
		}
	}
	return errNoPoller(version)
}

// queryDirectly sends the query to a worker without a workflow task.
func (e *Engine) queryDirectly(ctx context.Context, en *entry, s *execution.State, query *querypb.WorkflowQuery) queryOutcome {
	if s.StickyQueue != "" {
		outcome, ok := e.querySticky(ctx, en, s, query)
		if ok {
			return outcome
		}
	}
	events, token, err := e.firstPage(ctx, en, s, 1)
	if err != nil {
		return queryOutcome{err: err}
	}
	r := queryTaskResponse(s, query)
	r.History, r.NextPageToken = &historypb.History{Events: events}, token
	return e.dispatchQuery(ctx, en, s, normalTaskQueue(en, s), r)
}

// querySticky tries the worker that has the run in its cache. False: use the normal queue.
func (e *Engine) querySticky(ctx context.Context, en *entry, s *execution.State, query *querypb.WorkflowQuery) (queryOutcome, bool) {
	queue := normalTaskQueue(en, s)
	queue.Name, queue.Kind, queue.NormalName = s.StickyQueue, enumspb.TASK_QUEUE_KIND_STICKY, queue.Name
	limited, cancel := context.WithTimeout(ctx, s.StickyTimeout)
	defer cancel()
	r := queryTaskResponse(s, query)
	r.History = &historypb.History{}
	outcome := e.dispatchQuery(limited, en, s, queue, r)
	if outcome.err == nil || ctx.Err() != nil {
		return outcome, true
	}
	var failed *serviceerror.QueryFailed
	if errors.As(outcome.err, &failed) {
		return outcome, true
	}
	if s.Open() {
		if _, err := e.do(ctx, en, execution.ResetSticky{}); err != nil && !isNotFound(err) {
			return queryOutcome{err: err}, true
		}
	}
	return outcome, false
}

func normalTaskQueue(en *entry, s *execution.State) cluster.TaskQueue {
	return cluster.TaskQueue{
		NamespaceID: en.workflow.NamespaceID, Name: s.StartedAttributes().GetTaskQueue().GetName(),
		Type: enumspb.TASK_QUEUE_TYPE_WORKFLOW, Kind: enumspb.TASK_QUEUE_KIND_NORMAL,
	}
}

func queryTaskResponse(s *execution.State, query *querypb.WorkflowQuery) *workflowservice.PollWorkflowTaskQueueResponse {
	return &workflowservice.PollWorkflowTaskQueueResponse{
		WorkflowExecution: s.Execution(), WorkflowType: s.StartedAttributes().GetWorkflowType(), Query: query,
		PreviousStartedEventId: s.PreviousStartedID, Attempt: 1, WorkflowExecutionTaskQueue: normalQueue(s),
	}
}

func (e *Engine) dispatchQuery(ctx context.Context, en *entry, s *execution.State, queue cluster.TaskQueue, r *workflowservice.PollWorkflowTaskQueueResponse) queryOutcome {
	result, err := e.cfg.Matching.DispatchQuery(ctx, &cluster.QueryTask{
		Queue: queue, Response: r, Direct: s.Directive(), Worker: s.StickyWorker, Execution: cluster.ExecutionRef{
			NamespaceID: en.workflow.NamespaceID, WorkflowID: en.workflow.WorkflowID, RunID: en.runID, Slot: en.key.Slot, Exec: en.key.Exec,
		},
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return queryOutcome{err: e.noAnswer(en)}
	case err != nil:
		return queryOutcome{err: err}
	}
	return queryOutcome{result: result.Result}
}

// workflowLink points at a run, and says why.
func workflowLink(ns *cluster.Namespace, en *entry, reason string) *commonpb.Link {
	return &commonpb.Link{Variant: &commonpb.Link_Workflow_{Workflow: &commonpb.Link_Workflow{
		Namespace: ns.Name, WorkflowId: en.workflow.WorkflowID, RunId: en.runID, Reason: reason,
	}}}
}

func queryResponse(ns *cluster.Namespace, en *entry, o queryOutcome) (*workflowservice.QueryWorkflowResponse, error) {
	switch {
	case o.err != nil:
		return nil, o.err
	case o.result.GetResultType() == enumspb.QUERY_RESULT_TYPE_ANSWERED:
		return &workflowservice.QueryWorkflowResponse{QueryResult: o.result.Answer, Link: workflowLink(ns, en, "Query processed")}, nil
	case o.result.GetResultType() == enumspb.QUERY_RESULT_TYPE_FAILED:
		return nil, serviceerror.NewQueryFailedWithFailure(o.result.ErrorMessage, o.result.Failure)
	}
	return nil, serviceerror.NewInternal(fmt.Sprintf("worker answered a query with the unknown result type %v", o.result.GetResultType()))
}
