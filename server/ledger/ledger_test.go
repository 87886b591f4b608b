package ledger

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/recorded.txt anew")

// began is when the histories of these tests begin.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// timeOf is the time of a recorded event, whose own was masked: event n comes n tenths of a second after the one before.
func timeOf(id int64) time.Time {
	return began.Add(time.Duration(id*(id+1)/2-1) * 100 * time.Millisecond)
}

// recorded are the longest of the recorded histories of each file, by name.
func recorded(t *testing.T) map[string][]*historypb.HistoryEvent {
	t.Helper()
	files, err := filepath.Glob("../../internal/apitest/testdata/api/histories/golden/*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 100)
	found := map[string][]*historypb.HistoryEvent{}
	for _, file := range files {
		if events := longest(t, file); len(events) > 0 {
			found[strings.TrimSuffix(filepath.Base(file), ".json")] = events
		}
	}
	return found
}

func longest(t *testing.T, file string) []*historypb.HistoryEvent {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var content struct {
		Out []struct{ Events []map[string]any }
	}
	require.NoError(t, json.Unmarshal(text, &content))
	var events []map[string]any
	for _, out := range content.Out {
		if len(out.Events) > len(events) {
			events = out.Events
		}
	}
	var made []*historypb.HistoryEvent
	for _, e := range events {
		id, err := strconv.ParseInt(e["eventId"].(string), 10, 64)
		require.NoError(t, err)
		unmasked, err := json.Marshal(unmask(e, timeOf(id)))
		require.NoError(t, err)
		event := &historypb.HistoryEvent{}
		require.NoError(t, temporalproto.CustomJSONUnmarshalOptions{DiscardUnknown: true}.Unmarshal(unmasked, event), "%s: %s", file, unmasked)
		made = append(made, event)
	}
	return made
}

// unmask gives values to what recordings leave out since it differs each time.
func unmask(value any, at time.Time) any {
	switch v := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for key, inner := range v {
			if inner = unmask(inner, at); inner != nil {
				kept[key] = inner
			}
		}
		return kept
	case []any:
		for i := range v {
			v[i] = unmask(v[i], at)
		}
	case string:
		switch {
		case v == "$TIME":
			return at.Format(time.RFC3339Nano)
		case v == "$DUR":
			return "0.05s"
		case v == "$N", v == "$TASK_ID", v == "$MASKED", v == "$TOKEN":
			return nil
		}
	}
	return value
}

func ledgerOf(events []*historypb.HistoryEvent, now time.Time, p Pending) Ledger {
	var a Account
	for _, e := range events {
		a.Add(e)
	}
	return a.Close(now, p)
}

// text is a ledger for people to review.
func text(l Ledger) string {
	var b strings.Builder
	fmt.Fprintf(&b, "life %v closed %t\n", l.Life, !l.End.IsZero())
	for _, line := range l.Lines {
		fmt.Fprintf(&b, "  %-19s %2d times, %d open, total %v, longest %v, covered %v, share %.3f\n",
			line.Stage, line.Count, line.Open, line.Total, line.Maximum, line.Covered, l.Share(line))
	}
	return b.String()
}

func TestRecordedHistories(t *testing.T) {
	all := recorded(t)
	var b strings.Builder
	for _, name := range sortedKeys(all) {
		events := all[name]
		now := timeOf(events[len(events)-1].EventId + 1)
		l := ledgerOf(events, now, Pending{})
		fmt.Fprintf(&b, "%s: %d events, %s\n", name, len(events), text(l))
		checkSums(t, name, l)
	}
	file := "testdata/recorded.txt"
	if *rewrite {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

// checkSums: nothing lasts longer than the run, every moment is somebody's, and parts are no larger than wholes.
func checkSums(t *testing.T, name string, l Ledger) {
	t.Helper()
	var covered time.Duration
	for _, line := range l.Lines {
		require.LessOrEqual(t, line.Covered, l.Life, name)
		require.LessOrEqual(t, line.Covered, line.Total, name)
		require.LessOrEqual(t, line.Maximum, line.Total, name)
		require.LessOrEqual(t, line.Open, line.Count, name)
		if line.Stage != Update {
			covered += line.Covered
		}
	}
	require.GreaterOrEqual(t, covered, l.Life, name)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// second is the time so many seconds after the begin.
func second(n float64) time.Time { return began.Add(time.Duration(n * float64(time.Second))) }

// history makes events; each call adds one.
type history struct{ events []*historypb.HistoryEvent }

func (h *history) add(at float64, e *historypb.HistoryEvent) int64 {
	e.EventId, e.EventTime = int64(len(h.events)+1), timestamppb.New(second(at))
	h.events = append(h.events, e)
	return e.EventId
}

func (h *history) start(delay time.Duration) {
	h.add(0, &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{FirstWorkflowTaskBackoff: durationpb.New(delay)},
		}})
}

func (h *history) schedule(at float64) int64 {
	return h.add(at, &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
		Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
			ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{},
		}})
}

func (h *history) started(at float64, scheduled int64, attempt int32) {
	h.add(at, &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED,
		Attributes: &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{
			ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{ScheduledEventId: scheduled, Attempt: attempt},
		}})
}

func (h *history) completed(at float64, scheduled int64) {
	h.add(at, &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
		Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
			ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{ScheduledEventId: scheduled},
		}})
}

// line finds what a stage took.
func line(t *testing.T, l Ledger, stage Stage) Line {
	t.Helper()
	for _, found := range l.Lines {
		if found.Stage == stage {
			return found
		}
	}
	t.Fatalf("no %v in\n%s", stage, text(l))
	return Line{}
}

