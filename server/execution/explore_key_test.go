package execution

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
)

// What the walk of explore_test.go takes for one state: everything that the future depends on, with names that do not matter
// taken away. Ids of events count by their order only, times by their distance from now, stamps by being equal to those that
// workers have. What is only told to people is left out. A field that nobody wrote of here counts as it is, so that one that
// is new can make the walk longer but never blind.

const (
	// placeOfNext is what the id of the next event becomes; ids of events that are pending become their places before it.
	placeOfNext = 1000
	// attemptsMost of a workflow task differ: from then on its timeout has stopped growing.
	attemptsMost = 12
	// unseenMost events between two tasks differ: with one a rejection may be forgotten, with more never.
	unseenMost = 2
)

// key is what the future of a rig depends on.
func (r *rig) key() [sha256.Size]byte {
	var b strings.Builder
	for _, s := range []*State{r.s, forgetful(r.saved)} { // as it is, and as a crash would leave it
		writeCanonical(r.t, &b, s, r.now)
		ref := r.started["a"]
		a := s.Activities.get(ref.ScheduledEventID)
		fmt.Fprintf(&b, "tokens %t %t\n", s.Task != nil && r.lastStart != nil && s.Task.Stamp == r.lastStart.Stamp, a != nil && a.Stamp == ref.Stamp)
	}
	return sha256.Sum256([]byte(b.String()))
}

func writeCanonical(t require.TestingT, b *strings.Builder, s *State, now time.Time) {
	c := canonical(s, now)
	encoded, err := c.Encode()
	require.NoError(t, err)
	fmt.Fprintf(b, "%x\n%t\n", encoded, c.heavy)
	if c.Task != nil {
		fmt.Fprintf(b, "task %+v\n", *c.Task)
	}
	for _, u := range c.Updates.values() {
		fmt.Fprintf(b, "update %s %d %d\n", u.ID, u.Stage, u.Order)
	}
}

// canonical is a state with the names of its kind.
func canonical(s *State, now time.Time) *State {
	c := s.fork()
	n := &namer{now: now, next: s.NextEventID}
	n.collect(s)
	n.run(c, s)
	n.task(c.Task)
	n.activities(c)
	n.others(c)
	c.Buffered = slices.Clone(s.Buffered)
	for i, e := range c.Buffered {
		c.Buffered[i] = &historypb.HistoryEvent{EventType: e.EventType, EventId: n.place(subject(e))}
	}
	return c
}

// namer gives ids and times the names of their kind.
type namer struct {
	now  time.Time
	next int64
	ids  []int64
}

func (n *namer) collect(s *State) {
	ids := append(s.Activities.keys(), s.Children.keys()...)
	ids = append(append(ids, s.ExternalSignals.keys()...), s.ExternalCancels.keys()...)
	for _, timer := range s.Timers.values() {
		ids = append(ids, timer.StartedEventID)
	}
	if s.Task != nil {
		ids = append(ids, s.Task.ScheduledEventID, s.Task.StartedEventID)
	}
	slices.Sort(ids)
	n.ids = slices.Compact(ids)
}

// place is where an event stands among those that count.
func (n *namer) place(id int64) int64 {
	if id >= n.next {
		return placeOfNext + id - n.next
	}
	i, _ := slices.BinarySearch(n.ids, id)
	return int64(i)
}

// from is the distance of a time from now; what is the same for any longer ago becomes the same.
func (n *namer) from(at time.Time, longest time.Duration) time.Time {
	if at.IsZero() {
		return at
	}
	distance := max(at.Sub(n.now), -longest).Round(time.Millisecond)
	return time.Unix(0, 0).Add(distance + time.Hour).UTC()
}

// long is more than any deadline that a move sets.
const long = 24 * time.Hour

func (n *namer) run(c, s *State) {
	c.Version, c.LastStamp, c.HistorySize, c.SignalCount, c.bytes = 0, 0, 0, 0, 0
	c.Seen = Seen{}
	c.NextEventID, c.LastTaskCompletedID, c.CloseEventID = placeOfNext, 0, min(c.CloseEventID, 1)
	c.PreviousStartedID = placeOfNext - min(s.NextEventID-1-s.PreviousStartedID, unseenMost)
	c.StartTime, c.CloseTime, c.LastResetTime = time.Time{}, time.Time{}, time.Time{}
	c.ExecutionTime = time.Time{}
	if s.FirstTaskDelayed {
		c.ExecutionTime = n.from(s.ExecutionTime, long)
	}
	c.TaskAttempt = min(c.TaskAttempt, attemptsMost)
	c.TaskHeartbeatSince = n.from(c.TaskHeartbeatSince, exploredHeartbeat)
	c.WorkflowTaskFailures = min(c.WorkflowTaskFailures, problemAfterFailures+1)
	c.Requests, c.SignalRequests = requestTable{}, requestTable{}
	c.ResetPoints, c.CancelRequestID = nil, ""
	if c.Pause != nil {
		c.Pause = &Pause{}
	}
	if c.NewRunID != "" {
		c.NewRunID = "next"
	}
}

