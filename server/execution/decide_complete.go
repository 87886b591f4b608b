package execution

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/match"
)

// taskFailure ends a completion whose commands cannot stand: the task fails with the cause.
type taskFailure struct {
	cause   enumspb.WorkflowTaskFailedCause
	message string
	// terminate also ends the run: the worker would only do the same again.
	terminate bool
	passed    []Passed // the limit that is the reason, if one is
}

func (f *taskFailure) Error() string {
	if f.message == "" {
		return f.cause.String()
	}
	return fmt.Sprintf("%s: %s", f.cause, f.message)
}

func fail(cause enumspb.WorkflowTaskFailedCause, format string, args ...any) error {
	return &taskFailure{cause: cause, message: fmt.Sprintf(format, args...)}
}

// tooMany fails a task that asks for more than a run may have under way.
func tooMany(cause enumspb.WorkflowTaskFailedCause, what string, pending, most int, limit string) error {
	return &taskFailure{
		cause:   cause,
		message: fmt.Sprintf("the number of pending %s, %d, has reached the per-workflow limit of %d", what, pending, most),
		passed:  []Passed{{Limit: limit, Size: int64(pending) + 1}},
	}
}

func (t *transition) completeTask(c CompleteTask) error {
	task, err := t.answeredTask(c.ScheduledEventID, c.StartedEventID, c.Stamp)
	if err != nil {
		return err
	}
	if answered := match.StampedBuild(c.Request.WorkerVersionStamp); task.Build != "" && task.Build != answered { //nolint:staticcheck // likewise
		return errOtherBuild(task.Build, answered)
	}
	if t.s.Paused() && c.Request.ForceCreateNewWorkflowTask {
		return serviceerror.NewFailedPrecondition("Workflow is paused and force create new workflow task is not allowed.")
	}
	t.known = c.KnownNamespaces
	if err := checkSequence(c.Request.Commands); err != nil {
		return err
	}
	if t.heartbeatTooLong(task, c.Request) {
		t.timeOutTask()
		t.failedCall = serviceerror.NewNotFound("workflow task heartbeat timeout")
		return nil
	}
	if binary := c.Request.GetBinaryChecksum(); binary != "" && t.env.Namespace.BadBinaries[binary] != nil {
		t.failCompletion(&taskFailure{cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_BINARY, message: fmt.Sprintf("binary %s is marked as bad deployment", binary)}, c.Request)
		return nil
	}
	before, events := t.s, t.events
	t.s = t.s.fork()
	if t.maySkip(c.Request) {
		err = t.skipSpeculative(c.Request)
	} else {
		err = t.complete(c)
	}
	var failure *taskFailure
	if errors.As(err, &failure) {
		t.s, t.events, t.updates, t.next, t.reply = before.fork(), events, nil, nil, nil
		t.deferring, t.durable, t.visibility, t.passed = false, false, false, failure.passed
		t.failCompletion(failure, c.Request)
		return nil
	}
	return err
}

// failCompletion fails the task for what its answer asked.
func (t *transition) failCompletion(f *taskFailure, r *workflowservice.RespondWorkflowTaskCompletedRequest) {
	t.failedCall = serviceerror.NewInvalidArgument(f.Error())
	t.refuseSentUpdates(f)
	task := t.s.Task
	if task.Attempt > 1 && f.cause != enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND {
		return // history has the first failure; this attempt runs into its timeout
	}
	t.failStartedTask(task, &historypb.WorkflowTaskFailedEventAttributes{
		Cause: f.cause, Failure: &failurepb.Failure{Message: f.Error(), FailureInfo: &failurepb.Failure_ServerFailureInfo{ServerFailureInfo: &failurepb.ServerFailureInfo{}}},
		Identity: r.Identity, BinaryChecksum: r.BinaryChecksum,
	})
	if f.cause == enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND {
		t.s.CloseAttempted = true
	}
	if f.terminate {
		t.dropScheduledTask()
		t.close(t.terminated(f.Error(), nil, serverIdentity), false)
	}
}

// dropScheduledTask takes back the task that was scheduled in this same transition.
func (t *transition) dropScheduledTask() {
	last := len(t.events) - 1
	if last >= 0 && t.events[last].EventType == enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED {
		t.s.NextEventID = t.events[last].EventId
		t.s.HistorySize -= int64(proto.Size(t.events[last]))
		t.events = t.events[:last]
	}
	t.s.Task = nil
}

