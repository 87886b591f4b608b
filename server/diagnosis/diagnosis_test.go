package diagnosis_test

import (
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/generated"
	"perdure/server/diagnosis"
	"perdure/server/match"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }
func in(d time.Duration) time.Time  { return now.Add(d) }

func perSecond(rate float64) *float64 { return &rate }

var (
	v1, v2  = match.Version{Deployment: "shop", BuildID: "v1"}, match.Version{Deployment: "shop", BuildID: "v2"}
	build   = match.Version{BuildID: "b1"}
	normal  = diagnosis.Route{Queue: "orders"}
	sticky  = diagnosis.Route{Queue: "sticky-1", Sticky: true}
	workers = []diagnosis.Poller{{Identity: "worker-1", Open: true, Last: now}}
)

// healthy is a run whose workers are there.
func healthy() *diagnosis.Facts {
	return &diagnosis.Facts{
		Now: now, Patience: 10 * time.Second, Namespace: diagnosis.Namespace{Name: "default"},
		Run:    diagnosis.Run{WorkflowID: "w", RunID: "r", Type: "Order", Open: true, Status: "Running", Start: ago(time.Hour), LastProgress: ago(time.Minute), Normal: normal},
		Queues: []diagnosis.Queue{served(normal), served(activityRoute()), served(sticky)},
	}
}

func activityRoute() diagnosis.Route { return diagnosis.Route{Queue: "charges", Activity: true} }

func served(r diagnosis.Route) diagnosis.Queue {
	return diagnosis.Queue{Name: r.Queue, Activity: r.Activity, Sticky: r.Sticky, Versions: []diagnosis.QueueVersion{{Version: r.Version, Pollers: workers}}}
}

// task is a workflow task that waits.
func task(since time.Duration) *diagnosis.Task {
	return &diagnosis.Task{Attempt: 1, Scheduled: ago(since), Timeout: 10 * time.Second, Route: normal}
}

func activity() diagnosis.Activity {
	return diagnosis.Activity{ID: "7", Type: "Charge", ScheduledID: 5, Attempt: 1, Scheduled: ago(time.Minute), AttemptTime: ago(time.Minute), Route: activityRoute()}
}

// failed is a task that has failed often.
func failed(cause, message string) func(*diagnosis.Facts) {
	return func(f *diagnosis.Facts) {
		f.Run.Task = task(time.Second)
		f.Run.Task.Attempt, f.Run.TaskFailures = 4, 3
		f.Run.Problem = diagnosis.Problem{Cause: cause, Message: message}
	}
}

// waits is a workflow task that has waited for long, after a change of its queue.
func waits(change func(f *diagnosis.Facts, q *diagnosis.Queue)) func(*diagnosis.Facts) {
	return func(f *diagnosis.Facts) {
		f.Run.Task = task(time.Minute)
		change(f, &f.Queues[0])
	}
}

// does is an activity after a change.
func does(change func(f *diagnosis.Facts, a *diagnosis.Activity)) func(*diagnosis.Facts) {
	return func(f *diagnosis.Facts) {
		f.Run.Activities = []diagnosis.Activity{activity()}
		change(f, &f.Run.Activities[0])
	}
}

func childReport(verdict diagnosis.Verdict, code diagnosis.Code) func(*diagnosis.Facts) {
	return func(f *diagnosis.Facts) {
		f.Run.Children = []diagnosis.Child{{WorkflowID: "c", RunID: "cr", Type: "Ship", Namespace: "default", InitiatedID: 9}}
		f.Children = []diagnosis.ChildReport{{InitiatedID: 9, Report: &diagnosis.Report{WorkflowID: "c", Verdict: verdict, Causes: []diagnosis.Cause{{Code: code, Since: ago(time.Hour)}}}}}
	}
}

func closed(f *diagnosis.Facts) {
	f.Run.Open, f.Run.Status, f.Run.Close = false, "Completed", ago(time.Minute)
}

