package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"perdure/server/config"
	"perdure/server/history"
	"perdure/server/metrics"
	"perdure/server/namespace"
	"perdure/server/store"
	"perdure/server/worker"
	"perdure/visibility"
	"perdure/visibility/audit"
	"perdure/visibility/inside"
)

// Operation is what an operator asks of the stores of search records.
type Operation struct {
	Store     string  `json:"store"`               // name of the store
	Namespace string  `json:"namespace,omitempty"` // empty: all
	Rate      int     `json:"rate,omitempty"`      // runs a second at most; 0: as fast as it goes
	Again     bool    `json:"again,omitempty"`     // also write runs that the store has in this version
	Sample    float64 `json:"sample,omitempty"`    // share of hours to compare; 0: all
	Repair    bool    `json:"repair,omitempty"`    // bring what is missing or stale, remove what does not exist
}

// SearchStatus tells how a store of search records does.
type SearchStatus struct {
	history.FeedStatus
	Kind        string `json:"kind"`
	Blocked     bool   `json:"blocked"`
	PendingRuns int    `json:"pending_runs"` // in memory
	DeadLetters int    `json:"dead_letters"`
}

// DeadLettersRetried tells what became of dead letters.
type DeadLettersRetried struct {
	Written int `json:"written"`
	Refused int `json:"refused"` // again
	Gone    int `json:"gone"`    // the run does not exist any more
}

// Operations work on the stores of search records. Those of a running server have an engine; others work on stored data.
type Operations struct {
	records    store.Store
	stores     searchStores
	namespaces *namespace.Registry
	engine     *history.Engine // nil: no server runs here
	looks      map[string]inside.Look
}

func (s *services) operations() *Operations {
	return &Operations{records: s.store, stores: s.searchStores, namespaces: s.namespaces, engine: s.history, looks: s.looks}
}

// source reads the executions.
func (o *Operations) source(ctx context.Context) history.RunSource {
	return history.RunSource{Store: o.records, Look: func(namespaceID string) *inside.Look {
		ns, err := o.namespaces.ByID(ctx, namespaceID)
		if err != nil {
			return nil // rather nothing than what a namespace does not allow
		}
		for _, name := range []string{ns.Name, config.EveryNamespace} {
			if look, named := o.looks[name]; named {
				return &look
			}
		}
		return nil
	}}
}

// OpenOperations opens the stores of a configuration. It takes no leases, so a server may run beside it where the stores allow that.
func OpenOperations(ctx context.Context, c config.Config, logger *slog.Logger, reg *metrics.Registry) (*Operations, error) {
	if err := mustExist(c.Store); err != nil {
		return nil, &StoreError{"store", Where(c.Store), err}
	}
	records, err := openStore(ctx, c.Store, c.Shards, logger)
	if err != nil {
		return nil, err
	}
	o := &Operations{records: records, namespaces: namespace.New(records, logger), looks: c.Search.Looks()}
	o.stores, err = openSearchStores(ctx, c, records, logger, reg)
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	o.stores.startIndexers(c, logger, reg)
	return o, nil
}

// Close ends what OpenOperations began.
func (o *Operations) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	return errors.Join(o.stores.stopIndexers(ctx), o.stores.close(), o.records.Close())
}

// ErrOperation tells that an operation cannot be done as it was asked for.
var ErrOperation = errors.New("operation")

func (o *Operations) named(name string) (*searchStore, error) {
	if name == "" && len(o.stores) == 1 {
		return o.stores[0], nil
	}
	if s := o.stores.named(name); s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("%w: there is no search store %q", ErrOperation, name)
}

func (o *Operations) namespaceID(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	ns, err := o.namespaces.ByName(ctx, name)
	if err != nil {
		return "", fmt.Errorf("%w: namespace %q: %w", ErrOperation, name, err)
	}
	return ns.ID, nil
}

