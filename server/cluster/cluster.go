// Package cluster holds the small interfaces through which the services meet.
// A local call and a call to another node have the same type, so frontend,
// history, matching and worker never import one another.
package cluster

import (
	"context"
	"errors"
	"time"

	querypb "go.temporal.io/api/query/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/match"
	"perdure/server/versioning"
)

// ErrStaleTask tells that a task is not wanted any more: its execution closed,
// or another poller has it. The poller goes on waiting.
var ErrStaleTask = errors.New("stale task")

// ErrUnsettledTask tells that another poller has the task, but that this is not
// durable yet: it may have to be offered again.
var ErrUnsettledTask = errors.New("the start of the task is not durable yet")

// History owns executions. Requests have been validated and their namespace
// resolved by the frontend. Errors are go.temporal.io/api/serviceerror values.
// Methods that wait return about a second before the deadline of ctx.
type History interface {
	StartWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error)
	SignalWithStartWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error)
	ExecuteMultiOperation(ctx context.Context, ns *Namespace, req *workflowservice.ExecuteMultiOperationRequest) (*workflowservice.ExecuteMultiOperationResponse, error)
	SignalWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error)
	RequestCancelWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.RequestCancelWorkflowExecutionRequest) (*workflowservice.RequestCancelWorkflowExecutionResponse, error)
	TerminateWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.TerminateWorkflowExecutionRequest) (*workflowservice.TerminateWorkflowExecutionResponse, error)
	DescribeWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	// GetWorkflowExecutionHistory pages and long-polls. hideTransient leaves out
	// the events of a workflow task that has not completed and is not in history yet.
	GetWorkflowExecutionHistory(ctx context.Context, ns *Namespace, req *workflowservice.GetWorkflowExecutionHistoryRequest, hideTransient bool) (*workflowservice.GetWorkflowExecutionHistoryResponse, error)
	GetWorkflowExecutionHistoryReverse(ctx context.Context, ns *Namespace, req *workflowservice.GetWorkflowExecutionHistoryReverseRequest) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error)
	QueryWorkflow(ctx context.Context, ns *Namespace, req *workflowservice.QueryWorkflowRequest) (*workflowservice.QueryWorkflowResponse, error)
	UpdateWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.UpdateWorkflowExecutionRequest) (*workflowservice.UpdateWorkflowExecutionResponse, error)
	PollWorkflowExecutionUpdate(ctx context.Context, ns *Namespace, req *workflowservice.PollWorkflowExecutionUpdateRequest) (*workflowservice.PollWorkflowExecutionUpdateResponse, error)

	RespondWorkflowTaskCompleted(ctx context.Context, ns *Namespace, req *workflowservice.RespondWorkflowTaskCompletedRequest) (*workflowservice.RespondWorkflowTaskCompletedResponse, error)
	RespondWorkflowTaskFailed(ctx context.Context, ns *Namespace, req *workflowservice.RespondWorkflowTaskFailedRequest) (*workflowservice.RespondWorkflowTaskFailedResponse, error)
	ResetStickyTaskQueue(ctx context.Context, ns *Namespace, req *workflowservice.ResetStickyTaskQueueRequest) (*workflowservice.ResetStickyTaskQueueResponse, error)
	RecordActivityTaskHeartbeat(ctx context.Context, ns *Namespace, req *workflowservice.RecordActivityTaskHeartbeatRequest) (*workflowservice.RecordActivityTaskHeartbeatResponse, error)
	RecordActivityTaskHeartbeatById(ctx context.Context, ns *Namespace, req *workflowservice.RecordActivityTaskHeartbeatByIdRequest) (*workflowservice.RecordActivityTaskHeartbeatByIdResponse, error)
	RespondActivityTaskCompleted(ctx context.Context, ns *Namespace, req *workflowservice.RespondActivityTaskCompletedRequest) (*workflowservice.RespondActivityTaskCompletedResponse, error)
	RespondActivityTaskCompletedById(ctx context.Context, ns *Namespace, req *workflowservice.RespondActivityTaskCompletedByIdRequest) (*workflowservice.RespondActivityTaskCompletedByIdResponse, error)
	RespondActivityTaskFailed(ctx context.Context, ns *Namespace, req *workflowservice.RespondActivityTaskFailedRequest) (*workflowservice.RespondActivityTaskFailedResponse, error)
	RespondActivityTaskFailedById(ctx context.Context, ns *Namespace, req *workflowservice.RespondActivityTaskFailedByIdRequest) (*workflowservice.RespondActivityTaskFailedByIdResponse, error)
	RespondActivityTaskCanceled(ctx context.Context, ns *Namespace, req *workflowservice.RespondActivityTaskCanceledRequest) (*workflowservice.RespondActivityTaskCanceledResponse, error)
	RespondActivityTaskCanceledById(ctx context.Context, ns *Namespace, req *workflowservice.RespondActivityTaskCanceledByIdRequest) (*workflowservice.RespondActivityTaskCanceledByIdResponse, error)

	// The operators' calls. DeleteWorkflowExecution returns when the run cannot be found any more.
	ResetWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.ResetWorkflowExecutionRequest) (*workflowservice.ResetWorkflowExecutionResponse, error)
	DeleteWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.DeleteWorkflowExecutionRequest) (*workflowservice.DeleteWorkflowExecutionResponse, error)
	UpdateWorkflowExecutionOptions(ctx context.Context, ns *Namespace, req *workflowservice.UpdateWorkflowExecutionOptionsRequest) (*workflowservice.UpdateWorkflowExecutionOptionsResponse, error)
	PauseActivity(ctx context.Context, ns *Namespace, req *workflowservice.PauseActivityRequest) (*workflowservice.PauseActivityResponse, error)
	UnpauseActivity(ctx context.Context, ns *Namespace, req *workflowservice.UnpauseActivityRequest) (*workflowservice.UnpauseActivityResponse, error)
	ResetActivity(ctx context.Context, ns *Namespace, req *workflowservice.ResetActivityRequest) (*workflowservice.ResetActivityResponse, error)
	UpdateActivityOptions(ctx context.Context, ns *Namespace, req *workflowservice.UpdateActivityOptionsRequest) (*workflowservice.UpdateActivityOptionsResponse, error)
	// The newer forms of the four above name one activity of a workflow.
	PauseActivityExecution(ctx context.Context, ns *Namespace, req *workflowservice.PauseActivityExecutionRequest) (*workflowservice.PauseActivityExecutionResponse, error)
	UnpauseActivityExecution(ctx context.Context, ns *Namespace, req *workflowservice.UnpauseActivityExecutionRequest) (*workflowservice.UnpauseActivityExecutionResponse, error)
	ResetActivityExecution(ctx context.Context, ns *Namespace, req *workflowservice.ResetActivityExecutionRequest) (*workflowservice.ResetActivityExecutionResponse, error)
	UpdateActivityExecutionOptions(ctx context.Context, ns *Namespace, req *workflowservice.UpdateActivityExecutionOptionsRequest) (*workflowservice.UpdateActivityExecutionOptionsResponse, error)
	PauseWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.PauseWorkflowExecutionRequest) (*workflowservice.PauseWorkflowExecutionResponse, error)
	UnpauseWorkflowExecution(ctx context.Context, ns *Namespace, req *workflowservice.UnpauseWorkflowExecutionRequest) (*workflowservice.UnpauseWorkflowExecutionResponse, error)

	// Prefetch brings executions into memory whose tasks are about to be started. It is only for speed.
	Prefetch(ctx context.Context, executions []ExecutionRef)
	// StartWorkflowTask gives the task to a poller. ErrStaleTask when it is not wanted any more.
	StartWorkflowTask(ctx context.Context, task *Task, poll *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error)
	// StartActivityTask gives the task to a poller, durably. ErrStaleTask when it is not wanted any more.
	StartActivityTask(ctx context.Context, task *Task, poll *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error)
}

