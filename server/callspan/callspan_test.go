package callspan_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/callspan"
	"perdure/server/spans"
)

// TestNothingIsAllocatedWithoutTracing: calls note what they do whether somebody listens or not.
func TestNothingIsAllocatedWithoutTracing(t *testing.T) {
	ctx := context.WithValue(t.Context(), "other", 1) //nolint:staticcheck // any value
	start := time.Now()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c := callspan.From(ctx)
		c.Took("commit", start)
		c.Concerns("run", spans.Origin{}, spans.SpanID{1})
		if c.Caller().Valid() {
			t.Fail()
		}
	}))
}

func TestACallTellsWhatItDid(t *testing.T) {
	caller := spans.Context{Trace: spans.TraceID{1}, Span: spans.SpanID{2}, Flags: 1}
	ctx, c := callspan.With(t.Context(), caller)
	require.Same(t, c, callspan.From(ctx))
	require.True(t, c.Caller().Joined())
	for range 20 {
		c.Took("commit", time.Now())
	}
	c.Concerns("r", spans.Origin{}, spans.SpanID{7})
	origin, link, parts := c.Found()
	require.False(t, origin.Valid())
	require.Equal(t, spans.Link{Trace: spans.RunTrace("r"), Span: spans.SpanID{7}, Relation: "run"}, link)
	require.Len(t, parts, 16)

	c.Concerns("r", c.Caller(), spans.SpanID{7})
	origin, link, _ = c.Found()
	require.Equal(t, caller, origin)
	require.Equal(t, caller.Trace, link.Trace)
}

func BenchmarkWithoutTracing(b *testing.B) {
	ctx := b.Context()
	for b.Loop() {
		c := callspan.From(ctx)
		c.Concerns("run", spans.Origin{}, spans.SpanID{1})
	}
}
