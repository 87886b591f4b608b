package execution

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// How far the exploration goes: whichever comes first.
const (
	exploreDepthMax  = 8
	exploreStatesMax = 6000
)

// move is one letter of the alphabet that is explored.
type move struct {
	name string
	do   func(r *rig)
}

// moves are few, so that every sequence of them can be tried. A move that
// cannot be made leaves the state as it is.
func moves() []move {
	answer := func(lines string, of args) func(r *rig) {
		return func(r *rig) { _, _ = r.complete(completion(of, lines)) }
	}
	send := func(c Command) func(r *rig) { return func(r *rig) { _, _ = r.do(c) } }
	return []move{
		{"poll", func(r *rig) { _, _ = r.startTask() }},
		{"complete", answer("", args{})},
		{"sticky", answer("", args{"sticky": "mine"})},
		{"work", answer("timer id=t after=1s\nactivity id=a start-to-close=2s attempts=2", args{})},
		{"heartbeat", answer("", args{"force": "", "return-new": ""})},
		{"accept", answer("accept id=u", args{})},
		{"reject", answer("reject id=u", args{})},
		{"done", answer("done", args{})},
		{"fail task", func(r *rig) {
			if r.lastStart != nil {
				_, _ = r.do(FailTask{ScheduledEventID: r.lastStart.ScheduledEventID, StartedEventID: r.lastStart.StartedEventID, Stamp: r.lastStart.Stamp})
			}
		}},
		{"signal", send(Signal{Name: "s"})},
		{"update", send(AdmitUpdate{Request: updateRequest("u")})},
		{"tick", func(r *rig) {
			r.advance(args{})
			_, _ = r.do(Tick{})
		}},
		{"start activity", func(r *rig) { _ = r.startActivity("a") }},
		{"complete activity", func(r *rig) { _, _ = r.do(CompleteActivity{Activity: r.started["a"]}) }},
		{"crash", (*rig).crash},
	}
}

// key is what the future of a rig depends on. Stamps are compared only with
// one another, so a state that differs in them alone has the same future.
func (r *rig) key() [sha256.Size]byte {
	s := r.s.fork()
	token, ref := "", r.started["a"]
	if r.lastStart != nil {
		valid := s.Task != nil && s.Task.Stamp == r.lastStart.Stamp
		token = fmt.Sprint(r.lastStart.ScheduledEventID, r.lastStart.StartedEventID, valid)
	}
	if a := s.Activities.get(ref.ScheduledEventID); a != nil {
		token += fmt.Sprint(" ", ref.ScheduledEventID, a.Stamp == ref.Stamp)
	}
	s.Version, s.LastStamp = 0, 0
	if s.Task != nil {
		s.Task.Stamp = 0
	}
	for _, id := range s.Activities.keys() {
		s.Activities.edit(id).Stamp = 0
	}
	unsaved := len(r.history) - r.durableEvents
	return sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d|%d|%s", snapshot(r.t, s), token, unsaved, r.now.UnixNano(), r.durableKey()))
}

// durableKey is the part of the future that a crash would bring: the durable state but for its stamps.
func (r *rig) durableKey() string {
	s := restore(r.t, r.durable, r.history)
	s.Version, s.LastStamp = 0, 0
	if s.Task != nil {
		s.Task.Stamp = 0
	}
	for _, id := range s.Activities.keys() {
		s.Activities.edit(id).Stamp = 0
	}
	return snapshot(r.t, s)
}

// branch is a rig that may go another way.
func (r *rig) branch() *rig {
	next := *r
	next.history = r.history[:len(r.history):len(r.history)]
	next.started = map[string]ActivityRef{"a": r.started["a"]}
	return &next
}

// TestExplore tries every sequence of the moves, shortest first, and holds each
// state it gets to against the laws. A state seen before is not gone on from.
func TestExplore(t *testing.T) {
	first := newRig(t)
	first.limits.BufferedEvents = 2
	first.begin(startOf(args{"task-timeout": "3s"}))
	seen := map[[sha256.Size]byte]bool{first.key(): true}
	level, tried := []*rig{first}, 0
	depth := 0
	for ; depth < exploreDepthMax && len(level) > 0 && len(seen) < exploreStatesMax; depth++ {
		var next []*rig
		for _, from := range level {
			if len(seen) >= exploreStatesMax {
				break
			}
			for _, m := range moves() {
				to := from.branch()
				m.do(to)
				tried++
				if key := to.key(); !seen[key] {
					seen[key] = true
					next = append(next, to)
				}
			}
		}
		level = next
	}
	t.Logf("%d states by %d moves, depth %d at most", len(seen), tried, depth)
	require.GreaterOrEqual(t, len(seen), exploreStatesMax, "the exploration stopped short")
}
