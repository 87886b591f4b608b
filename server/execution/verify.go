package execution

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/proto"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/nexus"
)

// Verify compares a state with the run's whole history: everything that
// history tells must be in the state, and nothing else of that kind. It
// returns one error for each field that differs, joined; nil when they agree.
// What history does not tell, such as attempts, heartbeats, sticky queues and
// updates not yet accepted, is not looked at.
func Verify(stored *State, events []*historypb.HistoryEvent) error {
	p := &problems{}
	checkHistory(p, events)
	if len(p.found) > 0 {
		return p.error()
	}
	told := Rebuild(stored.NamespaceID, stored.WorkflowID, stored.RunID, stored.RequestID, events)
	compareFacts(p, stored, told)
	compareTask(p, stored, told)
	size := int64(0)
	for _, e := range events {
		size += int64(proto.Size(e))
	}
	p.require(stored.HistorySize == size, "history size: state has %d bytes, events have %d", stored.HistorySize, size)
	compareRequests(p, stored, told)
	compareMaps(p, "callback", stored.callbackFacts(), told.callbackFacts())
	comparePending(p, stored, told)
	return p.error()
}

// checkHistory looks at the events alone.
func checkHistory(p *problems, events []*historypb.HistoryEvent) {
	if len(events) == 0 {
		p.require(false, "history is empty")
		return
	}
	p.require(events[0].EventType == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED && events[0].GetWorkflowExecutionStartedEventAttributes() != nil,
		"event 1 is %s", events[0].EventType)
	for i, e := range events {
		p.require(e.EventId == int64(i)+1, "event %d stands where %d belongs", e.EventId, i+1)
		p.require(e.EventTime.IsValid(), "event %d has no time", e.EventId)
		status, _ := closing(e)
		p.require(status == 0 || i == len(events)-1, "event %d, %s, is not the last", e.EventId, e.EventType)
		if startedID, must := startOfResult(e); must || startedID != 0 {
			p.require(startedID > 0 && startedID < e.EventId && isStart(events[startedID-1].EventType), "event %d, %s: started by event %d", e.EventId, e.EventType, startedID)
		}
	}
}

func isStart(kind enumspb.EventType) bool {
	return kind == enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED || kind == enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED
}

// startOfResult is the started event that a result of an activity or a child
// names. must: it has to name one.
func startOfResult(e *historypb.HistoryEvent) (startedID int64, must bool) {
	switch a := e.Attributes.(type) {
	case *historypb.HistoryEvent_ActivityTaskCompletedEventAttributes:
		return a.ActivityTaskCompletedEventAttributes.StartedEventId, true
	case *historypb.HistoryEvent_ActivityTaskFailedEventAttributes:
		return a.ActivityTaskFailedEventAttributes.StartedEventId, true
	case *historypb.HistoryEvent_ActivityTaskTimedOutEventAttributes:
		return a.ActivityTaskTimedOutEventAttributes.StartedEventId, false
	case *historypb.HistoryEvent_ActivityTaskCanceledEventAttributes:
		return a.ActivityTaskCanceledEventAttributes.StartedEventId, false
	case *historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes:
		return a.ChildWorkflowExecutionCompletedEventAttributes.StartedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes:
		return a.ChildWorkflowExecutionFailedEventAttributes.StartedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionCanceledEventAttributes:
		return a.ChildWorkflowExecutionCanceledEventAttributes.StartedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionTimedOutEventAttributes:
		return a.ChildWorkflowExecutionTimedOutEventAttributes.StartedEventId, true
	case *historypb.HistoryEvent_ChildWorkflowExecutionTerminatedEventAttributes:
		return a.ChildWorkflowExecutionTerminatedEventAttributes.StartedEventId, true
	}
	return 0, false
}

// same adds a problem when a field of the state is not what history tells.
func same[T comparable](p *problems, field string, stored, told T) {
	p.require(stored == told, "%s: state has %v, history tells %v", field, stored, told)
}

func valueOf[T any](v *T) T {
	if v == nil {
		var none T
		return none
	}
	return *v
}

func sameTime(p *problems, field string, stored, told time.Time) {
	p.require(stored.Equal(told), "%s: state has %v, history tells %v", field, stored, told)
}

func sameMessage(p *problems, field string, stored, told proto.Message) {
	p.require(proto.Equal(stored, told) || (proto.Size(stored) == 0 && proto.Size(told) == 0), "%s: state has {%v}, history tells {%v}", field, stored, told)
}

