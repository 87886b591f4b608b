package server

import (
	"strings"

	"google.golang.org/grpc/codes"

	"perdure/server/frontend"
	"perdure/server/metrics"
)

// rpcObserver turns what the frontend tells of RPCs into metrics.
type rpcObserver struct{ reg *metrics.Registry }

func newRPCObserver(reg *metrics.Registry) frontend.Observer { return rpcObserver{reg} }

func (o rpcObserver) Started(method string) {
	metrics.GRPCInflight.In(o.reg, metrics.Method{Method: method}).Add(1)
}

func (o rpcObserver) Finished(f frontend.Finished) {
	metrics.GRPCInflight.In(o.reg, metrics.Method{Method: f.Method}).Add(-1)
	metrics.GRPCRequests.In(o.reg, metrics.Call{Method: f.Method, Code: f.Code.String(), Namespace: f.Namespace}).Inc()
	if f.LongPoll {
		metrics.GRPCLongPoll.In(o.reg, metrics.LongPoll{Method: f.Method, Outcome: pollOutcome(f)}).Seconds(f.Duration)
	} else {
		metrics.GRPCDuration.In(o.reg, metrics.Method{Method: f.Method}).Seconds(f.Duration)
	}
	if f.Refusal != nil {
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
