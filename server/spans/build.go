package spans

import (
	"cmp"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
)

// Build makes the spans of a run from its whole history, the workflow's own
// first. A span is followed by those within it, which lie within its time. Nil
// when the events are no history.
func Build(run Run, events []*historypb.HistoryEvent) []Span {
	if len(events) == 0 || events[0].GetWorkflowExecutionStartedEventAttributes() == nil {
		return nil
	}
	b := newBuilder(run, events[0].GetWorkflowExecutionStartedEventAttributes())
	for _, e := range events {
		b.see(e)
	}
	b.finish()
	return b.result()
}

// builder is a trace in the making.
type builder struct {
	run    Run
	origin Origin
	trace  Context
	root   *Span
	spans  []*Span // in order of their events
	items  map[int64]*item
	task   *item // the workflow task under way
	latest time.Time
	closed bool
}

// item is what one event began and a later one ends.
type item struct {
	opener             *historypb.HistoryEvent
	whole, wait, work  *Span
	past, delay, begun *Span
}

func newBuilder(run Run, started *historypb.WorkflowExecutionStartedEventAttributes) *builder {
	origin := OriginOf(run.Origin, started)
	return &builder{run: run, origin: origin, trace: origin.Of(run.RunID), items: make(map[int64]*item)}
}

// begin makes a span that an event begins. parent nil: the workflow's span.
func (b *builder) begin(e *historypb.HistoryEvent, part, name string, kind Kind, parent *Span) *Span {
	s := &Span{Trace: b.trace.Trace, ID: spanID(b.run.RunID, e.EventId, part), Name: name, Kind: kind, Start: e.EventTime.AsTime()}
	if parent = cmp.Or(parent, b.root); parent != nil {
		s.Parent = parent.ID
	}
	b.spans = append(b.spans, s)
	return s
}

// note adds a moment to a span.
func (b *builder) note(s *Span, e *historypb.HistoryEvent, name string, attributes ...Attribute) {
	if s == nil {
		return
	}
	if len(s.Events) >= eventsMax {
		s.LeftOut++
		return
	}
	s.Events = append(s.Events, Event{name, e.EventTime.AsTime(), append(attributes, Attribute{"perdure.event_id", e.EventId})})
}

// failed tells of a failure: with its message, unless that is private.
func (b *builder) failed(s *Span, f *failurepb.Failure, otherwise string) {
	s.text("error.type", cmp.Or(failureType(f), otherwise))
	message := f.GetMessage()
	if b.run.Private {
		message = ""
	}
	s.fail(cmp.Or(message, otherwise))
}

// failureType names the innermost cause that has a type.
func failureType(f *failurepb.Failure) string {
	found := ""
	for depth := 0; f != nil && depth < 16; f, depth = f.GetCause(), depth+1 {
		switch {
		case f.GetApplicationFailureInfo().GetType() != "":
			found = f.GetApplicationFailureInfo().GetType()
		case f.GetTimeoutFailureInfo() != nil:
			found = "timeout: " + short(f.GetTimeoutFailureInfo().GetTimeoutType().String())
		case f.GetCanceledFailureInfo() != nil:
			found = "canceled"
		}
	}
	return cut(found)
}

func end(s *Span, e *historypb.HistoryEvent) {
	if s != nil && s.End.IsZero() {
		s.End = e.EventTime.AsTime()
	}
}

// see takes in one event.
func (b *builder) see(e *historypb.HistoryEvent) {
	if at := e.EventTime.AsTime(); at.After(b.latest) {
		b.latest = at
	}
	if handle := handlers[e.EventType]; handle != nil {
		handle(b, e)
	}
	b.command(e)
}

// handlers are what each type of event does to a trace. Types without one tell nothing about time.
var handlers map[enumspb.EventType]func(*builder, *historypb.HistoryEvent)

func init() {
	handlers = map[enumspb.EventType]func(*builder, *historypb.HistoryEvent){}
	for _, some := range []map[enumspb.EventType]func(*builder, *historypb.HistoryEvent){workflowHandlers, taskHandlers, activityHandlers, otherHandlers, outsideHandlers} {
		for kind, handle := range some {
			handlers[kind] = handle
		}
	}
}

// finish ends what is still under way: with the run, or with the time of asking.
func (b *builder) finish() {
	if !b.closed {
		b.root.End, b.root.Pending = b.latest, true
		if b.run.Until.After(b.latest) {
			b.root.End = b.run.Until
		}
	}
	byID := make(map[SpanID]*Span, len(b.spans))
	for _, s := range b.spans { // parents come before their children
		if s.End.IsZero() {
			s.End, s.Pending = b.root.End, !b.closed
			if b.closed && s != b.root {
				s.set("perdure.ended_by", "close of the workflow")
			}
		}
		if parent := byID[s.Parent]; parent != nil {
			s.Start, s.End = within(s.Start, parent), within(s.End, parent)
		}
		s.End = later(s.Start, s.End)
		byID[s.ID] = s
	}
}

// within moves a time into a span: clocks of several nodes wrote the history.
func within(t time.Time, s *Span) time.Time {
	if t.Before(s.Start) {
		return s.Start
	}
	if t.After(s.End) {
		return s.End
	}
	return t
}

func later(a, b time.Time) time.Time {
	if b.Before(a) {
		return a
	}
	return b
}