func TestRetriesAreSplitByThePolicy(t *testing.T) {
	var h history
	h.start(0)
	id := h.schedule(1)
	h.started(10, id, 3) // by the default policy pauses of 1 s and 2 s came before
	h.completed(12, id)
	l := ledgerOf(h.events, second(20), Pending{})
	require.Equal(t, 3*time.Second, line(t, l, ActivityBackoff).Total)
	require.Equal(t, 6*time.Second, line(t, l, ActivityRetry).Total)
	require.Equal(t, 2*time.Second, line(t, l, ActivityWork).Total)
	require.Equal(t, 9*time.Second, line(t, l, Idle).Covered, "one second before, eight after")
}

func TestOverlapsAreCoveredOnce(t *testing.T) {
	var h history
	h.start(0)
	first, second0 := h.schedule(0), h.schedule(0)
	h.started(0, first, 1)
	h.started(1, second0, 1)
	h.completed(4, first)
	h.completed(6, second0)
	work := line(t, ledgerOf(h.events, second(8), Pending{}), ActivityWork)
	require.Equal(t, Line{Stage: ActivityWork, Count: 2, Total: 9 * time.Second, Maximum: 5 * time.Second, Covered: 6 * time.Second}, work)
}

func TestTheStateTellsWhatHistoryDoesNot(t *testing.T) {
	var h history
	h.start(0)
	running, pausing, due := h.schedule(0), h.schedule(0), h.schedule(0)
	l := ledgerOf(h.events, second(20), Pending{
		Activities: []PendingActivity{
			{ScheduledEventID: running, Attempt: 1, Started: second(5)},
			{ScheduledEventID: pausing, Attempt: 2, Ended: second(19.5), Due: second(20.5)},
			{ScheduledEventID: due, Attempt: 3, Ended: second(10), Due: second(12)},
		},
		Task: &PendingTask{Scheduled: second(1), Started: second(2)},
	})
	work := line(t, l, ActivityWork)
	require.Equal(t, Line{Stage: ActivityWork, Count: 1, Open: 1, Total: 15 * time.Second, Maximum: 15 * time.Second, Covered: 15 * time.Second}, work)
	require.Equal(t, 500*time.Millisecond+time.Second+2*time.Second, line(t, l, ActivityBackoff).Total)
	require.EqualValues(t, 1, line(t, l, ActivityBackoff).Open, "one pauses still")
	require.Equal(t, 19500*time.Millisecond+9*time.Second, line(t, l, ActivityRetry).Total)
	require.Equal(t, 5*time.Second+8*time.Second, line(t, l, ActivityWait).Total)
	require.EqualValues(t, 1, line(t, l, ActivityWait).Open)
	require.Equal(t, 18*time.Second, line(t, l, WorkflowTaskWork).Total)
	checkSums(t, "pending", l)
}

func TestTimersThatFireLate(t *testing.T) {
	var h history
	h.start(0)
	id := h.add(0, &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_TIMER_STARTED,
		Attributes: &historypb.HistoryEvent_TimerStartedEventAttributes{
			TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{StartToFireTimeout: durationpb.New(3 * time.Second)},
		}})
	h.add(5, &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_TIMER_FIRED,
		Attributes: &historypb.HistoryEvent_TimerFiredEventAttributes{TimerFiredEventAttributes: &historypb.TimerFiredEventAttributes{StartedEventId: id}}})
	l := ledgerOf(h.events, second(5), Pending{})
	require.Equal(t, 3*time.Second, line(t, l, Timer).Total)
	require.Equal(t, 2*time.Second, line(t, l, TimerLate).Total)
	require.InDelta(t, 0.4, l.Share(line(t, l, TimerLate)), 1e-9)
}

func TestDelayedStart(t *testing.T) {
	var h history
	h.start(time.Minute)
	l := ledgerOf(h.events, second(10), Pending{})
	require.Equal(t, Line{Stage: StartDelay, Count: 1, Open: 1, Total: 10 * time.Second, Maximum: 10 * time.Second, Covered: 10 * time.Second}, line(t, l, StartDelay))
	require.Len(t, l.Lines, 1)
}

func TestClocksThatWentBack(t *testing.T) {
	var h history
	h.start(0)
	id := h.schedule(5)
	h.started(4, id, 1)
	h.completed(4.5, id)
	l := ledgerOf(h.events, second(10), Pending{})
	require.Zero(t, line(t, l, ActivityWait).Total)
	require.Equal(t, 500*time.Millisecond, line(t, l, ActivityWork).Total)
}

func TestNothingIsEmpty(t *testing.T) {
	require.Empty(t, ledgerOf(nil, time.Time{}, Pending{}).Lines)
}

func TestTally(t *testing.T) {
	var tally Tally
	require.Zero(t, testing.AllocsPerRun(100, func() { tally.Add(Decide, time.Millisecond) }))
	tally = Tally{}
	tally.Add(CommitQueue, time.Second)
	tally.Add(CommitQueue, 3*time.Second)
	tally.Add(CommitStore, -time.Second)
	require.Equal(t, []Line{
		{Stage: CommitQueue, Count: 2, Total: 4 * time.Second, Maximum: 3 * time.Second, Covered: 4 * time.Second},
		{Stage: CommitStore, Count: 1},
	}, tally.Lines())
}

func TestStagesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for stage := range Stage(Stages) {
		require.Regexp(t, "^[a-z_]+$", stage.String())
		require.False(t, seen[stage.String()])
		seen[stage.String()] = true
	}
}
