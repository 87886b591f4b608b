package differential

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// startToCloseQuick passes in the step that polls an activity.
const startToCloseQuick = 40 * time.Millisecond

// decision is a worker's reply to a workflow task.
type decision struct {
	p        *player
	w        int
	random   *rand.Rand
	opened   *openings
	commands []*commandpb.Command
	messages []*protocolpb.Message
	// confirmations say what the reply did to updates, once the server took it.
	confirmations []func()
	related       bool // with another workflow: its close would hide what comes of that
}

func (d *decision) confirm() {
	for _, each := range d.confirmations {
		each()
	}
}

// decide draws a reply that fits what the run has open, with a mistake now and then.
func (p *player) decide(w int, task *workflowservice.PollWorkflowTaskQueueResponse, random *rand.Rand) *decision {
	d := &decision{p: p, w: w, random: random, opened: openedBy(p.current(w).history)}
	d.addUpdates(task)
	for range random.IntN(4) {
		d.addCommand()
	}
	if !d.related && random.IntN(5) == 0 && p.mayClose(w) {
		d.addClose()
	}
	return d
}

func (d *decision) add(kind enumspb.CommandType, attributes proto.Message) {
	command := &commandpb.Command{CommandType: kind}
	if d.random.IntN(6) == 0 {
		command.UserMetadata = metadata()
	}
	setAttributes(command, attributes)
	d.commands = append(d.commands, command)
}

func (d *decision) addCommand() {
	switch d.random.IntN(13) {
	case 12:
		if d.random.IntN(2) == 0 {
			d.addMistake()
		}
	case 11:
		d.add(enumspb.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, &commandpb.UpsertWorkflowSearchAttributesCommandAttributes{
			SearchAttributes: searchAttributes(d.random),
		})
	case 0, 1:
		d.addTimer()
	case 2:
		d.add(enumspb.COMMAND_TYPE_CANCEL_TIMER, &commandpb.CancelTimerCommandAttributes{TimerId: d.knownTimer()})
	case 3, 4, 5:
		d.addActivity()
	case 6:
		d.add(enumspb.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK, &commandpb.RequestCancelActivityTaskCommandAttributes{ScheduledEventId: d.knownActivity()})
	case 7:
		d.add(enumspb.COMMAND_TYPE_RECORD_MARKER, &commandpb.RecordMarkerCommandAttributes{
			MarkerName: "mark", Details: map[string]*commonpb.Payloads{"a": payloads("b")},
		})
	case 8:
		d.addChild()
	case 9:
		d.addExternal()
	case 10:
		d.add(enumspb.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES, &commandpb.ModifyWorkflowPropertiesCommandAttributes{
			UpsertedMemo: memo(d.random),
		})
	}
}

// addTimer adds one that never fires or one that fires before the next step; of the latter one a reply, as two that are due
// at once fire in any order.
func (d *decision) addTimer() {
	timeout := time.Hour
	if !d.hasSoon() && d.random.IntN(2) == 0 {
		timeout = 20 * time.Millisecond
	}
	d.add(enumspb.COMMAND_TYPE_START_TIMER, &commandpb.StartTimerCommandAttributes{
		TimerId: fmt.Sprintf("timer-%d", d.random.IntN(6)), StartToFireTimeout: durationpb.New(timeout),
	})
}

// hasSoon tells whether the reply has a command already whose effect comes by itself.
func (d *decision) hasSoon() bool {
	return d.related || slices.ContainsFunc(d.commands, func(c *commandpb.Command) bool {
		timer, activity := c.GetStartTimerCommandAttributes(), c.GetScheduleActivityTaskCommandAttributes()
		return timer != nil && timer.GetStartToFireTimeout().AsDuration() < soon ||
			activity != nil && activity.GetScheduleToStartTimeout().AsDuration() < soon
	})
}

func (d *decision) addActivity() {
	id := anyActivity(d.random)
	attributes := &commandpb.ScheduleActivityTaskCommandAttributes{
		ActivityId: id, ActivityType: &commonpb.ActivityType{Name: pick(d.random, "work", "work", "toil")}, TaskQueue: d.p.activityQueue(d.w, id),
		Input: payloads("work"), ScheduleToCloseTimeout: durationpb.New(time.Hour), ScheduleToStartTimeout: durationpb.New(time.Hour),
	}
	switch d.random.IntN(9) {
	case 8:
		attributes.StartToCloseTimeout = durationpb.New(startToCloseQuick)
	case 0:
		if !d.hasSoon() {
			attributes.ScheduleToStartTimeout = durationpb.New(30 * time.Millisecond)
		}
	case 1:
		attributes.ScheduleToCloseTimeout, attributes.StartToCloseTimeout = nil, durationpb.New(time.Hour)
	case 2:
		attributes.HeartbeatTimeout = durationpb.New(time.Minute)
	}
	if d.random.IntN(6) == 0 && attributes.StartToCloseTimeout.AsDuration() != startToCloseQuick {
		attributes.RequestEagerExecution = true
	}
	if d.random.IntN(6) == 0 {
		attributes.Priority, attributes.Header = priority(d.random), header()
	}
	if d.random.IntN(2) == 0 {
		attributes.RetryPolicy = quickRetries(d.random)
	} else {
		attributes.RetryPolicy = &commonpb.RetryPolicy{MaximumAttempts: 1}
	}
	d.add(enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK, attributes)
}

