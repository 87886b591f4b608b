package sim

import (
	"strconv"
	"strings"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// progress is what a history tells of a plan.
type progress struct {
	plan      *plan
	cron      bool
	begun     map[int]bool
	outcomes  map[int]string
	scheduled map[int64]int // event → step
	signals   int
	cancelled bool
}

func read(events []*historypb.HistoryEvent) *progress {
	p := &progress{plan: &plan{}, begun: map[int]bool{}, outcomes: map[int]string{}, scheduled: map[int64]int{}}
	for _, e := range events {
		p.note(e)
	}
	return p
}

func (p *progress) note(e *historypb.HistoryEvent) {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes:
		decode(a.WorkflowExecutionStartedEventAttributes.Input, p.plan)
		p.cron = a.WorkflowExecutionStartedEventAttributes.CronSchedule != ""
	case *historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes:
		p.signals++
	case *historypb.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes:
		p.cancelled = true
	case *historypb.HistoryEvent_TimerStartedEventAttributes:
		p.begun[index(a.TimerStartedEventAttributes.TimerId)] = true
	case *historypb.HistoryEvent_TimerFiredEventAttributes:
		p.outcomes[index(a.TimerFiredEventAttributes.TimerId)] = "ok"
	case *historypb.HistoryEvent_ActivityTaskScheduledEventAttributes:
		p.begin(e, index(a.ActivityTaskScheduledEventAttributes.ActivityId))
	case *historypb.HistoryEvent_ActivityTaskCompletedEventAttributes:
		p.outcomes[p.scheduled[a.ActivityTaskCompletedEventAttributes.ScheduledEventId]] = "ok"
	case *historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes:
		p.outcomes[p.scheduled[a.ActivityTaskTimedOutEventAttributes.ScheduledEventId]] = "lost"
	case *historypb.HistoryEvent_ActivityTaskFailedEventAttributes:
		p.outcomes[p.scheduled[a.ActivityTaskFailedEventAttributes.ScheduledEventId]] = "failed"
	default:
		p.noteChild(e)
	}
}

func (p *progress) noteChild(e *historypb.HistoryEvent) {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_StartChildWorkflowExecutionInitiatedEventAttributes:
		id := a.StartChildWorkflowExecutionInitiatedEventAttributes.WorkflowId
		p.begin(e, index(id[strings.LastIndexByte(id, '/')+1:]))
	case *historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes:
		var result string
		decode(a.ChildWorkflowExecutionCompletedEventAttributes.Result, &result)
		p.outcomes[p.scheduled[a.ChildWorkflowExecutionCompletedEventAttributes.InitiatedEventId]] = "[" + result + "]"
	case *historypb.HistoryEvent_StartChildWorkflowExecutionFailedEventAttributes:
		p.outcomes[p.scheduled[a.StartChildWorkflowExecutionFailedEventAttributes.InitiatedEventId]] = "not started"
	}
}

func (p *progress) begin(e *historypb.HistoryEvent, i int) {
	p.begun[i] = true
	p.scheduled[e.EventId] = i
}

// decideTask answers a workflow task: a plan's next step, and every update at once.
func decideTask(task *workflowservice.PollWorkflowTaskQueueResponse) *workflowservice.RespondWorkflowTaskCompletedRequest {
	r := &workflowservice.RespondWorkflowTaskCompletedRequest{Namespace: namespaceName, TaskToken: task.TaskToken, Identity: "worker"}
	for _, m := range task.Messages {
		answerUpdate(r, m)
	}
	p := read(task.History.Events)
	if command := p.next(task.WorkflowExecution); command != nil {
		r.Commands = append(r.Commands, command)
	}
	return r
}

