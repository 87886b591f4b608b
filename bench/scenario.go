package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// largePayloadBytes is the input and the result of a workflow of large-payload.
	largePayloadBytes = 64 << 10
	// signalsPerExecution is how many signals one execution gets before the next takes its place.
	signalsPerExecution = 2000
	// taskTimeout bounds workflow tasks and activities.
	taskTimeout = 10 * time.Second
)

// scenario is one kind of load. Its unit is what is counted and timed: a workflow from start to result, or a signal.
type scenario struct {
	name, about, unit string
	// activities is how many a workflow runs, one after the other.
	activities int
	// payloadBytes is the size of a workflow's input and result.
	payloadBytes int
	// one does one unit for a driver.
	one func(d *driver, ctx context.Context) error
}

var scenarios = []scenario{
	{name: "noop", about: "a workflow that completes at once", unit: "workflow", one: (*driver).workflow},
	{name: "one-activity", about: "a workflow with one activity", unit: "workflow", activities: 1, one: (*driver).workflow},
	{name: "ten-activities", about: "a workflow with ten activities, one after the other", unit: "workflow", activities: 10, one: (*driver).workflow},
	{name: "signals", about: "a burst of signals on one execution", unit: "signal", one: (*driver).signal},
	{
		name: "large-payload", about: "a workflow with 64 KiB of input and of result", unit: "workflow",
		payloadBytes: largePayloadBytes, one: (*driver).workflow,
	},
}

func findScenario(name string) (scenario, error) {
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
	if i >= 0 {
		return scenarios[i], nil
	}
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.name
	}
	return scenario{}, fmt.Errorf("unknown scenario %q, one of %v", name, names)
}

// payload is the scenario's input and result; nil for none.
func (s scenario) payload() *commonpb.Payloads {
	if s.payloadBytes == 0 {
		return nil
	}
	data := make([]byte, s.payloadBytes)
	for i := range data {
		data[i] = byte(i*2654435761>>16) | 1 // not all zeros: a server may compress
	}
	metadata := map[string][]byte{"encoding": []byte("binary/plain")}
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: metadata, Data: data}}}
}

// decide answers a workflow task: the next activity, or the end. The id of an activity is its number, so the last one
// scheduled says where the workflow stands.
func (s scenario) decide(queue *taskqueuepb.TaskQueue, events []*historypb.HistoryEvent, result *commonpb.Payloads) []*commandpb.Command {
	if s.unit == "signal" {
		return nil
	}
	if next := nextActivity(events); next < s.activities {
		return []*commandpb.Command{scheduleActivity(queue, next)}
	}
	return []*commandpb.Command{{
		CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{
			CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{Result: result},
		},
	}}
}

func nextActivity(events []*historypb.HistoryEvent) int {
	for _, event := range slices.Backward(events) {
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			last, err := strconv.Atoi(scheduled.ActivityId)
			if err != nil {
				panic(err) // ids are made by scheduleActivity
			}
			return last + 1
		}
	}
	return 0
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

// driver is one of the callers in flight. It keeps its requests and changes only their ids.
type driver struct {
	load    *load
	number  int
	count   int
	start   *workflowservice.StartWorkflowExecutionRequest
	await   *workflowservice.GetWorkflowExecutionHistoryRequest
	message *workflowservice.SignalWorkflowExecutionRequest
}

func newDriver(l *load, number int) *driver {
	return &driver{
		load: l, number: number,
		start: l.startRequest(),
		await: &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: l.namespace, Execution: &commonpb.WorkflowExecution{}, WaitNewEvent: true,
			HistoryEventFilterType: enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
		},
		message: &workflowservice.SignalWorkflowExecutionRequest{
			Namespace: l.namespace, WorkflowExecution: &commonpb.WorkflowExecution{}, SignalName: "bench", Identity: identity,
		},
	}
}

// id is unique in this load.
func (d *driver) id() string {
	d.count++
	return d.load.prefix + strconv.Itoa(d.number) + "-" + strconv.Itoa(d.count)
}

// workflow starts a workflow and waits for its result as a client does: by a long poll for the closing event.
func (d *driver) workflow(ctx context.Context) error {
	id := d.id()
	d.start.WorkflowId, d.start.RequestId = id, id
	service := d.load.service(d.number)
	started, err := service.StartWorkflowExecution(ctx, d.start)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	d.await.Execution.WorkflowId, d.await.Execution.RunId = id, started.RunId
	for {
		answer, err := service.GetWorkflowExecutionHistory(ctx, d.await)
		if err != nil {
			return fmt.Errorf("wait for the result: %w", err)
		}
		events := answer.GetHistory().GetEvents()
		if len(events) == 0 {
			continue
		}
		if kind := events[len(events)-1].EventType; kind != enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED {
			return fmt.Errorf("workflow ended with %s", kind)
		}
		return nil
	}
}

// signalTarget is the execution that takes the burst; each takes signalsPerExecution.
type signalTarget struct {
	sent atomic.Int64
	lock chan struct{} // held while the next execution is started
	id   atomic.Pointer[string]
}

// signal sends one signal to the execution whose turn it is, and starts the next when it has had its share.
func (d *driver) signal(ctx context.Context) error {
	target := &d.load.target
	share := target.sent.Add(1) - 1
	if share%signalsPerExecution == 0 || target.id.Load() == nil {
		if err := d.nextTarget(ctx, share%signalsPerExecution == 0); err != nil {
			return err
		}
	}
	d.message.WorkflowExecution.WorkflowId = *target.id.Load()
	d.message.RequestId = d.id()
	_, err := d.load.service(d.number).SignalWorkflowExecution(ctx, d.message)
	return err
}

func (d *driver) nextTarget(ctx context.Context, replace bool) error {
	target := &d.load.target
	target.lock <- struct{}{}
	defer func() { <-target.lock }()
	if !replace && target.id.Load() != nil {
		return nil
	}
	id := d.id()
	d.start.WorkflowId, d.start.RequestId = id, id
	if _, err := d.load.service(d.number).StartWorkflowExecution(ctx, d.start); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	target.id.Store(&id) // the old one stays open: signals that are on their way to it must not fail
	return nil
}
