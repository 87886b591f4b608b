package execution

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/spans"
	"perdure/server/spanstest"
	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// rig is one run under test. Every decision that it makes must obey the laws of the core.
type rig struct {
	t       require.TestingT
	s       *State
	now     time.Time
	ids     int
	limits  Limits
	history []*historypb.HistoryEvent
	last    Decision
	// What a crash leaves: the encoded state of the last durable decision and the events up to it.
	durable       []byte
	durableEvents int
	saved         *State // the same, not encoded
	// lastStart is what the last worker got.
	lastStart *TaskStarted
	started   map[string]ActivityRef // by activity id
	// shop is the worker deployment whose builds serve the run, routes what follows
	// from it, worker the version whose worker has the task.
	shop   *deployment.State
	routes *deployment.Table
	builds deployment.Builds // of the older versioning, part of routes
	worker match.Version
	// look is what search looks at inside.
	look inside.Look
	// unchecked leaves out the laws, to walk many states quickly.
	unchecked bool
}

func newRig(t require.TestingT) *rig {
	return &rig{t: t, now: epoch, limits: DefaultLimits(), started: make(map[string]ActivityRef)}
}

func (r *rig) env() Env {
	return Env{
		Now: r.now, Limits: r.limits, Routes: r.routes, Traced: true,
		Namespace: Namespace{ID: "ns-id", Name: "ns", Retention: 24 * time.Hour, SearchAttributes: attr.Types{"City": enumspb.INDEXED_VALUE_TYPE_KEYWORD}, Look: r.look,
			BadBinaries: map[string]*namespacepb.BadBinaryInfo{"bad": {Reason: "breaks"}}},
		NewID: func() string {
			r.ids++
			return fmt.Sprintf("id-%d", r.ids)
		},
	}
}

func startRequest() *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		WorkflowId: "w", RequestId: "start", WorkflowType: &commonpb.WorkflowType{Name: "W"},
		TaskQueue: &taskqueuepb.TaskQueue{Name: "q", Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
	}
}

func (r *rig) begin(c Start) Decision {
	c.RunID = "run-1"
	d, err := Begin(c, r.env())
	require.NoError(r.t, err)
	r.adopt(d)
	if started, ok := d.Reply.(*TaskStarted); ok {
		r.lastStart = started
	}
	return d
}

// adopt takes over a decision and holds it against the laws.
func (r *rig) adopt(d Decision) {
	for _, e := range d.Events {
		require.Equal(r.t, int64(len(r.history))+1, e.EventId, "events are numbered one after the other")
		r.history = append(r.history, e)
	}
	r.s, r.last = d.State, d
	if !d.Volatile {
		encoded, err := d.State.Encode()
		require.NoError(r.t, err)
		r.durable, r.durableEvents, r.saved = encoded, len(r.history), d.State
	}
	if !r.unchecked {
		r.laws()
	}
	if d.Next != nil && !r.unchecked {
		next := r.following()
		next.laws()
	}
}

// following is the run that continues this one.
func (r *rig) following() *rig {
	require.NotNil(r.t, r.last.Next, "no run follows")
	next := newRig(r.t)
	next.now, next.ids, next.limits = r.now, r.ids, r.limits
	next.shop, next.routes, next.builds = r.shop, r.routes, r.builds
	next.adopt(*r.last.Next)
	return next
}

func (r *rig) laws() {
	require.NoError(r.t, Check(r.s))
	require.NoError(r.t, Verify(r.s, r.history))
	spanstest.RequireTree(r.t, spans.Build(spans.Run{WorkflowID: "w", RunID: r.s.RunID, Until: r.now, Origin: r.s.Origin}, r.history))
	r.roundTrip()
}

// roundTrip: decoding and attaching gives the same state, but for what lives in memory only.
func (r *rig) roundTrip() {
	encoded, err := r.s.Encode()
	require.NoError(r.t, err)
	back := restore(r.t, encoded, r.history)
	require.Equal(r.t, snapshot(r.t, forgetful(r.s)), snapshot(r.t, back))
	require.NoError(r.t, Check(back))
	again, err := back.Encode()
	require.NoError(r.t, err)
	require.Equal(r.t, encoded, again)
}

// restore reads a stored state as the kernel does after a crash.
func restore(t require.TestingT, encoded []byte, history []*historypb.HistoryEvent) *State {
	s, err := Decode(encoded)
	require.NoError(t, err)
	for _, id := range s.NeededEvents() {
		s.Attach(history[id-1])
	}
	return s
}

// forgetful is the state without what lives in memory only.
func forgetful(s *State) *State {
	s = s.fork()
	if s.Task != nil && s.Task.Kind == TaskSpeculative {
		s.Task = nil
	}
	for _, u := range s.Updates.values() {
		if u.Stage < UpdateAccepted && !u.InHistory {
			s.Updates.drop(u.ID)
		}
	}
	return s
}

