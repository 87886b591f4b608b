package history

import (
	"context"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/callspan"
	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/metrics"
	"perdure/server/spans"
	"perdure/server/store"
)

// starting is a request for a run: a plain start, one with a signal or an update, or a child's.
type starting struct {
	request  *workflowservice.StartWorkflowExecutionRequest
	signal   *execution.Signal
	update   *execution.AdmitUpdate
	parent   *execution.Parent
	inherit  execution.Inheritance
	reuse    enumspb.WorkflowIdReusePolicy
	conflict enumspb.WorkflowIdConflictPolicy
	kind     string
	origin   spans.Origin // of the caller; zero: it keeps no trace
	lease    store.Lease  // under which the workflow's runs were looked up
	received time.Time    // by the frontend; zero: it was no client's call
	found    time.Time    // the shard was found
}

// begun is the answer to a start.
type begun struct {
	entry    *entry // pinned
	state    *execution.State
	isNew    bool // this call created the run
	deduped  bool // an earlier call with the same request id created the run
	attached bool // this call or an earlier one with the same request id was attached to the run
	eager    *execution.TaskStarted
	// updated hears what becomes of the update that a new run was started with: a worker may be faster than the caller.
	updated chan execution.UpdateResult
}

// started is what clients call started: the run exists because of this request.
func (b *begun) started() bool { return b.isNew || b.deduped }

func (e *Engine) StartWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	b, err := e.start(ctx, ns, starting{
		request: req, reuse: req.WorkflowIdReusePolicy, conflict: conflictOf(req.WorkflowIdConflictPolicy), kind: "start",
	})
	if err != nil {
		return nil, err
	}
	defer b.entry.shard.unpin(b.entry)
	return e.startResponse(ctx, ns, req, b)
}

func (e *Engine) startResponse(ctx context.Context, ns *cluster.Namespace, req *workflowservice.StartWorkflowExecutionRequest, b *begun) (*workflowservice.StartWorkflowExecutionResponse, error) {
	r := &workflowservice.StartWorkflowExecutionResponse{
		RunId: b.entry.runID, Started: b.started(), Status: b.state.ShownStatus(), FirstExecutionRunId: b.state.FirstRunID(),
		Link: startLink(ns, req, b),
	}
	task := b.eager
	if task == nil && b.deduped && req.RequestEagerExecution {
		task = eagerAgain(b.state)
	}
	if task != nil {
		poll, err := e.taskResponse(ctx, ns, b.entry, b.state, task, 1)
		if err != nil {
			return nil, err
		}
		r.EagerWorkflowTask = poll
	}
	return r, nil
}

// eagerAgain is the eagerly started task, while the worker can still have it.
func eagerAgain(s *execution.State) *execution.TaskStarted {
	t := s.Task
	if t == nil || t.StartedEventID == 0 || t.Attempt != 1 || t.ScheduledEventID > 3 || !s.StartedAttributes().GetEagerExecutionAccepted() {
		return nil
	}
	return &execution.TaskStarted{
		ScheduledEventID: t.ScheduledEventID, StartedEventID: t.StartedEventID, Stamp: t.Stamp, Attempt: t.Attempt,
		ScheduledTime: t.ScheduledTime, StartedTime: t.StartedTime,
	}
}

func startLink(ns *cluster.Namespace, req *workflowservice.StartWorkflowExecutionRequest, b *begun) *commonpb.Link {
	link := &commonpb.Link_WorkflowEvent{Namespace: ns.Name, WorkflowId: req.WorkflowId, RunId: b.entry.runID}
	if !b.attached {
		link.Reference = &commonpb.Link_WorkflowEvent_EventRef{EventRef: &commonpb.Link_WorkflowEvent_EventReference{
			EventId: 1, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
		}}
	} else {
		link.Reference = &commonpb.Link_WorkflowEvent_RequestIdRef{RequestIdRef: &commonpb.Link_WorkflowEvent_RequestIdReference{
			RequestId: req.RequestId, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
		}}
	}
	return &commonpb.Link{Variant: &commonpb.Link_WorkflowEvent_{WorkflowEvent: link}}
}

