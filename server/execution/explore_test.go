package execution

import (
	"crypto/sha256"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
)

const (
	// environmentExplore makes the walks go on until they find no new state; else each stops at exploreStatesMax.
	environmentExplore = "PERDURE_EXPLORE"
	exploreStatesMax   = 500
	// exploredHeartbeat bounds the time that a task may be kept alive for.
	exploredHeartbeat = 6 * time.Second
)

// A world is a small alphabet: every sequence of its moves is tried until no new state comes (see explore_key_test.go).
type world struct {
	name  string
	start args
	moves string // names of moves, apart by commas
}

// worlds have few moves each, so that the walk ends.
var worlds = []world{
	{"tasks", args{"task-timeout": "3s"}, "poll, complete, heartbeat, sticky, refuse sticky, fail task, bad answer, signal, tick, crash, done"},
	{"updates", args{"task-timeout": "100s"}, "poll, complete, accept, reject, answer, fail task, bad answer, signal, update, tick, crash, done"},
	{"two updates", args{"task-timeout": "100s"}, "poll, complete, accept, accept other, reject other, answer, update, update other, signal, crash, done, continue"},
	{"activity", args{"task-timeout": "2s"}, "poll, complete, activity, start activity, complete activity, fail activity, cancel activity, signal, tick, crash, done"},
	{"heartbeats", args{"task-timeout": "2s"}, "poll, complete, long activity, start activity, complete activity, heartbeat activity, signal, tick, crash, done"},
	{"operator", args{"task-timeout": "100s"}, "poll, complete, activity, start activity, complete activity, fail activity, heartbeat activity, pause activity, unpause activity, reset activity, restart activity, change activity, tick, crash, done"},
	{"timer", args{"task-timeout": "3s"}, "poll, complete, timer, cancel timer, fail task, signal, tick, crash, done"},
	{"children", args{"task-timeout": "100s"}, "poll, complete, child, child starts, child fails to start, child ends, signal other, signal delivered, crash, done"},
	{"delay", args{"task-timeout": "3s", "delay": "4s"}, "poll, complete, signal, signal with start, cancel, update, accept, reject, fail task, pause, unpause, tick, crash, done"},
	{"pause", args{"task-timeout": "2s"}, "poll, complete, pause, unpause, fail task, signal, update, accept, tick, crash, done"},
	{"pause with an activity", args{"task-timeout": "2s"}, "poll, complete, pause, unpause, activity, start activity, complete activity, fail activity, tick, crash, done"},
}

