package execution

import (
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/activity"
	"perdure/visibility/attr"
)

const badContinue = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES

// close appends the event that ends the run and answers waiting updates.
func (t *transition) close(e *historypb.HistoryEvent, continues bool) {
	t.endUpdates(continues)
	t.append(e)
	t.durable, t.visibility = true, true
}

func (t *transition) completeRun(b *batch, a *commandpb.CompleteWorkflowExecutionCommandAttributes) error {
	if a == nil {
		return fail(enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES,
			"CompleteWorkflowExecutionCommandAttributes is not set on CompleteWorkflowExecutionCommand.")
	}
	// The cause is the one that clients of this API see for an oversized result.
	if err := t.tooLarge(badActivity, proto.Size(a.GetResult()), "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit."); err != nil {
		return err
	}
	completed := &historypb.WorkflowExecutionCompletedEventAttributes{Result: a.GetResult(), WorkflowTaskCompletedEventId: b.completedID}
	next := t.nextCron(a.GetResult(), nil)
	if next != nil {
		completed.NewExecutionRunId = next.runID
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{WorkflowExecutionCompletedEventAttributes: completed}
	t.close(e, next != nil)
	t.continueWith(next)
	return nil
}

func (t *transition) failRun(b *batch, a *commandpb.FailWorkflowExecutionCommandAttributes) error {
	const cause = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES
	switch {
	case a == nil:
		return fail(cause, "FailWorkflowExecutionCommandAttributes is not set on FailWorkflowExecutionCommand.")
	case a.Failure == nil:
		return fail(cause, "Failure is not set on FailWorkflowExecutionCommand.")
	}
	if err := t.tooLarge(cause, proto.Size(a.Failure), "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit."); err != nil {
		return err
	}
	next, retry := t.nextAfterFailure(a.Failure)
	failed := &historypb.WorkflowExecutionFailedEventAttributes{Failure: a.Failure, RetryState: retry, WorkflowTaskCompletedEventId: b.completedID}
	if next != nil {
		failed.NewExecutionRunId = next.runID
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{WorkflowExecutionFailedEventAttributes: failed}
	t.close(e, next != nil)
	t.continueWith(next)
	return nil
}

// nextAfterFailure is the run that follows a failed or timed-out one: a retry, else the next of a cron.
func (t *transition) nextAfterFailure(failure *failurepb.Failure) (*continuation, enumspb.RetryState) {
	retry := t.retryRun(failure)
	if retry.State == enumspb.RETRY_STATE_IN_PROGRESS {
		return t.nextRetry(failure, retry.Interval), retry.State
	}
	return t.nextCron(nil, failure), retry.State
}

func (t *transition) retryRun(failure *failurepb.Failure) activity.Retry {
	started := t.s.StartedAttributes()
	return activity.Attempt{
		Policy: started.GetRetryPolicy(), Number: started.GetAttempt(), Now: t.env.Now,
		Deadline: t.s.ExpirationTime(), Failure: failure, CapDelay: true,
	}.Decide()
}

func (t *transition) cancelRun(b *batch, a *commandpb.CancelWorkflowExecutionCommandAttributes) error {
	const cause = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES
	if a == nil {
		return fail(cause, "CancelWorkflowExecutionCommandAttributes is not set on CancelWorkflowExecutionCommand.")
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes{
		WorkflowExecutionCanceledEventAttributes: &historypb.WorkflowExecutionCanceledEventAttributes{
			WorkflowTaskCompletedEventId: b.completedID, Details: a.GetDetails(),
		},
	}
	t.close(e, false)
	return nil
}

// timeOutRun ends the run by its run timeout, or by the execution timeout of its chain.
func (t *transition) timeOutRun() {
	t.closeStartedTask()
	expiration := t.s.ExpirationTime()
	var next *continuation
	retry := enumspb.RETRY_STATE_TIMEOUT
	if expiration.IsZero() || t.env.Now.Before(expiration) {
		next, retry = t.nextAfterFailure(timeoutFailure("workflow timeout", enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil))
	}
	timedOut := &historypb.WorkflowExecutionTimedOutEventAttributes{RetryState: retry}
	if next != nil {
		timedOut.NewExecutionRunId = next.runID
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes{WorkflowExecutionTimedOutEventAttributes: timedOut}
	t.close(e, next != nil)
	t.continueWith(next)
}

// terminated is the event of a forced close.
func (t *transition) terminated(reason string, details *commonpb.Payloads, identity string) *historypb.HistoryEvent {
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
		WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{
			Reason: reason, Details: details, Identity: identity,
		},
	}
	return e
}

// continuation is the start of the run that follows this one in its chain.
type continuation struct {
	runID   string
	started *historypb.WorkflowExecutionStartedEventAttributes
}

// follow copies what every following run of a chain keeps.
func (t *transition) follow(initiator enumspb.ContinueAsNewInitiator) *continuation {
	old := t.s.StartedAttributes()
	runID := t.env.NewID()
	started := &historypb.WorkflowExecutionStartedEventAttributes{
		WorkflowType: old.WorkflowType, TaskQueue: old.TaskQueue, Input: old.Input, Header: old.Header,
		ParentWorkflowNamespace: old.ParentWorkflowNamespace, ParentWorkflowNamespaceId: old.ParentWorkflowNamespaceId,
		ParentWorkflowExecution: old.ParentWorkflowExecution, ParentInitiatedEventId: old.ParentInitiatedEventId,
		RootWorkflowExecution:    old.RootWorkflowExecution,
		WorkflowExecutionTimeout: old.WorkflowExecutionTimeout, WorkflowRunTimeout: old.WorkflowRunTimeout, WorkflowTaskTimeout: old.WorkflowTaskTimeout,
		WorkflowExecutionExpirationTime: old.WorkflowExecutionExpirationTime,
		ContinuedExecutionRunId:         t.s.RunID, Initiator: initiator,
		OriginalExecutionRunId: runID, FirstExecutionRunId: old.FirstExecutionRunId, WorkflowId: t.s.WorkflowID,
		RetryPolicy: old.RetryPolicy, CronSchedule: old.CronSchedule, Attempt: 1,
		Memo: t.s.Memo, SearchAttributes: withoutBuilds(t.s.SearchAttributes), LastCompletionResult: old.LastCompletionResult,
		PrevAutoResetPoints: t.expiringResetPoints(), Priority: t.s.Priority, CompletionCallbacks: t.s.callbacksOfRun(),
	}
	return &continuation{runID: runID, started: started}
}

func (t *transition) expiringResetPoints() *workflowpb.ResetPoints {
	points := &workflowpb.ResetPoints{}
	for _, point := range t.s.ResetPoints {
		copied := proto.CloneOf(point)
		if copied.RunId == t.s.RunID {
			copied.ExpireTime = timestamppb.New(t.env.Now.Add(t.env.Namespace.Retention))
		}
		points.Points = append(points.Points, copied)
	}
	return points
}

func (t *transition) nextRetry(failure *failurepb.Failure, backoff time.Duration) *continuation {
	next := t.follow(enumspb.CONTINUE_AS_NEW_INITIATOR_RETRY)
	next.started.Attempt = t.s.StartedAttributes().GetAttempt() + 1
	next.started.ContinuedFailure = failure
	t.inheritRetried(next.started)
	next.started.FirstWorkflowTaskBackoff = durationpb.New(max(backoff, t.chainGap()))
	return next
}

// nextCron is the next run of a cron workflow; nil when it has none.
func (t *transition) nextCron(result *commonpb.Payloads, failure *failurepb.Failure) *continuation {
	backoff, ok := cronBackoff(t.s.StartedAttributes().GetCronSchedule(), t.s.ExecutionTime, t.env.Now)
	if !ok {
		return nil
	}
	expiration := t.s.ExpirationTime()
	if !expiration.IsZero() && t.env.Now.Add(backoff).After(expiration) {
		return nil
	}
	next := t.follow(enumspb.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE)
	if failure == nil {
		next.started.LastCompletionResult = result
	}
	next.started.ContinuedFailure = failure
	next.started.FirstWorkflowTaskBackoff = durationpb.New(backoff)
	next.started.CompletionCallbacks = nil // they hear of the run that ends now
	next.started.VersioningOverride = t.s.inheritedOverride(t.env.Routes, next.started.TaskQueue.GetName())
	return next
}

// chainGap keeps runs of a chain from following one another without a pause.
func (t *transition) chainGap() time.Duration {
	return max(0, t.env.Limits.ChainedStartInterval-t.env.Now.Sub(t.s.ExecutionTime))
}

// continueWith creates the following run in the same commit.
func (t *transition) continueWith(next *continuation) {
	if next == nil {
		return
	}
	fresh := &State{
		NamespaceID: t.s.NamespaceID, WorkflowID: t.s.WorkflowID, RunID: next.runID, RequestID: t.env.NewID(), NextEventID: 1,
	}
	if t.env.Traced {
		fresh.Origin = storedOrigin(t.s.ComesFrom().Next(t.s.RunID), next.started.Header)
	}
	d := startRun(fresh, &historypb.HistoryEvent{Links: t.s.Started.GetLinks()}, next.started, nil, t.env)
	t.next = &d
}

func (t *transition) continueAsNew(b *batch, a *commandpb.ContinueAsNewWorkflowExecutionCommandAttributes) error {
	if err := t.checkContinue(a); err != nil {
		return err
	}
	next := t.follow(enumspb.CONTINUE_AS_NEW_INITIATOR_WORKFLOW)
	s := next.started
	if a.WorkflowType.GetName() != "" {
		s.WorkflowType = a.WorkflowType
	}
	if a.TaskQueue.GetName() != "" {
		s.TaskQueue = &taskqueuepb.TaskQueue{Name: a.TaskQueue.Name, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
	}
	if duration(a.WorkflowRunTimeout) > 0 {
		s.WorkflowRunTimeout = a.WorkflowRunTimeout
	}
	if duration(a.WorkflowTaskTimeout) > 0 {
		s.WorkflowTaskTimeout = a.WorkflowTaskTimeout
	}
	s.WorkflowRunTimeout = durationpb.New(activity.Cap(s.WorkflowRunTimeout))
	timeouts := normaliseRunTimeouts(nil, s.WorkflowRunTimeout, s.WorkflowTaskTimeout, t.env.Limits)
	s.WorkflowTaskTimeout = durationpb.New(timeouts.task)
	s.Input, s.Header, s.Memo = a.Input, a.Header, withoutNulls(a.Memo)
	s.SearchAttributes = t.env.Namespace.canonical(a.SearchAttributes)
	s.RetryPolicy, s.CronSchedule = nil, a.CronSchedule
	if a.RetryPolicy != nil {
		s.RetryPolicy = activity.FillRetryPolicy(a.RetryPolicy)
	}
	s.LastCompletionResult, s.ContinuedFailure = a.LastCompletionResult, a.Failure
	if a.Initiator != enumspb.CONTINUE_AS_NEW_INITIATOR_UNSPECIFIED {
		s.Initiator = a.Initiator
	}
	if a.Initiator == enumspb.CONTINUE_AS_NEW_INITIATOR_RETRY { // a worker that counts its retries itself
		s.Attempt = t.s.StartedAttributes().GetAttempt() + 1
	}
	if backoff := max(activity.Cap(a.BackoffStartInterval), t.chainGap()); backoff > 0 || a.BackoffStartInterval != nil {
		s.FirstWorkflowTaskBackoff = durationpb.New(backoff)
	}
	if backoff, ok := cronBackoff(a.CronSchedule, t.s.ExecutionTime, t.env.Now); ok && duration(a.BackoffStartInterval) == 0 {
		s.FirstWorkflowTaskBackoff = durationpb.New(backoff)
	}
	t.inheritContinued(s, a)
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionContinuedAsNewEventAttributes{
		WorkflowExecutionContinuedAsNewEventAttributes: continuedAsNew(b, a, next),
	}
	t.close(e, true)
	t.continueWith(next)
	return nil
}

func continuedAsNew(b *batch, a *commandpb.ContinueAsNewWorkflowExecutionCommandAttributes, next *continuation) *historypb.WorkflowExecutionContinuedAsNewEventAttributes {
	return &historypb.WorkflowExecutionContinuedAsNewEventAttributes{
		NewExecutionRunId: next.runID, WorkflowType: next.started.WorkflowType, TaskQueue: next.started.TaskQueue, Input: a.Input,
		WorkflowRunTimeout: next.started.WorkflowRunTimeout, WorkflowTaskTimeout: next.started.WorkflowTaskTimeout,
		WorkflowTaskCompletedEventId: b.completedID, BackoffStartInterval: activity.Capped(a.BackoffStartInterval), Initiator: a.Initiator,
		Failure: a.Failure, LastCompletionResult: a.LastCompletionResult, Header: a.Header, Memo: next.started.Memo,
		SearchAttributes: next.started.SearchAttributes, InheritBuildId: a.InheritBuildId, //nolint:staticcheck // older clients send it
	}
}

func (t *transition) checkContinue(a *commandpb.ContinueAsNewWorkflowExecutionCommandAttributes) error {
	if a == nil {
		return fail(badContinue, "ContinueAsNewWorkflowExecutionCommandAttributes is not set on ContinueAsNewWorkflowExecutionCommand.")
	}
	if err := t.checkDefined(a.SearchAttributes); err != nil {
		return err
	}
	old := t.s.StartedAttributes()
	name, queue := a.WorkflowType.GetName(), a.TaskQueue
	if name == "" {
		name = old.GetWorkflowType().GetName()
	}
	if queue.GetName() == "" {
		queue = old.GetTaskQueue()
	}
	if reason := checkQueue(queue, t.env.Limits.IDBytes); reason != "" {
		return fail(badContinue, "error validating ContinueAsNewWorkflowExecutionCommand TaskQueue: %s. WorkflowType=%s TaskQueue=%s", reason, name, queueText(queue))
	}
	if err := t.keepsQueue(a.InheritBuildId, queue.GetName(), badContinue, "ContinueAsNew"); err != nil { //nolint:staticcheck // older clients send it
		return err
	}
	if len(name) > t.env.Limits.IDBytes {
		return fail(badContinue, "WorkflowType on ContinueAsNewWorkflowExecutionCommand exceeds length limit. WorkflowType=%s Length=%d Limit=%d", name, len(name), t.env.Limits.IDBytes)
	}
	for _, d := range []struct {
		name  string
		value *durationpb.Duration
	}{{"WorkflowRunTimeout", a.WorkflowRunTimeout}, {"WorkflowTaskTimeout", a.WorkflowTaskTimeout}, {"BackoffStartInterval", a.BackoffStartInterval}} {
		if err := activity.ValidDuration(d.value); err != nil {
			return fail(badContinue, "Invalid %s on ContinueAsNewWorkflowExecutionCommand: %v. WorkflowType=%s TaskQueue=%s", d.name, err, name, queueText(queue))
		}
	}
	if err := activity.ValidateRetryPolicy(a.RetryPolicy); err != nil {
		return fail(badContinue, "invalid WorkflowRetryPolicy on ContinueAsNewWorkflowExecutionCommand: %v. WorkflowType=%s TaskQueue=%s", err, name, queueText(queue))
	}
	if len(a.SearchAttributes.GetIndexedFields()) > 0 {
		if err := attr.Validate(t.env.Namespace.Name, t.env.Namespace.SearchAttributes, a.SearchAttributes); err != nil {
			return fail(badAttributes, "invalid SearchAttributes on ContinueAsNewWorkflowExecutionCommand: %v. WorkflowType=%s TaskQueue=%s", err, name, queueText(queue))
		}
	}
	if err := t.memoTooLarge(badContinue, a.Memo, "ContinueAsNewWorkflowExecutionCommandAttributes. Memo exceeds size limit."); err != nil {
		return err
	}
	return t.tooLarge(badContinue, proto.Size(a.Input), "ContinueAsNewWorkflowExecutionCommandAttributes. Input exceeds size limit.")
}
