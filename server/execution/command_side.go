package execution

import (
	"slices"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/activity"
	"perdure/visibility/attr"
)

const (
	badTimer       = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES
	badTimerCancel = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES
	badMarker      = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_RECORD_MARKER_ATTRIBUTES
	badAttributes  = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES
	badProperties  = enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES
)

func (t *transition) startTimer(b *batch, a *commandpb.StartTimerCommandAttributes) error {
	limit := t.env.Limits.IDBytes
	switch {
	case a == nil:
		return fail(badTimer, "StartTimerCommandAttributes is not set on StartTimerCommand.")
	case a.TimerId == "":
		return fail(badTimer, "TimerId is not set on StartTimerCommand.")
	case len(a.TimerId) > limit:
		return fail(badTimer, "TimerId on StartTimerCommand exceeds length limit. TimerId=%s Length=%d Limit=%d", a.TimerId, len(a.TimerId), limit)
	}
	if err := activity.ValidDuration(a.StartToFireTimeout); err != nil {
		return fail(badTimer, "An invalid StartToFireTimeout is set on StartTimerCommand: %v. TimerId=%s", err, a.TimerId)
	}
	if t.s.Timers.get(a.TimerId) != nil {
		return fail(enumspb.WORKFLOW_TASK_FAILED_CAUSE_START_TIMER_DUPLICATE_ID,
			"invalid history builder state for action: add-timer-started-event, TimerID: %s", a.TimerId)
	}
	e := t.event(enumspb.EVENT_TYPE_TIMER_STARTED)
	e.Attributes = &historypb.HistoryEvent_TimerStartedEventAttributes{
		TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{
			TimerId: a.TimerId, StartToFireTimeout: activity.Capped(a.StartToFireTimeout), WorkflowTaskCompletedEventId: b.completedID,
		},
	}
	t.append(e)
	return nil
}

func (t *transition) cancelTimer(b *batch, a *commandpb.CancelTimerCommandAttributes) error {
	limit := t.env.Limits.IDBytes
	switch {
	case a == nil:
		return fail(badTimerCancel, "CancelTimerCommandAttributes is not set on CancelTimerCommand.")
	case a.TimerId == "":
		return fail(badTimerCancel, "TimerId is not set on CancelTimerCommand.")
	case len(a.TimerId) > limit:
		return fail(badTimerCancel, "TimerId on CancelTimerCommand exceeds length limit. TimerId=%s Length=%d Limit=%d", a.TimerId, len(a.TimerId), limit)
	}
	startedID := int64(0)
	if timer := t.s.Timers.get(a.TimerId); timer != nil {
		startedID = timer.StartedEventID
	} else if startedID = t.unbufferTimer(a.TimerId); startedID == 0 {
		return fail(badTimerCancel, "invalid history builder state for action: add-timer-canceled-event, TimerID: %s", a.TimerId)
	}
	e := t.event(enumspb.EVENT_TYPE_TIMER_CANCELED)
	e.Attributes = &historypb.HistoryEvent_TimerCanceledEventAttributes{
		TimerCanceledEventAttributes: &historypb.TimerCanceledEventAttributes{
			TimerId: a.TimerId, StartedEventId: startedID, WorkflowTaskCompletedEventId: b.completedID, Identity: b.request.Identity,
		},
	}
	t.append(e)
	return nil
}

// unbufferTimer takes the firing of a timer out of the buffer, as if it had
// not fired. It returns the started event, 0 when there is no such firing.
func (t *transition) unbufferTimer(id string) int64 {
	fired := func(e *historypb.HistoryEvent) bool {
		return e.GetTimerFiredEventAttributes().GetTimerId() == id && id != ""
	}
	i := slices.IndexFunc(t.s.Buffered, fired)
	if i < 0 {
		return 0
	}
	startedID := t.s.Buffered[i].GetTimerFiredEventAttributes().GetStartedEventId()
	t.s.Buffered = slices.Delete(slices.Clone(t.s.Buffered), i, i+1)
	return startedID
}

func (t *transition) recordMarker(b *batch, a *commandpb.RecordMarkerCommandAttributes) error {
	limit := t.env.Limits.IDBytes
	switch {
	case a == nil:
		return fail(badMarker, "RecordMarkerCommandAttributes is not set on RecordMarkerCommand.")
	case a.MarkerName == "":
		return fail(badMarker, "MarkerName is not set on RecordMarkerCommand.")
	case len(a.MarkerName) > limit:
		return fail(badMarker, "MarkerName on RecordMarkerCommand exceeds length limit. MarkerName=%s Length=%d Limit=%d", a.MarkerName, len(a.MarkerName), limit)
	}
	size := 0
	for name, details := range a.Details {
		size += len(name) + proto.Size(details)
	}
	if err := t.tooLarge(badMarker, size, "RecordMarkerCommandAttributes.Details exceeds size limit."); err != nil {
		return err
	}
	e := t.event(enumspb.EVENT_TYPE_MARKER_RECORDED)
	e.Attributes = &historypb.HistoryEvent_MarkerRecordedEventAttributes{
		MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{
			MarkerName: a.MarkerName, Details: a.Details, WorkflowTaskCompletedEventId: b.completedID, Header: a.Header, Failure: a.Failure,
		},
	}
	t.append(e)
	return nil
}

