package spans

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
)

// TraceID names a trace.
type TraceID [16]byte

// SpanID names a span in a trace.
type SpanID [8]byte

func (id TraceID) String() string { return hex.EncodeToString(id[:]) }
func (id SpanID) String() string  { return hex.EncodeToString(id[:]) }

// stateBytesMax bounds what is kept of a tracestate.
const stateBytesMax = 256

// flagSampled is the flag of a trace that somebody keeps.
const flagSampled = 1

// Context is a W3C trace context: a span and what goes with its trace.
type Context struct {
	Trace TraceID
	Span  SpanID
	Flags byte
	State string // tracestate; empty when it is longer than 256 bytes
}

// Valid tells whether the context names a span.
func (c Context) Valid() bool { return c.Trace != TraceID{} && c.Span != SpanID{} }

// Sampled tells whether the context names a span that somebody keeps.
func (c Context) Sampled() bool { return c.Valid() && c.Flags&flagSampled != 0 }

// Traceparent is the context as the header of that name.
func (c Context) Traceparent() string {
	return "00-" + c.Trace.String() + "-" + c.Span.String() + "-" + hex.EncodeToString([]byte{c.Flags})
}

// ParseContext reads the headers traceparent and tracestate. What is not right is no context.
func ParseContext(traceparent, tracestate string) Context {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || (parts[0] == "00" && len(parts) != 4) {
		return Context{}
	}
	var c Context
	var version, flags [1]byte
	if !unhex(version[:], parts[0]) || !unhex(c.Trace[:], parts[1]) || !unhex(c.Span[:], parts[2]) || !unhex(flags[:], parts[3]) || !c.Valid() {
		return Context{}
	}
	c.Flags = flags[0]
	if len(tracestate) <= stateBytesMax {
		c.State = tracestate
	}
	return c
}

// unhex reads lower-case hexadecimal digits that fill to exactly.
func unhex(to []byte, text string) bool {
	if len(text) != 2*len(to) || strings.ToLower(text) != text {
		return false
	}
	_, err := hex.Decode(to, []byte(text))
	return err == nil
}

// tracerKey is the header in which the interceptors of SDKs pass their context on.
const tracerKey = "_tracer-data"

// FromHeader reads the context that an SDK's interceptor wrote. Headers that are
// encrypted or of another tracer are no context.
func FromHeader(h *commonpb.Header) Context {
	payload := h.GetFields()[tracerKey]
	if payload == nil || string(payload.GetMetadata()["encoding"]) != "json/plain" || len(payload.GetData()) > headerBytesMax {
		return Context{}
	}
	var carrier map[string]any
	if json.Unmarshal(payload.GetData(), &carrier) != nil {
		return Context{}
	}
	parent, _ := carrier["traceparent"].(string)
	state, _ := carrier["tracestate"].(string)
	return ParseContext(parent, state)
}

// headerBytesMax bounds what is read of a header: a context and its baggage.
const headerBytesMax = 16 << 10

// RunTrace is the trace of a run that nobody else's trace holds: its bytes are
// those of the run id, so that whoever knows the run finds the trace.
func RunTrace(runID string) TraceID {
	if id, err := uuid.Parse(runID); err == nil && id != uuid.Nil {
		return TraceID(id)
	}
	sum := sha256.Sum256([]byte(runID))
	return TraceID(sum[:16])
}

// The parts of what one event begins.
const (
	partWhole = "" // the workflow, an activity, a child, a timer
	partWait  = "wait"
	partWork  = "work"
	partPast  = "past" // earlier attempts
	partDelay = "delay"
)

// spanID is the id of the part of a run that begins with an event.
func spanID(runID string, eventID int64, part string) SpanID {
	b := make([]byte, 0, 96)
	b = append(b, runID...)
	b = binary.BigEndian.AppendUint64(b, uint64(eventID))
	b = append(b, part...)
	sum := sha256.Sum256(b)
	id := SpanID(sum[:8])
	if id == (SpanID{}) {
		id[7] = 1
	}
	return id
}

// Root is the id of the span of a whole run.
func Root(runID string) SpanID { return spanID(runID, 1, partWhole) }

// Wait is the id of the span in which what an event scheduled waits for a worker.
func Wait(runID string, scheduledEventID int64) SpanID {
	return spanID(runID, scheduledEventID, partWait)
}

// Work is the id of the span in which a worker has what an event scheduled.
func Work(runID string, scheduledEventID int64) SpanID {
	return spanID(runID, scheduledEventID, partWork)
}

// Whole is the id of the span of what an event began: an activity, a child, a timer.
func Whole(runID string, eventID int64) SpanID { return spanID(runID, eventID, partWhole) }
