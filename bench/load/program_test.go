package load

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	protocolpb "go.temporal.io/api/protocol/v1"
	updatepb "go.temporal.io/api/update/v1"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func happened(kinds ...enumspb.EventType) []*historypb.HistoryEvent {
	events := make([]*historypb.HistoryEvent, len(kinds))
	for i, kind := range kinds {
		events[i] = &historypb.HistoryEvent{EventId: int64(i + 1), EventType: kind}
	}
	return events
}

func kindsOf(commands []*commandpb.Command) []enumspb.CommandType {
	var kinds []enumspb.CommandType
	for _, c := range commands {
		kinds = append(kinds, c.CommandType)
	}
	return kinds
}

func TestActivitiesRunInOrderAndThenTheWorkflowEnds(t *testing.T) {
	p, at := &program{activities: 3}, &progress{}
	for number := range p.activities {
		commands := p.decide(at, "w", queueNamed("q"))
		require.Len(t, commands, 1)
		require.Equal(t, strconv.Itoa(number), commands[0].GetScheduleActivityTaskCommandAttributes().ActivityId)
		at.scheduled++
		require.Empty(t, p.decide(at, "w", queueNamed("q")), "nothing is asked while the activity runs")
		at.activitiesDone++
	}
	require.Equal(t, []enumspb.CommandType{enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION}, kindsOf(p.decide(at, "w", queueNamed("q"))))
}

func TestChildrenRunAtTheSameTime(t *testing.T) {
	at := &progress{}
	commands := threeChildren.decide(at, "parent", queueNamed("q"))
	require.Len(t, commands, 3)
	require.Equal(t, "parent/2", commands[2].GetStartChildWorkflowExecutionCommandAttributes().WorkflowId)
	at.childrenAsked, at.childrenDone = 3, 2
	require.Empty(t, threeChildren.decide(at, "parent", queueNamed("q")))
	at.childrenDone = 3
	require.Equal(t, []enumspb.CommandType{enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION}, kindsOf(threeChildren.decide(at, "parent", queueNamed("q"))))
}

func TestOpenWorkflowsNeverEnd(t *testing.T) {
	require.Empty(t, open.decide(&progress{}, "w", queueNamed("q")))
}

func TestProgressCountsEachEventOnceAndForgetsTasks(t *testing.T) {
	at := &progress{}
	events := happened(
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
		enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED)
	at.apply(events)
	at.apply(events)
	require.Equal(t, 1, at.scheduled)
	require.Equal(t, 1, at.activitiesDone)
	require.EqualValues(t, 3, at.lastEvent, "the event of a retried task does not stay: another one may get its id")
}

func TestTimerIsDueByTheServersClock(t *testing.T) {
	begun := time.Unix(100, 0).UTC()
	at := &progress{}
	at.apply([]*historypb.HistoryEvent{{
		EventId: 5, EventType: enumspb.EVENT_TYPE_TIMER_STARTED, EventTime: timestamppb.New(begun),
		Attributes: &historypb.HistoryEvent_TimerStartedEventAttributes{
			TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{StartToFireTimeout: durationpb.New(time.Second)},
		},
	}})
	require.Equal(t, begun.Add(time.Second), at.timerDue)
}

func TestUpdatesAreAcceptedAndCompleted(t *testing.T) {
	body, err := anypb.New(&updatepb.Request{Meta: &updatepb.Meta{UpdateId: "u"}})
	require.NoError(t, err)
	messages, commands := answerUpdates([]*protocolpb.Message{{Id: "u/request", ProtocolInstanceId: "u", Body: body}}, "done")
	require.Len(t, messages, 2)
	require.Equal(t, []string{"u/accept", "u/complete"}, []string{messages[0].Id, messages[1].Id})
	for i, c := range commands {
		require.Equal(t, messages[i].Id, c.GetProtocolMessageCommandAttributes().MessageId)
	}
	var accepted updatepb.Acceptance
	require.NoError(t, messages[0].Body.UnmarshalTo(&accepted))
	require.Equal(t, "u/request", accepted.AcceptedRequestMessageId)
	var response updatepb.Response
	require.NoError(t, messages[1].Body.UnmarshalTo(&response))
	require.NotNil(t, response.Outcome.GetSuccess())
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache()
	for i := range cacheEntries + 10 {
		c.put(strconv.Itoa(i), &progress{})
	}
	require.Len(t, c.runs, cacheEntries)
	last := strconv.Itoa(cacheEntries + 9)
	require.NotNil(t, c.take(last))
	require.Nil(t, c.take(last))
}

func TestUnknownScenarioNamesTheKnownOnes(t *testing.T) {
	_, err := Find("nope")
	require.ErrorContains(t, err, "large-payload")
	require.ErrorContains(t, err, "sdk-timer")
}