func conflictOf(p enumspb.WorkflowIdConflictPolicy) enumspb.WorkflowIdConflictPolicy {
	if p == enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED {
		return enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	}
	return p
}

// start creates a run or finds the one that the policies name, and waits until it is durable.
func (e *Engine) start(ctx context.Context, ns *cluster.Namespace, p starting) (*begun, error) {
	if p.parent == nil {
		p.origin = callspan.From(ctx).Caller()
	}
	for {
		b, err := e.tryStart(ctx, ns, p)
		if err == errEvicted {
			continue
		}
		if b == nil {
			return nil, err
		}
		// A refusal, too, may tell of a run that is not durable yet.
		if waitErr := e.settle(ctx, b); waitErr != nil {
			err = waitErr
		}
		if err != nil {
			b.entry.shard.unpin(b.entry)
			return nil, err
		}
		return b, nil
	}
}

// settle waits until the run that answers a start is durable.
func (e *Engine) settle(ctx context.Context, b *begun) error {
	b.entry.mu.Lock()
	t, state := b.entry.ticket, b.entry.state
	b.entry.mu.Unlock()
	return waitFor(ctx, t, state, nil)
}

// tryStart decides a start. With an error it may return the run that is the reason.
func (e *Engine) tryStart(ctx context.Context, ns *cluster.Namespace, p starting) (*begun, error) {
	if p.reuse == enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING {
		p.reuse, p.conflict = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
	}
	key := keyOf(ns.ID, p.request.WorkflowId)
	s, err := e.shardOf(key.Slot)
	if err != nil {
		return nil, err
	}
	p.received, p.found = cluster.Received(ctx), time.Now()
	w := s.hold(key)
	defer s.release(key, w)
	if err := w.starting.take(ctx); err != nil {
		return nil, err
	}
	defer w.starting.end()
	p.lease = w.lease
	existing, err := s.current(ctx, key)
	if err != nil {
		return nil, err
	}
	if existing == nil {
		return e.beginRun(s, ns, p, nil)
	}
	existing.mu.Lock()
	defer existing.mu.Unlock()
	if existing.gone != nil {
		s.unpin(existing)
		return nil, existing.gone
	}
	if !s.isCurrent(w, existing) {
		s.unpin(existing)
		return nil, errEvicted // it was continued by a newer run meanwhile: look again
	}
	b, err := e.meet(s, ns, p, existing)
	if err != nil {
		return &begun{entry: existing}, err
	}
	if b.entry != existing {
		s.unpin(existing)
	}
	return b, nil
}

// meet decides what a start does when the workflow has a run. The existing entry's lock is held.
func (e *Engine) meet(s *shard, ns *cluster.Namespace, p starting, existing *entry) (*begun, error) {
	state := existing.state
	found := &begun{entry: existing, state: state}
	if found.answers(p) {
		return found, nil
	}
	if p.parent != nil && startedBy(state, p.parent) {
		found.deduped = true // a later run of the child's chain
		return found, nil
	}
	if !state.Open() {
		if err := mayReuse(state, p); err != nil {
			return nil, err
		}
		return e.beginRun(s, ns, p, nil)
	}
	switch p.conflict {
	case enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING:
		found.attached = p.request.OnConflictOptions.GetAttachRequestId()
		return found, e.attach(ns, p, existing)
	case enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
		return e.replace(s, ns, p, existing)
	}
	return nil, alreadyStarted("Workflow execution is already running. WorkflowId: %s, RunId: %s.", state)
}

// answers tells whether the run answered an earlier call with the request id. A start with a signal is known by its signal.
func (b *begun) answers(p starting) bool {
	id := p.request.RequestId
	switch {
	case id == "":
	case p.signal != nil:
		b.attached = b.state.KnowsSignal(id)
	default:
		b.deduped = id == b.state.RequestID
		b.attached = !b.deduped && b.state.KnowsRequest(id)
	}
	return b.deduped || b.attached
}

