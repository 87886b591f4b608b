package history

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	commonpb "go.temporal.io/api/common/v1"

	"perdure/server/execution"
	"perdure/server/store"
	"perdure/visibility"
	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

// LookOf says what search may look at inside the runs of a namespace, by its id; nil: nothing.
type LookOf func(namespaceID string) *inside.Look

// allowed is a LookOf by the configuration.
func (e *Engine) allowed(namespaceID string) *inside.Look {
	if len(e.cfg.Looks) == 0 {
		return nil
	}
	name := e.names.of(namespaceID)
	if name == "" {
		ns, err := e.cfg.Namespaces.ByID(e.ctx, namespaceID)
		if err != nil {
			return nil // rather nothing than what a namespace does not allow
		}
		name = ns.Name
	}
	return e.lookAt(name)
}

// lookAt is what search may look at in a namespace of that name.
func (e *Engine) lookAt(namespace string) *inside.Look {
	if look, named := e.cfg.Looks[namespace]; named {
		return &look
	}
	if look, all := e.cfg.Looks[everyNamespace]; all {
		return &look
	}
	return nil
}

// everyNamespace stands for the namespaces that Looks does not name.
const everyNamespace = "*"

// record is the run as search shows it.
func record(s *execution.State, look LookOf) *visibility.Record {
	started := s.StartedAttributes()
	root := s.Root()
	return &visibility.Record{
		NamespaceID: s.NamespaceID, WorkflowID: s.WorkflowID, RunID: s.RunID, Version: s.Version,
		WorkflowType: started.GetWorkflowType().GetName(), TaskQueue: started.GetTaskQueue().GetName(), Status: s.ShownStatus(),
		StartTime: s.StartTime, ExecutionTime: s.ExecutionTime, CloseTime: s.CloseTime,
		HistoryLength: s.NextEventID - 1, HistorySizeBytes: s.HistorySize, StateTransitionCount: s.Version,
		ParentWorkflowID: started.GetParentWorkflowExecution().GetWorkflowId(), ParentRunID: started.GetParentWorkflowExecution().GetRunId(),
		RootWorkflowID: root.GetWorkflowId(), RootRunID: root.GetRunId(), Memo: s.Memo, SearchAttributes: found(s, look),
	}
}

// found are the attributes by which the run is found: those that are shown, and those for search alone.
func found(s *execution.State, look LookOf) *commonpb.SearchAttributes {
	var inner *inside.Look
	if look != nil {
		inner = look(s.NamespaceID)
	}
	fields := s.SearchColumns(inner)
	for name, payload := range attr.ByKey(s.ShownSearchAttributes()).GetIndexedFields() {
		fields[name] = payload
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}
}

// index hands a committed change to the visibility stores.
func (ch *change) index() {
	if !ch.live() {
		return
	}
	rec := record(ch.state, ch.entry.shard.engine.allowed)
	for i, r := range ch.readers {
		r.offer(rec, ch.marks[i], ch.seq, ch.committedAt, nil)
	}
}

// live tells whether a store wants the record now.
func (ch *change) live() bool {
	return slices.ContainsFunc(ch.marks, func(mark int) bool { return mark != notLive })
}

// unindexed tells that nobody needs the record any more.
func (ch *change) unindexed() {
	for i, mark := range ch.marks {
		ch.readers[i].finish(mark, ch.seq)
	}
}

// mark tells the visibility stores that the change is durable.
func (ch *change) mark(at time.Time) {
	ch.committedAt = at
	if !ch.visibility {
		markAll(ch.readers, ch.seq, 0, at)
		return
	}
	ch.marks = markAll(ch.readers, ch.seq, 1, at)
}

func markAll(readers []*reader, seq int64, n int, at time.Time) []int {
	marks := make([]int, len(readers))
	for i, r := range readers {
		marks[i] = r.committed(seq, n, at)
	}
	return marks
}

// removal is a log row that takes runs out of search.
type removal struct {
	shard   *shard
	lease   store.Lease
	gone    []*visibility.Record
	seq     int64
	readers []*reader
	marks   []int
	at      time.Time
	shown   func() // called for each run that a store which answers searches has taken out
}

func (x *removal) mark(at time.Time) {
	x.at, x.marks = at, markAll(x.readers, x.seq, len(x.gone), at)
}

func (x *removal) index() {
	for i, r := range x.readers {
		for _, rec := range x.gone {
			if !r.feed.Reads {
				r.offer(rec, x.marks[i], x.seq, x.at, nil)
				continue
			}
			r.offer(rec, x.marks[i], x.seq, x.at, x.shown)
			if x.marks[i] == notLive {
				x.shown() // not soon, and nobody is to wait for that
			}
		}
	}
}

// unlistMax is how long a removal waits for search. It is durable before.
const unlistMax = 5 * time.Second

// unlist makes durable that runs are to leave search, and waits a while until it shows them no more.
func (e *Engine) unlist(ctx context.Context, s *shard, lease store.Lease, gone ...*visibility.Record) error {
	if len(e.feeds) == 0 {
		return nil
	}
	var pending atomic.Int64
	reading := slices.DeleteFunc(slices.Clone(e.feeds), func(f *feed) bool { return !f.Reads })
	pending.Store(int64(len(gone) * len(reading)))
	done := make(chan struct{})
	shown := func() {
		if pending.Add(-1) == 0 {
			close(done)
		}
	}
	t := e.committer.remove(&removal{shard: s, lease: lease, gone: gone, shown: shown})
	if err := t.wait(ctx); err != nil || len(reading) == 0 {
		return err
	}
	patience := time.NewTimer(unlistMax)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
	case <-ctx.Done():
		return contextError(ctx)
	}
	return nil
}