// situations make each cause the first.
var situations = map[diagnosis.Code]func(*diagnosis.Facts){
	diagnosis.ShardUnowned:   func(f *diagnosis.Facts) { f.Run.RunID = ""; f.Owner = diagnosis.Owner{Unowned: true, Slot: 12} },
	diagnosis.CommitsFailing: func(f *diagnosis.Facts) { f.Owner = diagnosis.Owner{Failing: "disk full", FailedAt: ago(time.Minute)} },
	diagnosis.WorkflowPaused: func(f *diagnosis.Facts) {
		f.Run.Task, f.Run.Pause = task(time.Hour), &diagnosis.Pause{Identity: "anna", Reason: "audit", Time: ago(time.Hour)}
	},
	diagnosis.NamespaceThrottled: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) {
		q.Versions, f.Namespace.Refused, f.Namespace.RefusedAt = nil, 40, ago(time.Second)
	}),
	diagnosis.WorkflowNonDeterminism: failed("NonDeterministicError", "unexpected activity"),
	diagnosis.WorkflowPanic:          failed("WorkflowWorkerUnhandledFailure", "nil pointer"),
	diagnosis.WorkflowBadBinary:      failed("BadBinary", "rolled back"),
	diagnosis.WorkflowCommandRefused: failed("BadScheduleActivityAttributes", "no time-out"),
	diagnosis.WorkflowTaskTimingOut:  failed(diagnosis.TaskTimedOut, ""),
	diagnosis.WorkflowTaskFailing:    failed("GrpcMessageTooLarge", "too large"),
	diagnosis.UpdateWithoutWorker: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) {
		f.Run.Task.ForUpdate, f.Run.Updates, q.Versions = true, []diagnosis.Update{{ID: "u", Name: "set"}}, nil
	}),
	diagnosis.PinnedVersionUnserved: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) {
		f.Run.Task.Route.Version, f.Run.Task.Route.Pinned = v1, true
	}),
	diagnosis.VersionUnserved:   waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { f.Run.Task.Route.Version = v1 }),
	diagnosis.VersionNotCurrent: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { q.Versions[0].Version = v2 }),
	diagnosis.BuildUnserved:     waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { f.Run.Task.Route.Version = build }),
	diagnosis.BuildWithoutRule:  waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { q.Versions[0].Version = build }),
	diagnosis.StickyPollersOnly: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { q.Versions, q.OwnSticky = nil, workers }),
	diagnosis.OtherPollersOnly:  waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { q.Versions, q.OtherKind = nil, workers }),
	diagnosis.NoPoller:          waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { q.Versions = nil }),
	diagnosis.PollersSilent: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) {
		q.Versions[0].Pollers = []diagnosis.Poller{{Identity: "worker-1", Last: ago(2 * time.Minute)}}
	}),
	diagnosis.QueuePaused: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { q.PerSecond, q.SetBy = perSecond(0), "a person" }),
	diagnosis.KeyRateLimited: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) {
		f.Run.Task.Route.FairnessKey, q.KeyPerSecond, q.Versions[0].HeldKeys = "tenant", perSecond(0.1), []match.LaneID{match.LaneOf(match.DefaultPriority, "tenant").Key()}
	}),
	diagnosis.QueueRateLimited: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) {
		q.PerSecond, q.SetBy, q.Versions[0].Limited = perSecond(0.1), "a person", true
	}),
	diagnosis.BacklogOld: waits(func(f *diagnosis.Facts, q *diagnosis.Queue) { q.Versions[0].Waiting = 500 }),
	diagnosis.ActivityPaused: does(func(f *diagnosis.Facts, a *diagnosis.Activity) {
		a.Pause = &diagnosis.Pause{Identity: "anna", Time: ago(time.Hour)}
	}),
	diagnosis.ActivityHeartbeatLost: does(func(f *diagnosis.Facts, a *diagnosis.Activity) {
		a.Attempt, a.Failure, a.HeartbeatTimeout, a.AttemptTime = 3, diagnosis.Failure{Type: "Timeout", TimedOut: "Heartbeat"}, time.Minute, in(time.Second)
	}),
	diagnosis.ActivityTimingOut: does(func(f *diagnosis.Facts, a *diagnosis.Activity) {
		a.Attempt, a.Failure, a.Started = 3, diagnosis.Failure{Type: "Timeout", TimedOut: "StartToClose"}, ago(time.Second)
	}),
	diagnosis.ActivityFailing: does(func(f *diagnosis.Facts, a *diagnosis.Activity) {
		a.Attempt, a.Failure, a.AttemptTime = 5, diagnosis.Failure{Type: "CardDeclined", Message: "no money"}, in(time.Minute)
	}),
	diagnosis.ChildStuck: childReport(diagnosis.VerdictStuck, diagnosis.NoPoller),
	diagnosis.ChildHeld:  childReport(diagnosis.VerdictHeld, diagnosis.BacklogOld),
	diagnosis.ChildNotStarted: func(f *diagnosis.Facts) {
		f.Run.Children = []diagnosis.Child{{WorkflowID: "c", Type: "Ship", Namespace: "default", InitiatedID: 9, Initiated: ago(time.Minute)}}
	},
	diagnosis.SignalUndelivered: func(f *diagnosis.Facts) {
		f.Run.Messages = []diagnosis.Message{{WorkflowID: "other", Namespace: "default", InitiatedID: 4, Initiated: ago(time.Minute)}}
	},
	diagnosis.CancelUndelivered: func(f *diagnosis.Facts) {
		f.Run.Messages = []diagnosis.Message{{Cancel: true, WorkflowID: "other", Namespace: "default", InitiatedID: 4, Initiated: ago(time.Minute)}}
	},
	diagnosis.ParentUntold: func(f *diagnosis.Facts) { closed(f); f.Run.ParentUntold = true },
	diagnosis.TimerLate: func(f *diagnosis.Facts) {
		f.Run.Timers = []diagnosis.Timer{{ID: "1", StartedID: 5, Fires: ago(time.Minute)}}
	},
	diagnosis.CallbackFailing: func(f *diagnosis.Facts) {
		closed(f)
		f.Run.Callbacks = []diagnosis.Callback{{Address: "http://shop", Attempts: 4, Next: in(time.Minute), Failure: "refused"}}
	},
	diagnosis.CallbackBlocked: func(f *diagnosis.Facts) {
		closed(f)
		f.Run.Callbacks = []diagnosis.Callback{{Address: "http://shop", Attempts: 4, Next: in(time.Minute), Blocked: "it fails"}}
	},
	diagnosis.CallbackWaiting: func(f *diagnosis.Facts) {
		closed(f)
		f.Run.Callbacks = []diagnosis.Callback{{Address: "http://shop", Attempts: 1, Next: in(time.Second)}}
	},
	diagnosis.BufferedEventsFull: func(f *diagnosis.Facts) {
		f.Run.Task = task(9 * time.Second)
		f.Run.Task.Started, f.Run.Buffered = ago(8*time.Second), diagnosis.Usage{Limit: "buffered_events_max", Used: 90, Max: 100}
	},
	diagnosis.WorkflowTaskUnanswered: func(f *diagnosis.Facts) {
		f.Run.Task = task(9 * time.Second)
		f.Run.Task.Started, f.Run.Task.Worker = ago(8*time.Second), "worker-1"
	},
	diagnosis.StickyStale: func(f *diagnosis.Facts) {
		f.Run.Task, f.Run.Sticky = task(5*time.Second), sticky
		f.Run.Task.Route, f.Run.Task.StickyUntil = sticky, in(time.Second)
		f.Queues[2].Versions[0].Pollers = []diagnosis.Poller{{Identity: "worker-1", Last: ago(6 * time.Second)}}
	},
	diagnosis.ActivityHeartbeatLate: does(func(f *diagnosis.Facts, a *diagnosis.Activity) {
		a.Started, a.Heartbeat, a.HeartbeatTimeout = ago(time.Hour), ago(58*time.Second), time.Minute
	}),
	diagnosis.VersionMoving: does(func(f *diagnosis.Facts, a *diagnosis.Activity) { f.Run.Moving = v2 }),
	diagnosis.QueryUnanswered: func(f *diagnosis.Facts) {
		f.Run.Task = task(time.Second)
		f.Run.Queries = []diagnosis.Query{{Type: "state"}}
	},
	diagnosis.HistoryNearLimit: func(f *diagnosis.Facts) {
		f.Run.Usages = []diagnosis.Usage{{Limit: "history_events_max", Used: 50000, Max: 51200}}
	},
	diagnosis.RunNearLimit: func(f *diagnosis.Facts) {
		f.Run.Usages = []diagnosis.Usage{{Limit: "signals_max", Used: 9000, Max: 10000}}
	},
	diagnosis.ActivitySilent: does(func(f *diagnosis.Facts, a *diagnosis.Activity) {
		a.Started, a.TimesOut = ago(time.Hour), in(time.Hour)
	}),
	diagnosis.CancelUnheeded: func(f *diagnosis.Facts) { f.Run.CancelRequested = true },
	diagnosis.SearchBlocked: func(f *diagnosis.Facts) {
		f.Search = []diagnosis.SearchStore{{Name: "es", Blocked: true, Behind: time.Hour}}
	},
	diagnosis.SearchBehind: func(f *diagnosis.Facts) { f.Search = []diagnosis.SearchStore{{Name: "es", Behind: time.Hour}} },
	diagnosis.StartDelay: func(f *diagnosis.Facts) {
		f.Run.FirstTask, f.Run.Delay = in(time.Hour), diagnosis.DelayCron
	},
	diagnosis.ActivityBackoff: does(func(f *diagnosis.Facts, a *diagnosis.Activity) {
		a.Attempt, a.AttemptTime, a.Failure = 2, in(time.Second), diagnosis.Failure{Type: "Busy"}
	}),
	diagnosis.ActivityRunning: does(func(f *diagnosis.Facts, a *diagnosis.Activity) { a.Started, a.Worker = ago(time.Second), "worker-1" }),
	diagnosis.UpdateRunning: func(f *diagnosis.Facts) {
		f.Run.Updates = []diagnosis.Update{{ID: "u", Name: "set", Accepted: true}}
	},
	diagnosis.ChildRunning: childReport(diagnosis.VerdictMoving, ""),
	diagnosis.TimerRunning: func(f *diagnosis.Facts) {
		f.Run.Timers = []diagnosis.Timer{{ID: "2", StartedID: 6, Fires: in(2 * time.Hour)}, {ID: "1", StartedID: 5, Fires: in(time.Hour)}}
	},
	diagnosis.SignalAwaited: func(*diagnosis.Facts) {},
}

