package differential

import (
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// badCommand is one that a server refuses, whatever the run.
type badCommand struct {
	kind       enumspb.CommandType
	attributes proto.Message
}

// addMistake adds a command that no worker should send.
func (d *decision) addMistake() {
	if d.random.IntN(10) == 0 {
		d.messages = append(d.messages, &protocolpb.Message{Id: "stray", ProtocolInstanceId: pick(d.random, "", "nobody")})
		return
	}
	bad := pick(d.random, d.badCommands()...)
	if bad.attributes == nil {
		d.commands = append(d.commands, &commandpb.Command{CommandType: bad.kind})
		return
	}
	d.add(bad.kind, bad.attributes)
}

func (d *decision) badCommands() []badCommand {
	queue := &taskqueuepb.TaskQueue{Name: d.p.workflowID(d.w)}
	commands := []badCommand{
		{enumspb.COMMAND_TYPE_START_TIMER, nil},
		{enumspb.COMMAND_TYPE_START_TIMER, &commandpb.StartTimerCommandAttributes{TimerId: "timer-bad"}},
		{enumspb.COMMAND_TYPE_START_TIMER, &commandpb.StartTimerCommandAttributes{StartToFireTimeout: durationpb.New(time.Hour)}},
		{enumspb.COMMAND_TYPE_START_TIMER, &commandpb.StartTimerCommandAttributes{TimerId: "timer-bad", StartToFireTimeout: durationpb.New(-time.Second)}},
		{enumspb.COMMAND_TYPE_CANCEL_TIMER, &commandpb.CancelTimerCommandAttributes{}},
		{enumspb.COMMAND_TYPE_CANCEL_TIMER, &commandpb.CancelTimerCommandAttributes{TimerId: "nobody"}},
		{enumspb.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK, &commandpb.RequestCancelActivityTaskCommandAttributes{}},
		{enumspb.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK, &commandpb.RequestCancelActivityTaskCommandAttributes{ScheduledEventId: 999}},
		{enumspb.COMMAND_TYPE_RECORD_MARKER, &commandpb.RecordMarkerCommandAttributes{}},
		{enumspb.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES, &commandpb.ModifyWorkflowPropertiesCommandAttributes{}},
		{enumspb.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, &commandpb.UpsertWorkflowSearchAttributesCommandAttributes{}},
		{enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE, &commandpb.ProtocolMessageCommandAttributes{MessageId: "nobody/accept"}},
		{enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE, &commandpb.ProtocolMessageCommandAttributes{}},
		{enumspb.COMMAND_TYPE_UNSPECIFIED, nil},
		{enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, nil},
		{enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, &commandpb.FailWorkflowExecutionCommandAttributes{}},
		{enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, nil},
		{enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, nil},
		{enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, nil},
		{enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{BackoffStartInterval: durationpb.New(-time.Second)}},
	}
	return append(append(commands, d.badActivities()...), d.badTargets(queue)...)
}

func (d *decision) badActivities() []badCommand {
	var commands []badCommand
	for _, spoil := range []func(*commandpb.ScheduleActivityTaskCommandAttributes){
		func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.ActivityId = "" },
		func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.ActivityType = nil },
		func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.ScheduleToCloseTimeout = nil },
		func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.HeartbeatTimeout = durationpb.New(-1) },
		func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.RetryPolicy.MaximumAttempts = -1 },
		func(a *commandpb.ScheduleActivityTaskCommandAttributes) { a.RetryPolicy.BackoffCoefficient = 0.5 },
		func(a *commandpb.ScheduleActivityTaskCommandAttributes) {
			a.Priority = &commonpb.Priority{PriorityKey: -1}
		},
	} {
		attributes := &commandpb.ScheduleActivityTaskCommandAttributes{
			ActivityId: "activity-bad", ActivityType: &commonpb.ActivityType{Name: "work"}, TaskQueue: d.p.activityQueue(d.w, "activity-bad"),
			ScheduleToCloseTimeout: durationpb.New(time.Hour), RetryPolicy: quickRetries(d.random),
		}
		spoil(attributes)
		commands = append(commands, badCommand{enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, attributes})
	}
	return commands
}

// badTargets are commands about other workflows that name none, or one in a wrong way.
func (d *decision) badTargets(queue *taskqueuepb.TaskQueue) []badCommand {
	kind := &commonpb.WorkflowType{Name: "child"}
	return []badCommand{
		{enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, &commandpb.StartChildWorkflowExecutionCommandAttributes{WorkflowType: kind, TaskQueue: queue}},
		{enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, &commandpb.StartChildWorkflowExecutionCommandAttributes{WorkflowId: "nobody", TaskQueue: queue}},
		{enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, &commandpb.StartChildWorkflowExecutionCommandAttributes{
			Namespace: "nowhere", WorkflowId: "nobody", WorkflowType: kind, TaskQueue: queue,
		}},
		{enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, &commandpb.StartChildWorkflowExecutionCommandAttributes{
			WorkflowId: "nobody", WorkflowType: kind, TaskQueue: queue, RetryPolicy: &commonpb.RetryPolicy{MaximumAttempts: -1},
		}},
		{enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.SignalExternalWorkflowExecutionCommandAttributes{Execution: d.p.execution(d.w)}},
		{enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.SignalExternalWorkflowExecutionCommandAttributes{SignalName: "external"}},
		{enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.SignalExternalWorkflowExecutionCommandAttributes{
			SignalName: "external", Execution: &commonpb.WorkflowExecution{WorkflowId: "nobody", RunId: "no run id"},
		}},
		{enumspb.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes{}},
		{enumspb.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes{
			WorkflowId: "nobody", RunId: "no run id",
		}},
	}
}