func anyActivity(random *rand.Rand) string { return fmt.Sprintf("activity-%d", random.IntN(5)) }

// addChild starts another workflow id of the plan, which may be running. One a reply, as two start in any order.
func (d *decision) addChild() {
	target := d.random.IntN(workflows)
	if d.hasSoon() || target == d.w {
		return
	}
	d.related = true
	attributes := &commandpb.StartChildWorkflowExecutionCommandAttributes{
		Namespace: namespace, WorkflowId: d.p.workflowID(target), WorkflowType: &commonpb.WorkflowType{Name: "child"},
		TaskQueue: d.p.workflowQueue(target), Input: payloads("input"), WorkflowTaskTimeout: durationpb.New(workflowTaskTimeout),
		ParentClosePolicy: pick(d.random, enumspb.PARENT_CLOSE_POLICY_TERMINATE, enumspb.PARENT_CLOSE_POLICY_ABANDON,
			enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL),
		WorkflowIdReusePolicy: pick(d.random, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
			enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY),
	}
	d.addChildOptions(attributes)
	d.add(enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION, attributes)
}

func (d *decision) addChildOptions(attributes *commandpb.StartChildWorkflowExecutionCommandAttributes) {
	if d.random.IntN(4) == 0 {
		attributes.Memo, attributes.SearchAttributes = memo(d.random), searchAttributes(d.random)
	}
	if d.random.IntN(4) == 0 {
		attributes.RetryPolicy, attributes.Priority, attributes.Header = quickRetries(d.random), priority(d.random), header()
	}
	switch d.random.IntN(8) {
	case 0:
		attributes.CronSchedule = pick(d.random, "@every 2h", "never")
	case 1:
		attributes.WorkflowRunTimeout = durationpb.New(runTimeoutQuick)
	case 2:
		attributes.WorkflowExecutionTimeout, attributes.WorkflowRunTimeout = durationpb.New(time.Hour), durationpb.New(2*time.Hour)
	}
}

// addExternal signals or cancels another workflow, which may not be there. One a reply.
func (d *decision) addExternal() {
	if d.hasSoon() {
		return
	}
	d.related = true
	target := (d.w + 1 + d.random.IntN(workflows-1)) % workflows
	if d.random.IntN(2) == 0 {
		d.add(enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.SignalExternalWorkflowExecutionCommandAttributes{
			Namespace: namespace, Execution: d.p.execution(target), SignalName: "external", Input: payloads("signal"),
			Control: "control", ChildWorkflowOnly: d.random.IntN(4) == 0,
		})
		return
	}
	d.add(enumspb.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION, &commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes{
		Namespace: namespace, WorkflowId: d.p.workflowID(target), Control: "control", Reason: "external",
		ChildWorkflowOnly: d.random.IntN(4) == 0,
	})
}

// addClose ends the run. One that goes on as another run must not leave children behind, whose parent is then hard to tell.
func (d *decision) addClose() {
	choice := d.random.IntN(5)
	if len(d.opened.children) > 0 {
		choice %= 2
	}
	switch choice {
	case 0:
		d.add(enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, &commandpb.CompleteWorkflowExecutionCommandAttributes{Result: payloads("result")})
	case 1:
		d.add(enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION, &commandpb.CancelWorkflowExecutionCommandAttributes{Details: payloads("canceled")})
	case 2:
		d.add(enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, &commandpb.FailWorkflowExecutionCommandAttributes{Failure: failure(d.random)})
	default:
		d.addContinuation()
	}
}

func (d *decision) addContinuation() {
	attributes := &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{
		WorkflowType: &commonpb.WorkflowType{Name: "next"}, TaskQueue: d.p.workflowQueue(d.w), Input: payloads("next"),
		WorkflowTaskTimeout: durationpb.New(workflowTaskTimeout), Initiator: enumspb.CONTINUE_AS_NEW_INITIATOR_WORKFLOW,
	}
	if d.random.IntN(3) == 0 {
		attributes.Memo, attributes.SearchAttributes, attributes.Header = memo(d.random), searchAttributes(d.random), header()
	}
	if d.random.IntN(3) == 0 {
		attributes.RetryPolicy, attributes.LastCompletionResult = quickRetries(d.random), payloads("last")
	}
	switch d.random.IntN(8) {
	case 0:
		attributes.BackoffStartInterval = durationpb.New(pick(d.random, 50*time.Millisecond, time.Hour))
	case 1:
		attributes.CronSchedule = pick(d.random, "@every 2h", "never")
	case 2:
		attributes.WorkflowType, attributes.TaskQueue = nil, nil
	case 3:
		attributes.WorkflowRunTimeout = durationpb.New(time.Hour)
	case 4:
		attributes.Initiator, attributes.Failure = pick(d.random, enumspb.CONTINUE_AS_NEW_INITIATOR_RETRY, enumspb.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE), failure(d.random)
	}
	d.add(enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION, attributes)
}