func compareFacts(p *problems, stored, told *State) {
	same(p, "next event", stored.NextEventID, told.NextEventID)
	same(p, "status", stored.Status, told.Status)
	sameTime(p, "start time", stored.StartTime, told.StartTime)
	sameTime(p, "execution time", stored.ExecutionTime, told.ExecutionTime)
	sameTime(p, "close time", stored.CloseTime, told.CloseTime)
	sameTime(p, "reset time", stored.LastResetTime, told.LastResetTime)
	same(p, "close event", stored.CloseEventID, told.CloseEventID)
	same(p, "next run", stored.NewRunID, told.NewRunID)
	same(p, "first task delayed", stored.FirstTaskDelayed, told.FirstTaskDelayed)
	same(p, "last started task", stored.PreviousStartedID, told.PreviousStartedID)
	same(p, "last completed task", stored.LastTaskCompletedID, told.LastTaskCompletedID)
	if len(stored.Buffered) == 0 { // these take effect before their events are written
		same(p, "pause", valueOf(stored.Pause), valueOf(told.Pause))
		sameMessage(p, "priority", stored.Priority, told.Priority)
	}
	same(p, "signals", stored.SignalCount, told.SignalCount)
	sameMessage(p, "memo", stored.Memo, told.Memo)
	sameMessage(p, "search attributes", stored.SearchAttributes, told.SearchAttributes)
	sameMessage(p, "versioning override", stored.VersioningOverride, told.VersioningOverride)
	same(p, "override removed", stored.OverrideRemoved, told.OverrideRemoved)
	same(p, "versioning", stored.Versioning.told(), told.Versioning.told())
	same(p, "last worker", stored.Building.Worker, told.Building.Worker)
	sameMessage(p, "started event", stored.Started, told.Started)
	compareResetPoints(p, stored.ResetPoints, told.ResetPoints)
	p.require(!stored.NotifyParent || told.NotifyParent, "the parent is to be told of a close that it has no part in")
	p.require(!stored.ClosePolicyDue || told.ClosePolicyDue, "children are to be dealt with that there are none of")
	compareUpdates(p, stored, told)
}

// compareResetPoints: history tells of all of them, the state keeps the newest.
func compareResetPoints(p *problems, stored, told []*workflowpb.ResetPointInfo) {
	forgotten := len(told) - len(stored)
	p.require(forgotten >= 0 && (forgotten == 0 || len(stored) > 0), "history tells of %d reset points, the state of %d", len(told), len(stored))
	for i := range min(len(stored), len(told)) {
		sameMessage(p, fmt.Sprintf("reset point %d", i), stored[len(stored)-1-i], told[len(told)-1-i])
	}
}

// compareTask looks at a task that is in history; others leave no trace.
func compareTask(p *problems, stored, told *State) {
	task, known := stored.Task, told.Task
	if task != nil && task.Kind != TaskNormal {
		task = nil
	}
	if task == nil || known == nil {
		p.require(task == nil && known == nil, "task: pending in the state %t, in history %t", task != nil, known != nil)
		return
	}
	same(p, "task, scheduled event", task.ScheduledEventID, known.ScheduledEventID)
	same(p, "task, started event", task.StartedEventID, known.StartedEventID)
	same(p, "task, attempt", task.Attempt, known.Attempt)
	same(p, "task, queue", task.Queue, known.Queue)
	same(p, "task, sticky", task.Sticky, known.Sticky)
	sameTime(p, "task, scheduled time", task.ScheduledTime, known.ScheduledTime)
	sameTime(p, "task, started time", task.StartedTime, known.StartedTime)
	same(p, "task, timeout", task.Timeout, known.Timeout)
	same(p, "task, request", task.RequestID, known.RequestID)
	same(p, "task, identity", task.Identity, known.Identity)
	same(p, "task, history size", task.HistorySize, known.HistorySize)
	same(p, "task, other version", task.TargetChanged, known.TargetChanged)
	same(p, "task, build id", task.Build, known.Build)
	same(p, "task, redirects", task.Redirects, known.Redirects)
	p.require(slices.Equal(task.SuggestReasons, known.SuggestReasons), "task, suggestions: state has %v, history tells %v", task.SuggestReasons, known.SuggestReasons)
}

func compareUpdates(p *problems, stored, told *State) {
	accepted := func(s *State) map[string]Update {
		known := make(map[string]Update)
		for _, u := range s.Updates.values() {
			if u.Stage >= UpdateAccepted || u.InHistory {
				known[u.ID] = Update{ID: u.ID, Stage: u.Stage, AcceptedEventID: u.AcceptedEventID, CompletedEventID: u.CompletedEventID, InHistory: u.InHistory}
			}
		}
		return known
	}
	compareMaps(p, "update", accepted(stored), accepted(told))
}