// Matching owns task queues.
type Matching interface {
	// Offer takes a task and never blocks. done is called exactly once, from any
	// goroutine, and must not block.
	Offer(task *Task, done func(Outcome))
	// PollWorkflowTaskQueue waits for a task or a query and starts it. An empty
	// response tells that none came in time or the poll was withdrawn.
	PollWorkflowTaskQueue(ctx context.Context, ns *Namespace, req *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error)
	PollActivityTaskQueue(ctx context.Context, ns *Namespace, req *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error)
	// DispatchQuery hands a query to a poller of the queue and waits for the
	// answer. ErrNoPoller at once when a sticky queue has had no poller lately.
	DispatchQuery(ctx context.Context, query *QueryTask) (*QueryResult, error)
	RespondQueryTaskCompleted(ctx context.Context, ns *Namespace, req *workflowservice.RespondQueryTaskCompletedRequest) (*workflowservice.RespondQueryTaskCompletedResponse, error)
	DescribeTaskQueue(ctx context.Context, ns *Namespace, req *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error)
	// UpdateTaskQueueConfig changes what people have set for a queue, durably and
	// at once.
	UpdateTaskQueueConfig(ctx context.Context, ns *Namespace, req *workflowservice.UpdateTaskQueueConfigRequest) (*workflowservice.UpdateTaskQueueConfigResponse, error)
	ListTaskQueuePartitions(ctx context.Context, ns *Namespace, req *workflowservice.ListTaskQueuePartitionsRequest) (*workflowservice.ListTaskQueuePartitionsResponse, error)
	// ShutdownWorker returns the tasks of the worker's sticky queue to where they
	// came from. When the request names a worker and its task queue, the worker's
	// outstanding polls are answered empty.
	ShutdownWorker(ctx context.Context, ns *Namespace, req *workflowservice.ShutdownWorkerRequest) (*workflowservice.ShutdownWorkerResponse, error)
}

