package tracing

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"perdure/server/callspan"
	"perdure/server/spans"
)

// call is a gRPC interceptor that makes spans of calls. A call whose caller keeps
// its trace gets one in that trace, one of a run that is in its caller's trace
// gets one there, and of the others a share. What waits for something gets one
// when that came.
func (t *Tracing) call(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if strings.HasPrefix(info.FullMethod, "/grpc.") { // health checks and reflection only make noise
		return next(ctx, req)
	}
	start := time.Now()
	caller := callerOf(ctx, req)
	own := t.begin(caller, info.FullMethod)
	if own.Valid() {
		ctx = trace.ContextWithSpanContext(ctx, logged(own))
	}
	origin := spans.Context{}
	if caller.Sampled() {
		origin = own
	}
	ctx, about := callspan.With(ctx, origin)
	resp, err := next(ctx, req)
	if list := made(about, caller, own, info.FullMethod, start, err); list != nil {
		t.queue.offer(list)
	}
	return resp, err
}

// callerOf is the span of the caller: what its gRPC client sent, else what its SDK wrote into the request.
func callerOf(ctx context.Context, req any) spans.Context {
	md, _ := metadata.FromIncomingContext(ctx)
	if c := spans.ParseContext(first(md, "traceparent"), first(md, "tracestate")); c.Valid() {
		return c
	}
	return spans.FromHeader(headerOf(req))
}

func first(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// headerOf is the header that an SDK's interceptor writes into.
func headerOf(req any) *commonpb.Header {
	switch r := req.(type) {
	case interface{ GetHeader() *commonpb.Header }:
		return r.GetHeader()
	case *workflowservice.UpdateWorkflowExecutionRequest:
		return r.GetRequest().GetInput().GetHeader()
	case *workflowservice.QueryWorkflowRequest:
		return r.GetQuery().GetHeader()
	case *workflowservice.ExecuteMultiOperationRequest:
		for _, op := range r.GetOperations() {
			if start := op.GetStartWorkflow(); start != nil {
				return start.GetHeader()
			}
		}
	}
	return nil
}

// begin is the call's own span if it is known by now that it gets one. Polls
// and other waits begin long before what they are about.
func (t *Tracing) begin(caller spans.Context, method string) spans.Context {
	switch {
	case caller.Sampled():
		return spans.Context{Trace: caller.Trace, Span: newSpanID(), Flags: caller.Flags, State: caller.State}
	case caller.Valid() || strings.Contains(method, "/Poll"):
		return spans.Context{}
	case rand.Float64() < t.config.Calls:
		return spans.Context{Trace: newTraceID(), Span: newSpanID(), Flags: 1}
	}
	return spans.Context{}
}

func newSpanID() (id spans.SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1) // never zero
	return id
}

func newTraceID() (id spans.TraceID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64()|1)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

func logged(c spans.Context) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(c.Trace), SpanID: trace.SpanID(c.Span), TraceFlags: trace.TraceFlags(c.Flags)})
}

// made are the spans of a call that is over; nil when nobody keeps them.
func made(call *callspan.Call, caller, own spans.Context, method string, start time.Time, err error) []spans.Span {
	origin, link, parts := call.Found()
	short := method[strings.LastIndex(method, "/")+1:]
	parent, remote := caller.Span, caller.Sampled()
	if !own.Valid() {
		if !origin.Sampled() {
			return nil
		}
		own = spans.Context{Trace: origin.Trace, Span: newSpanID()}
		parent, remote = origin.Span, true
		if strings.HasPrefix(short, "Poll") { // it may have begun before the run did
			own.Trace, parent, remote = newTraceID(), spans.SpanID{}, false
		}
	}
	s := spans.Span{
		Trace: own.Trace, ID: own.Span, Name: service(method) + "/" + short, Kind: spans.Server, Start: start, End: time.Now(),
		Attributes: []spans.Attribute{
			{Key: "rpc.system", Value: "grpc"}, {Key: "rpc.service", Value: strings.Trim(strings.TrimSuffix(method, short), "/")}, {Key: "rpc.method", Value: short},
			{Key: "rpc.grpc.status_code", Value: int64(status.Code(err))},
		},
	}
	if remote {
		s.Parent, s.Remote = parent, true
	}
	if link.Trace != (spans.TraceID{}) {
		s.Links = []spans.Link{link}
	}
	if failing(err) {
		s.Outcome, s.Message = spans.Failed, status.Code(err).String()
	}
	list := []spans.Span{s}
	for _, p := range parts {
		list = append(list, spans.Span{Trace: own.Trace, ID: newSpanID(), Parent: own.Span, Name: p.Name, Kind: spans.Internal, Start: p.Start, End: p.End})
	}
	return list
}

// service is the short name of a method's service, such as workflowservice.
func service(method string) string {
	full, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return strings.ToLower(full[strings.LastIndex(full, ".")+1:])
}

// failing tells of errors that are the server's, not the caller's.
func failing(err error) bool {
	switch status.Code(err) {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	}
	return false
}