func (n *namer) task(task *WorkflowTask) {
	if task == nil {
		return
	}
	if started := task.StartedEventID; started != 0 {
		task.StartedEventID = n.place(started)
	}
	task.ScheduledEventID = n.place(task.ScheduledEventID)
	task.Attempt = min(task.Attempt, attemptsMost)
	task.ScheduledTime, task.HistorySize, task.Stamp = time.Time{}, 0, 0
	task.RequestID, task.Identity = "", ""
	task.OriginalScheduledTime = n.from(task.OriginalScheduledTime, exploredHeartbeat)
	task.StartedTime, task.StickyUntil = n.from(task.StartedTime, long), n.from(task.StickyUntil, long)
}

func (n *namer) activities(c *State) {
	pending := c.Activities.values()
	c.Activities.clear()
	for _, old := range pending {
		a := *old
		a.ScheduledEventID, a.CancelEventID = n.place(a.ScheduledEventID), min(a.CancelEventID, 1)
		a.Stamp, a.RequestID, a.Identity, a.LastFailure = 0, "", "", nil
		a.LastAttemptEnd, a.RetryIntervalNano, a.PauseTime = time.Time{}, 0, time.Time{}
		a.AttemptTime, a.StartedTime = n.from(a.AttemptTime, 0), n.from(a.StartedTime, long)
		a.HeartbeatTime = n.from(a.HeartbeatTime, long)
		a.ScheduledTime = time.Time{}
		if duration(a.attributes().GetScheduleToCloseTimeout()) > 0 {
			a.ScheduledTime = n.from(old.ScheduledTime, long)
		}
		if duration(a.attributes().GetScheduleToStartTimeout()) > 0 {
			a.AttemptTime = n.from(old.AttemptTime, long)
		}
		c.Activities.put(a.ScheduledEventID, &a)
	}
}

// others names what else is pending.
func (n *namer) others(c *State) {
	for _, id := range c.Timers.keys() {
		timer := c.Timers.edit(id)
		timer.StartedEventID, timer.FireTime = n.place(timer.StartedEventID), n.from(timer.FireTime, long)
	}
	children := c.Children.values()
	c.Children.clear()
	for _, old := range children {
		child := *old
		child.InitiatedEventID, child.StartedEventID = n.place(child.InitiatedEventID), min(child.StartedEventID, 1)
		c.Children.put(child.InitiatedEventID, &child)
	}
	signals, cancels := c.ExternalSignals.keys(), c.ExternalCancels.keys()
	c.ExternalSignals.clear()
	c.ExternalCancels.clear()
	for _, id := range signals {
		c.ExternalSignals.put(n.place(id), &ExternalSignal{InitiatedEventID: n.place(id)})
	}
	for _, id := range cancels {
		c.ExternalCancels.put(n.place(id), &ExternalCancel{InitiatedEventID: n.place(id)})
	}
	updates := c.Updates.values()
	slices.SortFunc(updates, func(a, b *Update) int { return int(a.Order - b.Order) })
	for i, old := range updates {
		u := c.Updates.edit(old.ID)
		u.Order, u.AcceptedEventID, u.CompletedEventID = int64(i), min(u.AcceptedEventID, 1), min(u.CompletedEventID, 1)
	}
	c.UpdateCount = int64(len(updates))
}

// subject is the event that one about a pending thing points to; 0: none.
func subject(e *historypb.HistoryEvent) int64 {
	if initiated, ok := childOf(e); ok {
		return initiated
	}
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_ActivityTaskStartedEventAttributes:
		return a.ActivityTaskStartedEventAttributes.ScheduledEventId
	case *historypb.HistoryEvent_ActivityTaskCompletedEventAttributes:
		return a.ActivityTaskCompletedEventAttributes.ScheduledEventId
	case *historypb.HistoryEvent_ActivityTaskFailedEventAttributes:
		return a.ActivityTaskFailedEventAttributes.ScheduledEventId
	case *historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes:
		return a.ActivityTaskTimedOutEventAttributes.ScheduledEventId
	case *historypb.HistoryEvent_ActivityTaskCanceledEventAttributes:
		return a.ActivityTaskCanceledEventAttributes.ScheduledEventId
	case *historypb.HistoryEvent_TimerFiredEventAttributes:
		return a.TimerFiredEventAttributes.StartedEventId
	}
	return 0
}
