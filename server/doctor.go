package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"slices"

	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/config"
	"perdure/server/execution"
	"perdure/server/store"
)

// How much one read of a verification asks for.
const (
	verifyRuns    = 100
	verifyBatches = 128
)

// Problem is something wrong with one run in the store.
type Problem struct {
	NamespaceID, WorkflowID, RunID string
	Err                            error
}

func (p Problem) String() string {
	return fmt.Sprintf("namespace %s workflow %q run %s: %v", p.NamespaceID, p.WorkflowID, p.RunID, p.Err)
}

// Verify walks all runs of the configuration's store and compares each stored
// state with its history. It takes no leases; a store that a server writes to
// meanwhile shows differences that are none. report is called for each problem. It returns the number of runs.
func Verify(ctx context.Context, c config.Config, logger *slog.Logger, report func(Problem)) (runs int, err error) {
	if err := mustExist(c.Store); err != nil {
		return 0, &StoreError{"store", Where(c.Store), err}
	}
	s, err := openStore(ctx, c.Store, c.Shards, logger)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return verifyAll(ctx, s, report)
}

// mustExist refuses a file that is not there: opening it would make it.
func mustExist(storeURL string) error {
	parsed, err := url.Parse(storeURL)
	if err != nil || parsed.Scheme != "sqlite" {
		return nil // opening says what is wrong
	}
	_, err = os.Stat(parsed.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func verifyAll(ctx context.Context, s store.Store, report func(Problem)) (int, error) {
	runs, after := 0, store.ExecutionKey{}
	for {
		page, err := s.Executions(ctx, after, verifyRuns)
		if err != nil {
			return runs, fmt.Errorf("read runs: %w", err)
		}
		if len(page) == 0 {
			return runs, nil
		}
		for _, row := range page {
			events, err := historyOf(ctx, s, row)
			if err != nil && !errors.Is(err, store.ErrDamaged) {
				return runs, err
			}
			tell := func(err error) {
				report(Problem{row.Workflow.NamespaceID, row.Workflow.WorkflowID, row.RunID, err})
			}
			if err != nil {
				tell(err)
			}
			for _, problem := range verifyRun(row, events) {
				tell(problem)
			}
			runs++
		}
		after = page[len(page)-1].Key
	}
}

// historyOf reads a run's whole history. ErrDamaged: what was read before it is returned.
func historyOf(ctx context.Context, s store.Store, row *store.Execution) ([]*historypb.HistoryEvent, error) {
	var events []*historypb.HistoryEvent
	for next := int64(1); next < row.NextEvent; {
		batches, err := s.History(ctx, row.Key, next, row.NextEvent, verifyBatches)
		if err != nil {
			return nil, fmt.Errorf("read history of run %s: %w", row.RunID, err)
		}
		if len(batches) == 0 {
			return events, fmt.Errorf("%w: history ends before event %d", store.ErrDamaged, next)
		}
		for _, b := range batches {
			var h historypb.History
			if err := proto.Unmarshal(b.Data, &h); err != nil {
				return events, fmt.Errorf("%w: batch of event %d: %w", store.ErrDamaged, b.FirstEvent, err)
			}
			events = append(events, h.Events...)
		}
		next = batches[len(batches)-1].NextEvent
	}
	return events, nil
}

// verifyRun tells what is wrong with one run.
func verifyRun(row *store.Execution, events []*historypb.HistoryEvent) []error {
	state, err := execution.Decode(row.State)
	if err != nil {
		return []error{err}
	}
	byID := make(map[int64]*historypb.HistoryEvent, len(events))
	for _, e := range events {
		byID[e.EventId] = e
	}
	for _, id := range state.NeededEvents() {
		if byID[id] == nil {
			return []error{fmt.Errorf("event %d is missing", id)}
		}
		state.Attach(byID[id])
	}
	return slices.Concat(compareRow(row, state), parts(execution.Check(state)), parts(execution.Verify(state, events)))
}

// compareRow holds the columns that others search by against the state.
func compareRow(row *store.Execution, state *execution.State) []error {
	var problems []error
	same := func(column string, stored, told any) {
		if stored != told {
			problems = append(problems, fmt.Errorf("column %s is %v, the state has %v", column, stored, told))
		}
	}
	same("namespace_id", row.Workflow.NamespaceID, state.NamespaceID)
	same("workflow_id", row.Workflow.WorkflowID, state.WorkflowID)
	same("run_id", row.RunID, state.RunID)
	same("request_id", row.RequestID, state.RequestID)
	same("status", int32(row.Status), int32(state.Status))
	same("next_event", row.NextEvent, state.NextEventID)
	same("version", row.Version, state.Version)
	same("closed_at set", !row.ClosedAt.IsZero(), !state.Open())
	return problems
}

// parts takes a joined error apart.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}
