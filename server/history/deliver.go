package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
)

// deliver sends the messages of a run to other runs until all are
// acknowledged. Receivers know a message by its request id, so sending one
// again after a crash does no harm.
func (e *Engine) deliver(ctx context.Context, en *entry) {
	backoff := 10 * time.Millisecond
	for ctx.Err() == nil {
		messages := en.messages()
		if len(messages) == 0 {
			return
		}
		var failed error
		for _, m := range messages {
			if err := e.deliverOne(ctx, en, m); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		if failed == nil {
			backoff = 10 * time.Millisecond
			continue
		}
		if errors.Is(failed, errEvicted) || en.isGone() {
			return // the next owner of the state sends them
		}
		e.cfg.Logger.Warn("a message to another run could not be delivered; trying again", "workflow_id", en.workflow.WorkflowID, "error", failed)
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return
		}
		backoff = min(2*backoff, 5*time.Second)
	}
}

func (en *entry) isGone() bool {
	en.mu.Lock()
	defer en.mu.Unlock()
	return en.gone != nil
}

// messages are what is left to send; when nothing is, the sender's turn ends.
func (en *entry) messages() []execution.Message {
	en.mu.Lock()
	defer en.mu.Unlock()
	if en.gone != nil {
		return nil
	}
	messages := en.visible.Work(time.Now()).Messages
	if len(messages) == 0 {
		en.sending = false
	}
	return messages
}

func (e *Engine) deliverOne(ctx context.Context, en *entry, m execution.Message) error {
	ns, err := e.cfg.Namespaces.ByID(ctx, en.workflow.NamespaceID)
	if err != nil {
		return err
	}
	var ack execution.Command
	switch {
	case m.StartChild != nil:
		ack, err = e.sendStart(ctx, ns, en, m.StartChild)
	case m.Signal != nil:
		ack, err = e.sendSignal(ctx, ns, en, m.Signal)
	case m.Cancel != nil:
		ack, err = e.sendCancel(ctx, ns, en, m.Cancel)
	case m.NotifyParent != nil:
		ack, err = e.sendClose(ctx, ns, en, m)
	default:
		ack, err = e.sendPolicies(ctx, ns, en, m.ClosePolicy)
	}
	if err != nil {
		return err
	}
	if _, err := e.do(ctx, en, ack); err != nil && !errors.Is(err, execution.ErrStale) {
		return err
	}
	e.untilVisible(ctx, en)
	return nil
}

// untilVisible waits until what was acknowledged shows, so that it is not sent again.
func (e *Engine) untilVisible(ctx context.Context, en *entry) {
	en.mu.Lock()
	defer en.mu.Unlock()
	for en.gone == nil && en.visible.Version < en.queued && ctx.Err() == nil {
		changed := en.changed()
		en.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		en.mu.Lock()
	}
}

// messageSpace makes the ids of messages differ from all others.
var messageSpace = uuid.MustParse("6b1f5a9e-3f0a-4f5e-9d3c-2a1f0c9b7e11")

// messageID is the request id of a message: the same each time it is sent.
func messageID(en *entry, initiatedEventID int64) string {
	return uuid.NewSHA1(messageSpace, fmt.Appendf(nil, "%s:%d", en.runID, initiatedEventID)).String()
}

func (e *Engine) sendStart(ctx context.Context, ns *cluster.Namespace, en *entry, child *execution.Child) (execution.Command, error) {
	a := child.Initiated.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	parent := en.view0()
	inherit, ok := e.inherited(parent, a)
	if !ok {
		return execution.ChildStartFailed{
			InitiatedEventID: child.InitiatedEventID, Cause: enumspb.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_INVALID_VERSIONING_OVERRIDE,
		}, nil
	}
	b, err := e.start(ctx, ns, starting{
		request: &workflowservice.StartWorkflowExecutionRequest{
			Namespace: ns.Name, WorkflowId: a.WorkflowId, WorkflowType: a.WorkflowType, TaskQueue: a.TaskQueue, Input: a.Input,
			WorkflowExecutionTimeout: a.WorkflowExecutionTimeout, WorkflowRunTimeout: a.WorkflowRunTimeout, WorkflowTaskTimeout: a.WorkflowTaskTimeout,
			RequestId: messageID(en, child.InitiatedEventID), RetryPolicy: a.RetryPolicy, CronSchedule: a.CronSchedule, Memo: a.Memo,
			SearchAttributes: a.SearchAttributes, Header: a.Header, Priority: parent.PriorityOf(a.Priority), UserMetadata: child.Initiated.UserMetadata,
		},
		parent: &execution.Parent{
			Namespace: ns.Name, NamespaceID: ns.ID, Execution: parent.Execution(), InitiatedEventID: child.InitiatedEventID, Root: parent.Root(),
		},
		inherit: inherit, origin: e.originOfChild(parent, child),
		reuse: a.WorkflowIdReusePolicy, conflict: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, kind: "child",
	})
	var exists *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &exists) {
		return execution.ChildStartFailed{
			InitiatedEventID: child.InitiatedEventID, Cause: enumspb.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS,
		}, nil
	}
	if err != nil {
		return nil, err
	}
	defer b.entry.shard.unpin(b.entry)
	return execution.ChildStarted{InitiatedEventID: child.InitiatedEventID, RunID: b.state.FirstRunID()}, nil
}

// view0 is the visible state of an entry that is known to be published.
func (en *entry) view0() *execution.State {
	en.mu.Lock()
	defer en.mu.Unlock()
	return en.visible
}

