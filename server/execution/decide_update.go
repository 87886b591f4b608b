package execution

import (
	"fmt"

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
	case t.s.WorkflowTaskFailures >= 2 || (t.s.Task != nil && t.s.Task.Attempt >= 3):
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
	for _, m := range b.request.Messages {
		if m.GetId() == a.MessageId {
			b.handled[m.Id] = true
			return t.runMessage(b, m)
		}
	}
	return fail(badMessage, "ProtocolMessageCommand referenced absent message ID %s", a.MessageId)
}

func (t *transition) runRemainingMessages(b *batch) error {
	for _, m := range b.request.Messages {
		if b.handled[m.GetId()] {
			continue
		}
		b.handled[m.GetId()] = true
		if err := t.runMessage(b, m); err != nil {
			return err
		}
	}
	return nil
}

func (t *transition) runMessage(_ *batch, m *protocolpb.Message) error {
	if m.GetBody() == nil {
		return serviceerror.NewInvalidArgument("nil message body")
	}
	body, err := m.Body.UnmarshalNew()
	if err != nil {
		return serviceerror.NewInvalidArgument(err.Error())
	}
	switch body := body.(type) {
	case *updatepb.Acceptance:
		return t.acceptUpdate(m.ProtocolInstanceId, body)
	case *updatepb.Rejection:
		return t.runRejection(m.ProtocolInstanceId, body)
	case *updatepb.Response:
		return t.answerUpdate(m.ProtocolInstanceId, body)
	}
	return fail(badMessage, "message type %s is not a message of an update", m.Body.TypeUrl)
}

func (t *transition) acceptUpdate(id string, a *updatepb.Acceptance) error {
	u := t.s.Updates.get(id)
	request := a.AcceptedRequest
	switch {
	case u != nil && u.Stage >= UpdateAccepted:
		return fail(badMessage, "update %s is accepted already", id)
	case u != nil && u.Request != nil:
		request = u.Request
	case u != nil && u.InHistory:
		request = nil // the event that admitted it has it
	case request == nil:
		return fail(badMessage, updateNotFound, id)
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED)
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes{
		WorkflowExecutionUpdateAcceptedEventAttributes: &historypb.WorkflowExecutionUpdateAcceptedEventAttributes{
			ProtocolInstanceId: id, AcceptedRequestMessageId: a.AcceptedRequestMessageId,
			AcceptedRequestSequencingEventId: a.AcceptedRequestSequencingEventId, AcceptedRequest: request,
		},
	}
	t.append(e)
	t.updates = append(t.updates, UpdateResult{ID: id, Stage: UpdateAccepted})
	return nil
}

func (t *transition) answerUpdate(id string, r *updatepb.Response) error {
	u := t.s.Updates.get(id)
	if u == nil || u.Stage != UpdateAccepted {
		return fail(badMessage, updateNotFound, id)
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED)
	meta := r.Meta
	if meta == nil {
		meta = &updatepb.Meta{UpdateId: id}
	}
	e.Attributes = &historypb.HistoryEvent_WorkflowExecutionUpdateCompletedEventAttributes{
		WorkflowExecutionUpdateCompletedEventAttributes: &historypb.WorkflowExecutionUpdateCompletedEventAttributes{
			Meta: meta, AcceptedEventId: u.AcceptedEventID, Outcome: r.Outcome,
		},
	}
	t.append(e)
	t.updates = append(t.updates, UpdateResult{ID: id, Stage: UpdateCompleted, Outcome: r.Outcome})
	return nil
}

// rejection is a worker's refusal of an update.
type rejection struct {
	id      string
	failure *failurepb.Failure
}

func asRejection(m *protocolpb.Message) *rejection {
	var body updatepb.Rejection
	if m.GetBody() == nil || !m.Body.MessageIs(&body) || m.Body.UnmarshalTo(&body) != nil {
		return nil
	}
	return &rejection{id: m.ProtocolInstanceId, failure: body.Failure}
}

func (t *transition) runRejection(id string, r *updatepb.Rejection) error {
	u := t.s.Updates.get(id)
	if u == nil && r.RejectedRequest == nil {
		return fail(badMessage, updateNotFound, id)
	}
	if u != nil && u.Stage >= UpdateAccepted {
		return fail(badMessage, "update %s is accepted already", id)
	}
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
			t.updates = append(t.updates, UpdateResult{ID: u.ID, Err: serviceerror.NewNotFound("workflow update was aborted by closing workflow")})
		case u.Stage == UpdateAccepted:
			t.updates = append(t.updates, UpdateResult{ID: u.ID, Stage: UpdateCompleted, Outcome: AcceptedOutcome()})
		}
	}
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