// verdicts are what a first cause of a class comes to.
var verdicts = map[diagnosis.Class]diagnosis.Verdict{diagnosis.Stuck: diagnosis.VerdictStuck, diagnosis.Held: diagnosis.VerdictHeld, diagnosis.ByDesign: diagnosis.VerdictWaiting}

var hole = regexp.MustCompile(`\{[a-z]+\}`)

func TestEachCauseIsNamedFirst(t *testing.T) {
	for _, spec := range diagnosis.Specs() {
		t.Run(string(spec.Code), func(t *testing.T) {
			make, known := situations[spec.Code]
			require.True(t, known, "no situation")
			f := healthy()
			make(f)
			report := diagnosis.Diagnose(f)
			require.Equal(t, spec.Code, report.First(), "%+v", report.Causes)
			if want, decided := verdicts[spec.Class]; decided {
				require.Equal(t, want, report.Verdict)
			} else {
				require.NotContains(t, []diagnosis.Verdict{diagnosis.VerdictStuck, diagnosis.VerdictHeld}, report.Verdict, "a warning holds nothing up")
			}
			for _, c := range report.Causes {
				require.NotRegexp(t, hole, c.Sentence+c.Next, "evidence is missing")
				require.True(t, strings.HasSuffix(c.Sentence, "."), c.Sentence)
				require.NotEmpty(t, c.Next, c.Code)
			}
		})
	}
	require.Len(t, situations, len(diagnosis.Specs()))
}

