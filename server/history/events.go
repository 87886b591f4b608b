package history

import (
	"context"
	"fmt"

	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"perdure/server/execution"
	"perdure/server/store"
)

// readEvents reads events [from, to) from the store, at most limit batches of them.
func readEvents(ctx context.Context, s store.Store, key store.ExecutionKey, from, to int64, limit int) ([]*historypb.HistoryEvent, error) {
	batches, err := s.History(ctx, key, from, to, limit)
	if err != nil {
		return nil, storeError(err)
	}
	var events []*historypb.HistoryEvent
	for _, b := range batches {
		var h historypb.History
		if err := proto.Unmarshal(b.Data, &h); err != nil {
			return nil, storeError(fmt.Errorf("%w: history of run %v from event %d: %w", store.ErrDamaged, b.Key, b.FirstEvent, err))
		}
		for _, event := range h.Events {
			if event.EventId >= from && event.EventId < to {
				events = append(events, event)
			}
		}
	}
	return events, nil
}

// batchesARead bounds one read of the store.
const batchesARead = 128

// events returns events [from, to) of the visible history, at most limit events.
func (e *Engine) events(ctx context.Context, en *entry, from, to int64, limit int) ([]*historypb.HistoryEvent, error) {
	to = min(to, from+int64(limit))
	en.mu.Lock()
	if len(en.tail) > 0 && from >= en.tailFirst {
		first := int(from - en.tailFirst)
		last := min(int(to-en.tailFirst), len(en.tail))
		found := en.tail[min(first, last):last:last]
		en.mu.Unlock()
		return found, nil
	}
	end := to
	if len(en.tail) > 0 {
		end = min(to, en.tailFirst)
	}
	en.mu.Unlock()
	var events []*historypb.HistoryEvent
	for next := from; next < end; {
		page, err := readEvents(ctx, e.cfg.Store, en.key, next, end, batchesARead)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return nil, storeError(fmt.Errorf("%w: event %d of run %s is missing", store.ErrDamaged, next, en.runID))
		}
		events = append(events, page...)
		next = page[len(page)-1].EventId + 1
	}
	if end < to {
		rest, err := e.events(ctx, en, end, to, limit)
		return append(events, rest...), err
	}
	return events, nil
}

// event reads one event.
func (e *Engine) event(ctx context.Context, en *entry, id int64) (*historypb.HistoryEvent, error) {
	events, err := e.events(ctx, en, id, id+1, 1)
	if err != nil {
		return nil, err
	}
	return events[0], nil
}

// provisional are the events behind history that a pending task shows.
func provisional(s *execution.State) []*historypb.HistoryEvent {
	if !s.Open() {
		return nil
	}
	events := s.ProvisionalEvents()
	if len(events) > 1 {
		// Who has a task that history does not know yet is shown to the worker that has it, not to readers.
		events[1].GetWorkflowTaskStartedEventAttributes().Identity = ""
	}
	return events
}