// compareMaps compares entries whose values can be compared as a whole.
func compareMaps[K cmp.Ordered, V comparable](p *problems, what string, stored, told map[K]V) {
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		known, found := told[key]
		p.require(found, "%s %v: history does not tell of it", what, key)
		p.require(!found || stored[key] == known, "%s %v: state has %+v, history tells %+v", what, key, stored[key], known)
	}
	for _, key := range slices.Sorted(maps.Keys(told)) {
		_, found := stored[key]
		p.require(found, "%s %v: history tells of it, the state does not", what, key)
	}
}

func compareRequests(p *problems, stored, told *State) {
	written := func(requests requestTable) map[string]Request {
		known := make(map[string]Request)
		for _, id := range requests.keys() {
			if r := requests.get(id); r.EventID != 0 {
				known[id] = *r
			}
		}
		return known
	}
	compareMaps(p, "request", written(stored.Requests), written(told.Requests))
	compareMaps(p, "signal with request", written(stored.SignalRequests), written(told.SignalRequests))
}

// comparePending looks at what waits for an outside event. An event in the
// buffer has had its effect on the state, although history does not have it yet.
func comparePending(p *problems, stored, told *State) {
	startedChildren := make(map[int64]int64)
	for _, child := range stored.Children.values() {
		startedChildren[child.InitiatedEventID] = child.StartedEventID
	}
	for _, child := range told.Children.values() {
		if id, found := startedChildren[child.InitiatedEventID]; found {
			same(p, fmt.Sprintf("child %d, started event", child.InitiatedEventID), id, child.StartedEventID)
		}
	}
	ahead := told.fork()
	for _, e := range stored.Buffered {
		apply(ahead, proto.CloneOf(e))
	}
	if !stored.Open() {
		dropCanceled(ahead, stored)
	}
	same(p, "cancel requested", stored.CancelRequested, ahead.CancelRequested)
	compareMaps(p, "activity", stored.activityFacts(), ahead.activityFacts())
	compareMaps(p, "timer", stored.timerFacts(), ahead.timerFacts())
	compareMaps(p, "child", stored.childFacts(), ahead.childFacts())
	p.require(slices.Equal(stored.ExternalSignals.keys(), ahead.ExternalSignals.keys()), "signals to others: state has %v, history tells %v", stored.ExternalSignals.keys(), ahead.ExternalSignals.keys())
	p.require(slices.Equal(stored.ExternalCancels.keys(), ahead.ExternalCancels.keys()), "cancel requests to others: state has %v, history tells %v", stored.ExternalCancels.keys(), ahead.ExternalCancels.keys())
}

// dropCanceled forgets activities that the closing task itself cancelled before
// anybody had taken them: their end was in the buffer that a close drops.
func dropCanceled(told, stored *State) {
	for _, a := range told.Activities.values() {
		if a.CancelEventID != 0 && stored.Activities.get(a.ScheduledEventID) == nil {
			told.Activities.drop(a.ScheduledEventID)
		}
	}
}

// What history tells of a pending thing, in a form that can be compared.
type activityFacts struct {
	id            string
	scheduledNano int64
	cancelEventID int64
}

func (s *State) activityFacts() map[int64]activityFacts {
	facts := make(map[int64]activityFacts, s.Activities.len())
	for _, a := range s.Activities.values() {
		facts[a.ScheduledEventID] = activityFacts{a.ActivityID, a.ScheduledTime.UnixNano(), a.CancelEventID}
	}
	return facts
}

type timerFacts struct{ startedEventID, fireNano int64 }

func (s *State) timerFacts() map[string]timerFacts {
	facts := make(map[string]timerFacts, s.Timers.len())
	for _, timer := range s.Timers.values() {
		facts[timer.TimerID] = timerFacts{timer.StartedEventID, timer.FireTime.UnixNano()}
	}
	return facts
}

// callbackFacts tells of each callback whether it stands by, which is all that history tells of its calls.
func (s *State) callbackFacts() map[int64]bool {
	facts := make(map[int64]bool, s.Callbacks.len())
	for _, c := range s.Callbacks.values() {
		facts[c.Key()] = c.Progress.Stage == nexus.Standby
	}
	return facts
}

type childFacts struct {
	workflowID, runID, workflowType, namespace, namespaceID string
	closePolicy                                             enumspb.ParentClosePolicy
}

func (s *State) childFacts() map[int64]childFacts {
	facts := make(map[int64]childFacts, s.Children.len())
	for _, c := range s.Children.values() {
		facts[c.InitiatedEventID] = childFacts{c.WorkflowID, c.RunID, c.WorkflowType, c.Namespace, c.NamespaceID, c.ClosePolicy}
	}
	return facts
}