// snapshot is everything in a state as text.
func snapshot(t require.TestingT, s *State) string {
	var b strings.Builder
	encoded, err := s.Encode()
	require.NoError(t, err)
	fmt.Fprintf(&b, "%x\n", encoded)
	if s.Task != nil {
		fmt.Fprintf(&b, "task %+v\n", *s.Task)
	}
	message := func(name string, m proto.Message) {
		bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s %x\n", name, bytes)
	}
	message("started", s.Started)
	message("close", s.CloseEvent)
	for _, a := range s.Activities.values() {
		message("activity", a.Scheduled)
	}
	for _, c := range s.Children.values() {
		message("child", c.Initiated)
	}
	for _, e := range s.ExternalSignals.values() {
		message("signal", e.Initiated)
	}
	for _, e := range s.ExternalCancels.values() {
		message("cancel", e.Initiated)
	}
	for _, c := range s.Callbacks.values() {
		fmt.Fprintf(&b, "callback %d %d %+v\n", c.Key(), c.TriggerID, c.Progress)
		message("registered", c.Registered)
		message("trigger", c.Trigger)
	}
	for _, u := range s.Updates.values() {
		fmt.Fprintf(&b, "update %s %d %d %d %d\n", u.ID, u.Stage, u.Order, u.AcceptedEventID, u.CompletedEventID)
		message("request", u.Request)
	}
	return b.String()
}

// do decides a command and adopts what it decided.
func (r *rig) do(c Command) (Decision, error) {
	if r.unchecked {
		d, err := Decide(r.s, c, r.env())
		if err == nil {
			r.adopt(d)
		}
		return d, err
	}
	before, wasOpen, events := snapshot(r.t, r.s), r.s.Open(), len(r.history)
	d, err := Decide(r.s, c, r.env())
	require.Equal(r.t, before, snapshot(r.t, r.s), "a decision changed the state it was given: %#v", c)
	if err != nil {
		return d, err
	}
	old := r.s
	r.adopt(d)
	require.Equal(r.t, before, snapshot(r.t, old), "a decision changed the state it was given: %#v", c)
	if !wasOpen {
		require.False(r.t, r.s.Open(), "closed stays closed")
		require.Len(r.t, r.history, events, "nothing follows a close")
	}
	return d, nil
}

// requireNothingDue: after a tick the next wake-up lies ahead, else the run would be woken again and again.
func (r *rig) requireNothingDue() {
	if wake := r.s.Work(r.now).WakeAt; !wake.IsZero() {
		require.Greater(r.t, wake, r.now, "a wake-up that does nothing")
	}
}

// crash forgets everything since the last durable decision.
func (r *rig) crash() {
	r.now = r.now.Add(time.Microsecond) // a restart takes longer
	r.history = r.history[:r.durableEvents:r.durableEvents]
	r.s = restore(r.t, r.durable, r.history)
	require.NoError(r.t, Check(r.s))
	require.NoError(r.t, Verify(r.s, r.history))
}

// startTask gives the pending workflow task to a worker of the version that it is for.
func (r *rig) startTask() (*TaskStarted, error) {
	for _, offer := range r.s.Work(r.now).Offers {
		switch {
		case !offer.Workflow:
		case offer.Sticky && r.target(offer) != offer.Worker: // as the sticky queue does
			if _, err := r.do(RefuseSticky{ScheduledEventID: offer.ScheduledEventID, Stamp: offer.Stamp}); err != nil {
				return nil, err
			}
			return r.startTask()
		default:
			return r.startTaskOn(r.target(offer))
		}
	}
	return nil, errors.New("no workflow task is offered")
}

func (r *rig) startTaskOn(worker match.Version) (*TaskStarted, error) {
	for _, offer := range r.s.Work(r.now).Offers {
		if offer.Workflow {
			d, err := r.do(StartTask{
				ScheduledEventID: offer.ScheduledEventID, Stamp: offer.Stamp, Identity: "worker", RequestID: "poll", FromSticky: offer.Sticky, Worker: worker,
			})
			if err != nil {
				return nil, err
			}
			r.worker = worker
			r.lastStart = d.Reply.(*TaskStarted)
			return r.lastStart, nil
		}
	}
	return nil, errors.New("no workflow task is offered")
}

func (r *rig) complete(request *workflowservice.RespondWorkflowTaskCompletedRequest) (Decision, error) {
	if r.lastStart == nil {
		return Decision{}, errors.New("no worker has a task")
	}
	token := r.lastStart
	d, err := r.do(CompleteTask{ScheduledEventID: token.ScheduledEventID, StartedEventID: token.StartedEventID, Stamp: token.Stamp, Request: request})
	if completed, ok := d.Reply.(*TaskCompleted); ok && completed != nil {
		if completed.NewTask != nil {
			r.lastStart = completed.NewTask
		}
		for _, task := range completed.Eager {
			r.started[task.ActivityID] = ActivityRef{ScheduledEventID: task.ScheduledEventID, Stamp: task.Stamp}
		}
	}
	return d, err
}

// startActivity gives the activity with the id to a worker of the version that it is for.
func (r *rig) startActivity(id string) error {
	for _, offer := range r.s.Work(r.now).Offers {
		if offer.Workflow || r.s.Activities.get(offer.ScheduledEventID).ActivityID != id {
			continue
		}
		d, err := r.do(StartActivity{
			ScheduledEventID: offer.ScheduledEventID, Stamp: offer.Stamp, Identity: "worker", RequestID: "poll-" + id, Worker: r.target(offer),
		})
		if err != nil {
			return err
		}
		if d.Err != nil {
			return d.Err
		}
		r.started[id] = ActivityRef{ScheduledEventID: offer.ScheduledEventID, Stamp: d.Reply.(*ActivityTask).Stamp}
		return nil
	}
	return fmt.Errorf("activity %q is not offered", id)
}