// complete writes the completion and carries out what it asks.
func (t *transition) complete(c CompleteTask) error {
	r := c.Request
	task := t.s.Task
	heartbeat := isHeartbeat(r)
	heartbeatSince := time.Time{}
	if heartbeat {
		heartbeatSince = task.OriginalScheduledTime
	}
	t.durable = true
	t.persistStarted(r.Identity)
	t.visibility = t.visibility || len(t.s.Problems) > 0
	before, override := t.s.Versioning, t.s.VersioningOverride
	completed := t.append(t.taskCompleted(r))
	t.visibility = t.visibility || before.told() != t.s.Versioning.told() || override != t.s.VersioningOverride
	t.forgetResetPoints()
	t.visibility = t.visibility || t.s.LastTaskCompletedID == completed.EventId && len(t.s.ResetPoints) > 0 && t.s.ResetPoints[len(t.s.ResetPoints)-1].FirstWorkflowTaskCompletedId == completed.EventId
	t.setSticky(r)
	t.s.CloseAttempted = false
	batch := newBatch(completed.EventId, r)
	t.deferring = true
	if err := t.runCommands(batch); err != nil {
		return err
	}
	t.deferring = false
	t.s.TaskHeartbeatSince = heartbeatSince
	if !t.s.Open() {
		t.reply = batch.eager
		return nil
	}
	t.startWanted(batch)
	if !heartbeat {
		t.rejectUnprocessed()
	}
	t.afterCompletion(r, batch)
	t.reply = batch.eager
	return nil
}

// afterCompletion flushes what arrived meanwhile and schedules the next task if one is needed.
func (t *transition) afterCompletion(r *workflowservice.RespondWorkflowTaskCompletedRequest, b *batch) {
	switch {
	case t.flush() || r.ForceCreateNewWorkflowTask || t.s.Versioning.Moving:
		t.scheduleTask()
	case !t.s.hasOpenUpdates():
		return
	case r.ReturnNewWorkflowTask: // which may come to nothing
		t.scheduleSpeculative()
	default:
		t.scheduleTask()
	}
	if r.ReturnNewWorkflowTask && t.s.Task != nil && t.mayStartHere(workerOf(r)) {
		b.eager.NewTask = t.start(r.Identity, "request-from-RespondWorkflowTaskCompleted", workerOf(r))
	}
}

func (t *transition) taskCompleted(r *workflowservice.RespondWorkflowTaskCompletedRequest) *historypb.HistoryEvent {
	task := t.s.Task
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
	e.Attributes = &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
		WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{
			ScheduledEventId: task.ScheduledEventID, StartedEventId: task.StartedEventID, Identity: r.Identity,
			BinaryChecksum: r.BinaryChecksum, WorkerVersion: r.WorkerVersionStamp,
			SdkMetadata: r.SdkMetadata, MeteringMetadata: r.MeteringMetadata, VersioningBehavior: r.VersioningBehavior,
			WorkerDeploymentName: r.DeploymentOptions.GetDeploymentName(), DeploymentVersion: workerOf(r).Deployed().Proto(),
		},
	}
	return e
}

// workerOf tells which tasks the worker that completed one gets.
func workerOf(r *workflowservice.RespondWorkflowTaskCompletedRequest) match.Version {
	return match.RoutedVersion(r.DeploymentOptions, r.WorkerVersionStamp) //nolint:staticcheck // older clients send it
}

// unstick forgets the worker that has the run in its cache.
func (s *State) unstick() {
	s.StickyQueue, s.StickyTimeout, s.StickyWorker = "", 0, match.Version{}
}

func (t *transition) setSticky(r *workflowservice.RespondWorkflowTaskCompletedRequest) {
	name := r.StickyAttributes.GetWorkerTaskQueue().GetName()
	t.s.unstick()
	if name != "" {
		t.s.StickyQueue, t.s.StickyWorker = name, workerOf(r)
		t.s.StickyTimeout = duration(r.StickyAttributes.GetScheduleToStartTimeout())
	}
}

func isHeartbeat(r *workflowservice.RespondWorkflowTaskCompletedRequest) bool {
	return r.ForceCreateNewWorkflowTask && len(r.Commands) == 0 && len(r.Messages) == 0
}

func (t *transition) heartbeatTooLong(task *WorkflowTask, r *workflowservice.RespondWorkflowTaskCompletedRequest) bool {
	return isHeartbeat(r) && t.env.Now.Sub(task.OriginalScheduledTime) >= t.env.Limits.TaskHeartbeat
}