// startedBy tells whether the run belongs to the chain that the parent's command started.
func startedBy(s *execution.State, p *execution.Parent) bool {
	started := s.StartedAttributes()
	return started.GetParentInitiatedEventId() == p.InitiatedEventID && started.GetParentWorkflowExecution().GetRunId() == p.Execution.GetRunId()
}

func mayReuse(s *execution.State, p starting) error {
	switch p.reuse {
	case enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
		return alreadyStarted("Workflow execution already finished. WorkflowId: %s, RunId: %s. Workflow Id reuse policy: reject duplicate workflow Id.", s)
	case enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY:
		switch s.Status {
		case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
			return alreadyStarted("Workflow execution already finished successfully. WorkflowId: %s, RunId: %s. Workflow Id reuse policy: allow duplicate workflow Id if last run failed.", s)
		}
	}
	return nil
}

func alreadyStarted(format string, s *execution.State) error {
	return &serviceerror.WorkflowExecutionAlreadyStarted{
		Message: fmt.Sprintf(format, s.WorkflowID, s.RunID), StartRequestId: s.RequestID, RunId: s.RunID, FirstExecutionRunId: s.FirstRunID(),
	}
}

// attach records the request on the run it was answered with, when it asked for that.
func (e *Engine) attach(ns *cluster.Namespace, p starting, existing *entry) error {
	options := p.request.OnConflictOptions
	if options == nil {
		return nil
	}
	c := execution.AttachRequest{}
	if options.AttachRequestId {
		c.RequestID = p.request.RequestId
	}
	if options.AttachCompletionCallbacks {
		c.Callbacks = p.request.CompletionCallbacks
	}
	if options.AttachLinks {
		c.Links = p.request.Links
	}
	d, err := execution.Decide(existing.state, c, e.env(ns))
	if err != nil {
		return err
	}
	if after := e.install(existing, d); after != nil {
		e.spawn(func(context.Context) { after() })
	}
	return d.Err
}

// replace terminates the open run and begins a new one in the same group.
func (e *Engine) replace(s *shard, ns *cluster.Namespace, p starting, existing *entry) (*begun, error) {
	runID := newID()
	d, err := execution.Decide(existing.state, execution.Terminate{
		Reason: "TerminateIfRunning WorkflowIdReusePolicy", Identity: "history-service",
		Details: execution.TextPayload("terminated by new runID: " + runID),
	}, e.env(ns))
	if err != nil {
		return nil, err
	}
	return e.beginRunAs(s, ns, p, runID, &ending{entry: existing, decision: d})
}

// ending is a decision on a run that goes into the same group as the begin of another.
type ending struct {
	entry    *entry
	decision execution.Decision
}

// change makes the decision the newest state of its entry, whose lock is held.
func (x ending) change() *change {
	en, d := x.entry, x.decision
	en.state, en.used = d.State, time.Now()
	en.addTail(d.Events)
	for _, r := range d.Updates {
		en.results = append(en.results, pendingResult{version: d.State.Version, result: r})
	}
	return newChange(en, d)
}

func (e *Engine) beginRun(s *shard, ns *cluster.Namespace, p starting, old *ending) (*begun, error) {
	return e.beginRunAs(s, ns, p, newID(), old)
}

