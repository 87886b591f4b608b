package spans_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/spans"
	"perdure/server/spanstest"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// recorded are the recorded histories of the reference, by case and place in it.
func recorded(t *testing.T) map[string][]*historypb.HistoryEvent {
	t.Helper()
	files, err := filepath.Glob("../../internal/apitest/testdata/api/histories/golden/*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 150)
	found := map[string][]*historypb.HistoryEvent{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var record struct {
			Out []struct{ Events []map[string]any }
		}
		require.NoError(t, json.Unmarshal(text, &record))
		for i, out := range record.Out {
			if len(out.Events) > 0 {
				found[fmt.Sprintf("%s/%d", strings.TrimSuffix(filepath.Base(file), ".json"), i)] = eventsOf(t, file, out.Events)
			}
		}
	}
	return found
}

// eventsOf reads events whose times and payloads were taken out when they were recorded: each is 100 ms after the one before.
func eventsOf(t *testing.T, file string, raw []map[string]any) []*historypb.HistoryEvent {
	t.Helper()
	var events []*historypb.HistoryEvent
	for i, one := range raw {
		one["eventTime"] = epoch.Add(time.Duration(i) * 100 * time.Millisecond).Format(time.RFC3339Nano)
		delete(one, "taskId")
		text, err := json.Marshal(restored(one))
		require.NoError(t, err)
		e := &historypb.HistoryEvent{}
		require.NoError(t, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, e), "%s: %s", file, text)
		events = append(events, e)
	}
	return events
}

var numbered = regexp.MustCompile(`^\$(RUN|ID)_(\d+)$`)

// restored puts values in the place of what was masked.
func restored(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if _, payload := v["$json"]; payload {
			return map[string]any{}
		}
		if _, payload := v["$sa"]; payload {
			return map[string]any{}
		}
		for key, value := range v {
			if text, masked := value.(string); masked && strings.HasPrefix(text, "$") && !numbered.MatchString(text) && !strings.HasPrefix(text, "$U") {
				switch text {
				case "$N", "$DUR", "$TIME", "$TASK_ID", "$TOKEN", "$HASH", "$MASKED":
					delete(v, key)
					continue
				}
			}
			v[key] = restored(value)
		}
	case []any:
		for i := range v {
			v[i] = restored(v[i])
		}
	case string:
		if m := numbered.FindStringSubmatch(v); m != nil {
			return fmt.Sprintf("%08d-0000-4000-8000-000000000000", len(m[1])*1000+len(m[2])*100+int(m[2][0]-'0'))
		}
	}
	return v
}

var closing = map[enumspb.EventType]bool{
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: true, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: true, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: true,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: true, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: true, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: true,
}

func TestRecordedHistoriesMakeTrees(t *testing.T) {
	all := recorded(t)
	require.Greater(t, len(all), 150)
	for name, events := range all {
		t.Run(name, func(t *testing.T) {
			run := spans.Run{Namespace: "default", WorkflowID: "w", RunID: events[0].GetWorkflowExecutionStartedEventAttributes().GetOriginalExecutionRunId(), Until: epoch.Add(time.Hour)}
			list := spans.Build(run, events)
			spanstest.RequireTree(t, list)
			require.Equal(t, list, spans.Build(run, events), "the same history makes the same spans")
			require.Equal(t, !closing[events[len(events)-1].EventType], list[0].Pending)
			requireEverythingTold(t, events, list)
			require.NotEmpty(t, spans.Tree(list))
		})
	}
}

// requireEverythingTold: what takes time has a span.
func requireEverythingTold(t *testing.T, events []*historypb.HistoryEvent, list []spans.Span) {
	t.Helper()
	ids := map[spans.SpanID]bool{}
	for _, s := range list {
		ids[s.ID] = true
	}
	runID := events[0].GetWorkflowExecutionStartedEventAttributes().GetOriginalExecutionRunId()
	for _, e := range events {
		switch e.EventType {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
			require.True(t, ids[spans.Wait(runID, e.EventId)])
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			require.True(t, ids[spans.Work(runID, e.GetWorkflowTaskStartedEventAttributes().GetScheduledEventId())])
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			require.True(t, ids[spans.Work(runID, e.GetActivityTaskStartedEventAttributes().GetScheduledEventId())])
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, enumspb.EVENT_TYPE_TIMER_STARTED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
			enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
			enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED,
			enumspb.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED:
			require.True(t, ids[spans.Whole(runID, e.EventId)], "%s", e.EventType)
		}
	}
}

