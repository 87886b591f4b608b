package history

import (
	"context"
	"time"

	"perdure/server/cluster"
	"perdure/server/ledger"
)

var _ cluster.Ledgers = (*Engine)(nil)

// ledgerPageEvents bounds the events in memory while a history is read.
const ledgerPageEvents = 1000

// Ledger implements cluster.Ledgers.
func (e *Engine) Ledger(ctx context.Context, ns *cluster.Namespace, workflowID, runID string) (*ledger.Report, error) {
	en, state, err := e.look(ctx, ns, workflowID, runID)
	if err != nil {
		return nil, err
	}
	defer en.shard.unpin(en)
	var account ledger.Account
	for next := int64(1); next < state.NextEventID; {
		events, err := e.events(ctx, en, next, state.NextEventID, ledgerPageEvents)
		if err != nil {
			return nil, err
		}
		for _, event := range events {
			account.Add(event)
		}
		next += int64(len(events))
	}
	en.mu.Lock()
	known := en.account
	en.mu.Unlock()
	return &ledger.Report{
		WorkflowID: state.WorkflowID, RunID: state.RunID, WorkflowType: state.StartedAttributes().GetWorkflowType().GetName(),
		Ledger: account.Close(time.Now(), state.Unwritten()),
		Server: known.tally.Lines(), Since: known.since, Complete: known.whole,
	}, nil
}
