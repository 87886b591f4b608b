package spans

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
)

// Run says of which run and for whom spans are made.
type Run struct {
	Namespace  string
	WorkflowID string
	RunID      string
	// Origin is what is stored with the run of where it comes from.
	Origin Origin
	// Until ends what is still under way.
	Until time.Time
	// SpansMax bounds the spans; 0 means 2,000. What matters least is left out.
	SpansMax int
	// Private leaves the messages of failures out.
	Private bool
}

// Origin is the span from which a run comes, as far as history does not tell it.
type Origin struct {
	Context
	// Follows tells that the run has a trace of its own with a link to the span:
	// too much time lies between them, or may lie.
	Follows bool
}

// GapMax is how long after its start a run may begin and still belong to the
// trace of its caller. Beyond it the run has a trace of its own, with a link.
const GapMax = time.Minute

// OriginOf is where a run comes from: what the SDK of its caller wrote in its
// first event, else what is stored with it. Callers who do not keep their trace do not count.
func OriginOf(stored Origin, started *historypb.WorkflowExecutionStartedEventAttributes) Origin {
	o := Origin{Context: FromHeader(started.GetHeader())}
	if !o.Sampled() {
		o = stored
	}
	if !o.Sampled() {
		return Origin{}
	}
	o.Follows = o.Follows || started.GetFirstWorkflowTaskBackoff().AsDuration() > GapMax
	return o
}

// Joined tells whether the run belongs to the trace of its caller.
func (o Origin) Joined() bool { return o.Sampled() && !o.Follows }

// originBytes are those of a packed origin before its tracestate.
const originBytes = 25

// followsBit is set in the byte of the flags; no flag of a trace context has it.
const followsBit = 0x80

// Pack is the origin as it is stored: 25 bytes and the tracestate.
func (o Origin) Pack() []byte {
	b := make([]byte, 0, originBytes+len(o.State))
	b = append(b, o.Trace[:]...)
	b = append(b, o.Span[:]...)
	flags := o.Flags &^ followsBit
	if o.Follows {
		flags |= followsBit
	}
	return append(append(b, flags), o.State...)
}

// Unpack reads what Pack wrote; false for other bytes.
func Unpack(b []byte) (Origin, bool) {
	if len(b) < originBytes {
		return Origin{}, false
	}
	o := Origin{Context: Context{Flags: b[24] &^ followsBit, State: string(b[originBytes:])}, Follows: b[24]&followsBit != 0}
	copy(o.Trace[:], b)
	copy(o.Span[:], b[16:])
	return o, true
}

// Of is the context of the whole run's span.
func (o Origin) Of(runID string) Context {
	c := Context{Trace: RunTrace(runID), Span: Root(runID), Flags: flagSampled}
	if o.Joined() {
		c.Trace, c.State = o.Trace, o.State
	}
	return c
}

// Child is what is stored with a child that a run of this origin starts. Empty
// when both have traces of their own, which history tells.
func (o Origin) Child(runID string, initiatedEventID int64) Origin {
	if !o.Joined() {
		return Origin{}
	}
	c := o.Of(runID)
	c.Span = Whole(runID, initiatedEventID)
	return Origin{Context: c}
}

// Next is what is stored with the run that goes on from this one: it has a
// trace of its own, since a chain may have no end.
func (o Origin) Next(runID string) Origin {
	if !o.Joined() {
		return Origin{}
	}
	return Origin{Context: o.Of(runID), Follows: true}
}

// ownRoot is the root of a run that is in nobody's trace.
func ownRoot(runID string) Context { return Origin{}.Of(runID) }

// ownChild is the child's span of a run that is in nobody's trace.
func ownChild(parent *commonpb.WorkflowExecution, initiatedEventID int64) Context {
	c := ownRoot(parent.GetRunId())
	c.Span = Whole(parent.GetRunId(), initiatedEventID)
	return c
}
