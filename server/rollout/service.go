package rollout

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"perdure/server/apierr"
	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/store"
	"perdure/visibility"
)

// Config is what a service works with. All but Clock must be set.
type Config struct {
	Store      store.Store
	Visibility visibility.Store
	// Namespaces are looked at once, at the start.
	Namespaces interface {
		List(ctx context.Context) ([]*cluster.Namespace, error)
	}
	// Leases tell which deployments this node looks after.
	Leases cluster.Leases
	Limits Limits
	Logger *slog.Logger
	Clock  clock.Clock // nil: the machine's
}

// Limits bound deployments and set the pace of what is done on its own.
type Limits struct {
	Deployments int // of one namespace
	Deployment  deployment.Limits
	Drainage    deployment.DrainageRules
	// RefreshAfter is how long a namespace is believed without a look at the
	// store, where other nodes may have changed it; 0: there are none.
	RefreshAfter time.Duration
}

// Service is a cluster.Deployments.
type Service struct {
	config   Config
	queues   cluster.QueueFacts
	rerouted func(namespaceID string, queues []deployment.Queue)

	mu         sync.RWMutex
	spaces     map[string]*space // by namespace id
	refreshing map[string]bool
	changing   sync.Map // namespace id to *sync.Mutex: one change at a time

	ctx     context.Context // ends with Stop
	cancel  context.CancelFunc
	running sync.WaitGroup
}

var _ cluster.Deployments = (*Service)(nil)

// space is what is known of one namespace. It is never changed.
type space struct {
	records map[string]record // by name
	builds  deployment.Builds // of the older versioning
	table   *deployment.Table
	readAt  time.Time
	changes int64 // made by this node, so that an older reading is not taken for newer
}

// record is a deployment with the version of its stored record.
type record struct {
	state   *deployment.State
	version int64
}

