package cluster

import (
	"context"
	"time"

	"perdure/server/ledger"
)

// Ledgers tells where the time of runs went.
type Ledgers interface {
	// Ledger tells it of one run; an empty run id means the newest. It reads the whole history.
	Ledger(ctx context.Context, ns *Namespace, workflowID, runID string) (*ledger.Report, error)
}

// CallKey is the key under which the context of a client's call has a Call.
type CallKey struct{}

// Call is what a context tells of a client's call.
type Call interface {
	// Received is when the server had read the request.
	Received() time.Time
}

// Received is when the server had read the request of a context; zero: it is no client's.
func Received(ctx context.Context) time.Time {
	if c, ok := ctx.Value(CallKey{}).(Call); ok {
		return c.Received()
	}
	return time.Time{}
}