// Status tells how the stores do.
func (o *Operations) Status(ctx context.Context) ([]SearchStatus, error) {
	feeds := map[string]history.FeedStatus{}
	if o.engine != nil {
		for _, f := range o.engine.FeedStatuses() {
			feeds[f.Name] = f
		}
	}
	var list []SearchStatus
	for _, s := range o.stores {
		letters, err := s.dead.List(ctx)
		if err != nil {
			return nil, err
		}
		status := SearchStatus{
			FeedStatus: feeds[s.Name], Kind: s.store.Name(), Blocked: s.indexer.Blocked(), PendingRuns: s.indexer.Pending(), DeadLetters: len(letters),
		}
		status.Name, status.Reads = s.Name, s.Reads
		list = append(list, status)
	}
	return list, nil
}

// Rebuild begins a rebuild, which goes on beside what the server does, also after a restart.
func (o *Operations) Rebuild(ctx context.Context, op Operation) error {
	s, err := o.named(op.Store)
	if err != nil {
		return err
	}
	id, err := o.namespaceID(ctx, op.Namespace)
	if err != nil {
		return err
	}
	if o.engine == nil {
		return fmt.Errorf("%w: a rebuild is a running server's; without one, audit with repair does the same", ErrOperation)
	}
	return o.engine.Rebuild(s.Name, history.RebuildRequest{NamespaceID: id, Rate: op.Rate, Again: op.Again})
}

// Audit compares a store with the executions and repairs it if that is asked for. tell hears of each difference.
func (o *Operations) Audit(ctx context.Context, op Operation, tell func(audit.Difference) error) (audit.Summary, error) {
	s, err := o.named(op.Store)
	if err != nil {
		return audit.Summary{}, err
	}
	id, err := o.namespaceID(ctx, op.Namespace)
	if err != nil {
		return audit.Summary{}, err
	}
	inventory, ok := s.store.(visibility.Inventory)
	if !ok {
		return audit.Summary{}, fmt.Errorf("%w: the store %s cannot be compared", ErrOperation, s.Name)
	}
	source := o.source(ctx)
	summary, err := audit.Compare(ctx, audit.Config{
		Source: source, Inventory: inventory, Store: s.store, NamespaceID: id, Sample: op.Sample,
		Report: func(d audit.Difference) error {
			if err := tell(d); err != nil || !op.Repair {
				return err
			}
			return s.repair(ctx, source, d)
		},
	})
	if err == nil && op.Repair {
		err = s.indexer.Flush(ctx)
	}
	return summary, err
}

// auditSettle is how long a difference must stand before an audit in the background believes it.
const auditSettle = 30 * time.Second

// audits are what the worker service does of them.
func (o *Operations) audits(c config.Config) worker.Audits {
	audits := worker.Audits{Records: o.records, Owner: ownerName(c), Interval: c.Limits.VisibilityAuditInterval}
	for _, s := range o.stores {
		if inventory, ok := s.store.(visibility.Inventory); ok {
			audits.Stores = append(audits.Stores, worker.SearchStore{Name: s.Name, Label: s.label(), Audit: func(ctx context.Context, request worker.AuditRequest) (audit.Summary, error) {
				return o.auditQuietly(ctx, s, inventory, request, c)
			}})
		}
	}
	return audits
}

// auditQuietly compares a store at the rate that is allowed, while it is neither behind nor being rebuilt.
func (o *Operations) auditQuietly(ctx context.Context, s *searchStore, inventory visibility.Inventory, request worker.AuditRequest, c config.Config) (audit.Summary, error) {
	if !o.isUpToDate(s) {
		return audit.Summary{}, worker.ErrNotNow
	}
	source := o.source(ctx)
	summary, err := audit.Compare(ctx, audit.Config{
		Source: source, Inventory: inventory, Store: s.store, Settle: auditSettle, Rate: c.Limits.VisibilityAuditPerSec, From: request.From,
		Tick: func(progress func() audit.Progress) error {
			if !o.isUpToDate(s) {
				return worker.ErrNotNow
			}
			return request.Tick(progress)
		},
		Report: func(d audit.Difference) error {
			request.Report(d)
			if !c.Search.Repair {
				return nil
			}
			return s.repair(ctx, source, d)
		},
	})
	if err != nil {
		return summary, err
	}
	return summary, s.indexer.Flush(ctx)
}

