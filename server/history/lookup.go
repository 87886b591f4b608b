package history

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.temporal.io/api/serviceerror"

	"perdure/server/execution"
	"perdure/server/store"
)

// lookups gathers look-ups of current runs, so that all starts that wait share one statement.
type lookups struct {
	store   store.Store
	mu      sync.Mutex
	waiting []*lookup
	wake    chan struct{}
	ended   chan struct{} // closed when run returns
}

type lookup struct {
	key  store.WorkflowKey
	done chan struct{}
	row  *store.Execution
	err  error
}

func newLookups(s store.Store) *lookups {
	return &lookups{store: s, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// lookupLimit bounds the keys of one statement.
const lookupLimit = 1000

func (l *lookups) run(ctx context.Context) {
	defer close(l.ended)
	for {
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		for l.answer(ctx) {
		}
	}
}

func (l *lookups) take() []*lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.waiting), lookupLimit)
	batch := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	return batch
}

func (l *lookups) answer(ctx context.Context) bool {
	batch := l.take()
	if len(batch) == 0 {
		return false
	}
	keys := make([]store.WorkflowKey, len(batch))
	for i, w := range batch {
		keys[i] = w.key
	}
	rows, err := l.store.Current(ctx, keys)
	for i, w := range batch {
		if w.err = err; err == nil {
			w.row = rows[i]
		}
		close(w.done)
	}
	return true
}

func (l *lookups) current(ctx context.Context, key store.WorkflowKey) (*store.Execution, error) {
	w := &lookup{key: key, done: make(chan struct{})}
	l.mu.Lock()
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	select {
	case <-w.done:
		return w.row, w.err
	case <-l.ended:
		return nil, errNotOwned()
	case <-ctx.Done():
		return nil, contextError(ctx)
	}
}

// find returns the run that a reference names: the run id's, or the current
// one. The caller must unpin it.
func (e *Engine) find(ctx context.Context, namespaceID, workflowID, runID string) (*entry, error) {
	key := keyOf(namespaceID, workflowID)
	s, err := e.shardOf(key.Slot)
	if err != nil {
		return nil, err
	}
	if runID == "" {
		en, err := s.current(ctx, key)
		if err == nil && en == nil {
			return nil, serviceerror.NewNotFound(fmt.Sprintf("workflow not found for ID: %v", workflowID))
		}
		return en, err
	}
	return s.run(ctx, key, runID)
}

// run finds a run by its id.
func (s *shard) run(ctx context.Context, key store.WorkflowKey, runID string) (*entry, error) {
	s.mu.Lock()
	if en := s.byRun[runID]; en != nil && en.workflow == key {
		en.pinned++
		s.mu.Unlock()
		s.engine.metrics.cacheHits.Inc()
		return en, nil
	}
	s.mu.Unlock()
	row, err := s.engine.cfg.Store.Run(ctx, key, runID)
	if err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil, serviceerror.NewNotFound(fmt.Sprintf("workflow execution not found for workflow ID %q and run ID %q", key.WorkflowID, runID))
		}
		return nil, storeError(err)
	}
	return s.byKey(ctx, row.Key)
}

// current finds the newest run of a workflow; nil when there is none.
func (s *shard) current(ctx context.Context, key store.WorkflowKey) (*entry, error) {
	s.mu.Lock()
	if s.closed || s.resetting {
		s.mu.Unlock()
		return nil, errNotOwned()
	}
	w := s.workflowLocked(key)
	if w.known {
		defer s.mu.Unlock()
		if w.current != nil {
			w.current.pinned++
			s.engine.metrics.cacheHits.Inc()
		}
		return w.current, nil
	}
	w.users++
	s.mu.Unlock()
	defer s.release(key, w)
	for {
		en, err := s.lookUp(ctx, key, w)
		if !errors.Is(err, errEvicted) {
			return en, err
		}
	}
}

// lookUp asks the store for the newest run of a workflow; nil when there is
// none. errEvicted: what the store said may be old by now.
func (s *shard) lookUp(ctx context.Context, key store.WorkflowKey, w *workflow) (*entry, error) {
	s.mu.Lock()
	forgotten := w.forgotten
	s.mu.Unlock()
	row, err := s.engine.lookups.current(ctx, key)
	if err != nil {
		return nil, storeError(err)
	}
	if row == nil {
		return s.currentIfNew(w, forgotten)
	}
	en, err := s.load(ctx, row.Key, func(context.Context) (*store.Execution, error) {
		return row, s.stillNew(w, forgotten)
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.known && w.current != nil && w.current != en { // a newer run began meanwhile
		en.pinned--
		w.current.pinned++
		return w.current, nil
	}
	if s.workflows[workflowName{key.NamespaceID, key.WorkflowID}] == w && s.entries[en.key] == en {
		w.known, w.current = true, en
	}
	return en, nil
}

// isCurrent tells whether the run is still the newest of its workflow.
func (s *shard) isCurrent(w *workflow, en *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return w.current == en
}

// superseded tells whether a newer run of the workflow began since the run was looked up.
func (s *shard) superseded(en *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workflows[workflowName{en.workflow.NamespaceID, en.workflow.WorkflowID}]
	return w != nil && w.known && w.current != en
}

// stillNew tells whether nothing can have changed in the store, unknown to
// memory, since so many entries of the workflow were forgotten.
func (s *shard) stillNew(w *workflow, forgotten int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lease != w.lease:
		return errNotOwned()
	case w.forgotten != forgotten:
		return errEvicted
	}
	return nil
}

// currentIfNew is the run that began while the store was asked, if any.
func (s *shard) currentIfNew(w *workflow, forgotten int) (*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.known && w.current != nil {
		w.current.pinned++
		return w.current, nil
	}
	if w.forgotten != forgotten {
		return nil, errEvicted
	}
	return nil, nil
}

// hold returns the workflow for a start, so that it stays the same object until release.
func (s *shard) hold(key store.WorkflowKey) *workflow {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workflowLocked(key)
	w.users++
	return w
}

func (s *shard) release(key store.WorkflowKey, w *workflow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.users--
	name := workflowName{key.NamespaceID, key.WorkflowID}
	if w.users == 0 && w.current == nil && s.workflows[name] == w {
		delete(s.workflows, name)
	}
}

// storeError is what a caller hears of a failed read.
func storeError(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return notFoundError{serviceerror.NewNotFound("workflow execution not found"), err}
	case errors.Is(err, store.ErrDamaged), errors.Is(err, execution.ErrCorrupt):
		return serviceerror.NewDataLoss("the stored execution cannot be read: " + err.Error())
	case isService(err), errors.Is(err, errEvicted):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return serviceerror.NewDeadlineExceeded("context deadline exceeded")
	case errors.Is(err, context.Canceled):
		return serviceerror.NewCanceled("context canceled")
	}
	return serviceerror.NewUnavailable("the store could not be read, please retry: " + err.Error())
}

// notFoundError keeps the store's error beside what the client sees.
type notFoundError struct {
	error
	cause error
}

func (e notFoundError) Unwrap() []error { return []error{e.error, e.cause} }

func isService(err error) bool {
	var s serviceerror.ServiceError
	return errors.As(err, &s)
}

func isNotFound(err error) bool {
	var missing *serviceerror.NotFound
	return errors.Is(err, store.ErrNotFound) || errors.As(err, &missing)
}