// maySkip tells whether the answer only rejects updates that came with a speculative task.
func (t *transition) maySkip(r *workflowservice.RespondWorkflowTaskCompletedRequest) bool {
	task := t.s.Task
	if task.Kind != TaskSpeculative || len(r.Commands) > 0 || r.ForceCreateNewWorkflowTask || len(t.s.Buffered) > 0 {
		return false
	}
	allowed := int64(1) // the completed event of the task before
	if r.GetCapabilities().GetDiscardSpeculativeWorkflowTaskWithEvents() {
		allowed += 10
	}
	if task.ScheduledEventID-1-t.s.PreviousStartedID > allowed {
		return false
	}
	return !slices.ContainsFunc(r.Messages, func(m *protocolpb.Message) bool { return !m.GetBody().MessageIs(&updatepb.Rejection{}) })
}

// skipSpeculative forgets a speculative task that came to nothing, as if it had never been.
func (t *transition) skipSpeculative(r *workflowservice.RespondWorkflowTaskCompletedRequest) error {
	if err := t.runRemainingMessages(newBatch(0, r)); err != nil {
		return err
	}
	t.s.Task = nil
	t.setSticky(r)
	t.rejectUnprocessed()
	completed := &TaskCompleted{ResetHistoryEventID: t.s.PreviousStartedID}
	if t.s.hasOpenUpdates() {
		t.scheduleSpeculative()
		if r.ReturnNewWorkflowTask && t.mayStartHere(workerOf(r)) {
			completed.NewTask = t.start(r.Identity, "request-from-RespondWorkflowTaskCompleted", workerOf(r))
		}
	}
	t.reply = completed
	return nil
}

var closingCommands = []enumspb.CommandType{
	enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
	enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
}

func isClosing(c *commandpb.Command) bool {
	return slices.Contains(closingCommands, c.GetCommandType())
}

// checkSequence refuses commands behind the one that closes the run.
func checkSequence(commands []*commandpb.Command) error {
	for i, c := range commands {
		if c == nil || c.CommandType == enumspb.COMMAND_TYPE_UNSPECIFIED {
			return serviceerror.NewInvalidArgument(fmt.Sprintf("unknown command type: %v", c.GetCommandType()))
		}
		if isClosing(c) && i < len(commands)-1 {
			names := make([]string, len(commands))
			for j, other := range commands {
				names[j] = other.GetCommandType().String()
			}
			return serviceerror.NewInvalidArgument(fmt.Sprintf("invalid command sequence: [%s], command %s must be the last command.",
				strings.Join(names, ", "), c.CommandType))
		}
	}
	return nil
}

// batch is one completion being carried out.
type batch struct {
	completedID int64
	request     *workflowservice.RespondWorkflowTaskCompletedRequest
	messages    []*protocolpb.Message // those that were not handled yet
	updates     map[string]string     // states of those that messages were about, by id
	eager       *TaskCompleted
	wanted      []int64         // scheduled events of activities that the worker would like to start at once
	newChildren map[string]bool // workflow ids of children started in this batch
}

func newBatch(completedID int64, r *workflowservice.RespondWorkflowTaskCompletedRequest) *batch {
	return &batch{
		completedID: completedID, request: r, messages: slices.Clone(r.Messages), updates: map[string]string{}, eager: &TaskCompleted{},
	}
}

func (t *transition) runCommands(b *batch) error {
	for _, c := range b.request.Commands {
		if isClosing(c) {
			if len(t.s.Buffered) > t.deferred { // the worker has not seen what happened meanwhile
				return &taskFailure{cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND}
			}
			if err := t.runLateMessages(b); err != nil {
				return err
			}
		}
		first := len(t.events)
		if err := t.runCommand(b, c); err != nil {
			return err
		}
		if len(t.events) > first && c.UserMetadata != nil && c.CommandType != enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE {
			t.annotate(t.events[first], c.UserMetadata)
		}
	}
	if !t.s.Open() {
		return nil
	}
	return t.runRemainingMessages(b)
}

// annotate adds what a user wants to read about an event that was just appended.
func (t *transition) annotate(e *historypb.HistoryEvent, metadata *sdkpb.UserMetadata) {
	before := proto.Size(e)
	e.UserMetadata = metadata
	t.s.HistorySize += int64(proto.Size(e) - before)
}

