package main

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"perdure/internal/serverprocess"
)

func TestWorkflowRunsItsActivitiesInOrderAndEnds(t *testing.T) {
	s := scenario{activities: 3}
	var events []*historypb.HistoryEvent
	for number := range s.activities {
		commands := s.decide(nil, events, nil)
		require.Len(t, commands, 1)
		scheduled := commands[0].GetScheduleActivityTaskCommandAttributes()
		require.Equal(t, strconv.Itoa(number), scheduled.ActivityId)
		events = append(events, activityScheduled(scheduled), &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED})
	}
	commands := s.decide(nil, events, nil)
	require.Len(t, commands, 1)
	require.Equal(t, enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, commands[0].CommandType)
}

func activityScheduled(command *commandpb.ScheduleActivityTaskCommandAttributes) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{ActivityId: command.ActivityId},
	}}
}

func TestUnknownScenarioNamesTheKnownOnes(t *testing.T) {
	_, err := findScenario("nope")
	require.ErrorContains(t, err, "large-payload")
}

func TestPercentiles(t *testing.T) {
	require.Zero(t, percentile(nil, 0.5))
	latencies := make([]time.Duration, 1000)
	for i := range latencies {
		latencies[i] = time.Duration(i)
	}
	for share, want := range map[float64]time.Duration{0: 0, 0.5: 500, 0.99: 990, 0.999: 999, 1: 999} {
		require.Equal(t, want, percentile(latencies, share))
	}
}

func TestMetricsOfOneNameAreAddedUp(t *testing.T) {
	page := "# HELP a what\na{x=\"1 2\"} 3\na{x=\"3\"} 4.5\nb 1e3\n"
	sums, err := addUp(strings.NewReader(page))
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"a": 7.5, "b": 1000}, sums)
	_, err = addUp(strings.NewReader("a b"))
	require.Error(t, err)
}

func TestCPUTimeOfThisProcessGrows(t *testing.T) {
	before, err := processCPU(os.Getpid(), false)
	require.NoError(t, err)
	parent, err := statField(os.Getpid(), 3)
	require.NoError(t, err)
	require.EqualValues(t, os.Getppid(), parent)
	deadline := time.Now().Add(10 * time.Second)
	for after := before; after < before+50*time.Millisecond; after, err = processCPU(os.Getpid(), false) {
		require.NoError(t, err)
		require.True(t, time.Now().Before(deadline))
	}
}

func TestTableLeavesOutWhatNobodyMeasured(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, printTable(&out, []result{{Scenario: "noop", Inflight: 64, PerSecond: 1234.5, P50: 2.345}}))
	require.Contains(t, out.String(), "noop")
	require.Contains(t, out.String(), "1234")
	require.Contains(t, out.String(), "2.35")
	require.NotContains(t, out.String(), "WAL")
}

// TestEveryScenarioRuns starts a server in memory and runs each scenario for a moment with every source of costs it has.
func TestEveryScenarioRuns(t *testing.T) {
	binary, err := serverprocess.Build()
	require.NoError(t, err)
	s := settings{
		namespace: "default", all: true, levels: "4", scenarioNames: "noop,one-activity,ten-activities,signals,large-payload",
		warmup: 100 * time.Millisecond, duration: 500 * time.Millisecond, binary: binary,
	}
	plan, err := s.plan()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	results, err := s.withServer(ctx, "memory", plan)
	require.NoError(t, err)
	require.Len(t, results, len(scenarios))
	for _, r := range results {
		require.Positive(t, r.Completed, r.Scenario)
		require.Zero(t, r.Failed, r.Scenario)
		require.Positive(t, r.P50, r.Scenario)
		require.Positive(t, r.ServerCPU, r.Scenario)
		require.Positive(t, r.Commits, r.Scenario)
	}
}