func (t *transition) upsertSearchAttributes(b *batch, a *commandpb.UpsertWorkflowSearchAttributesCommandAttributes) error {
	switch {
	case a == nil:
		return fail(badAttributes, "UpsertWorkflowSearchAttributesCommandAttributes is not set on UpsertWorkflowSearchAttributesCommand.")
	case a.SearchAttributes == nil:
		return fail(badAttributes, "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.")
	case len(a.SearchAttributes.IndexedFields) == 0:
		return fail(badAttributes, "IndexedFields is empty on UpsertWorkflowSearchAttributesCommand.")
	}
	if err := t.checkSearchAttributes(a.SearchAttributes); err != nil {
		return err
	}
	e := t.event(enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES)
	e.Attributes = &historypb.HistoryEvent_UpsertWorkflowSearchAttributesEventAttributes{
		UpsertWorkflowSearchAttributesEventAttributes: &historypb.UpsertWorkflowSearchAttributesEventAttributes{
			WorkflowTaskCompletedEventId: b.completedID,
			SearchAttributes:             t.env.Namespace.AttributeKeys.Tag(typed(t.env.Namespace.SearchAttributes, a.SearchAttributes)),
		},
	}
	t.append(e)
	t.visibility = true
	return nil
}

// typed gives every value its type, also those that remove an attribute.
func typed(custom attr.Types, sa *commonpb.SearchAttributes) *commonpb.SearchAttributes {
	fields := make(map[string]*commonpb.Payload, len(sa.IndexedFields))
	for name, payload := range sa.IndexedFields {
		if attr.IsNull(payload) {
			kind, _ := attr.TypeOf(custom, name)
			removal := proto.CloneOf(payload)
			removal.Metadata["type"] = []byte(kind.String())
			fields[name] = removal
		}
	}
	for name, payload := range attr.Canonical(custom, sa).GetIndexedFields() {
		fields[name] = payload
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

func (t *transition) checkSearchAttributes(sa *commonpb.SearchAttributes) error {
	if err := attr.Validate(t.env.Namespace.Name, t.env.Namespace.SearchAttributes, sa); err != nil {
		return fail(badAttributes, "%v", err)
	}
	return nil
}

// checkDefined is for attributes of another run: that the namespace has them is checked before anything else.
func (t *transition) checkDefined(sa *commonpb.SearchAttributes) error {
	if err := attr.Defined(t.env.Namespace.Name, t.env.Namespace.SearchAttributes, sa); err != nil {
		return fail(badAttributes, "%v", err)
	}
	return nil
}

func (t *transition) modifyProperties(b *batch, a *commandpb.ModifyWorkflowPropertiesCommandAttributes) error {
	switch {
	case a == nil:
		return fail(badProperties, "ModifyWorkflowPropertiesCommandAttributes is not set on ModifyWorkflowPropertiesCommand.")
	case len(a.UpsertedMemo.GetFields()) == 0:
		return fail(badProperties, "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.")
	}
	if err := t.checkUpsertedMemo(a.UpsertedMemo); err != nil {
		return err
	}
	e := t.event(enumspb.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED)
	e.Attributes = &historypb.HistoryEvent_WorkflowPropertiesModifiedEventAttributes{
		WorkflowPropertiesModifiedEventAttributes: &historypb.WorkflowPropertiesModifiedEventAttributes{
			WorkflowTaskCompletedEventId: b.completedID, UpsertedMemo: a.UpsertedMemo,
		},
	}
	t.append(e)
	t.visibility = true
	return nil
}

// checkUpsertedMemo bounds what a command adds, and the memo as a whole.
func (t *transition) checkUpsertedMemo(upsert *commonpb.Memo) error {
	size := 0
	for key, value := range upsert.GetFields() {
		size += len(key) + len(value.GetData())
	}
	if err := t.tooLarge(badProperties, size, "ModifyWorkflowPropertiesCommandAttributes exceeds size limit."); err != nil {
		return err
	}
	return t.memoTooLarge(badProperties, mergeMemo(t.s.Memo, upsert), "ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit.")
}