// A run that comes on, whatever it does, has no cause that troubles anybody.
func TestHealthyRunsAreNotNamed(t *testing.T) {
	for name, change := range map[string]func(*diagnosis.Facts){
		"a task just scheduled":          func(f *diagnosis.Facts) { f.Run.Task = task(time.Second) },
		"a worker that is not yet there": func(f *diagnosis.Facts) { f.Run.Task = task(time.Second); f.Queues = nil },
		"a task just started": func(f *diagnosis.Facts) {
			f.Run.Task = task(time.Second)
			f.Run.Task.Started = ago(time.Second)
		},
		"one failed task":  func(f *diagnosis.Facts) { f.Run.Task, f.Run.TaskFailures = task(time.Second), 1 },
		"a second attempt": does(func(f *diagnosis.Facts, a *diagnosis.Activity) { a.Attempt, a.Started = 2, ago(time.Second) }),
		"a heartbeat in time": does(func(f *diagnosis.Facts, a *diagnosis.Activity) {
			a.Started, a.Heartbeat, a.HeartbeatTimeout = ago(time.Hour), ago(50*time.Second), time.Minute
		}),
		"a sticky task whose worker is between polls": func(f *diagnosis.Facts) {
			f.Run.Task, f.Run.Sticky, f.Queues[2].Versions = task(time.Second), sticky, nil
			f.Run.Task.Route = sticky
		},
		"a limited queue that keeps up": waits(func(f *diagnosis.Facts, q *diagnosis.Queue) {
			f.Run.Task, q.PerSecond, q.Versions[0].Limited = task(time.Second), perSecond(10), true
		}),
		"a child that is just being started": func(f *diagnosis.Facts) {
			f.Run.Children = []diagnosis.Child{{WorkflowID: "c", InitiatedID: 9, Initiated: ago(time.Second)}}
		},
		"a signal on its way": func(f *diagnosis.Facts) {
			f.Run.Messages = []diagnosis.Message{{WorkflowID: "other", Initiated: ago(time.Second)}}
		},
		"a timer that fires now": func(f *diagnosis.Facts) { f.Run.Timers = []diagnosis.Timer{{ID: "1", Fires: ago(time.Second)}} },
		"refused calls long ago": waits(func(f *diagnosis.Facts, q *diagnosis.Queue) {
			f.Run.Task, f.Namespace.Refused, f.Namespace.RefusedAt = task(time.Second), 9, ago(time.Hour)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			change(f)
			report := diagnosis.Diagnose(f)
			require.False(t, report.Troubled(), "%+v", report.Causes)
		})
	}
}

