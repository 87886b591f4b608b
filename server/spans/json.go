package spans

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrJSON tells that a text is no trace as MarshalJSON writes it.
var ErrJSON = errors.New("not an OTLP trace")

// serviceName is whose spans these are.
const serviceName = "perdure"

// The form of OTLP/JSON: ids in hexadecimal digits, 64-bit numbers as texts.
type (
	jsonTrace struct {
		ResourceSpans []jsonResource `json:"resourceSpans"`
	}
	jsonResource struct {
		Resource   jsonAttributes `json:"resource"`
		ScopeSpans []jsonScope    `json:"scopeSpans"`
	}
	jsonScope struct {
		Scope jsonName   `json:"scope"`
		Spans []jsonSpan `json:"spans"`
	}
	jsonName struct {
		Name string `json:"name"`
	}
	jsonAttributes struct {
		Attributes []jsonAttribute `json:"attributes,omitempty"`
	}
	jsonAttribute struct {
		Key   string    `json:"key"`
		Value jsonValue `json:"value"`
	}
	jsonValue struct {
		String *string `json:"stringValue,omitempty"`
		Int    *string `json:"intValue,omitempty"`
		Bool   *bool   `json:"boolValue,omitempty"`
	}
	jsonSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Parent     string          `json:"parentSpanId,omitempty"`
		Flags      uint32          `json:"flags,omitempty"`
		Name       string          `json:"name"`
		Kind       Kind            `json:"kind"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []jsonAttribute `json:"attributes,omitempty"`
		Events     []jsonEvent     `json:"events,omitempty"`
		LeftOut    int             `json:"droppedEventsCount,omitempty"`
		Links      []jsonLink      `json:"links,omitempty"`
		Status     jsonStatus      `json:"status"`
	}
	jsonEvent struct {
		Time       string          `json:"timeUnixNano"`
		Name       string          `json:"name"`
		Attributes []jsonAttribute `json:"attributes,omitempty"`
	}
	jsonLink struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Attributes []jsonAttribute `json:"attributes,omitempty"`
	}
	jsonStatus struct {
		Code    Outcome `json:"code,omitempty"`
		Message string  `json:"message,omitempty"`
	}
)

// The keys under which OTLP carries what it has no field for.
const (
	RelationKey = "perdure.link"
	PendingKey  = "perdure.pending"
)

// FlagsRemote are the flags of a span whose parent is in another process, FlagsLocal those of others.
const (
	FlagsRemote uint32 = 0x300
	FlagsLocal  uint32 = 0x100
)

// MarshalJSON writes spans as OTLP/JSON, as collectors read it.
func MarshalJSON(list []Span) ([]byte, error) {
	name := serviceName
	out := jsonTrace{[]jsonResource{{
		Resource:   jsonAttributes{[]jsonAttribute{{"service.name", jsonValue{String: &name}}}},
		ScopeSpans: []jsonScope{{Scope: jsonName{"perdure/history"}, Spans: make([]jsonSpan, len(list))}},
	}}}
	for i := range list {
		out.ResourceSpans[0].ScopeSpans[0].Spans[i] = toJSON(&list[i])
	}
	return json.Marshal(out)
}

func toJSON(s *Span) jsonSpan {
	j := jsonSpan{
		TraceID: s.Trace.String(), SpanID: s.ID.String(), Flags: FlagsLocal, Name: s.Name, Kind: s.Kind, Start: nanos(s.Start), End: nanos(s.End),
		Attributes: attributesToJSON(s.Attributes), LeftOut: s.LeftOut, Status: jsonStatus{s.Outcome, s.Message},
	}
	if s.Parent != (SpanID{}) {
		j.Parent = s.Parent.String()
	}
	if s.Remote {
		j.Flags = FlagsRemote
	}
	if s.Pending {
		j.Attributes = append(j.Attributes, attributesToJSON([]Attribute{{PendingKey, true}})...)
	}
	for _, e := range s.Events {
		j.Events = append(j.Events, jsonEvent{nanos(e.Time), e.Name, attributesToJSON(e.Attributes)})
	}
	for _, l := range s.Links {
		j.Links = append(j.Links, jsonLink{l.Trace.String(), l.Span.String(), attributesToJSON([]Attribute{{RelationKey, l.Relation}})})
	}
	return j
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func attributesToJSON(list []Attribute) []jsonAttribute {
	var out []jsonAttribute
	for _, a := range list {
		value := jsonValue{}
		switch v := a.Value.(type) {
		case bool:
			value.Bool = &v
		case int64:
			text := strconv.FormatInt(v, 10)
			value.Int = &text
		default:
			text := fmt.Sprint(v)
			value.String = &text
		}
		out = append(out, jsonAttribute{a.Key, value})
	}
	return out
}

// UnmarshalJSON reads what MarshalJSON wrote. ErrJSON for other texts.
func UnmarshalJSON(text []byte) ([]Span, error) {
	var in jsonTrace
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJSON, err)
	}
	var list []Span
	for _, r := range in.ResourceSpans {
		for _, scope := range r.ScopeSpans {
			for i := range scope.Spans {
				s, err := fromJSON(&scope.Spans[i])
				if err != nil {
					return nil, err
				}
				list = append(list, s)
			}
		}
	}
	return list, nil
}

// reading keeps the first thing that was wrong.
type reading struct{ err error }

func (r *reading) note(ok bool, what string) {
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrJSON, what)
	}
}

func (r *reading) id(to []byte, text string) {
	n, err := hex.Decode(to, []byte(text[:min(len(text), 2*len(to))]))
	r.note(err == nil && n == len(to), "id "+text)
}

func (r *reading) time(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	r.note(err == nil, "time "+text)
	return time.Unix(0, n).UTC()
}

func (r *reading) attributes(list []jsonAttribute) []Attribute {
	var out []Attribute
	for _, a := range list {
		switch v := a.Value; {
		case v.Bool != nil:
			out = append(out, Attribute{a.Key, *v.Bool})
		case v.Int != nil:
			n, err := strconv.ParseInt(*v.Int, 10, 64)
			r.note(err == nil, "number "+*v.Int)
			out = append(out, Attribute{a.Key, n})
		case v.String != nil:
			out = append(out, Attribute{a.Key, *v.String})
		}
	}
	return out
}

func fromJSON(j *jsonSpan) (Span, error) {
	r := &reading{}
	s := Span{
		Name: j.Name, Kind: j.Kind, Start: r.time(j.Start), End: r.time(j.End), Outcome: j.Status.Code, Message: j.Status.Message,
		Remote: j.Flags == FlagsRemote, LeftOut: j.LeftOut,
	}
	r.id(s.Trace[:], j.TraceID)
	r.id(s.ID[:], j.SpanID)
	if j.Parent != "" {
		r.id(s.Parent[:], j.Parent)
	}
	for _, a := range r.attributes(j.Attributes) {
		if a.Key == PendingKey {
			s.Pending = true
			continue
		}
		s.Attributes = append(s.Attributes, a)
	}
	for _, e := range j.Events {
		s.Events = append(s.Events, Event{e.Name, r.time(e.Time), r.attributes(e.Attributes)})
	}
	for _, l := range j.Links {
		link := Link{}
		r.id(link.Trace[:], l.TraceID)
		r.id(link.Span[:], l.SpanID)
		for _, a := range r.attributes(l.Attributes) {
			link.Relation = fmt.Sprint(a.Value)
		}
		s.Links = append(s.Links, link)
	}
	return s, r.err
}
