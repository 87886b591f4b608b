package execution

import (
	"fmt"
	"slices"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	"go.temporal.io/api/serviceerror"
	updatepb "go.temporal.io/api/update/v1"
	"google.golang.org/protobuf/proto"
)

const badMessage = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE

const updateNotFound = "update %s wasn't found on the server. This is most likely a transient error which will be resolved automatically by retries"

// admitUpdate takes an update, or finds the one with its id.
func (t *transition) admitUpdate(c AdmitUpdate) error {
	if t.s.Paused() {
		return serviceerror.NewFailedPrecondition("Workflow is paused. Cannot update the workflow.")
	}
	id := c.Request.GetMeta().GetUpdateId()
	if known := t.s.Updates.get(id); known != nil {
		if err := t.attachToUpdate(known, c.Request); err != nil {
			return err
		}
		t.reply = &UpdateState{Update: *t.s.Updates.get(id)}
		return nil
	}
	if err := t.mayAdmit(c); err != nil {
		return err
	}
	if err := t.mayRegisterOf(id, c.Request.GetCompletionCallbacks()); err != nil {
		return err
	}
	t.s.UpdateCount++
	u := &Update{ID: id, Stage: UpdateAdmitted, Order: t.s.UpdateCount, Request: c.Request}
	t.s.Updates.put(id, u)
	t.reply = &UpdateState{Update: *u, IsNew: true}
	t.scheduleSpeculative()
	return nil
}

func (t *transition) mayAdmit(c AdmitUpdate) error {
	switch {
	case !t.s.Open():
		return errCompleted()
	case t.s.CloseAttempted && t.s.TaskStarted():
		return errClosing()
	case t.s.Task != nil && t.s.Task.Attempt >= 3:
		return serviceerror.NewWorkflowNotReady("Unable to perform workflow execution update due to Workflow Task in failed state.")
	}
	return t.roomForUpdate(c)
}

func (t *transition) roomForUpdate(c AdmitUpdate) error {
	limits := t.env.Limits
	inFlight, total, bytes := 0, int64(0), proto.Size(c.Request)
	for _, u := range t.s.Updates.entries {
		total++
		if u.Stage < UpdateCompleted {
			inFlight++
			bytes += proto.Size(u.Request)
		}
	}
	switch {
	case inFlight >= limits.UpdatesInFlight:
		return errTooManyUpdates("limit on number of concurrent in-flight updates has been reached (%d)", limits.UpdatesInFlight)
	case bytes > limits.UpdateBytesInFlight:
		return errTooManyUpdates("limit on total payload size of in-flight updates has been reached (%d bytes)", limits.UpdateBytesInFlight)
	case total >= limits.Updates:
		return serviceerror.NewFailedPrecondition(fmt.Sprintf("The limit on the total number of distinct updates in this workflow has been reached (%d).", limits.Updates))
	}
	return nil
}

func errTooManyUpdates(format string, limit int) error {
	return &serviceerror.ResourceExhausted{
		Cause: enumspb.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT, Scope: enumspb.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
		Message: fmt.Sprintf(format, limit),
	}
}

// scheduleSpeculative makes a task pending that only carries updates. Unless
// it comes to something, history will not know of it, and a first task whose
// delay runs is still due at its end.
func (t *transition) scheduleSpeculative() {
	if !t.s.Open() || t.s.Paused() || t.s.Task != nil {
		return
	}
	if t.s.TaskAttempt > 1 {
		t.scheduleTask()
		return
	}
	t.assignBuild()
	task := t.newTask()
	task.Kind, task.ScheduledEventID, task.Stamp = TaskSpeculative, t.s.NextEventID, t.stamp()
	if task.StickyUntil.IsZero() {
		task.StickyUntil = t.env.Now.Add(t.env.Limits.SpeculativeScheduleToStart)
	}
	t.s.Task = task
}

// protocolMessage carries out the message that a command names, in the order of commands.
func (t *transition) protocolMessage(b *batch, a *commandpb.ProtocolMessageCommandAttributes) error {
	if a == nil {
		return fail(badMessage, "ProtocolMessageCommandAttributes is not set on ProtocolMessageCommand.")
	}
	if a.GetMessageId() == "" {
		return fail(badMessage, "MessageID is not set on ProtocolMessageCommand.")
	}
	i := slices.IndexFunc(b.messages, func(m *protocolpb.Message) bool { return m.GetId() == a.MessageId })
	if i < 0 {
		return fail(badMessage, "ProtocolMessageCommand referenced absent message ID %s", a.MessageId)
	}
	m := b.messages[i]
	b.messages = slices.Delete(b.messages, i, i+1)
	return t.runMessage(b, m)
}

