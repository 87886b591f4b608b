package frontend

import (
	"context"
	"fmt"
	"path"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/trace"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/errordetails/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"perdure/server/apierr"
	"perdure/server/cluster"
)

// chain lists the interceptors, outermost first.
func (f *Frontend) chain() []grpc.UnaryServerInterceptor {
	chain := []grpc.UnaryServerInterceptor{
		f.telemetry,        // sees the final status, errors and panics included
		f.mapErrors,        // recover, one gRPC status with details
		f.resolveNamespace, // name or task token to *cluster.Namespace in the context
		f.limitRate,
		f.checkClient,
	}
	if f.tracer != nil {
		chain = append([]grpc.UnaryServerInterceptor{f.tracer}, chain...)
	}
	return chain
}

// methodName is the short name of an RPC.
func methodName(info *grpc.UnaryServerInfo) string { return path.Base(info.FullMethod) }

// call collects what telemetry tells of an RPC; inner interceptors fill it in.
type call struct {
	namespace string
	panicked  bool
	received  time.Time
}

// Received implements cluster.Call.
func (c *call) Received() time.Time { return c.received }

// callOf is the call of a context; nil outside of one.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(cluster.CallKey{}).(*call)
	return c
}

func (f *Frontend) telemetry(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method, c := methodName(info), &call{received: f.clock.Now()}
	f.observer.Started(method)
	resp, err := next(context.WithValue(ctx, cluster.CallKey{}, c), req)
	f.observer.Finished(Finished{
		Method:    method,
		Namespace: c.namespace,
		Code:      status.Code(err),
		Duration:  f.clock.Now().Sub(c.received),
		LongPoll:  isLongPoll(method, req),
		Empty:     isEmptyPoll(resp),
		Refusal:   refusalOf(err),
		Panicked:  c.panicked,
		Trace:     sampledTrace(ctx),
		Request:   messageBytes(req),
		Response:  messageBytes(resp),
	})
	return resp, err
}

// sampledTrace is the id of a trace that is kept; empty for others.
func sampledTrace(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}

// messageBytes is the size of a message on the wire; zero for none.
func messageBytes(message any) int {
	if m, ok := message.(proto.Message); ok {
		return proto.Size(m)
	}
	return 0
}

func (f *Frontend) mapErrors(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			if c := callOf(ctx); c != nil {
				c.panicked = true
			}
		}
		if err != nil {
			resp, err = nil, f.publicError(ctx, methodName(info), err)
		}
	}()
	return next(ctx, req)
}

// publicError is err as the client gets it. What is hidden from the client goes to the log.
func (f *Frontend) publicError(ctx context.Context, method string, err error) error {
	st := apierr.ToStatus(err)
	public, hash := apierr.Public(st)
	if hash != "" {
		f.logger.ErrorContext(ctx, "internal error in an RPC", "method", method, "hash", hash, "error", st.Message())
	}
	if refusal := refusalOf(public.Err()); refusal != nil {
		// Best effort: without a transport stream there is nobody to tell.
		_ = grpc.SetHeader(ctx, metadata.Pairs(
			"X-Resource-Exhausted-Cause", refusal.GetCause().String(),
			"X-Resource-Exhausted-Scope", refusal.GetScope().String()))
	}
	return public.Err()
}

// refusalOf is the detail of a RESOURCE_EXHAUSTED error; nil for others.
func refusalOf(err error) *errordetails.ResourceExhaustedFailure {
	st, _ := status.FromError(err)
	if st.Code() != codes.ResourceExhausted {
		return nil
	}
	for _, d := range st.Details() {
		if failure, ok := d.(*errordetails.ResourceExhaustedFailure); ok {
			return failure
		}
	}
	return nil
}

func (f *Frontend) recoverStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = f.publicError(stream.Context(), info.FullMethod, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return next(srv, stream)
}

// Finished tells how an RPC went.
type Finished struct {
	Method    string // such as StartWorkflowExecution
	Namespace string // name; empty when the call has none or it is unknown
	Code      codes.Code
	Duration  time.Duration
	LongPoll  bool // the call waited for something to happen
	Empty     bool // a poll ended without a task
	// Refusal is set when a limit refused the call.
	Refusal *errordetails.ResourceExhaustedFailure
	// Panicked tells of a fault of this server.
	Panicked bool
	// Trace is the id of the call's trace if that is kept.
	Trace string
	// Request and Response are the sizes of the messages in bytes; zero for none.
	Request, Response int
}

// Observer is told of every RPC. It must not block.
type Observer interface {
	Started(method string)
	Finished(Finished)
}

type silent struct{}

func (silent) Started(string)    {}
func (silent) Finished(Finished) {}

// waitingMethods are the RPCs that wait by their nature.
var waitingMethods = map[string]bool{
	"PollWorkflowTaskQueue": true, "PollActivityTaskQueue": true, "PollWorkflowExecutionUpdate": true,
	"QueryWorkflow": true, "UpdateWorkflowExecution": true, "ExecuteMultiOperation": true,
}

// isLongPoll tells whether a call waits for something to happen.
func isLongPoll(method string, req any) bool {
	if waitingMethods[method] {
		return true
	}
	history, ok := req.(interface{ GetWaitNewEvent() bool })
	return ok && history.GetWaitNewEvent()
}

// isEmptyPoll tells a poll's answer that brings no task.
func isEmptyPoll(resp any) bool {
	poll, ok := resp.(interface {
		GetTaskToken() []byte
		GetAttempt() int32
	})
	return ok && len(poll.GetTaskToken()) == 0
}

const (
	scopeNamespace = enumspb.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE
	scopeSystem    = enumspb.RESOURCE_EXHAUSTED_SCOPE_SYSTEM
)