// beginRunAs decides and queues the first transition of a run.
func (e *Engine) beginRunAs(s *shard, ns *cluster.Namespace, p starting, runID string, old *ending) (*begun, error) {
	env := e.env(ns)
	d, err := execution.Begin(execution.Start{
		RunID: runID, Request: p.request, Signal: p.signal, Update: p.update, Parent: p.parent, Inherit: p.inherit,
		Origin: p.origin,
		Eager:  p.request.RequestEagerExecution && p.request.WorkflowStartDelay.AsDuration() == 0 && p.request.CronSchedule == "",
	}, env)
	if err != nil {
		return nil, err
	}
	en := s.newEntry(keyOf(ns.ID, p.request.WorkflowId), p.lease, d)
	en.pinned = 1
	en.mu.Lock()
	defer en.mu.Unlock()
	e.noteStart(en, moments{found: p.found, locked: env.Now}, p.received)
	eager, _ := d.Reply.(*execution.TaskStarted)
	b := &begun{entry: en, state: d.State, isNew: true, eager: eager}
	if p.update != nil {
		b.updated = en.awaitLocked(p.update.Request.GetMeta().GetUpdateId())
	}
	var companions []*change
	if old != nil {
		companions = append(companions, old.change())
	}
	e.committer.enqueue(en, d, companions...)
	s.register(en)
	e.pinnedByHand(ns.ID, d.State.VersioningOverride)
	metrics.WorkflowsStarted.In(e.cfg.Metrics, metrics.Started{Namespace: ns.Name, Kind: p.kind}).Inc()
	return b, nil
}

func (e *Engine) SignalWithStartWorkflowExecution(ctx context.Context, ns *cluster.Namespace, req *workflowservice.SignalWithStartWorkflowExecutionRequest) (*workflowservice.SignalWithStartWorkflowExecutionResponse, error) {
	signal := execution.Signal{
		Name: req.SignalName, Input: req.SignalInput, Header: req.Header, Identity: req.Identity, RequestID: req.RequestId, Links: req.Links,
		WithStart: true,
	}
	conflict := req.WorkflowIdConflictPolicy
	if conflict == enumspb.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED {
		conflict = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	}
	for {
		b, err := e.start(ctx, ns, starting{
			request: startOf(req), signal: &signal, reuse: req.WorkflowIdReusePolicy, conflict: conflict, kind: "signal_with_start",
		})
		if err != nil {
			return nil, err
		}
		if !b.started() {
			if _, err = e.do(ctx, b.entry, signal); isNotFound(err) || err == errEvicted {
				b.entry.shard.unpin(b.entry)
				continue // it closed in between: start again
			}
		}
		b.entry.shard.unpin(b.entry)
		if err != nil {
			return nil, err
		}
		return &workflowservice.SignalWithStartWorkflowExecutionResponse{
			RunId: b.entry.runID, Started: b.started(), FirstExecutionRunId: b.state.FirstRunID(),
			SignalLink: signalLink(ns, b.entry, req.RequestId),
		}, nil
	}
}

func startOf(req *workflowservice.SignalWithStartWorkflowExecutionRequest) *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace: req.Namespace, WorkflowId: req.WorkflowId, WorkflowType: req.WorkflowType, TaskQueue: req.TaskQueue, Input: req.Input,
		WorkflowExecutionTimeout: req.WorkflowExecutionTimeout, WorkflowRunTimeout: req.WorkflowRunTimeout, WorkflowTaskTimeout: req.WorkflowTaskTimeout,
		Identity: req.Identity, RequestId: req.RequestId, RetryPolicy: req.RetryPolicy, CronSchedule: req.CronSchedule, Memo: req.Memo,
		SearchAttributes: req.SearchAttributes, Header: req.Header, WorkflowStartDelay: req.WorkflowStartDelay, UserMetadata: req.UserMetadata,
		Links: req.Links, Priority: req.Priority, VersioningOverride: req.VersioningOverride,
	}
}

func signalLink(ns *cluster.Namespace, en *entry, requestID string) *commonpb.Link {
	return &commonpb.Link{Variant: &commonpb.Link_WorkflowEvent_{WorkflowEvent: &commonpb.Link_WorkflowEvent{
		Namespace: ns.Name, WorkflowId: en.workflow.WorkflowID, RunId: en.runID,
		Reference: &commonpb.Link_WorkflowEvent_RequestIdRef{RequestIdRef: &commonpb.Link_WorkflowEvent_RequestIdReference{
			RequestId: requestID, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
		}},
	}}}
}