// runRemainingMessages takes the messages that no command named: they come after all commands.
func (t *transition) runRemainingMessages(b *batch) error {
	for _, m := range b.messages {
		if err := t.runMessage(b, m); err != nil {
			return err
		}
	}
	return nil
}

// runLateMessages takes the messages that come after the close: what is accepted then ends with the run.
func (t *transition) runLateMessages(b *batch) error {
	for _, m := range b.messages {
		body, err := bodyOf(m)
		if err != nil {
			return err
		}
		id := m.ProtocolInstanceId
		state := t.updateState(b, id)
		switch body := body.(type) {
		case *updatepb.Acceptance:
			if state == "" && body.AcceptedRequest == nil {
				return fail(badMessage, updateNotFound, id)
			}
			if isUnanswered(state) {
				t.abortUpdate(id)
			}
			b.updates[id] = stateAborted
		case *updatepb.Response:
			if state == "" {
				return fail(badMessage, updateNotFound, id)
			}
		default:
			if err := t.runMessage(b, m); err != nil {
				return err
			}
		}
	}
	return nil
}

func bodyOf(m *protocolpb.Message) (proto.Message, error) {
	if m.GetBody() == nil {
		return nil, serviceerror.NewInvalidArgument("nil message body")
	}
	body, err := m.Body.UnmarshalNew()
	if err != nil {
		return nil, serviceerror.NewInvalidArgument(err.Error())
	}
	return body, nil
}

func (t *transition) runMessage(b *batch, m *protocolpb.Message) error {
	body, err := bodyOf(m)
	if err != nil {
		return err
	}
	switch body := body.(type) {
	case *updatepb.Acceptance:
		return t.acceptUpdate(b, m.ProtocolInstanceId, body)
	case *updatepb.Rejection:
		return t.runRejection(b, m.ProtocolInstanceId, body)
	case *updatepb.Response:
		return t.answerUpdate(b, m.ProtocolInstanceId, body)
	}
	name := body.ProtoReflect().Descriptor().FullName()
	if name.Parent() != updatePackage {
		return fail(badMessage, "unsupported protocol type %s", name.Parent())
	}
	return fail(badMessage, "Message type *update.%s not supported", name.Name())
}

const updatePackage = "temporal.api.update.v1"

// The states of an update that clients know by name, within the answer to a task.
const (
	stateAdmitted      = "Admitted"
	stateSent          = "Sent"
	stateTaken         = "ProvisionallyAccepted" // by an earlier message of the same answer
	stateAccepted      = "Accepted"
	stateNewlyComplete = "ProvisionallyCompleted"
	stateCompleted     = "Completed"
	stateAborted       = "Aborted"
)

// updateState is empty for an update that the run does not know.
func (t *transition) updateState(b *batch, id string) string {
	if state, known := b.updates[id]; known {
		return state
	}
	u := t.s.Updates.get(id)
	switch {
	case u == nil:
		return ""
	case u.Stage == UpdateSent, u.InHistory && u.Stage == UpdateAdmitted:
		return stateSent
	case u.Stage == UpdateAdmitted:
		return stateAdmitted
	case u.Stage == UpdateAccepted:
		return stateAccepted
	}
	return stateCompleted
}

// isUnanswered tells whether an update in the state may be accepted or rejected.
func isUnanswered(state string) bool { return state == stateAdmitted || state == stateSent }

// wrongState refuses a message about an update that is too far, or not far enough.
func wrongState(id string, message proto.Message, state string) error {
	return fail(badMessage, "invalid state transition attempted for Update %s: received *update.%s message while in state %s",
		id, message.ProtoReflect().Descriptor().Name(), state)
}

func (t *transition) acceptUpdate(b *batch, id string, a *updatepb.Acceptance) error {
	request := a.AcceptedRequest
	switch state := t.updateState(b, id); {
	case state == "" && request == nil:
		return fail(badMessage, updateNotFound, id)
	case state != "" && !isUnanswered(state):
		return wrongState(id, a, state)
	case a.AcceptedRequestMessageId == "":
		return fail(badMessage, "invalid *update.Acceptance: accepted_request_message_id is not set")
	case a.AcceptedRequestSequencingEventId == 0:
		return fail(badMessage, "invalid *update.Acceptance: accepted_request_sequencing_event_id is not set")
	case state != "":
		request = t.s.Updates.get(id).Request // nil when the event that admitted it has it
	}
	b.updates[id] = stateTaken
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes{
		WorkflowExecutionUpdateAcceptedEventAttributes: &historypb.WorkflowExecutionUpdateAcceptedEventAttributes{
			ProtocolInstanceId: id, AcceptedRequestMessageId: id + "/request",
			AcceptedRequestSequencingEventId: a.AcceptedRequestSequencingEventId, AcceptedRequest: request,
		},
	}
	t.append(e)
	t.updates = append(t.updates, UpdateResult{ID: id, Stage: UpdateAccepted})
	return nil
}

