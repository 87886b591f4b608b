// Package callspan carries what a call's span is to tell from where it is known,
// deep in history, to where the span is made, around the call. Without tracing
// there is no Call in a context, and nothing here costs an allocation.
package callspan

import (
	"context"
	"sync"
	"time"

	"perdure/server/spans"
)

// Part is a stretch of a call.
type Part struct {
	Name       string
	Start, End time.Time
}

// Call is one call under way. All methods may be called on nil, which ignores them.
type Call struct {
	caller spans.Context

	mu     sync.Mutex
	parts  []Part
	origin spans.Context
	link   spans.Link
}

// partsMax bounds the parts that a call's span shows: a call with many operations has many commits.
const partsMax = 16

type key struct{}

// With puts a call into a context. caller is the span that runs started by it
// come from; zero: of nobody who keeps it.
func With(ctx context.Context, caller spans.Context) (context.Context, *Call) {
	c := &Call{caller: caller}
	return context.WithValue(ctx, key{}, c), c
}

// From is the call of a context; nil without tracing.
func From(ctx context.Context) *Call {
	c, _ := ctx.Value(key{}).(*Call)
	return c
}

// Caller is where a run comes from that the call starts.
func (c *Call) Caller() spans.Origin {
	if c == nil {
		return spans.Origin{}
	}
	return spans.Origin{Context: c.caller}
}

// Took notes a part of the call that ends now.
func (c *Call) Took(name string, start time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.parts) < partsMax {
		c.parts = append(c.parts, Part{name, start, time.Now()})
	}
}

// Concerns notes of which run the call is, where that comes from, and which span
// of its trace is the one that the call has to do with.
func (c *Call) Concerns(runID string, origin spans.Origin, span spans.SpanID) {
	if c == nil {
		return
	}
	whole := origin.Of(runID)
	c.mu.Lock()
	defer c.mu.Unlock()
	if origin.Joined() {
		c.origin = origin.Context
	}
	c.link = spans.Link{Trace: whole.Trace, Span: span, Relation: "run"}
}

// Found is what was noted. origin is the caller's span of the run, if the run is
// part of its trace; link is zero when the call was of no run.
func (c *Call) Found() (origin spans.Context, link spans.Link, parts []Part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.origin, c.link, c.parts
}