// knownTimer is one that runs, or now and then any.
func (d *decision) knownTimer() string {
	var known []string
	for _, event := range d.p.current(d.w).history {
		if _, runs := d.opened.timers[event.GetEventId()]; runs && event.GetTimerStartedEventAttributes() != nil {
			known = append(known, event.GetTimerStartedEventAttributes().GetTimerId())
		}
	}
	if len(known) == 0 || d.random.IntN(10) == 0 {
		return "timer-0"
	}
	return pick(d.random, known...)
}

// knownActivity is the scheduled event of one that has not ended, or now and then any event.
func (d *decision) knownActivity() int64 {
	var known []int64
	for id := range d.opened.activities {
		known = append(known, id)
	}
	slices.Sort(known)
	if len(known) == 0 || d.random.IntN(10) == 0 {
		return 5
	}
	return pick(d.random, known...)
}

// addUpdates accepts or rejects the updates that came with the task, and completes some that were accepted before.
func (d *decision) addUpdates(task *workflowservice.PollWorkflowTaskQueueResponse) {
	for _, u := range d.p.updates {
		if !u.repeated && u.workflow == d.w && u.accepted && !u.ended && u.runID == task.GetWorkflowExecution().GetRunId() && d.random.IntN(2) == 0 {
			d.completeUpdate(u)
		}
	}
	for _, message := range task.GetMessages() {
		u := d.p.updateByID(message.GetProtocolInstanceId())
		request := &updatepb.Request{}
		if err := message.GetBody().UnmarshalTo(request); err != nil || u == nil {
			continue
		}
		if d.random.IntN(3) == 0 {
			d.addMessage(u, "reject", &updatepb.Rejection{
				RejectedRequestMessageId: message.GetId(), RejectedRequest: request, Failure: failure(d.random),
				RejectedRequestSequencingEventId: message.GetEventId(),
			}, false)
			d.confirmations = append(d.confirmations, func() { d.p.mark(u, func(same *updateCall) { same.ended, same.rejected = true, true }) })
			continue
		}
		d.addMessage(u, "accept", &updatepb.Acceptance{
			AcceptedRequestMessageId: message.GetId(), AcceptedRequest: request, AcceptedRequestSequencingEventId: message.GetEventId(),
		}, true)
		d.confirmations = append(d.confirmations, func() { d.p.mark(u, func(same *updateCall) { same.accepted = true }) })
		if d.random.IntN(2) == 0 {
			d.completeUpdate(u)
		}
	}
}

func (d *decision) completeUpdate(u *updateCall) {
	outcome := &updatepb.Outcome{Value: &updatepb.Outcome_Success{Success: payloads("changed")}}
	if d.random.IntN(3) == 0 {
		outcome.Value = &updatepb.Outcome_Failure{Failure: failure(d.random)}
	}
	d.addMessage(u, "complete", &updatepb.Response{Meta: &updatepb.Meta{UpdateId: u.id, Identity: "client"}, Outcome: outcome}, true)
	d.confirmations = append(d.confirmations, func() { d.p.mark(u, func(same *updateCall) { same.ended = true }) })
}

// addMessage adds a message of the update protocol, and the command that places it among the others where one is usual.
func (d *decision) addMessage(u *updateCall, kind string, content proto.Message, placed bool) {
	body, err := anypb.New(content)
	if err != nil {
		panic(err) // only for a message that cannot be encoded at all
	}
	id := strings.Join([]string{u.id, kind}, "/")
	d.messages = append(d.messages, &protocolpb.Message{Id: id, ProtocolInstanceId: u.id, Body: body})
	if placed {
		d.add(enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE, &commandpb.ProtocolMessageCommandAttributes{MessageId: id})
	}
}

// updateByID is the first call of an update that no worker has rejected.
func (p *player) updateByID(id string) *updateCall {
	for _, u := range p.updates {
		if u.id == id && !u.rejected {
			return u
		}
	}
	return nil
}

// mark notes something of all calls of one update.
func (p *player) mark(u *updateCall, note func(*updateCall)) {
	for _, same := range p.updates {
		if same.id == u.id && same.runID == u.runID && !same.ended {
			note(same)
		}
	}
}

// setAttributes puts attributes into the field of the command that is of their type.
func setAttributes(command *commandpb.Command, attributes proto.Message) {

	fields := command.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Message() != nil && field.Message().FullName() == attributes.ProtoReflect().Descriptor().FullName() {
			command.ProtoReflect().Set(field, protoreflect.ValueOfMessage(attributes.ProtoReflect()))
			return
		}
	}
}