// mixed is a run with much that is wrong.
func mixed() *diagnosis.Facts {
	f := healthy()
	for _, code := range []diagnosis.Code{diagnosis.WorkflowPanic, diagnosis.SearchBehind, diagnosis.TimerRunning, diagnosis.CancelUndelivered, diagnosis.ChildStuck, diagnosis.RunNearLimit} {
		situations[code](f)
	}
	for i := range 6 {
		a := activity()
		a.ID, a.Attempt, a.Failure, a.AttemptTime = string(rune('a'+i)), int32(i), diagnosis.Failure{Type: "T"}, in(time.Second)
		f.Run.Activities = append(f.Run.Activities, a)
	}
	return f
}

// TestOrderOfFactsDoesNotMatter: the order of causes is total, so that the same run is told the same way.
func TestOrderOfFactsDoesNotMatter(t *testing.T) {
	want := diagnosis.Diagnose(mixed())
	require.Greater(t, len(want.Causes), 8)
	random := rand.New(rand.NewSource(1))
	for range 50 {
		f := mixed()
		random.Shuffle(len(f.Run.Activities), func(i, j int) {
			f.Run.Activities[i], f.Run.Activities[j] = f.Run.Activities[j], f.Run.Activities[i]
		})
		random.Shuffle(len(f.Queues), func(i, j int) { f.Queues[i], f.Queues[j] = f.Queues[j], f.Queues[i] })
		require.Equal(t, want, diagnosis.Diagnose(f))
	}
}

func TestCausesAreRanked(t *testing.T) {
	causes := diagnosis.Diagnose(mixed()).Causes
	require.True(t, slices.IsSortedFunc(causes, func(a, b diagnosis.Cause) int { return int(a.Class - b.Class) }))
	require.Equal(t, diagnosis.WorkflowPanic, causes[0].Code)
}

func TestSpecsAreWhole(t *testing.T) {
	seen := map[diagnosis.Code]bool{}
	for _, s := range diagnosis.Specs() {
		require.False(t, seen[s.Code], s.Code)
		seen[s.Code] = true
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, s.Code)
		require.NotEmpty(t, s.Class.String())
	}
	require.GreaterOrEqual(t, len(seen), 20)
}

func TestFleetGroupsByFirstCause(t *testing.T) {
	var fleet diagnosis.Fleet
	report := func(code diagnosis.Code) *diagnosis.Report {
		f := healthy()
		situations[code](f)
		return diagnosis.Diagnose(f)
	}
	for _, code := range []diagnosis.Code{diagnosis.BacklogOld, diagnosis.NoPoller, diagnosis.BacklogOld, diagnosis.BacklogOld, diagnosis.TimerRunning, diagnosis.ActivityPaused, diagnosis.ActivityPaused} {
		fleet.Add(report(code), 2)
	}
	fleet.Finish()
	require.Equal(t, 7, fleet.Examined)
	require.Equal(t, 1, fleet.Healthy)
	var told []string
	for _, g := range fleet.Groups {
		told = append(told, string(g.Code)+strings.Repeat("*", g.Runs)+strings.Repeat("+", len(g.Examples)))
	}
	require.Equal(t, []string{"activity-paused**++", "no-poller*+", "backlog-old***++"}, told)
}

func TestPageOfCausesIsFresh(t *testing.T) {
	page := diagnosis.Markdown()
	for _, s := range diagnosis.Specs() {
		require.Contains(t, page, "`"+string(s.Code)+"`")
	}
	generated.RequireFresh(t, "../../docs/doctor.md", page)
}
