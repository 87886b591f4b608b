package load

import (
	"strconv"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// taskTimeout bounds workflow tasks and activities.
const taskTimeout = 10 * time.Second

// program is what the workflows of one type do: their activities one after the other, their children at the same time, a
// timer, and then they end. An open one never ends.
type program struct {
	name       string
	activities int
	children   int
	timer      time.Duration
	open       bool
	result     *commonpb.Payloads
}

// progress is what a worker remembers of a run: how much of its program its history tells.
type progress struct {
	lastEvent                   int64
	scheduled, activitiesDone   int
	childrenAsked, childrenDone int
	timersAsked, timersDone     int
	timerDue                    time.Time // when the last timer should fire, by the server's clock
}

// apply takes events that follow; those it has seen already are passed over. The events of a workflow task count for nothing:
// those of a retried one do not stay.
func (p *progress) apply(events []*historypb.HistoryEvent) {
	for _, event := range events {
		switch event.EventType {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			continue
		}
		if event.EventId > p.lastEvent {
			p.lastEvent = event.EventId
			p.count(event)
		}
	}
}

func (p *progress) count(event *historypb.HistoryEvent) {
	switch event.EventType {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		p.scheduled++
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		p.activitiesDone++
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		p.childrenAsked++
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		p.childrenDone++
	case enumspb.EVENT_TYPE_TIMER_STARTED:
		p.timersAsked++
		p.timerDue = event.EventTime.AsTime().Add(event.GetTimerStartedEventAttributes().StartToFireTimeout.AsDuration())
	case enumspb.EVENT_TYPE_TIMER_FIRED:
		p.timersDone++
	}
}

// decide answers a workflow task: what comes next, the end, or nothing while something is under way.
func (p *program) decide(at *progress, workflowID string, queue *taskqueuepb.TaskQueue) []*commandpb.Command {
	switch {
	case at.scheduled > at.activitiesDone || at.childrenAsked > at.childrenDone || at.timersAsked > at.timersDone:
		return nil
	case at.activitiesDone < p.activities:
		return []*commandpb.Command{scheduleActivity(queue, at.activitiesDone)}
	case at.childrenDone < p.children:
		return startChildren(queue, workflowID, p.children)
	case p.timer > 0 && at.timersDone == 0:
		return []*commandpb.Command{startTimer(p.timer)}
	case p.open:
		return nil
	}
	return []*commandpb.Command{complete(p.result)}
}

func complete(result *commonpb.Payloads) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{
			CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{Result: result},
		},
	}
}

func scheduleActivity(queue *taskqueuepb.TaskQueue, number int) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
		Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{
			ScheduleActivityTaskCommandAttributes: &commandpb.ScheduleActivityTaskCommandAttributes{
				ActivityId: strconv.Itoa(number), ActivityType: &commonpb.ActivityType{Name: "bench"}, TaskQueue: queue,
				StartToCloseTimeout: durationpb.New(taskTimeout), ScheduleToCloseTimeout: durationpb.New(time.Minute),
			},
		},
	}
}

func startChildren(queue *taskqueuepb.TaskQueue, parentID string, count int) []*commandpb.Command {
	commands := make([]*commandpb.Command, count)
	for i := range commands {
		commands[i] = &commandpb.Command{
			CommandType: enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
			Attributes: &commandpb.Command_StartChildWorkflowExecutionCommandAttributes{
				StartChildWorkflowExecutionCommandAttributes: &commandpb.StartChildWorkflowExecutionCommandAttributes{
					WorkflowId: parentID + "/" + strconv.Itoa(i), WorkflowType: &commonpb.WorkflowType{Name: noop.name}, TaskQueue: queue,
					WorkflowTaskTimeout: durationpb.New(taskTimeout),
				},
			},
		}
	}
	return commands
}

func startTimer(duration time.Duration) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_START_TIMER,
		Attributes: &commandpb.Command_StartTimerCommandAttributes{
			StartTimerCommandAttributes: &commandpb.StartTimerCommandAttributes{TimerId: "1", StartToFireTimeout: durationpb.New(duration)},
		},
	}
}
