package execution

import (
	"fmt"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/activity"
	"perdure/server/match"
	"perdure/visibility/attr"
)

const (
	badChild          = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES
	badExternalSignal = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES
	badExternalCancel = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES
)

// checkNamespace allows commands into the own namespace only.
func (t *transition) checkNamespace(name string, cause enumspb.WorkflowTaskFailedCause) error {
	if name == "" || name == t.env.Namespace.Name {
		return nil
	}
	if !t.known[name] {
		return serviceerror.NewNamespaceNotFound(name)
	}
	return fail(cause, "cross namespace commands are not allowed")
}

func (t *transition) startChild(b *batch, a *commandpb.StartChildWorkflowExecutionCommandAttributes) error {
	if err := t.checkChild(a); err != nil {
		return err
	}
	if n := t.s.Children.len(); n >= t.env.Limits.PendingChildren {
		return tooMany(enumspb.WORKFLOW_TASK_FAILED_CAUSE_PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED,
			"child workflow executions", n, t.env.Limits.PendingChildren, "pending_children_max")
	}
	e := t.event(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED)
	e.Attributes = &historypb.HistoryEvent_StartChildWorkflowExecutionInitiatedEventAttributes{
		StartChildWorkflowExecutionInitiatedEventAttributes: t.childInitiated(b, a),
	}
	t.append(e)
	if b.newChildren == nil {
		b.newChildren = make(map[string]bool)
	}
	b.newChildren[a.WorkflowId] = true
	return nil
}

