package execution

import (
	"fmt"
	"strings"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// memo has one key with a value and one without.
func (a args) memo() *commonpb.Memo {
	if !a.has("memo-null") {
		return nil
	}
	return &commonpb.Memo{Fields: map[string]*commonpb.Payload{
		"kept": {Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`1`)}, "none": {Metadata: map[string][]byte{"encoding": []byte("binary/null")}},
	}}
}

// completion is a worker's answer: one command or message a line.
func completion(a args, lines string) *workflowservice.RespondWorkflowTaskCompletedRequest {
	request := &workflowservice.RespondWorkflowTaskCompletedRequest{
		Identity: "worker", ForceCreateNewWorkflowTask: a.has("force"), ReturnNewWorkflowTask: a.has("return-new"),
	}
	if a.has("sticky") {
		request.StickyAttributes = stickyOn(a["sticky"], a.text("sticky-timeout", "5s"))
	}
	request.BinaryChecksum = a["binary"]
	if a.has("build") {
		request.WorkerVersionStamp = &commonpb.WorkerVersionStamp{BuildId: a["build"]}
	}
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		addAnswer(request, words[0], lineArgs(words[1:]))
	}
	return request
}

func stickyOn(queue, timeout string) *taskqueuepb.StickyExecutionAttributes {
	return &taskqueuepb.StickyExecutionAttributes{
		WorkerTaskQueue:        &taskqueuepb.TaskQueue{Name: queue, Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: "q"},
		ScheduleToStartTimeout: args{"t": timeout}.wire("t"),
	}
}

func addAnswer(request *workflowservice.RespondWorkflowTaskCompletedRequest, name string, a args) {
	id := a["id"]
	switch name {
	case "accept", "reject", "respond":
		m := updateMessage(name, id, a)
		request.Messages = append(request.Messages, m)
		if name == "reject" || a.has("bare") {
			return
		}
		request.Commands = append(request.Commands, &commandpb.Command{
			CommandType: enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE,
			Attributes:  &commandpb.Command_ProtocolMessageCommandAttributes{ProtocolMessageCommandAttributes: &commandpb.ProtocolMessageCommandAttributes{MessageId: m.Id}},
		})
		return
	}
	c := commandOf(name, a)
	if a.has("summary") {
		c.UserMetadata = &sdkpb.UserMetadata{Summary: TextPayload(a["summary"]).Payloads[0]}
	}
	request.Commands = append(request.Commands, c)
}

func updateMessage(name, id string, a args) *protocolpb.Message {
	var body proto.Message
	switch name {
	case "accept":
		acceptance := &updatepb.Acceptance{AcceptedRequestMessageId: id + "/request", AcceptedRequestSequencingEventId: 2}
		if a.has("with-request") {
			acceptance.AcceptedRequest = updateRequest(id)
		}
		body = acceptance
	case "reject":
		body = &updatepb.Rejection{RejectedRequestMessageId: id + "/request", Failure: args{"message": "no"}.failure()}
	case "respond":
		body = &updatepb.Response{Meta: &updatepb.Meta{UpdateId: id}, Outcome: &updatepb.Outcome{Value: &updatepb.Outcome_Success{Success: TextPayload("yes")}}}
	}
	packed, err := anypb.New(body)
	if err != nil {
		panic(err)
	}
	return &protocolpb.Message{Id: id + "/" + name, ProtocolInstanceId: id, Body: packed}
}

func commandOf(name string, a args) *commandpb.Command {
	if c := closingCommand(name, a); c != nil {
		return c
	}
	if c := remoteCommandOf(name, a); c != nil {
		return c
	}
	id := a["id"]
	switch name {
	case "activity":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{ScheduleActivityTaskCommandAttributes: activityAttributes(id, a)}}
	case "cancel-activity":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK, Attributes: &commandpb.Command_RequestCancelActivityTaskCommandAttributes{RequestCancelActivityTaskCommandAttributes: &commandpb.RequestCancelActivityTaskCommandAttributes{ScheduledEventId: a.number("event")}}}
	case "timer":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_START_TIMER, Attributes: &commandpb.Command_StartTimerCommandAttributes{StartTimerCommandAttributes: &commandpb.StartTimerCommandAttributes{TimerId: id, StartToFireTimeout: durationpb.New(a.duration("after"))}}}
	case "cancel-timer":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_CANCEL_TIMER, Attributes: &commandpb.Command_CancelTimerCommandAttributes{CancelTimerCommandAttributes: &commandpb.CancelTimerCommandAttributes{TimerId: id}}}
	case "marker":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_RECORD_MARKER, Attributes: &commandpb.Command_RecordMarkerCommandAttributes{RecordMarkerCommandAttributes: &commandpb.RecordMarkerCommandAttributes{MarkerName: a.text("name", "m"), Details: map[string]*commonpb.Payloads{"data": a.payloads("details")}}}}
	case "upsert":
		fields := map[string]*commonpb.Payload{a.text("name", "City"): TextPayload(a["value"]).Payloads[0]}
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, Attributes: &commandpb.Command_UpsertWorkflowSearchAttributesCommandAttributes{UpsertWorkflowSearchAttributesCommandAttributes: &commandpb.UpsertWorkflowSearchAttributesCommandAttributes{SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields}}}}
	case "memo":
		fields := map[string]*commonpb.Payload{a.text("name", "note"): a.payloads("value").Payloads[0]}
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES, Attributes: &commandpb.Command_ModifyWorkflowPropertiesCommandAttributes{ModifyWorkflowPropertiesCommandAttributes: &commandpb.ModifyWorkflowPropertiesCommandAttributes{UpsertedMemo: &commonpb.Memo{Fields: fields}}}}
	case "message":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE, Attributes: &commandpb.Command_ProtocolMessageCommandAttributes{ProtocolMessageCommandAttributes: &commandpb.ProtocolMessageCommandAttributes{MessageId: id}}}
	}
	panic(fmt.Sprintf("no such command: %s", name))
}