func (e *Engine) sendSignal(ctx context.Context, ns *cluster.Namespace, en *entry, signal *execution.ExternalSignal) (execution.Command, error) {
	a := signal.Initiated.GetSignalExternalWorkflowExecutionInitiatedEventAttributes()
	c := execution.Signal{
		Name: a.SignalName, Input: a.Input, Header: a.Header, Identity: "history-service",
		RequestID: messageID(en, signal.InitiatedEventID), From: &commonpb.WorkflowExecution{WorkflowId: en.workflow.WorkflowID, RunId: en.runID},
	}
	if a.ChildWorkflowOnly {
		c.ChildOf = en.runID
	}
	ack := execution.SignalDelivered{InitiatedEventID: signal.InitiatedEventID}
	err := e.sendTo(ctx, ns, en, a.WorkflowExecution, c)
	var limit *serviceerror.InvalidArgument
	switch {
	case isNotFound(err):
		ack.Failed = enumspb.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
	case errors.As(err, &limit):
		ack.Failed = enumspb.SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_SIGNAL_COUNT_LIMIT_EXCEEDED
	case err != nil:
		return nil, err
	}
	return ack, nil
}

// sendTo decides a command on another run. A run cannot reach itself this way.
func (e *Engine) sendTo(ctx context.Context, ns *cluster.Namespace, en *entry, target *commonpb.WorkflowExecution, c execution.Command) error {
	if target.GetWorkflowId() == en.workflow.WorkflowID && (target.GetRunId() == "" || target.GetRunId() == en.runID) {
		return serviceerror.NewNotFound("a run cannot send messages to itself")
	}
	_, _, err := e.on(ctx, ns, target, c)
	return err
}

func (e *Engine) sendCancel(ctx context.Context, ns *cluster.Namespace, en *entry, cancel *execution.ExternalCancel) (execution.Command, error) {
	a := cancel.Initiated.GetRequestCancelExternalWorkflowExecutionInitiatedEventAttributes()
	c := execution.RequestCancel{
		Cause: a.Reason, Identity: "history-service", RequestID: messageID(en, cancel.InitiatedEventID),
		From: &commonpb.WorkflowExecution{WorkflowId: en.workflow.WorkflowID, RunId: en.runID}, InitiatedEventID: cancel.InitiatedEventID,
	}
	if a.ChildWorkflowOnly {
		c.ChildOf = en.runID
	}
	ack := execution.CancelDelivered{InitiatedEventID: cancel.InitiatedEventID}
	err := e.sendTo(ctx, ns, en, a.WorkflowExecution, c)
	if isNotFound(err) {
		ack.Failed = enumspb.CANCEL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND
		err = nil
	}
	return ack, err
}

// sendClose tells the parent how the run closed. A parent that is gone need not know.
func (e *Engine) sendClose(ctx context.Context, ns *cluster.Namespace, en *entry, m execution.Message) (execution.Command, error) {
	state := en.view0()
	started := state.StartedAttributes()
	parent, err := e.afterResets(ctx, ns, started.GetParentWorkflowExecution())
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	_, _, err = e.on(ctx, ns, parent, execution.ChildClosed{
		InitiatedEventID: started.GetParentInitiatedEventId(), FirstRunID: started.GetFirstExecutionRunId(), RunID: state.RunID, CloseEvent: m.NotifyParent,
	})
	if err != nil && !isNotFound(err) && !errors.Is(err, execution.ErrStale) {
		return nil, err
	}
	return execution.ParentNotified{}, nil
}

// afterResets is the run that goes on from a run after resets; the run itself when it was not reset.
func (e *Engine) afterResets(ctx context.Context, ns *cluster.Namespace, ref *commonpb.WorkflowExecution) (*commonpb.WorkflowExecution, error) {
	for range chainMax {
		en, state, err := e.look(ctx, ns, ref.GetWorkflowId(), ref.GetRunId())
		if err != nil {
			return ref, err
		}
		en.shard.unpin(en)
		if state.ResetRunID == "" {
			return ref, nil
		}
		ref = &commonpb.WorkflowExecution{WorkflowId: ref.GetWorkflowId(), RunId: state.ResetRunID}
	}
	return ref, nil
}

// sendPolicies deals with the children of a closed run as their policies say.
func (e *Engine) sendPolicies(ctx context.Context, ns *cluster.Namespace, en *entry, children []*execution.Child) (execution.Command, error) {
	for _, child := range children {
		if err := e.sendPolicy(ctx, ns, en, child, en.runID); err != nil && !isNotFound(err) {
			return nil, err
		}
		// A child may have been started before a reset, by the run that was reset.
		original := en.view0().StartedAttributes().GetOriginalExecutionRunId()
		if original == en.runID {
			continue
		}
		if err := e.sendPolicy(ctx, ns, en, child, original); err != nil && !isNotFound(err) {
			return nil, err
		}
	}
	return execution.ClosePolicyDone{}, nil
}

func (e *Engine) sendPolicy(ctx context.Context, ns *cluster.Namespace, en *entry, child *execution.Child, parentRunID string) error {
	target := &commonpb.WorkflowExecution{WorkflowId: child.WorkflowID} // the newest run of the child's chain
	switch child.ClosePolicy {
	case enumspb.PARENT_CLOSE_POLICY_TERMINATE:
		_, _, err := e.on(ctx, ns, target, execution.Terminate{Reason: "by parent close policy", Identity: "history-service", ChildOf: parentRunID})
		return err
	case enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL:
		_, _, err := e.on(ctx, ns, target, execution.RequestCancel{
			Identity: "history-service", ChildOf: parentRunID, From: &commonpb.WorkflowExecution{WorkflowId: en.workflow.WorkflowID, RunId: en.runID},
		})
		return err
	}
	return nil
}