// isUpToDate tells whether nothing that a store lacks is on its way by the log or a rebuild.
func (o *Operations) isUpToDate(s *searchStore) bool {
	for _, f := range o.engine.FeedStatuses() {
		if f.Name == s.Name {
			return f.BehindShards == 0 && f.LostShards == 0 && (f.Rebuild.Phase == "" || f.Rebuild.Phase == "done") && !s.indexer.Blocked()
		}
	}
	return false
}

func (s *searchStore) repair(ctx context.Context, source history.RunSource, d audit.Difference) error {
	if d.Kind == audit.Orphan {
		return s.indexer.Enqueue(ctx, d.Tombstone(), time.Time{}, nil)
	}
	rec, exists, err := source.Record(ctx, d.NamespaceID, d.WorkflowID, d.RunID)
	if err != nil || !exists {
		return err
	}
	rec.Again = true
	return s.indexer.Enqueue(ctx, rec, time.Time{}, nil)
}

// DeadLetters lists what a store refused, the oldest first.
func (o *Operations) DeadLetters(ctx context.Context, op Operation) ([]visibility.DeadLetter, error) {
	s, err := o.named(op.Store)
	if err != nil {
		return nil, err
	}
	letters, err := s.dead.List(ctx)
	if err != nil || op.Namespace == "" {
		return letters, err
	}
	id, err := o.namespaceID(ctx, op.Namespace)
	if err != nil {
		return nil, err
	}
	var own []visibility.DeadLetter
	for _, letter := range letters {
		if letter.NamespaceID == id {
			own = append(own, letter)
		}
	}
	return own, nil
}

// PurgeDeadLetters forgets what a store refused; the runs stay as they are listed.
func (o *Operations) PurgeDeadLetters(ctx context.Context, op Operation) (int, error) {
	letters, err := o.DeadLetters(ctx, op)
	if err != nil {
		return 0, err
	}
	s, err := o.named(op.Store)
	if err != nil {
		return 0, err
	}
	for i, letter := range letters {
		if err := s.dead.Remove(ctx, letter); err != nil {
			return i, err
		}
	}
	return len(letters), nil
}

// RetryDeadLetters gives a store what it refused once more, as the runs are now. What it refuses again stays.
func (o *Operations) RetryDeadLetters(ctx context.Context, op Operation) (DeadLettersRetried, error) {
	var result DeadLettersRetried
	letters, err := o.DeadLetters(ctx, op)
	if err != nil {
		return result, err
	}
	s, err := o.named(op.Store)
	if err != nil {
		return result, err
	}
	var pending sync.WaitGroup
	for _, letter := range letters {
		rec, exists, err := o.source(ctx).Record(ctx, letter.NamespaceID, letter.WorkflowID, letter.RunID)
		if err != nil {
			return result, err
		}
		if !exists {
			result.Gone++
			continue
		}
		rec.Again = true
		pending.Add(1)
		if err := s.indexer.Enqueue(ctx, rec, time.Time{}, pending.Done); err != nil {
			return result, err
		}
	}
	if err := waitFor(ctx, &pending); err != nil {
		return result, err
	}
	for _, letter := range letters {
		if err := s.dead.Remove(ctx, letter); err != nil {
			return result, err
		}
	}
	left, err := o.DeadLetters(ctx, op)
	result.Refused = len(left)
	result.Written = len(letters) - result.Gone - result.Refused
	return result, err
}

func waitFor(ctx context.Context, pending *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { pending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
