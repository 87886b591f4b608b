package tracing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"perdure/server/spans"
)

// scopeHistory names who made the spans.
const scopeHistory = "perdure/history"

// message is spans as OTLP has them.
func message(resource *resourcepb.Resource, list []spans.Span) *tracepb.ResourceSpans {
	out := make([]*tracepb.Span, len(list))
	for i := range list {
		out[i] = span(&list[i])
	}
	return &tracepb.ResourceSpans{
		Resource:   resource,
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: scopeHistory}, Spans: out}},
	}
}

func span(s *spans.Span) *tracepb.Span {
	p := &tracepb.Span{
		TraceId: s.Trace[:], SpanId: s.ID[:], Flags: spans.FlagsLocal, Name: s.Name, Kind: tracepb.Span_SpanKind(s.Kind),
		StartTimeUnixNano: uint64(s.Start.UnixNano()), EndTimeUnixNano: uint64(s.End.UnixNano()),
		Attributes: attributes(s.Attributes), DroppedEventsCount: uint32(s.LeftOut),
		Status: &tracepb.Status{Code: tracepb.Status_StatusCode(s.Outcome), Message: s.Message},
	}
	if s.Parent != (spans.SpanID{}) {
		p.ParentSpanId = s.Parent[:]
	}
	if s.Remote {
		p.Flags = spans.FlagsRemote
	}
	if s.Pending {
		p.Attributes = append(p.Attributes, keyValue(spans.Attribute{Key: spans.PendingKey, Value: true}))
	}
	for _, e := range s.Events {
		p.Events = append(p.Events, &tracepb.Span_Event{TimeUnixNano: uint64(e.Time.UnixNano()), Name: e.Name, Attributes: attributes(e.Attributes)})
	}
	for _, l := range s.Links {
		p.Links = append(p.Links, &tracepb.Span_Link{TraceId: l.Trace[:], SpanId: l.Span[:], Attributes: []*commonpb.KeyValue{keyValue(spans.Attribute{Key: spans.RelationKey, Value: l.Relation})}})
	}
	return p
}

func attributes(list []spans.Attribute) []*commonpb.KeyValue {
	out := make([]*commonpb.KeyValue, len(list))
	for i, a := range list {
		out[i] = keyValue(a)
	}
	return out
}

func keyValue(a spans.Attribute) *commonpb.KeyValue {
	value := &commonpb.AnyValue{}
	switch v := a.Value.(type) {
	case bool:
		value.Value = &commonpb.AnyValue_BoolValue{BoolValue: v}
	case int64:
		value.Value = &commonpb.AnyValue_IntValue{IntValue: v}
	default:
		value.Value = &commonpb.AnyValue_StringValue{StringValue: fmt.Sprint(v)}
	}
	return &commonpb.KeyValue{Key: a.Key, Value: value}
}

// serviceName names this program in traces unless OTEL_SERVICE_NAME says otherwise.
const serviceName = "perdure"

// Send exports spans to a receiver of OTLP over gRPC: host:port, or a URL whose
// scheme tells whether the connection is encrypted.
func Send(ctx context.Context, address string, list []spans.Span) error {
	client := otlptracegrpc.NewClient(target(address)...)
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	resource := &resourcepb.Resource{Attributes: attributes([]spans.Attribute{{Key: "service.name", Value: serviceName}})}
	err := upload(ctx, client, resource, list)
	return errors.Join(err, client.Stop(ctx))
}

func target(address string) []otlptracegrpc.Option {
	switch {
	case address == "":
		return nil // the standard variables tell
	case strings.Contains(address, "://"):
		return []otlptracegrpc.Option{otlptracegrpc.WithEndpointURL(address)}
	}
	return []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(address), otlptracegrpc.WithInsecure()}
}

// spansPerMessage keeps messages below the four megabytes that receivers take.
const spansPerMessage = 512

func upload(ctx context.Context, client otlptrace.Client, resource *resourcepb.Resource, list []spans.Span) error {
	for len(list) > 0 {
		n := min(len(list), spansPerMessage)
		if err := client.UploadTraces(ctx, []*tracepb.ResourceSpans{message(resource, list[:n])}); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}