func activityAttributes(id string, a args) *commandpb.ScheduleActivityTaskCommandAttributes {
	attributes := &commandpb.ScheduleActivityTaskCommandAttributes{
		ActivityId: id, ActivityType: &commonpb.ActivityType{Name: "A"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "q"}, Input: a.blob("input"),
		ScheduleToCloseTimeout: a.wire("schedule-to-close"), ScheduleToStartTimeout: a.wire("schedule-to-start"),
		StartToCloseTimeout: a.wire("start-to-close"), HeartbeatTimeout: a.wire("heartbeat"),
		RetryPolicy: a.retryPolicy(), RequestEagerExecution: a.has("eager"), UseWorkflowBuildId: a.has("own-build"),
	}
	attributes.TaskQueue.Name = a.text("queue", "q")
	if attributes.ScheduleToCloseTimeout == nil && attributes.StartToCloseTimeout == nil && !a.has("no-timeout") {
		attributes.StartToCloseTimeout = durationpb.New(args{"d": "10s"}.duration("d"))
	}
	return attributes
}

func remoteCommandOf(name string, a args) *commandpb.Command {
	id := a["id"]
	switch name {
	case "child":
		child := &commandpb.StartChildWorkflowExecutionCommandAttributes{WorkflowId: id, WorkflowType: &commonpb.WorkflowType{Name: "C"}, Input: a.blob("input"),
			TaskQueue: &taskqueuepb.TaskQueue{Name: a["queue"]}, InheritBuildId: a.has("inherit"), Memo: a.memo()}
		switch a["policy"] {
		case "abandon":
			child.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_ABANDON
		case "cancel":
			child.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL
		}
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_StartChildWorkflowExecutionCommandAttributes{StartChildWorkflowExecutionCommandAttributes: child}}
	case "signal-other":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_SignalExternalWorkflowExecutionCommandAttributes{SignalExternalWorkflowExecutionCommandAttributes: &commandpb.SignalExternalWorkflowExecutionCommandAttributes{Execution: execution(id, ""), SignalName: "hello"}}}
	case "cancel-other":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_RequestCancelExternalWorkflowExecutionCommandAttributes{RequestCancelExternalWorkflowExecutionCommandAttributes: &commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes{WorkflowId: id}}}
	}
	return nil
}

func closingCommand(name string, a args) *commandpb.Command {
	switch name {
	case "done":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{Result: a.blob("result")}}}
	case "fail":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_FailWorkflowExecutionCommandAttributes{FailWorkflowExecutionCommandAttributes: &commandpb.FailWorkflowExecutionCommandAttributes{Failure: a.failure()}}}
	case "canceled":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_CancelWorkflowExecutionCommandAttributes{CancelWorkflowExecutionCommandAttributes: &commandpb.CancelWorkflowExecutionCommandAttributes{}}}
	case "continue":
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_ContinueAsNewWorkflowExecutionCommandAttributes{ContinueAsNewWorkflowExecutionCommandAttributes: &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{
			Input: a.blob("input"), BackoffStartInterval: a.wire("backoff"), CronSchedule: a["cron"], RetryPolicy: a.retryPolicy(),
			TaskQueue: &taskqueuepb.TaskQueue{Name: a["queue"]}, InitialVersioningBehavior: initialOf(a["begins"]), InheritBuildId: a.has("inherit"), Memo: a.memo(),
			Initiator: enumspb.ContinueAsNewInitiator(enumspb.ContinueAsNewInitiator_value["CONTINUE_AS_NEW_INITIATOR_"+strings.ToUpper(a["initiator"])]),
		}}}
	}
	return nil
}
