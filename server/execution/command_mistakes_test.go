package execution

import (
	"testing"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// mistaken is what a worker hears that answers its first task with one command.
func mistaken(t *testing.T, command *commandpb.Command) error {
	r := newRig(t)
	r.begin(Start{Request: startRequest()})
	_, err := r.startTask()
	require.NoError(t, err)
	answer, err := r.complete(&workflowservice.RespondWorkflowTaskCompletedRequest{Commands: []*commandpb.Command{command}})
	require.NoError(t, err)
	return answer.Err
}

func TestCommandsWithoutAttributes(t *testing.T) {
	texts := map[enumspb.CommandType]string{
		enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK:                     "BadScheduleActivityAttributes: ScheduleActivityTaskCommandAttributes",
		enumspb.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK:               "BadRequestCancelActivityAttributes: RequestCancelActivityTaskCommandAttributes",
		enumspb.COMMAND_TYPE_START_TIMER:                                "BadStartTimerAttributes: StartTimerCommandAttributes",
		enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION:                "BadCompleteWorkflowExecutionAttributes: CompleteWorkflowExecutionCommandAttributes",
		enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION:                    "BadFailWorkflowExecutionAttributes: FailWorkflowExecutionCommandAttributes",
		enumspb.COMMAND_TYPE_CANCEL_TIMER:                               "BadCancelTimerAttributes: CancelTimerCommandAttributes",
		enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION:                  "BadCancelWorkflowExecutionAttributes: CancelWorkflowExecutionCommandAttributes",
		enumspb.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: "BadRequestCancelExternalWorkflowExecutionAttributes: RequestCancelExternalWorkflowExecutionCommandAttributes",
		enumspb.COMMAND_TYPE_RECORD_MARKER:                              "BadRecordMarkerAttributes: RecordMarkerCommandAttributes",
		enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION:         "BadContinueAsNewAttributes: ContinueAsNewWorkflowExecutionCommandAttributes",
		enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION:         "BadSignalWorkflowExecutionAttributes: SignalExternalWorkflowExecutionCommandAttributes",
		enumspb.COMMAND_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:          "BadSearchAttributes: UpsertWorkflowSearchAttributesCommandAttributes",
		enumspb.COMMAND_TYPE_PROTOCOL_MESSAGE:                           "BadUpdateWorkflowExecutionMessage: ProtocolMessageCommandAttributes",
		enumspb.COMMAND_TYPE_MODIFY_WORKFLOW_PROPERTIES:                 "BadModifyWorkflowPropertiesAttributes: ModifyWorkflowPropertiesCommandAttributes",
	}
	for kind, text := range texts {
		t.Run(kind.String(), func(t *testing.T) {
			require.ErrorContains(t, mistaken(t, &commandpb.Command{CommandType: kind}), text+" is not set on ")
		})
	}
}

// TestActivityMistakeOrder: of several mistakes the one is told that clients of this API are told.
func TestActivityMistakeOrder(t *testing.T) {
	queue, kind := &taskqueuepb.TaskQueue{Name: "q"}, &commonpb.ActivityType{Name: "A"}
	retry := &commonpb.RetryPolicy{BackoffCoefficient: 0.5}
	for _, mistake := range []struct {
		attributes *commandpb.ScheduleActivityTaskCommandAttributes
		text       string
	}{
		{&commandpb.ScheduleActivityTaskCommandAttributes{ActivityId: "a", ActivityType: kind}, "taskQueue is not set"},
		{&commandpb.ScheduleActivityTaskCommandAttributes{TaskQueue: queue, RetryPolicy: retry}, "activityId is not set"},
		{&commandpb.ScheduleActivityTaskCommandAttributes{TaskQueue: queue, ActivityId: "a"}, "activityType is not set"},
		{&commandpb.ScheduleActivityTaskCommandAttributes{TaskQueue: &taskqueuepb.TaskQueue{}, ActivityId: "a", ActivityType: kind}, "missing task queue name"},
		{&commandpb.ScheduleActivityTaskCommandAttributes{
			TaskQueue: queue, ActivityId: "a", ActivityType: kind, RetryPolicy: retry, StartToCloseTimeout: durationpb.New(-1),
		}, "BackoffCoefficient cannot be less than 1 on retry policy."},
		{&commandpb.ScheduleActivityTaskCommandAttributes{TaskQueue: queue, ActivityId: "a", ActivityType: kind},
			"a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity. ActivityId=a ActivityType=A"},
	} {
		err := mistaken(t, &commandpb.Command{
			CommandType: enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
			Attributes:  &commandpb.Command_ScheduleActivityTaskCommandAttributes{ScheduleActivityTaskCommandAttributes: mistake.attributes},
		})
		require.EqualError(t, err, "BadScheduleActivityAttributes: "+mistake.text)
	}
}

// TestAttributeMistakesOfOtherRuns: that an attribute is not there is told before any other mistake, and in the same words for
// every command; a wrong value behind them, with the command's name.
func TestAttributeMistakesOfOtherRuns(t *testing.T) {
	set := func(name string) *commonpb.SearchAttributes {
		value := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte("7")}
		return &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{name: value}}
	}
	child := func(name, id, cron string) *commandpb.Command {
		return &commandpb.Command{
			CommandType: enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
			Attributes: &commandpb.Command_StartChildWorkflowExecutionCommandAttributes{
				StartChildWorkflowExecutionCommandAttributes: &commandpb.StartChildWorkflowExecutionCommandAttributes{
					WorkflowId: id, WorkflowType: &commonpb.WorkflowType{Name: "C"}, CronSchedule: cron, SearchAttributes: set(name),
				},
			},
		}
	}
	next := func(name, queue string) *commandpb.Command {
		return &commandpb.Command{
			CommandType: enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
			Attributes: &commandpb.Command_ContinueAsNewWorkflowExecutionCommandAttributes{
				ContinueAsNewWorkflowExecutionCommandAttributes: &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{
					WorkflowType: &commonpb.WorkflowType{Name: "C"}, TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, SearchAttributes: set(name),
				},
			},
		}
	}
	undefined := "BadSearchAttributes: Namespace " + newRig(t).env().Namespace.Name + " has no mapping defined for search attribute Nope"
	require.EqualError(t, mistaken(t, child("Nope", "", "")), undefined)
	require.EqualError(t, mistaken(t, child("Nope", "c", "never")), undefined)
	require.EqualError(t, mistaken(t, next("Nope", "/_sys/q")), undefined)
	require.ErrorContains(t, mistaken(t, child("WorkflowType", "c", "never")), "BadStartChildExecutionAttributes: invalid CronSchedule")
	require.ErrorContains(t, mistaken(t, child("WorkflowType", "c", "")),
		"BadSearchAttributes: invalid SearchAttributes on StartChildWorkflowCommand: WorkflowType attribute can't be set in SearchAttributes. WorkflowId=c")
	require.EqualError(t, mistaken(t, next("WorkflowType", "q")),
		"BadSearchAttributes: invalid SearchAttributes on ContinueAsNewWorkflowExecutionCommand: WorkflowType attribute can't be set in "+
			`SearchAttributes. WorkflowType=C TaskQueue=name:"q"  kind:TASK_QUEUE_KIND_NORMAL`)
}