// next is the command that the plan asks for now; nil: wait.
func (p *progress) next(run *commonpb.WorkflowExecution) *commandpb.Command {
	if p.cancelled {
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_CancelWorkflowExecutionCommandAttributes{
			CancelWorkflowExecutionCommandAttributes: &commandpb.CancelWorkflowExecutionCommandAttributes{},
		}}
	}
	done := p.plan.Done
	for i, s := range p.plan.Steps {
		outcome, ended := p.outcomes[i]
		switch {
		case ended:
			done = append(done, outcome)
		case p.begun[i]:
			return nil
		case s.Again:
			return again(&plan{Steps: p.plan.Steps[i+1:], Signals: max(0, p.plan.Signals-p.signals), Done: done})
		default:
			return take(run, i, s)
		}
	}
	if p.signals < p.plan.Signals {
		return nil
	}
	return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{
		CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{Result: encode(strings.Join(done, " "))},
	}}
}

func again(rest *plan) *commandpb.Command {
	return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_ContinueAsNewWorkflowExecutionCommandAttributes{
		ContinueAsNewWorkflowExecutionCommandAttributes: &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{
			WorkflowType: workflowType(), TaskQueue: queue(), Input: encode(rest),
		},
	}}
}

// take begins a step.
func take(run *commonpb.WorkflowExecution, i int, s step) *commandpb.Command {
	id := strconv.Itoa(i)
	switch {
	case s.Activity != nil:
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{
			ScheduleActivityTaskCommandAttributes: scheduleActivity(id, s.Activity),
		}}
	case s.Child != nil:
		return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, Attributes: &commandpb.Command_StartChildWorkflowExecutionCommandAttributes{
			StartChildWorkflowExecutionCommandAttributes: &commandpb.StartChildWorkflowExecutionCommandAttributes{
				WorkflowId: run.WorkflowId + "/" + run.RunId[:8] + "/" + id, WorkflowType: workflowType(), TaskQueue: queue(), Input: encode(s.Child),
			},
		}}
	}
	return &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_START_TIMER, Attributes: &commandpb.Command_StartTimerCommandAttributes{
		StartTimerCommandAttributes: &commandpb.StartTimerCommandAttributes{TimerId: id, StartToFireTimeout: durationpb.New(s.Timer)},
	}}
}

func scheduleActivity(id string, a *activityStep) *commandpb.ScheduleActivityTaskCommandAttributes {
	scheduled := &commandpb.ScheduleActivityTaskCommandAttributes{
		ActivityId: id, ActivityType: &commonpb.ActivityType{Name: "work"}, TaskQueue: queue(), Input: encode(a),
		StartToCloseTimeout: durationpb.New(10 * time.Second),
	}
	if a.Once {
		scheduled.RetryPolicy = &commonpb.RetryPolicy{MaximumAttempts: 1}
	}
	return scheduled
}

// answerUpdate accepts and completes an update.
func answerUpdate(r *workflowservice.RespondWorkflowTaskCompletedRequest, m *protocolpb.Message) {
	request := &updatepb.Request{}
	if err := m.Body.UnmarshalTo(request); err != nil {
		panic("an update came back changed: " + err.Error())
	}
	add(r, m.ProtocolInstanceId, "/accept", &updatepb.Acceptance{
		AcceptedRequestMessageId: m.Id, AcceptedRequestSequencingEventId: m.GetEventId(), AcceptedRequest: request,
	})
	add(r, m.ProtocolInstanceId, "/complete", &updatepb.Response{
		Meta: request.Meta, Outcome: &updatepb.Outcome{Value: &updatepb.Outcome_Success{Success: encode("done")}},
	})
}

func add(r *workflowservice.RespondWorkflowTaskCompletedRequest, instance, suffix string, body proto.Message) {
	packed, err := anypb.New(body)
	if err != nil {
		panic(err) // messages of the protocol always pack
	}
	r.Messages = append(r.Messages, &protocolpb.Message{Id: instance + suffix, ProtocolInstanceId: instance, Body: packed})
	r.Commands = append(r.Commands, &commandpb.Command{CommandType: enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE, Attributes: &commandpb.Command_ProtocolMessageCommandAttributes{
		ProtocolMessageCommandAttributes: &commandpb.ProtocolMessageCommandAttributes{MessageId: instance + suffix},
	}})
}