// New makes a service. Connect and Start must follow.
func New(c Config) *Service {
	if c.Clock == nil {
		c.Clock = clock.Wall()
	}
	s := &Service{config: c, spaces: make(map[string]*space), refreshing: make(map[string]bool)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Connect gives the service the task queues, where to ask for facts, and who is
// to hear of queues that are routed in another way; nil: nobody. Call it once, before Start.
func (s *Service) Connect(queues cluster.QueueFacts, rerouted func(namespaceID string, queues []deployment.Queue)) {
	s.queues, s.rerouted = queues, rerouted
}

// loadsAtOnce bounds the reads of the start.
const loadsAtOnce = 8

// Load reads all deployments. Tasks must not be given out before.
func (s *Service) Load(ctx context.Context) error {
	all, err := s.config.Namespaces.List(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(loadsAtOnce)
	for _, ns := range all {
		group.Go(func() error { return s.refresh(ctx, ns.ID) })
	}
	return group.Wait()
}

// Start begins the looks at draining versions.
func (s *Service) Start() { s.spawn(s.lookLoop) }

// Stop ends what runs in the background and waits for it, or for ctx.
func (s *Service) Stop(ctx context.Context) error {
	s.cancel()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spawn runs something until Stop. After Stop it does nothing.
func (s *Service) spawn(run func(context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.running.Go(func() { run(s.ctx) })
	}
}

// Table implements cluster.Routes.
func (s *Service) Table(namespaceID string) *deployment.Table {
	s.mu.RLock()
	known := s.spaces[namespaceID]
	s.mu.RUnlock()
	if known == nil || s.stale(known) {
		s.refreshLater(namespaceID)
	}
	if known == nil {
		return nil
	}
	return known.table
}

func (s *Service) stale(known *space) bool {
	return s.config.Limits.RefreshAfter > 0 && s.config.Clock.Now().Sub(known.readAt) >= s.config.Limits.RefreshAfter
}

func (s *Service) refreshLater(namespaceID string) {
	s.mu.Lock()
	under := s.refreshing[namespaceID]
	s.refreshing[namespaceID] = true
	s.mu.Unlock()
	if under {
		return
	}
	s.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		if err := s.refresh(ctx, namespaceID); err != nil && ctx.Err() == nil {
			s.config.Logger.WarnContext(ctx, "worker deployments could not be read; the last known ones are used", "namespace_id", namespaceID, "error", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.refreshing, namespaceID)
	})
}

// storeTimeout bounds one call to the store that no caller waits for.
const storeTimeout = 10 * time.Second

// refresh reads a namespace's deployments from the store.
func (s *Service) refresh(ctx context.Context, namespaceID string) error {
	before := s.changesOf(namespaceID)
	at := s.config.Clock.Now()
	records, err := s.read(ctx, namespaceID)
	if err != nil {
		return err
	}
	s.publish(namespaceID, func(known *space) *space {
		if known.changes != before {
			return known // this node has changed it meanwhile
		}
		return &space{records: records, builds: known.builds, readAt: at, changes: before}
	})
	return nil
}

func (s *Service) changesOf(namespaceID string) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if known := s.spaces[namespaceID]; known != nil {
		return known.changes
	}
	return 0
}

// read reads all deployments of a namespace.
func (s *Service) read(ctx context.Context, namespaceID string) (map[string]record, error) {
	metas, err := s.config.Store.ListMeta(ctx, kindOf(namespaceID))
	if err != nil {
		return nil, fmt.Errorf("read worker deployments: %w", err)
	}
	records := make(map[string]record, len(metas))
	for _, m := range metas {
		state, err := decode(m)
		if err != nil {
			return nil, err
		}
		records[m.Key] = record{state: state, version: m.Version}
	}
	return records, nil
}

// kindOf is the kind of the records of one namespace, whose keys are names.
func kindOf(namespaceID string) string { return "deployment/" + namespaceID }

func decode(m store.Meta) (*deployment.State, error) {
	state, err := deployment.Decode(m.Key, m.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return state, nil
}

// publish replaces what is known of a namespace.
func (s *Service) publish(namespaceID string, change func(known *space) *space) {
	s.mu.Lock()
	known := s.spaces[namespaceID]
	if known == nil {
		known = &space{}
	}
	next := change(known)
	if next == known {
		s.mu.Unlock()
		return
	}
	states := make([]*deployment.State, 0, len(next.records))
	for _, r := range next.records {
		states = append(states, r.state)
	}
	next.table = deployment.NewTable(states).WithBuilds(next.builds)
	s.spaces[namespaceID] = next
	s.mu.Unlock()
	if queues := next.table.Rerouted(known.table); len(queues) > 0 && s.rerouted != nil {
		s.rerouted(namespaceID, queues)
	}
}

// changed makes a change of this node known; a nil state: the deployment is gone.
func (s *Service) changed(namespaceID, name string, state *deployment.State, version int64) {
	s.publish(namespaceID, func(known *space) *space {
		next := &space{records: make(map[string]record, len(known.records)+1), builds: known.builds, readAt: known.readAt, changes: known.changes + 1}
		maps.Copy(next.records, known.records)
		if state == nil {
			delete(next.records, name)
		} else {
			next.records[name] = record{state: state, version: version}
		}
		return next
	})
}

// SetBuilds tells what the older versioning knows of a namespace's task queues now.
func (s *Service) SetBuilds(namespaceID string, builds deployment.Builds) {
	s.publish(namespaceID, func(known *space) *space {
		next := *known
		next.builds = builds
		return &next
	})
}

// known is the cached record; zero when there is none.
func (s *Service) known(namespaceID, name string) record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if sp := s.spaces[namespaceID]; sp != nil {
		return sp.records[name]
	}
	return record{}
}

// Register implements cluster.Deployments.
func (s *Service) Register(ctx context.Context, namespaceID string, v match.Version, q deployment.Queue) error {
	if s.Table(namespaceID).Member(q, v) {
		return nil
	}
	_, err := s.Do(ctx, namespaceID, v.Deployment, deployment.Register{BuildID: v.BuildID, Queue: q})
	return err
}

// NotePinned implements cluster.Deployments.
func (s *Service) NotePinned(namespaceID string, v match.Version) {
	state := s.known(namespaceID, v.Deployment).state
	if state == nil || !state.Idle(v.BuildID) {
		return
	}
	s.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		if _, err := s.Do(ctx, namespaceID, v.Deployment, deployment.NotePinned{BuildID: v.BuildID}); err != nil && ctx.Err() == nil {
			s.config.Logger.WarnContext(ctx, "a version with a pinned run could not be noted as draining", "version", v.String(), "error", err)
		}
	})
}

// Find implements cluster.Deployments.
func (s *Service) Find(ctx context.Context, namespaceID, name string) (*deployment.State, error) {
	r, err := s.readOne(ctx, namespaceID, name)
	return r.state, err
}

// List implements cluster.Deployments.
func (s *Service) List(ctx context.Context, namespaceID string) ([]*deployment.State, error) {
	metas, err := s.config.Store.ListMeta(ctx, kindOf(namespaceID))
	if err != nil {
		return nil, apierr.Unavailable("the worker deployments could not be read: %v", err)
	}
	states := make([]*deployment.State, len(metas))
	for i, m := range metas {
		if states[i], err = decode(m); err != nil {
			return nil, err
		}
	}
	return states, nil
}