// moves are what may happen to a run. One that cannot be made leaves the state as it is.
var moves = map[string]func(r *rig){
	"poll": func(r *rig) { _, _ = r.startTask() }, "complete": answering(""), "heartbeat": answering("", "force", "return-new"),
	"sticky": answering("", "sticky=mine"), "bad answer": answering("timer id= after=1s"), "done": answering("done"),
	"continue": answering("continue"), "timer": answering("timer id=t after=1s"), "cancel timer": answering("cancel-timer id=t"),
	"activity":      answering("activity id=a start-to-close=2s attempts=2 initial=1s"),
	"long activity": answering("activity id=a start-to-close=3s heartbeat=1s attempts=1"), "child": answering("child id=c"),
	"signal other": answering("signal-other id=o"),
	"accept":       answering("accept id=u"), "reject": answering("reject id=u"), "accept other": answering("accept id=v"), "reject other": answering("reject id=v"), "answer": answering("respond id=u"),
	"fail task": func(r *rig) {
		if r.lastStart != nil {
			_, _ = r.do(FailTask{ScheduledEventID: r.lastStart.ScheduledEventID, StartedEventID: r.lastStart.StartedEventID, Stamp: r.lastStart.Stamp})
		}
	},
	"refuse sticky": func(r *rig) {
		if r.s.Task != nil {
			_, _ = r.do(RefuseSticky{ScheduledEventID: r.s.Task.ScheduledEventID, Stamp: r.s.Task.Stamp})
		}
	},
	"cancel activity": func(r *rig) {
		for _, id := range r.s.Activities.keys() {
			answering("cancel-activity event=" + strconv.FormatInt(id, 10))(r)
		}
	},
	"signal": sending(Signal{Name: "s"}), "signal with start": sending(Signal{Name: "s", WithStart: true}), "cancel": sending(RequestCancel{}),
	"update": sending(AdmitUpdate{Request: updateRequest("u")}), "update other": sending(AdmitUpdate{Request: updateRequest("v")}),
	"pause": sending(PauseRun{}), "unpause": sending(UnpauseRun{}),
	"tick": func(r *rig) {
		r.advance(args{})
		_, _ = r.do(Tick{})
		r.requireNothingDue()
	},
	"start activity":       func(r *rig) { _ = r.startActivity("a") },
	"complete activity":    func(r *rig) { _, _ = r.do(CompleteActivity{Activity: r.started["a"]}) },
	"fail activity":        func(r *rig) { _, _ = r.do(FailActivity{Activity: r.started["a"], Failure: args{}.failure()}) },
	"heartbeat activity":   func(r *rig) { _, _ = r.do(HeartbeatActivity{Activity: r.started["a"]}) },
	"pause activity":       operating("pause-activity"),
	"unpause activity":     operating("unpause-activity delay=1s"),
	"reset activity":       operating("reset-activity keep-paused"),
	"restart activity":     operating("reset-activity restore delay=1s"),
	"change activity":      operating("activity-options heartbeat=1s attempts=3"),
	"child starts":         onFirst(childIDs, func(id int64) Command { return ChildStarted{InitiatedEventID: id, RunID: "child-run"} }),
	"child fails to start": onFirst(childIDs, func(id int64) Command { return ChildStartFailed{InitiatedEventID: id} }),
	"child ends": onFirst(childIDs, func(id int64) Command {
		return ChildClosed{InitiatedEventID: id, FirstRunID: "child-run", RunID: "child-run", CloseEvent: closeEvent("completed")}
	}),
	"signal delivered": onFirst(func(s *State) []int64 { return s.ExternalSignals.keys() }, func(id int64) Command { return SignalDelivered{InitiatedEventID: id} }),
	"crash":            (*rig).crash,
}

// clients' moves are not needed for a run to end.
var clientMoves = []string{"signal", "signal with start", "cancel", "update", "update other", "pause", "pause activity", "crash"}

func answering(lines string, options ...string) func(r *rig) {
	return func(r *rig) { _, _ = r.complete(completion(lineArgs(options), lines)) }
}

func sending(c Command) func(r *rig) { return func(r *rig) { _, _ = r.do(c) } }

func operating(line string) func(r *rig) {
	words := strings.Fields(line)
	return sending(operatorCommand(words[0], lineArgs(append(words[1:], "id=a"))))
}

// onFirst acknowledges the first of what is under way.
func onFirst(pending func(*State) []int64, command func(id int64) Command) func(r *rig) {
	return func(r *rig) {
		if ids := pending(r.s); len(ids) > 0 {
			_, _ = r.do(command(ids[0]))
		}
	}
}

func childIDs(s *State) []int64 { return s.Children.keys() }

// TestExplore holds each state of each world against the laws, and when a world has been walked to its end, requires that a run
// can end from wherever it got.
func TestExplore(t *testing.T) {
	most := exploreStatesMax
	if os.Getenv(environmentExplore) != "" {
		most = 0
	}
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			e := explore(t, w, most)
			if most == 0 {
				require.Empty(t, e.level, "the walk goes on")
			}
			if len(e.level) == 0 {
				e.requireEnds(t)
			}
			t.Logf("%d states by %d moves, depth %d, %d left to go on from", len(e.nodes), e.tried, e.depth, len(e.level))
		})
	}
}

// exploration is a walk under way.
type exploration struct {
	nodes []node
	found map[[sha256.Size]byte]int
	level []place // to go on from
	depth int
	tried int
}

// node is a state that was found, and how.
type node struct {
	parent int
	move   string
	closed bool
	idle   bool // waits for clients only
	// before are the nodes that lead here without a client's help.
	before []int
}

type place struct {
	at  int
	rig *rig
}

