package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"

	commonpb "go.temporal.io/api/common/v1"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/ledger"
	"perdure/server/metrics"
)

// accounted is a run that takes no notice of anything but its times.
func accounted(t testing.TB) (*Engine, *entry) {
	t.Helper()
	e := &Engine{cfg: Config{Metrics: metrics.NewRegistry()}}
	e.metrics = newEngineMetrics(e.cfg.Metrics)
	started := &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{WorkflowType: &commonpb.WorkflowType{Name: "order"}},
	}}
	return e, &entry{state: &execution.State{Started: started}}
}

// at is a time so many milliseconds after a begin.
func at(milliseconds int) time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(milliseconds) * time.Millisecond)
}

func TestWhatADecisionCostsIsNoted(t *testing.T) {
	e, en := accounted(t)
	old := en.state
	old.Task = &execution.WorkflowTask{StartedEventID: 3, StartedTime: at(0), Stamp: 1}
	next := *old
	next.Task = nil
	en.state, en.used = &next, at(115)
	e.noteDecision(en, old, execution.CompleteTask{}, moments{received: at(100), found: at(104), locked: at(109)}, nil)
	e.noteDecision(en, &next, execution.StartTask{}, moments{found: at(110), locked: at(110)}, &cluster.Task{MatchedAt: at(108), Waited: 7 * time.Millisecond})
	e.noteDecision(en, &next, execution.StartActivity{}, moments{found: at(110), locked: at(110)},
		&cluster.Task{MatchedAt: at(109), Waited: time.Minute, FromBacklog: true})
	e.noteCommit(en, &change{state: &next, queuedAt: at(115)}, &group{began: at(120), ended: at(150)})
	totals := map[string]time.Duration{}
	for _, line := range en.tally.Lines() {
		totals[line.Stage.String()] = line.Total
	}
	require.Equal(t, map[string]time.Duration{
		"frontend": 4 * time.Millisecond, "lock": 5 * time.Millisecond, "decide": 16 * time.Millisecond,
		"match_sync": 7 * time.Millisecond, "match_backlog": time.Minute, "hand_over": 3 * time.Millisecond,
		"commit_queue": 5 * time.Millisecond, "commit_store": 30 * time.Millisecond,
	}, totals)
	for stage, times := range map[ledger.Stage]float64{
		ledger.WorkflowTaskWork: 1, ledger.Frontend: 1, ledger.Decide: 3, ledger.CommitStore: 1, ledger.MatchBacklog: 1,
	} {
		require.Equal(t, times, e.cfg.Metrics.Value("perdure_workflow_stage_seconds", stage.String(), "order"), stage.String())
	}
}

// TestAccountsCostNoMemory: each change of each run passes here.
func TestAccountsCostNoMemory(t *testing.T) {
	e, en := accounted(t)
	old := en.state
	old.Task = &execution.WorkflowTask{StartedEventID: 3, StartedTime: at(0), Stamp: 1}
	next := *old
	next.Task = nil
	en.state, en.used = &next, at(115)
	task := &cluster.Task{MatchedAt: at(108), Waited: time.Second}
	ch, g := &change{state: &next, queuedAt: at(115)}, &group{began: at(120), ended: at(150)}
	var complete, tick execution.Command = execution.CompleteTask{}, execution.Tick{}
	once := func() {
		e.noteDecision(en, old, complete, moments{received: at(100), found: at(104), locked: at(109)}, nil)
		e.noteDecision(en, old, tick, moments{found: at(104), locked: at(104)}, task)
		e.noteStart(en, moments{found: at(104), locked: at(104)}, at(100))
		e.noteCommit(en, ch, g)
	}
	once()
	require.Zero(t, testing.AllocsPerRun(1000, once))
}

// BenchmarkAccounts is what one transition costs: a decision and its commit.
func BenchmarkAccounts(b *testing.B) {
	e, en := accounted(b)
	next := *en.state
	en.used = at(115)
	ch, g := &change{state: &next, queuedAt: at(115)}, &group{began: at(120), ended: at(150)}
	var c execution.Command = execution.Tick{}
	b.ReportAllocs()
	for b.Loop() {
		e.noteDecision(en, &next, c, moments{received: at(100), found: at(104), locked: at(104)}, nil)
		e.noteCommit(en, ch, g)
	}
}