func TestNoHistoryNoSpans(t *testing.T) {
	require.Nil(t, spans.Build(spans.Run{}, nil))
	require.Nil(t, spans.Build(spans.Run{}, []*historypb.HistoryEvent{{EventId: 3, EventType: enumspb.EVENT_TYPE_TIMER_FIRED}}))
	require.Empty(t, spans.Tree(nil))
}

// many is a run with n timers, of which the i-th takes i ms, and one failed activity.
func many(n int) []*historypb.HistoryEvent {
	at := func(i int) *timestamppb.Timestamp {
		return timestamppb.New(epoch.Add(time.Duration(i) * time.Millisecond))
	}
	events := []*historypb.HistoryEvent{
		{EventId: 1, EventTime: at(0), EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{WorkflowType: &commonpb.WorkflowType{Name: "W"}}}},
		{EventId: 2, EventTime: at(0), EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{ActivityType: &commonpb.ActivityType{Name: "A"}}}},
		{EventId: 3, EventTime: at(0), EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, Attributes: &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{ScheduledEventId: 2, Attempt: 1}}},
		{EventId: 4, EventTime: at(0), EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED, Attributes: &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{ScheduledEventId: 2, StartedEventId: 3, Failure: &failurepb.Failure{Message: "secret"}}}},
	}
	for i := range n {
		id := int64(5 + i)
		events = append(events, &historypb.HistoryEvent{EventId: id, EventTime: at(0), EventType: enumspb.EVENT_TYPE_TIMER_STARTED, Attributes: &historypb.HistoryEvent_TimerStartedEventAttributes{TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{TimerId: fmt.Sprint(i)}}})
	}
	for i := range n {
		events = append(events, &historypb.HistoryEvent{EventId: int64(5 + n + i), EventTime: at(i), EventType: enumspb.EVENT_TYPE_TIMER_FIRED, Attributes: &historypb.HistoryEvent_TimerFiredEventAttributes{TimerFiredEventAttributes: &historypb.TimerFiredEventAttributes{StartedEventId: int64(5 + i)}}})
	}
	return events
}

func TestTooManySpansLeaveTheLeastOut(t *testing.T) {
	events := many(100)
	require.Len(t, spans.Build(spans.Run{RunID: "r", SpansMax: 104}, events), 104)
	list := spans.Build(spans.Run{RunID: "r", SpansMax: 10}, events)
	spanstest.RequireTree(t, list)
	require.Len(t, list, 10)
	names := map[string]int{}
	shortest := time.Hour
	for _, s := range list {
		names[s.Name]++
		if s.Name == "timer" {
			shortest = min(shortest, s.Duration())
		}
	}
	require.Equal(t, map[string]int{"workflow W": 1, "activity A": 1, "wait for a worker": 1, "attempt 1": 1, "timer": 6}, names, "what failed stays")
	require.Equal(t, 94*time.Millisecond, shortest, "what took longest stays")
	require.Contains(t, list[0].Attributes, spans.Attribute{"perdure.spans_left_out", int64(94)})

	huge := spans.Build(spans.Run{RunID: "r"}, many(5000))
	require.Len(t, huge, 2000)
	spanstest.RequireTree(t, huge)
}

func TestPrivateRunsKeepTheirMessages(t *testing.T) {
	open := fmt.Sprintf("%+v", spans.Build(spans.Run{RunID: "r"}, many(1)))
	require.Contains(t, open, "secret")
	private := fmt.Sprintf("%+v", spans.Build(spans.Run{RunID: "r", Private: true}, many(1)))
	require.NotContains(t, private, "secret")
}