// Workers remembers for a few minutes what worker processes tell of themselves.
// A filter that cannot be read is an InvalidArgument.
type Workers interface {
	RecordWorkerHeartbeat(ctx context.Context, ns *Namespace, req *workflowservice.RecordWorkerHeartbeatRequest) (*workflowservice.RecordWorkerHeartbeatResponse, error)
	ListWorkers(ctx context.Context, ns *Namespace, req *workflowservice.ListWorkersRequest) (*workflowservice.ListWorkersResponse, error)
	CountWorkers(ctx context.Context, ns *Namespace, req *workflowservice.CountWorkersRequest) (*workflowservice.CountWorkersResponse, error)
	// DescribeWorker answers NotFound when nothing was heard of the worker lately.
	DescribeWorker(ctx context.Context, ns *Namespace, req *workflowservice.DescribeWorkerRequest) (*workflowservice.DescribeWorkerResponse, error)
}

// BuildIDs keeps the sets of build ids and the versioning rules of task queues.
type BuildIDs interface {
	// UpdateWorkerBuildIdCompatibility does one operation on the sets. Repeating it changes nothing.
	UpdateWorkerBuildIdCompatibility(ctx context.Context, ns *Namespace, req *workflowservice.UpdateWorkerBuildIdCompatibilityRequest) (*workflowservice.UpdateWorkerBuildIdCompatibilityResponse, error)
	GetWorkerBuildIdCompatibility(ctx context.Context, ns *Namespace, req *workflowservice.GetWorkerBuildIdCompatibilityRequest) (*workflowservice.GetWorkerBuildIdCompatibilityResponse, error)
	// UpdateWorkerVersioningRules does one operation on the rules as the conflict token tells them.
	UpdateWorkerVersioningRules(ctx context.Context, ns *Namespace, req *workflowservice.UpdateWorkerVersioningRulesRequest) (*workflowservice.UpdateWorkerVersioningRulesResponse, error)
	GetWorkerVersioningRules(ctx context.Context, ns *Namespace, req *workflowservice.GetWorkerVersioningRulesRequest) (*workflowservice.GetWorkerVersioningRulesResponse, error)
	// Of tells what a task queue knows of build ids, as it was a moment ago at
	// worst, from memory; never nil.
	Of(namespaceID, queue string) *versioning.Data
	// QueuesOf lists the task queues of a namespace whose sets have a build id, in order of name.
	QueuesOf(ctx context.Context, namespaceID, build string) ([]string, error)
}

