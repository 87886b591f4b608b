// Package tracingtest is a collector for tests: it takes OTLP over gRPC and keeps what it got.
package tracingtest

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Receiver is a collector.
type Receiver struct {
	collectorpb.UnimplementedTraceServiceServer
	Address string // host:port

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew with each message
	spans    []*tracepb.Span
	services []string
	refusal  error
	held     chan struct{}
}

// Serve runs a collector until the test ends.
func Serve(t testing.TB) *Receiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &Receiver{Address: listener.Addr().String(), changed: make(chan struct{})}
	server := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(server, r)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return r
}

// Refuse answers everything with an error from now on; nil: no more.
func (r *Receiver) Refuse(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = err
}

// Hold keeps every message waiting until release is called.
func (r *Receiver) Hold() (release func()) {
	held := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = held
	return func() { close(held) }
}

// Export takes spans.
func (r *Receiver) Export(ctx context.Context, req *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	held := r.held
	r.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusal != nil {
		return nil, r.refusal
	}
	for _, resource := range req.GetResourceSpans() {
		service, _ := Attributes(resource.GetResource().GetAttributes())["service.name"].(string)
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans, r.services = append(r.spans, s), append(r.services, service)
			}
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// Spans are those that came so far.
func (r *Receiver) Spans() []*tracepb.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*tracepb.Span(nil), r.spans...)
}

// Services are the names of the services whose spans came, one for each span.
func (r *Receiver) Services() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.services...)
}

// Until waits until what came is enough, and returns it.
func (r *Receiver) Until(t testing.TB, within time.Duration, enough func([]*tracepb.Span) bool) []*tracepb.Span {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		got := r.Spans()
		if enough(got) {
			return got
		}
		select {
		case <-changed:
		case <-deadline.C:
			require.Fail(t, "the spans did not come", "got %d: %v", len(got), Names(got))
		}
	}
}

// Names are the names of spans, in the order they came.
func Names(list []*tracepb.Span) []string {
	var names []string
	for _, s := range list {
		names = append(names, s.GetName())
	}
	return names
}

// Attributes are attributes by key.
func Attributes(list []*commonpb.KeyValue) map[string]any {
	found := map[string]any{}
	for _, a := range list {
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			found[a.GetKey()] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			found[a.GetKey()] = v.IntValue
		case *commonpb.AnyValue_BoolValue:
			found[a.GetKey()] = v.BoolValue
		}
	}
	return found
}
