package execution

import (
	"maps"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// Request is a request id that this run has answered, and the event it led to.
type Request struct {
	EventType enumspb.EventType
	EventID   int64 // 0 while the event is buffered
}

// requestTable remembers request ids. A run may take ten thousand signals, so
// neither a copy nor a new id costs more the more there are: ids go to a short
// list, full lists become levels of immutable maps that double in size, as in
// a log-structured merge tree (O'Neil et al. 1996). The stored form has the
// ids of the events only; those tell the rest.
type requestTable struct {
	recent []namedRequest // newest last, shared up to its length
	levels []map[string]Request
	events eventRanges
}

type namedRequest struct {
	id string
	Request
}

// recentRequestsMax is the length of the list. It is searched from end to end.
const recentRequestsMax = 64

// fork returns a copy that may be changed while t stays as it is.
func (t requestTable) fork() requestTable {
	t.recent = t.recent[:len(t.recent):len(t.recent)]
	t.events.ranges = t.events.ranges[:len(t.events.ranges):len(t.events.ranges)]
	return t
}

// get finds a request, nil when it is not known.
func (t *requestTable) get(id string) *Request {
	for i := len(t.recent) - 1; i >= 0; i-- {
		if t.recent[i].id == id {
			return &t.recent[i].Request
		}
	}
	for _, level := range t.levels {
		if r, found := level[id]; found {
			return &r
		}
	}
	return nil
}

func (t *requestTable) put(id string, r Request) {
	t.recent = append(t.recent, namedRequest{id, r})
	if r.EventID != 0 {
		t.events.add(r.EventID)
	}
	if len(t.recent) >= recentRequestsMax {
		t.settle()
	}
}

// settle makes a level of the list and joins it with the levels of its size.
func (t *requestTable) settle() {
	merged := make(map[string]Request, 2*len(t.recent))
	for _, r := range t.recent {
		merged[r.id] = r.Request
	}
	t.recent = nil
	joined := 0
	for _, older := range t.levels {
		if len(older) > len(merged) {
			break
		}
		newer := merged
		merged = maps.Clone(older)
		maps.Copy(merged, newer)
		joined++
	}
	t.levels = append([]map[string]Request{merged}, t.levels[joined:]...)
}

// keys lists the request ids in order.
func (t *requestTable) keys() []string {
	known := make(map[string]struct{})
	for _, r := range t.recent {
		known[r.id] = struct{}{}
	}
	for _, level := range t.levels {
		for id := range level {
			known[id] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// eventRanges is a set of event ids that grow, as ranges of neighbours.
type eventRanges struct {
	ranges []eventRange // but the newest
	newest eventRange
}

type eventRange struct{ first, last int64 }

// add adds an id that is above all others; another one is in the set already.
func (r *eventRanges) add(id int64) {
	switch {
	case id <= r.newest.last:
	case r.newest.first != 0 && id == r.newest.last+1:
		r.newest.last = id
	default:
		if r.newest.first != 0 {
			r.ranges = append(r.ranges, r.newest)
		}
		r.newest = eventRange{id, id}
	}
}

func (r *eventRanges) all() []eventRange {
	if r.newest.first == 0 {
		return nil
	}
	return append(r.ranges[:len(r.ranges):len(r.ranges)], r.newest)
}

// ids lists the event ids in order.
func (r *eventRanges) ids() []int64 {
	var ids []int64
	for _, one := range r.all() {
		for id := one.first; id <= one.last; id++ {
			ids = append(ids, id)
		}
	}
	return ids
}

// within tells whether all ids are below next and their number is one that limits allow.
func (r *eventRanges) within(next int64) bool {
	count := int64(0)
	for _, one := range r.all() {
		count += one.last - one.first + 1
	}
	return r.newest.last < next && count <= eventRangesMax
}

// eventRangesMax is far above the events that a run may have.
const eventRangesMax = 1 << 20

// encode writes gaps and lengths, which are small numbers.
func (r *eventRanges) encode(e *encoder) {
	before := int64(0)
	for _, one := range r.all() {
		e.int(1, one.first-before)
		e.int(2, one.last-one.first)
		before = one.last
	}
}

func (r *eventRanges) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		r.add(r.newest.last + v.int())
	case 2:
		r.newest.last += max(v.int(), 0)
	}
}

// requestsOf are the request ids that the event is noted under; some may be empty.
func (s *State) requestsOf(e *historypb.HistoryEvent) []string {
	if e.EventId == 1 {
		return []string{s.RequestID}
	}
	switch a := e.GetAttributes().(type) {
	case *historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes:
		return []string{a.WorkflowExecutionSignaledEventAttributes.GetRequestId()}
	case *historypb.HistoryEvent_WorkflowExecutionUpdateAdmittedEventAttributes:
		return []string{a.WorkflowExecutionUpdateAdmittedEventAttributes.GetRequest().GetRequestId()}
	case *historypb.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes:
		return []string{a.WorkflowExecutionUpdateAcceptedEventAttributes.GetAcceptedRequest().GetRequestId()}
	case *historypb.HistoryEvent_WorkflowExecutionOptionsUpdatedEventAttributes:
		ids := []string{a.WorkflowExecutionOptionsUpdatedEventAttributes.GetAttachedRequestId()}
		for _, update := range a.WorkflowExecutionOptionsUpdatedEventAttributes.GetWorkflowUpdateOptions() {
			ids = append(ids, update.GetAttachedRequestId())
		}
		return ids
	}
	return nil
}

// noteRequests remembers an event under its request ids.
func (s *State) noteRequests(e *historypb.HistoryEvent) {
	for _, id := range s.requestsOf(e) {
		s.noteRequest(id, e)
	}
}

// requestsFor are those that an event of the type is noted under.
func (s *State) requestsFor(kind enumspb.EventType) *requestTable {
	if kind == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
		return &s.SignalRequests
	}
	return &s.Requests
}

func (s *State) noteRequest(id string, e *historypb.HistoryEvent) {
	if id != "" {
		s.requestsFor(e.EventType).put(id, Request{EventType: e.EventType, EventID: e.EventId})
	}
}