// Outcome is what became of an offered task.
type Outcome int

const (
	// Delivered: a poller took the task.
	Delivered Outcome = iota + 1
	// Stored: the task is in the queue's durable backlog.
	Stored
	// Refused: a sticky queue without a recent poller, or one whose worker shut
	// down: use the normal queue.
	Refused
	// Dropped: the task expired or the queue is closing; the owner offers it again when it still wants it.
	Dropped
)

// ErrNoPoller tells that nobody polls a sticky queue.
var ErrNoPoller = errors.New("no recent poller")

// TaskQueue names one partition of a task queue of one type.
type TaskQueue struct {
	NamespaceID string
	Name        string // the user's name; for a sticky queue the sticky name
	Type        enumspb.TaskQueueType
	Kind        enumspb.TaskQueueKind
	NormalName  string // of a sticky queue: the normal queue it belongs to
	Partition   int32
}

// ExecutionRef names one run and where it lives.
type ExecutionRef struct {
	NamespaceID string
	WorkflowID  string
	RunID       string
	Slot        int32
	Exec        int64
}

// Task is the offer of one workflow task or activity attempt.
type Task struct {
	Queue            TaskQueue
	Execution        ExecutionRef
	ScheduledEventID int64
	// Stamp tells attempts of the same scheduled event apart; a task whose stamp is old is stale.
	Stamp         int64
	ScheduledTime time.Time
	// ExpiresAt ends the offer (schedule-to-start); zero never.
	ExpiresAt time.Time
	Priority  int32 // 1 (first) to 5, default 3
	// FairnessKey names whose task it is; keys share the queue by weight (0 means 1).
	FairnessKey    string
	FairnessWeight float32
	// Volatile tasks (speculative workflow tasks, sticky queues) are never stored.
	Volatile bool
	// FromBacklog is set by matching: the task came from the durable backlog.
	FromBacklog bool
	// Remembered, set with FromBacklog, is to be called once the execution
	// remembers durably that the task has started, by itself or with what
	// follows. Until then matching keeps the task, and offers it again after a while.
	Remembered func()
	// Direct says which versions of workers the task is for.
	Direct match.Directive
	// Worker is the version that has the run in its sticky queue.
	Worker match.Version
	// MatchedAt is when a poll got the task, Waited how long it had waited for
	// that since it was offered. Matching sets them.
	MatchedAt time.Time
	Waited    time.Duration
}

// QueryTask is a query that goes to a poller without changing the execution.
type QueryTask struct {
	Queue     TaskQueue
	Execution ExecutionRef
	// Response is what the poller gets, complete but for its task token.
	Response *workflowservice.PollWorkflowTaskQueueResponse
	// Direct says which versions of workers the query is for.
	Direct match.Directive
	// Worker is the version that has the run in its sticky queue.
	Worker match.Version
}

// QueryResult is the worker's answer.
type QueryResult struct {
	Result  *querypb.WorkflowQueryResult
	Request *workflowservice.RespondQueryTaskCompletedRequest
}

// PollerLookup tells who polled a queue lately; DescribeWorkflowExecution and queries use it.
type PollerLookup interface {
	RecentPollers(queue TaskQueue) []*taskqueuepb.PollerInfo
}