func (t *transition) childInitiated(b *batch, a *commandpb.StartChildWorkflowExecutionCommandAttributes) *historypb.StartChildWorkflowExecutionInitiatedEventAttributes {
	started := t.s.StartedAttributes()
	timeouts := normaliseRunTimeouts(a.WorkflowExecutionTimeout, a.WorkflowRunTimeout, a.WorkflowTaskTimeout, t.env.Limits)
	queue := a.TaskQueue.GetName()
	if queue == "" {
		queue = started.GetTaskQueue().GetName()
	}
	initiated := &historypb.StartChildWorkflowExecutionInitiatedEventAttributes{
		Namespace: t.env.Namespace.Name, NamespaceId: t.s.NamespaceID, WorkflowId: a.WorkflowId, WorkflowType: a.WorkflowType,
		TaskQueue: &taskqueuepb.TaskQueue{Name: queue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}, Input: a.Input,
		WorkflowExecutionTimeout: activity.Capped(a.WorkflowExecutionTimeout), WorkflowRunTimeout: durationpb.New(timeouts.run), WorkflowTaskTimeout: durationpb.New(timeouts.task),
		ParentClosePolicy: a.ParentClosePolicy, Control: a.Control, WorkflowTaskCompletedEventId: b.completedID,
		WorkflowIdReusePolicy: a.WorkflowIdReusePolicy, CronSchedule: a.CronSchedule, Header: a.Header, Memo: withoutNulls(a.Memo),
		SearchAttributes: t.env.Namespace.canonical(a.SearchAttributes), Priority: a.Priority,
		VersioningOverride: a.VersioningOverride, InheritBuildId: a.InheritBuildId, //nolint:staticcheck // older clients send it
	}
	if a.RetryPolicy != nil {
		initiated.RetryPolicy = activity.FillRetryPolicy(a.RetryPolicy)
	}
	if initiated.ParentClosePolicy == enumspb.PARENT_CLOSE_POLICY_UNSPECIFIED {
		initiated.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_TERMINATE
	}
	if initiated.WorkflowIdReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED {
		initiated.WorkflowIdReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	if initiated.Namespace == "" {
		initiated.Namespace = t.env.Namespace.Name
	}
	return initiated
}

func (t *transition) checkChild(a *commandpb.StartChildWorkflowExecutionCommandAttributes) error {
	limit := t.env.Limits.IDBytes
	if a == nil {
		return fail(badChild, "StartChildWorkflowExecutionCommandAttributes is not set on StartChildWorkflowExecutionCommand.")
	}
	if err := t.checkNamespace(a.Namespace, badChild); err != nil {
		return err
	}
	if err := t.checkDefined(a.SearchAttributes); err != nil {
		return err
	}
	workflowType := a.WorkflowType.GetName()
	where := fmt.Sprintf("WorkflowId=%s WorkflowType=%s Namespace=%s", a.WorkflowId, workflowType, t.env.Namespace.Name)
	switch {
	case a.WorkflowId == "":
		return fail(badChild, "Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType=%s Namespace=%s", workflowType, t.env.Namespace.Name)
	case workflowType == "":
		return fail(badChild, "Required field WorkflowType is not set on StartChildWorkflowExecutionCommand. WorkflowId=%s Namespace=%s", a.WorkflowId, t.env.Namespace.Name)
	case len(a.WorkflowId) > limit:
		return fail(badChild, "WorkflowId on StartChildWorkflowExecutionCommand exceeds length limit. WorkflowId=%s Length=%d Limit=%d WorkflowType=%s Namespace=%s",
			a.WorkflowId, len(a.WorkflowId), limit, workflowType, t.env.Namespace.Name)
	case len(workflowType) > limit:
		return fail(badChild, "WorkflowType on StartChildWorkflowExecutionCommand exceeds length limit. WorkflowId=%s WorkflowType=%s Length=%d Limit=%d Namespace=%s",
			a.WorkflowId, workflowType, len(workflowType), limit, t.env.Namespace.Name)
	}
	if err := checkChildDurations(a, where); err != nil {
		return err
	}
	if err := t.keepsQueue(a.InheritBuildId, a.TaskQueue.GetName(), badChild, "StartChildWorkflowExecution"); err != nil { //nolint:staticcheck // older clients send it
		return err
	}
	return t.checkChildContent(a, where)
}

func checkChildDurations(a *commandpb.StartChildWorkflowExecutionCommandAttributes, where string) error {
	for _, d := range []struct {
		name  string
		value *durationpb.Duration
	}{{"WorkflowExecutionTimeout", a.WorkflowExecutionTimeout}, {"WorkflowRunTimeout", a.WorkflowRunTimeout}, {"WorkflowTaskTimeout", a.WorkflowTaskTimeout}} {
		if err := activity.ValidDuration(d.value); err != nil {
			return fail(badChild, "Invalid %s on StartChildWorkflowExecutionCommand: %v. %s", d.name, err, where)
		}
	}
	return nil
}

func (t *transition) checkChildContent(a *commandpb.StartChildWorkflowExecutionCommandAttributes, where string) error {
	if err := activity.ValidateRetryPolicy(a.RetryPolicy); err != nil {
		return fail(badChild, "invalid WorkflowRetryPolicy on StartChildWorkflowExecutionCommand: %v. %s", err, where)
	}
	if err := ValidateCron(a.CronSchedule); err != nil {
		return fail(badChild, "invalid CronSchedule on StartChildWorkflowExecutionCommand: %v. %s", err, where)
	}
	if a.TaskQueue.GetName() != "" {
		if reason := checkQueue(a.TaskQueue, t.env.Limits.IDBytes); reason != "" {
			return fail(badChild, "invalid TaskQueue on StartChildWorkflowExecutionCommand: %s. %s TaskQueue=%s", reason, where, queueText(a.TaskQueue))
		}
	}
	if len(a.SearchAttributes.GetIndexedFields()) > 0 {
		if err := attr.Validate(t.env.Namespace.Name, t.env.Namespace.SearchAttributes, a.SearchAttributes); err != nil {
			return fail(badAttributes, "invalid SearchAttributes on StartChildWorkflowCommand: %v. %s", err, where)
		}
	}
	if reason := match.WrongPriority(a.Priority); reason != "" {
		return fail(badChild, "%s", reason)
	}
	if err := t.memoTooLarge(badChild, a.Memo, "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit."); err != nil {
		return err
	}
	return t.tooLarge(badChild, proto.Size(a.Input), "StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.")
}

func (t *transition) signalExternal(b *batch, a *commandpb.SignalExternalWorkflowExecutionCommandAttributes) error {
	if err := t.checkExternalSignal(a); err != nil {
		return err
	}
	if n := t.s.ExternalSignals.len(); n >= t.env.Limits.PendingSignals {
		return tooMany(enumspb.WORKFLOW_TASK_FAILED_CAUSE_PENDING_SIGNALS_LIMIT_EXCEEDED,
			"signals to external workflows", n, t.env.Limits.PendingSignals, "pending_signals_max")
	}
	e := t.event(enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED)
	e.Attributes = &historypb.HistoryEvent_SignalExternalWorkflowExecutionInitiatedEventAttributes{
		SignalExternalWorkflowExecutionInitiatedEventAttributes: &historypb.SignalExternalWorkflowExecutionInitiatedEventAttributes{
			WorkflowTaskCompletedEventId: b.completedID, Namespace: a.Namespace, NamespaceId: t.s.NamespaceID, WorkflowExecution: a.Execution,
			SignalName: a.SignalName, Input: a.Input, Control: a.Control, ChildWorkflowOnly: a.ChildWorkflowOnly, Header: a.Header,
		},
	}
	t.append(e)
	return nil
}

func (t *transition) checkExternalSignal(a *commandpb.SignalExternalWorkflowExecutionCommandAttributes) error {
	if a == nil {
		return fail(badExternalSignal, "SignalExternalWorkflowExecutionCommandAttributes is not set on SignalExternalWorkflowExecutionCommand.")
	}
	if err := t.checkNamespace(a.Namespace, badExternalSignal); err != nil {
		return err
	}
	target, run := a.Execution.GetWorkflowId(), a.Execution.GetRunId()
	limit := t.env.Limits.IDBytes
	switch {
	case a.Execution == nil:
		return fail(badExternalSignal, "Execution is not set on SignalExternalWorkflowExecutionCommand.")
	case target == "":
		return fail(badExternalSignal, "WorkflowId is not set on SignalExternalWorkflowExecutionCommand. Namespace=%s RunId=%s SignalName=%s", a.Namespace, run, a.SignalName)
	case len(target) > limit:
		return fail(badExternalSignal, "WorkflowId on SignalExternalWorkflowExecutionCommand exceeds length limit. WorkflowId=%s Length=%d Limit=%d Namespace=%s RunId=%s SignalName=%s",
			target, len(target), limit, a.Namespace, run, a.SignalName)
	case run != "" && !isUUID(run):
		return fail(badExternalSignal, "Invalid RunId set on SignalExternalWorkflowExecutionCommand. WorkflowId=%s Namespace=%s RunId=%s SignalName=%s", target, a.Namespace, run, a.SignalName)
	case a.SignalName == "":
		return fail(badExternalSignal, "SignalName is not set on SignalExternalWorkflowExecutionCommand. WorkflowId=%s Namespace=%s RunId=%s", target, a.Namespace, run)
	}
	return t.tooLarge(badExternalSignal, proto.Size(a.Input), "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.")
}

func (t *transition) cancelExternal(b *batch, a *commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes) error {
	if err := t.checkExternalCancel(b, a); err != nil {
		return err
	}
	if n := t.s.ExternalCancels.len(); n >= t.env.Limits.PendingCancels {
		return tooMany(enumspb.WORKFLOW_TASK_FAILED_CAUSE_PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED,
			"requests to cancel external workflows", n, t.env.Limits.PendingCancels, "pending_cancels_max")
	}
	e := t.event(enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED)
	e.Attributes = &historypb.HistoryEvent_RequestCancelExternalWorkflowExecutionInitiatedEventAttributes{
		RequestCancelExternalWorkflowExecutionInitiatedEventAttributes: &historypb.RequestCancelExternalWorkflowExecutionInitiatedEventAttributes{
			WorkflowTaskCompletedEventId: b.completedID, Namespace: a.Namespace, NamespaceId: t.s.NamespaceID,
			WorkflowExecution: execution(a.WorkflowId, a.RunId), Control: a.Control, ChildWorkflowOnly: a.ChildWorkflowOnly, Reason: a.Reason,
		},
	}
	t.append(e)
	return nil
}

func (t *transition) checkExternalCancel(b *batch, a *commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes) error {
	if a == nil {
		return fail(badExternalCancel, "RequestCancelExternalWorkflowExecutionCommandAttributes is not set on RequestCancelExternalWorkflowExecutionCommand.")
	}
	if err := t.checkNamespace(a.Namespace, badExternalCancel); err != nil {
		return err
	}
	where := fmt.Sprintf("WorkflowId=%s RunId=%s Namespace=%s", a.WorkflowId, a.RunId, a.Namespace)
	limit := t.env.Limits.IDBytes
	switch {
	case a.WorkflowId == "":
		return fail(badExternalCancel, "WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand. Namespace=%s RunId=%s", a.Namespace, a.RunId)
	case len(a.WorkflowId) > limit:
		return fail(badExternalCancel, "WorkflowId on RequestCancelExternalWorkflowExecutionCommand exceeds length limit. Length=%d Limit=%d %s", len(a.WorkflowId), limit, where)
	case a.RunId != "" && !isUUID(a.RunId):
		return fail(badExternalCancel, "Invalid RunId set on RequestCancelExternalWorkflowExecutionCommand. %s", where)
	case b.newChildren[a.WorkflowId]:
		return fail(badExternalCancel, "Start and RequestCancel for child workflow is not allowed in same workflow task. %s", where)
	}
	return nil
}