func (t *transition) runCommand(b *batch, c *commandpb.Command) error {
	switch c.CommandType {
	case enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK:
		return t.scheduleActivity(b, c.GetScheduleActivityTaskCommandAttributes())
	case enumspb.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK:
		return t.requestCancelActivity(b, c.GetRequestCancelActivityTaskCommandAttributes())
	case enumspb.COMMAND_TYPE_START_TIMER:
		return t.startTimer(b, c.GetStartTimerCommandAttributes())
	case enumspb.COMMAND_TYPE_CANCEL_TIMER:
		return t.cancelTimer(b, c.GetCancelTimerCommandAttributes())
	case enumspb.COMMAND_TYPE_RECORD_MARKER:
		return t.recordMarker(b, c.GetRecordMarkerCommandAttributes())
	case enumspb.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		return t.upsertSearchAttributes(b, c.GetUpsertWorkflowSearchAttributesCommandAttributes())
	case enumspb.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES:
		return t.modifyProperties(b, c.GetModifyWorkflowPropertiesCommandAttributes())
	case enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE:
		return t.protocolMessage(b, c.GetProtocolMessageCommandAttributes())
	case enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION:
		return t.startChild(b, c.GetStartChildWorkflowExecutionCommandAttributes())
	case enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION:
		return t.signalExternal(b, c.GetSignalExternalWorkflowExecutionCommandAttributes())
	case enumspb.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION:
		return t.cancelExternal(b, c.GetRequestCancelExternalWorkflowExecutionCommandAttributes())
	default:
		return t.runClosing(b, c)
	}
}

func (t *transition) runClosing(b *batch, c *commandpb.Command) error {
	switch c.CommandType {
	case enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION:
		return t.completeRun(b, c.GetCompleteWorkflowExecutionCommandAttributes())
	case enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION:
		return t.failRun(b, c.GetFailWorkflowExecutionCommandAttributes())
	case enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION:
		return t.cancelRun(b, c.GetCancelWorkflowExecutionCommandAttributes())
	case enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION:
		return t.continueAsNew(b, c.GetContinueAsNewWorkflowExecutionCommandAttributes())
	case enumspb.COMMAND_TYPE_REQUEST_CANCEL_NEXUS_OPERATION:
		return fail(enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_REQUEST_CANCEL_NEXUS_OPERATION_ATTRIBUTES,
			"requested cancelation for a non-existing or already completed operation with scheduled event ID of %d",
			c.GetRequestCancelNexusOperationCommandAttributes().GetScheduledEventId())
	case enumspb.COMMAND_TYPE_SCHEDULE_NEXUS_OPERATION:
		return fail(enumspb.WORKFLOW_TASK_FAILED_CAUSE_FEATURE_DISABLED, "Nexus operations are not supported by this server")
	}
	return serviceerror.NewInvalidArgument(fmt.Sprintf("unknown command type: %v", c.CommandType))
}

// closeStartedTask ends the pending task, since the run closes under it, and lets what arrived meanwhile into history. A
// further attempt leaves no trace, as one that failed would not.
func (t *transition) closeStartedTask() {
	t.durable = true
	switch task := t.s.Task; {
	case task == nil:
	case task.Kind == TaskTransient, task.Kind == TaskSpeculative && task.StartedEventID == 0:
		t.s.Task = nil
	case task.StartedEventID != 0:
		t.materialise(serverIdentity)
		t.appendForceClosed(t.s.Task)
	}
	t.flush()
}

func (t *transition) appendForceClosed(task *WorkflowTask) {
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED)
	e.Attributes = &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{
		WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{
			ScheduledEventId: task.ScheduledEventID, StartedEventId: task.StartedEventID,
			Cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND, Identity: serverIdentity,
		},
	}
	t.append(e)
}

// tooLarge tells that payloads in a command break the blob limit: the run ends.
func (t *transition) tooLarge(cause enumspb.WorkflowTaskFailedCause, bytes int, message string) error {
	if bytes > t.env.Limits.BlobBytes {
		return oversized(cause, message, "blob_bytes_max", bytes)
	}
	t.warn("blob_bytes_warn", bytes, t.env.Limits.BlobBytesWarn)
	return nil
}

// memoTooLarge is the same for a memo.
func (t *transition) memoTooLarge(cause enumspb.WorkflowTaskFailedCause, memo *commonpb.Memo, message string) error {
	bytes := proto.Size(memo)
	if bytes > t.env.Limits.MemoBytes {
		return oversized(cause, message, "memo_bytes_max", bytes)
	}
	t.warn("memo_bytes_warn", bytes, t.env.Limits.MemoBytesWarn)
	return nil
}

func oversized(cause enumspb.WorkflowTaskFailedCause, message, limit string, bytes int) error {
	return &taskFailure{cause: cause, message: message, terminate: true, passed: []Passed{{Limit: limit, Size: int64(bytes)}}}
}
