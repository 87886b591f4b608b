package spans

import "time"

// Kind tells which side of a call or a queue a span is.
type Kind int8

// The kinds, numbered as OTLP numbers them.
const (
	Internal Kind = iota + 1
	Server
	Client
	Producer
	Consumer
)

// Outcome tells how what a span stands for has ended.
type Outcome int8

// The outcomes, numbered as OTLP numbers them.
const (
	Unset Outcome = iota
	OK
	Failed
)

// Attribute is one fact about a span. Value is a string, an int64 or a bool.
type Attribute struct {
	Key   string
	Value any
}

// Event is a moment within a span.
type Event struct {
	Name       string
	Time       time.Time
	Attributes []Attribute
}

// Link names a span of this or another trace that this one has to do with.
// Relation says how: "follows", "parent", "child", "caller", "worker", "sender", "target", "base".
type Link struct {
	Trace    TraceID
	Span     SpanID
	Relation string
}

// Span is a stretch of time in a trace.
type Span struct {
	Trace  TraceID
	ID     SpanID
	Parent SpanID // zero: none
	// Remote tells that the parent is a span of somebody else: the caller's.
	Remote     bool
	Name       string
	Kind       Kind
	Start, End time.Time
	Outcome    Outcome
	Message    string
	// Pending tells that it was not over; End is the time of asking.
	Pending    bool
	Attributes []Attribute
	Events     []Event
	Links      []Link
	// LeftOut counts events that went over the limit.
	LeftOut int
}

// Duration is how long it took.
func (s *Span) Duration() time.Duration { return s.End.Sub(s.Start) }

func (s *Span) set(key string, value any) { s.Attributes = append(s.Attributes, Attribute{key, value}) }

// text sets an attribute unless the value is empty.
func (s *Span) text(key, value string) {
	if value != "" {
		s.set(key, value)
	}
}

// number sets an attribute unless the value is zero.
func (s *Span) number(key string, value int64) {
	if value != 0 {
		s.set(key, value)
	}
}

func (s *Span) link(to Context, relation string) {
	if to.Valid() && len(s.Links) < linksMax {
		s.Links = append(s.Links, Link{to.Trace, to.Span, relation})
	}
}

func (s *Span) fail(message string) { s.Outcome, s.Message = Failed, cut(message) }

// The limits of one span, those that OpenTelemetry recommends or less.
const (
	eventsMax     = 128
	linksMax      = 64
	valueBytesMax = 1024
)

// cut shortens a text to what a value may have, at a rune's end.
func cut(text string) string {
	if len(text) <= valueBytesMax {
		return text
	}
	end := valueBytesMax
	for end > 0 && text[end]&0xC0 == 0x80 {
		end--
	}
	return text[:end]
}
