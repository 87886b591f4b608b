package execution

import (
	"cmp"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/activity"
	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/spans"
)

// Start asks for a new run of a workflow.
type Start struct {
	RunID   string
	Request *workflowservice.StartWorkflowExecutionRequest
	// Signal is delivered with the start (SignalWithStart); nil: none.
	Signal *Signal
	// Update is admitted with the start (update-with-start); nil: none.
	Update *AdmitUpdate
	// Parent is set for a child.
	Parent *Parent
	// Eager starts the first workflow task at once for the caller, if its queue
	// would give the task to a worker of the same version.
	Eager bool
	// Inherit is what the run gets of the versioning of its parent.
	Inherit Inheritance
	// Origin is the span that the run comes from; zero: of none that anybody keeps.
	Origin spans.Origin
}

// Parent is what a child knows of the run that started it.
type Parent struct {
	Namespace        string
	NamespaceID      string
	Execution        *commonpb.WorkflowExecution
	InitiatedEventID int64
	Root             *commonpb.WorkflowExecution
}

// Begin decides the first transition of a new run. The reply is *TaskStarted
// when the first task was started eagerly. InvalidArgument when the request is too large for one write; a
// child's was taken with its parent's command.
func Begin(c Start, env Env) (Decision, error) {
	c.Inherit.Override = cmp.Or(c.Request.VersioningOverride, c.Inherit.Override)
	c.Eager = c.Eager && c.mayStartHere(env)
	s := &State{
		NamespaceID: env.Namespace.ID, WorkflowID: c.Request.WorkflowId, RunID: c.RunID,
		RequestID: c.Request.RequestId, NextEventID: 1, Origin: storedOrigin(c.Origin, c.Request.Header),
	}
	e := &historypb.HistoryEvent{Links: c.Request.Links, UserMetadata: c.Request.UserMetadata}
	d := startRun(s, e, startedAttributes(c, env), &c, env)
	if size, limit := d.State.HistorySize, env.Limits.TransactionBytes; size > limit && c.Parent == nil {
		return Decision{}, tooLargeTransaction(size, limit)
	}
	return d, nil
}

func startedAttributes(c Start, env Env) *historypb.WorkflowExecutionStartedEventAttributes {
	r := c.Request
	timeouts := normaliseRunTimeouts(r.WorkflowExecutionTimeout, r.WorkflowRunTimeout, r.WorkflowTaskTimeout, env.Limits)
	started := &historypb.WorkflowExecutionStartedEventAttributes{
		WorkflowType: r.WorkflowType, TaskQueue: r.TaskQueue, Input: r.Input,
		WorkflowExecutionTimeout: r.WorkflowExecutionTimeout, WorkflowRunTimeout: r.WorkflowRunTimeout,
		WorkflowTaskTimeout:    durationpb.New(timeouts.task),
		OriginalExecutionRunId: c.RunID, FirstExecutionRunId: c.RunID, Identity: r.Identity, WorkflowId: r.WorkflowId,
		Attempt: 1, CronSchedule: r.CronSchedule, Memo: withoutNulls(r.Memo), Header: r.Header, Priority: r.Priority,
		SearchAttributes: env.Namespace.canonical(r.SearchAttributes),
		ContinuedFailure: r.ContinuedFailure, LastCompletionResult: r.LastCompletionResult,
		CompletionCallbacks: r.CompletionCallbacks, EagerExecutionAccepted: c.Eager,
	}
	if timeouts.run > 0 && timeouts.run != duration(r.WorkflowRunTimeout) {
		started.WorkflowRunTimeout = durationpb.New(timeouts.run)
	}
	if r.RetryPolicy != nil {
		started.RetryPolicy = activity.FillRetryPolicy(r.RetryPolicy)
	}
	if timeouts.execution > 0 {
		started.WorkflowExecutionExpirationTime = timestamppb.New(env.Now.Add(timeouts.execution + firstBackoff(r, env.Now)))
	}
	if r.CronSchedule != "" {
		started.Initiator = enumspb.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
	}
	started.FirstWorkflowTaskBackoff = durationpb.New(firstBackoff(r, env.Now))
	c.Inherit.into(started)
	if p := c.Parent; p != nil {
		started.ParentWorkflowNamespace, started.ParentWorkflowNamespaceId = p.Namespace, p.NamespaceID
		started.ParentWorkflowExecution, started.ParentInitiatedEventId = p.Execution, p.InitiatedEventID
		started.RootWorkflowExecution = p.Root
	}
	return started
}

// storedOrigin is what has to be stored of where a run comes from: nothing when its first event tells.
func storedOrigin(o spans.Origin, h *commonpb.Header) spans.Origin {
	if !o.Sampled() || spans.FromHeader(h).Sampled() {
		return spans.Origin{}
	}
	return o
}

// mayStartHere tells whether the caller's worker is of the version that the queue would choose.
func (c Start) mayStartHere(env Env) bool {
	q := deployment.WorkflowQueue(c.Request.TaskQueue.GetName())
	d := match.Directive{Pinned: Overridden(c.Inherit.Override), Key: c.Request.WorkflowId}
	d.BuildID, _ = env.Routes.Assigned(q, d)
	version, _ := env.Routes.Target(q, d)
	return version == match.WorkerVersion(c.Request.EagerWorkerDeploymentOptions)
}

func firstBackoff(r *workflowservice.StartWorkflowExecutionRequest, now time.Time) time.Duration {
	if backoff, ok := cronBackoff(r.CronSchedule, now, now); ok {
		return backoff
	}
	return activity.Cap(r.WorkflowStartDelay)
}

// startRun writes the first events of a run. c is nil for a run that continues
// another; e has what event 1 carries beside its attributes.
func startRun(s *State, e *historypb.HistoryEvent, started *historypb.WorkflowExecutionStartedEventAttributes, c *Start, env Env) Decision {
	t := &transition{s: s, env: env, durable: true, visibility: true}
	e.EventType, e.EventTime = enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, timestamppb.New(env.Now)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: started}
	t.append(e)
	s.noteRequest(s.RequestID, e)
	if c != nil && c.Signal != nil {
		t.append(t.signaled(*c.Signal))
	}
	if c != nil && c.Update != nil {
		t.s.UpdateCount++
		id := c.Update.Request.GetMeta().GetUpdateId()
		t.s.Updates.put(id, &Update{ID: id, Stage: UpdateAdmitted, Order: t.s.UpdateCount, Request: c.Update.Request})
	}
	t.scheduleTask()
	if t.s.hasOpenUpdates() {
		t.scheduleSpeculative()
	}
	if c != nil && c.Eager && t.s.Task != nil {
		t.reply = t.start(c.Request.Identity, c.Request.RequestId, match.WorkerVersion(c.Request.EagerWorkerDeploymentOptions))
	}
	t.weigh(&State{})
	return t.decision()
}
