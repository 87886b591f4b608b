package cluster

import (
	"context"

	"perdure/server/ledger"
)

// Ledgers tells where the time of runs went.
type Ledgers interface {
	// Ledger tells it of one run; an empty run id means the newest. It reads the whole history.
	Ledger(ctx context.Context, ns *Namespace, workflowID, runID string) (*ledger.Report, error)
}
