package tracing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"perdure/server/spans"
	"perdure/server/tracing"
	"perdure/server/tracing/tracingtest"
)

func TestSpansAreSent(t *testing.T) {
	receiver := tracingtest.Serve(t)
	list := []spans.Span{{
		Trace: spans.TraceID{1}, ID: spans.SpanID{2}, Parent: spans.SpanID{3}, Remote: true, Name: "workflow W", Kind: spans.Server,
		Start: time.Unix(1, 5), End: time.Unix(2, 6), Outcome: spans.Failed, Message: "bad", Pending: true, LeftOut: 7,
		Attributes: []spans.Attribute{{Key: "text", Value: "a"}, {Key: "number", Value: int64(4)}, {Key: "truth", Value: true}},
		Events:     []spans.Event{{Name: "e", Time: time.Unix(1, 7)}},
		Links:      []spans.Link{{Trace: spans.TraceID{8}, Span: spans.SpanID{9}, Relation: "follows"}},
	}}
	for range 1200 { // more than a message holds
		list = append(list, spans.Span{Trace: spans.TraceID{1}, ID: spans.SpanID{4}, Parent: spans.SpanID{2}, Name: "timer", Kind: spans.Internal})
	}
	require.NoError(t, tracing.Send(t.Context(), receiver.Address, list))
	require.NoError(t, tracing.Send(t.Context(), "http://"+receiver.Address, list[:1]))

	got := receiver.Spans()
	require.Len(t, got, 1202)
	s := got[0]
	require.Equal(t, list[0].Trace[:], s.TraceId)
	require.Equal(t, list[0].ID[:], s.SpanId)
	require.Equal(t, list[0].Parent[:], s.ParentSpanId)
	require.Equal(t, spans.FlagsRemote, s.Flags)
	require.Equal(t, "workflow W", s.Name)
	require.Equal(t, tracepb.Span_SPAN_KIND_SERVER, s.Kind)
	require.Equal(t, uint64(1_000_000_005), s.StartTimeUnixNano)
	require.Equal(t, uint64(2_000_000_006), s.EndTimeUnixNano)
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, s.Status.Code)
	require.Equal(t, "bad", s.Status.Message)
	require.Equal(t, uint32(7), s.DroppedEventsCount)
	require.Equal(t, map[string]any{"text": "a", "number": int64(4), "truth": true, "perdure.pending": true}, tracingtest.Attributes(s.Attributes))
	require.Equal(t, "e", s.Events[0].Name)
	require.Equal(t, list[0].Links[0].Trace[:], s.Links[0].TraceId)
	require.Equal(t, map[string]any{"perdure.link": "follows"}, tracingtest.Attributes(s.Links[0].Attributes))
	require.Equal(t, list[1].Parent[:], got[1].ParentSpanId)
	require.Equal(t, "perdure", receiver.Services()[0])
}

func TestNobodyReceives(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	require.Error(t, tracing.Send(t.Context(), "127.0.0.1:1", []spans.Span{{Name: "s"}}))
}
