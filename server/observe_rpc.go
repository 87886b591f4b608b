package server

import (
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"perdure/server/frontend"
	"perdure/server/metrics"
)

// rpcObserver turns what the frontend tells of RPCs into metrics.
type rpcObserver struct {
	reg     *metrics.Registry
	refused *refusals
	methods sync.Map // method → *methodMetrics
}

// methodMetrics are handles of one method, looked up once.
type methodMetrics struct {
	inflight          metrics.Gauge
	duration          metrics.Histogram
	request, response metrics.Histogram
}

func newRPCObserver(reg *metrics.Registry, refused *refusals) frontend.Observer {
	return &rpcObserver{reg: reg, refused: refused}
}

func (o *rpcObserver) of(method string) *methodMetrics {
	if m, ok := o.methods.Load(method); ok {
		return m.(*methodMetrics)
	}
	m, _ := o.methods.LoadOrStore(method, &methodMetrics{
		inflight: metrics.GRPCInflight.In(o.reg, metrics.Method{Method: method}),
		duration: metrics.GRPCDuration.In(o.reg, metrics.Method{Method: method}),
		request:  metrics.GRPCMessageBytes.In(o.reg, metrics.Message{Method: method, Dir: "request"}),
		response: metrics.GRPCMessageBytes.In(o.reg, metrics.Message{Method: method, Dir: "response"}),
	})
	return m.(*methodMetrics)
}

func (o *rpcObserver) Started(method string) { o.of(method).inflight.Add(1) }

func (o *rpcObserver) Finished(f frontend.Finished) {
	m := o.of(f.Method)
	m.inflight.Add(-1)
	metrics.GRPCRequests.In(o.reg, metrics.Call{Method: f.Method, Code: f.Code.String(), Namespace: f.Namespace}).Inc()
	if f.LongPoll {
		metrics.GRPCLongPoll.In(o.reg, metrics.LongPoll{Method: f.Method, Outcome: pollOutcome(f)}).Traced(f.Duration, f.Trace)
	} else {
		m.duration.Traced(f.Duration, f.Trace)
	}
	m.request.Observe(float64(f.Request))
	if f.Response > 0 {
		m.response.Observe(float64(f.Response))
	}
	if f.Panicked {
		metrics.Panics.In(o.reg, metrics.Method{Method: f.Method}).Inc()
	}
	if f.Refusal != nil {
		o.refused.note(f, time.Now())
		metrics.RateLimitRejected.In(o.reg, metrics.Rejection{
			Namespace: f.Namespace,
			Scope:     strings.ToLower(f.Refusal.GetScope().String()),
			Cause:     strings.ToLower(f.Refusal.GetCause().String()),
		}).Inc()
	}
}

func pollOutcome(f frontend.Finished) string {
	switch {
	case f.Code == codes.Canceled:
		return "canceled"
	case f.Code != codes.OK:
		return "error"
	case f.Empty:
		return "empty"
	}
	return "task"
}
