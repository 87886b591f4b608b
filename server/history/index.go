package history

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"

	"perdure/server/execution"
	"perdure/server/store"
	"perdure/visibility"
)

// record is the run as search shows it.
func record(s *execution.State) *visibility.Record {
	started := s.StartedAttributes()
	root := s.Root()
	return &visibility.Record{
		NamespaceID: s.NamespaceID, WorkflowID: s.WorkflowID, RunID: s.RunID, Version: s.Version,
		WorkflowType: started.GetWorkflowType().GetName(), TaskQueue: started.GetTaskQueue().GetName(), Status: s.ShownStatus(),
		StartTime: s.StartTime, ExecutionTime: s.ExecutionTime, CloseTime: s.CloseTime,
		HistoryLength: s.NextEventID - 1, HistorySizeBytes: s.HistorySize, StateTransitionCount: s.Version,
		ParentWorkflowID: started.GetParentWorkflowExecution().GetWorkflowId(), ParentRunID: started.GetParentWorkflowExecution().GetRunId(),
		RootWorkflowID: root.GetWorkflowId(), RootRunID: root.GetRunId(), Memo: s.Memo, SearchAttributes: found(s),
	}
}

// found are the attributes by which the run is found: those that are shown, and those for search alone.
func found(s *execution.State) *commonpb.SearchAttributes {
	fields := s.SearchColumns()
	for name, payload := range s.ShownSearchAttributes().GetIndexedFields() {
		fields[name] = payload
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

// index hands the run's record to the indexer.
func (e *Engine) index(s *execution.State, done func()) {
	if e.cfg.Indexer == nil {
		done()
		return
	}
	e.cfg.Indexer.Enqueue(record(s), done)
}

// reindex writes the records that the former owner may not have written.
func (s *shard) reindex(ctx context.Context, reader *readerCursor, records map[store.ExecutionKey]int64) {
	for key, seq := range records {
		for {
			err := s.engine.onEntry(ctx, s, key, func(en *entry) error {
				state, _, err := en.view(ctx)
				if err != nil {
					return err
				}
				s.engine.index(state, func() { reader.finish(seq) })
				return nil
			})
			if err == nil || ctx.Err() != nil || s.reader() != reader {
				break
			}
			if isNotFound(err) {
				reader.finish(seq)
				break
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	}
}