func (t *transition) answerUpdate(b *batch, id string, r *updatepb.Response) error {
	switch state := t.updateState(b, id); {
	case state == "":
		return fail(badMessage, updateNotFound, id)
	case state != stateAccepted && state != stateTaken:
		return wrongState(id, r, state)
	case r.Meta == nil:
		return fail(badMessage, "invalid *update.Response: meta is not set")
	case r.Meta.UpdateId != id:
		return fail(badMessage, "invalid *update.Response: meta.update_id != %s", id)
	case r.Outcome == nil:
		return fail(badMessage, "invalid *update.Response: outcome is not set")
	}
	b.updates[id] = stateNewlyComplete
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionUpdateCompletedEventAttributes{
		WorkflowExecutionUpdateCompletedEventAttributes: &historypb.WorkflowExecutionUpdateCompletedEventAttributes{
			Meta: r.Meta, AcceptedEventId: t.s.Updates.get(id).AcceptedEventID, Outcome: r.Outcome,
		},
	}
	t.append(e)
	t.updates = append(t.updates, UpdateResult{ID: id, Stage: UpdateCompleted, Outcome: r.Outcome})
	return nil
}

func (t *transition) runRejection(b *batch, id string, r *updatepb.Rejection) error {
	switch state := t.updateState(b, id); {
	case state == "" && r.RejectedRequest == nil:
		return fail(badMessage, updateNotFound, id)
	case state != "" && !isUnanswered(state):
		return wrongState(id, r, state)
	}
	b.updates[id] = stateNewlyComplete
	t.rejectUpdate(id, r.Failure)
	return nil
}

// rejectUpdate forgets the update: history does not tell of updates that were refused.
func (t *transition) rejectUpdate(id string, failure *failurepb.Failure) {
	t.s.Updates.drop(id)
	t.updates = append(t.updates, UpdateResult{ID: id, Stage: UpdateCompleted, Outcome: failed(failure)})
}

func failed(failure *failurepb.Failure) *updatepb.Outcome {
	return &updatepb.Outcome{Value: &updatepb.Outcome_Failure{Failure: failure}}
}

// rejectUnprocessed refuses the updates that a worker got but did not answer:
// it does not know how to.
func (t *transition) rejectUnprocessed() {
	for _, u := range t.s.openUpdates() {
		if u.Stage != UpdateSent {
			continue
		}
		t.rejectUpdate(u.ID, &failurepb.Failure{
			Message: "Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.",
			Source:  "Server",
			FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{
				Type: "UnprocessedUpdate", NonRetryable: true,
			}},
		})
	}
}

// refuseSentUpdates answers those who wait for an update that a worker had
// when its answer turned out to be bad.
func (t *transition) refuseSentUpdates(f *taskFailure) {
	for _, u := range t.s.openUpdates() {
		if u.Stage != UpdateSent {
			continue
		}
		t.s.Updates.drop(u.ID)
		t.updates = append(t.updates, UpdateResult{ID: u.ID, Err: serviceerror.NewWorkflowNotReady("Unable to perform workflow execution update due to unexpected workflow task failure.")})
	}
}

// endUpdates answers those who wait for updates of a run that closes.
func (t *transition) endUpdates(continues bool) {
	for _, u := range t.s.Updates.values() {
		switch {
		case u.Stage < UpdateAccepted && continues:
			t.updates = append(t.updates, UpdateResult{ID: u.ID, Err: errClosing()})
		case u.Stage < UpdateAccepted:
			t.abortUpdate(u.ID)
		case u.Stage == UpdateAccepted:
			t.updates = append(t.updates, UpdateResult{ID: u.ID, Stage: UpdateCompleted, Outcome: AcceptedOutcome()})
		}
	}
}

// abortUpdate forgets an update that nobody accepted before its run closed.
func (t *transition) abortUpdate(id string) {
	t.s.Updates.drop(id)
	t.updates = append(t.updates, UpdateResult{ID: id, Err: serviceerror.NewNotFound("workflow update was aborted by closing workflow")})
}

// AcceptedOutcome is the outcome of an update that was accepted when its run closed.
func AcceptedOutcome() *updatepb.Outcome {
	return failed(&failurepb.Failure{
		Message: "Workflow Update failed because the Workflow completed before the Update completed.",
		Source:  "Server",
		FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{
			Type: "AcceptedUpdateCompletedWorkflow", NonRetryable: true,
		}},
	})
}