// explore walks breadth first, to the end or until it has found so many states (0: to the end).
func explore(t *testing.T, w world, most int) *exploration {
	first := newRig(t)
	first.unchecked = true
	first.limits.BufferedEvents, first.limits.TaskHeartbeat = 2, exploredHeartbeat
	first.limits.PendingChildren, first.limits.PendingSignals = 2, 1
	first.begin(startOf(w.start))
	e := &exploration{found: map[[sha256.Size]byte]int{}}
	e.add(first, 0, "start")
	defer func() {
		if t.Failed() {
			t.Logf("after %s", e.path(len(e.nodes)-1))
		}
	}()
	for len(e.level) > 0 && (most == 0 || len(e.nodes) < most) {
		level := e.level
		e.level = nil
		for _, from := range level {
			e.expand(t, w, from)
		}
		e.depth++
	}
	return e
}

// add takes a state that is new, and holds it against the laws.
func (e *exploration) add(r *rig, parent int, move string) int {
	at := len(e.nodes)
	e.nodes = append(e.nodes, node{parent: parent, move: move, closed: !r.s.Open(), idle: r.isIdle()})
	e.found[r.key()] = at
	e.level = append(e.level, place{at, r})
	r.laws()
	require.False(r.t, r.hasUnseen(), "nobody will tell a worker what happened")
	return at
}

// expand tries all moves from a state, which must stay as it is.
func (e *exploration) expand(t *testing.T, w world, from place) {
	before := from.rig.key()
	for name := range strings.SplitSeq(w.moves, ", ") {
		to := from.rig.branch()
		moves[name](to)
		e.tried++
		if e.nodes[from.at].closed {
			require.False(t, to.s.Open(), "closed stays closed")
			require.Len(t, to.history, len(from.rig.history), "nothing follows a close")
		}
		at, known := e.found[to.key()]
		if !known {
			at = e.add(to, from.at, name)
		}
		if !slices.Contains(clientMoves, name) {
			e.nodes[at].before = append(e.nodes[at].before, from.at)
		}
	}
	require.Equal(t, before, from.rig.key(), "a decision changed the state it was given")
}

// branch is a rig that may go another way.
func (r *rig) branch() *rig {
	next := *r
	next.history = r.history[:len(r.history):len(r.history)]
	next.started = map[string]ActivityRef{"a": r.started["a"]}
	return &next
}

// isIdle tells whether the run has nothing to wait for but clients.
func (r *rig) isIdle() bool {
	w := r.s.Work(r.now)
	return r.s.Open() && r.s.Task == nil && !r.s.Paused() && r.s.Children.len() == 0 && w.WakeAt.IsZero() && !w.Pending()
}

// hasUnseen tells whether a run without a task has events that no worker has been given.
func (r *rig) hasUnseen() bool {
	if !r.s.Open() || r.s.Task != nil || r.s.FirstTaskDelayed || r.s.Paused() {
		return false
	}
	for _, e := range slices.Backward(r.history) {
		switch e.EventType {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			return false
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, enumspb.EVENT_TYPE_TIMER_FIRED,
			enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED, enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
			enumspb.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ADMITTED:
			return true
		}
		if isFinish(e.EventType) {
			return true
		}
	}
	return false
}

// requireEnds requires that workers and time alone can bring the run to its end, or to where it only waits for clients.
func (e *exploration) requireEnds(t *testing.T) {
	ends := make([]bool, len(e.nodes))
	var left []int
	for at, n := range e.nodes {
		if n.closed || n.idle {
			ends[at], left = true, append(left, at)
		}
	}
	for len(left) > 0 {
		at := left[len(left)-1]
		left = left[:len(left)-1]
		for _, before := range e.nodes[at].before {
			if !ends[before] {
				ends[before], left = true, append(left, before)
			}
		}
	}
	at := slices.Index(ends, false)
	require.Negative(t, at, "a run that can never end, after %s", e.path(max(at, 0)))
}

// path are the moves that led to a node.
func (e *exploration) path(at int) string {
	var made []string
	for ; at > 0; at = e.nodes[at].parent {
		made = append(made, e.nodes[at].move)
	}
	slices.Reverse(made)
	return strings.Join(made, ", ")
}
