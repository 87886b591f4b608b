package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"perdure/server/buildids"
	"perdure/server/cluster"
	"perdure/server/config"
	"perdure/server/diagnosis"
	"perdure/server/doctor"
	"perdure/server/frontend"
	"perdure/server/history"
	"perdure/server/limitwatch"
	"perdure/server/matching"
	"perdure/server/metrics"
	"perdure/server/namespace"
	"perdure/server/outbound"
	"perdure/server/rollout"
	"perdure/server/search"
	"perdure/server/store"
	"perdure/server/tracing"
	"perdure/server/views"
	"perdure/server/worker"
	"perdure/server/workers"
	"perdure/visibility"
	"perdure/visibility/inside"
)

// services are the parts of a node, each started after those it needs.
type services struct {
	store        store.Store
	database     *databaseWatch
	visibility   visibility.Store
	searchStores searchStores
	looks        map[string]inside.Look // what search may look at, by namespace
	namespaces   *namespace.Registry
	rollout      *rollout.Service
	matching     *matching.Engine
	buildIDs     *buildids.Book
	views        *views.Book
	history      *history.Engine
	outbound     *outbound.Queue
	worker       *worker.Service
	doctor       *doctor.Doctor
	refusals     *refusals
	frontend     *frontend.Frontend
	api          http.Handler
	tracing      *tracing.Tracing // nil: off
}

// startServices opens the stores, takes the shards and makes ready to serve.
func startServices(ctx context.Context, c config.Config, o Options) (*services, error) {
	s := &services{}
	if err := s.start(ctx, c, o); err != nil {
		last, done := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer done()
		return nil, errors.Join(err, s.stop(last))
	}
	return s, nil
}

func (s *services) start(ctx context.Context, c config.Config, o Options) (err error) {
	if s.tracing, err = startTracing(ctx, c, o); err != nil {
		return err
	}
	if err := s.openStores(ctx, c, o); err != nil {
		return err
	}
	if err := prepareNamespaces(ctx, s.namespaces, c); err != nil {
		return err
	}
	if err := s.startEngines(ctx, c, o); err != nil {
		return err
	}
	s.makeDoctor(c, o)
	chores := worker.Config{
		Namespaces: s.namespaces, Housekeeping: s.history, Queues: s.matching, Deployments: &namespaceRecords{s.rollout, s.views}, BuildIDs: s.buildIDs,
		SweepInterval: c.Limits.RetentionSweep, Audits: s.operations().audits(c), Logger: o.Logger, Metrics: o.Metrics,
	}
	if c.Doctor.Fleet {
		chores.Doctor, chores.DiagnosisInterval, chores.DiagnosisPerSecond = s.doctor, c.Limits.DoctorInterval, c.Limits.DoctorRunsPerSec
		chores.Activity = s.history.Activity
	}
	s.worker = worker.New(chores)
	s.worker.Start()
	return s.makeFrontend(ctx, c, o)
}

func (s *services) openStores(ctx context.Context, c config.Config, o Options) error {
	opened, err := openStore(ctx, c.Store, c.Shards, o.Logger)
	if err != nil {
		return err
	}
	s.store = instrument(opened, schemeOf(c.Store), o.Metrics)
	s.database = watchDatabase(opened, o.Logger, o.Metrics)
	s.namespaces = namespace.New(s.store, o.Logger)
	s.looks = c.Search.Looks()
	s.searchStores, err = openSearchStores(ctx, c, s.store, o.Logger, o.Metrics)
	if err != nil {
		return err
	}
	s.visibility = search.Guard(s.searchStores.route(c, s.namespaces, o.Metrics), searchConfig(c.Limits, o))
	s.searchStores.startIndexers(c, o.Logger, o.Metrics)
	return nil
}

// startEngines ties the knot: matching starts tasks in history, history offers tasks to matching.
func (s *services) startEngines(ctx context.Context, c config.Config, o Options) error {
	leases := &lateLeases{}
	s.rollout = rollout.New(rollout.Config{
		Store: s.store, Visibility: s.visibility, Namespaces: s.namespaces, Leases: leases,
		Limits: rolloutLimits(c.Limits, refreshAfter(singleOwner(c.Store))), Logger: o.Logger,
	})
	s.makeOutbound(c, o)
	s.matching = matching.New(matching.Config{
		Store: s.store, Leases: leases, Namespaces: s.namespaces, Routes: s.rollout,
		Logger: o.Logger, Metrics: o.Metrics, Limits: matchingLimits(c.Limits, refreshAfter(singleOwner(c.Store))),
	})
	engine, err := history.New(history.Config{
		Store: s.store, Namespaces: s.namespaces, Matching: s.matching, Shards: s.matching, Feeds: s.searchStores.feeds(c), FeedRowsMax: int64(c.Limits.VisibilityLogRowsMax), FreshWait: c.Limits.VisibilityFreshWait, Outbound: s.outbound,
		Traces:      traces(s.tracing),
		Deployments: s.rollout,
		Limits:      executionLimits(c.Limits), Logger: o.Logger, Metrics: o.Metrics,
		Owner: ownerName(c), LeaseDuration: leaseDuration(c.Store),
		CacheEntries: c.Limits.CacheRunsMax, CacheBytes: int64(c.Limits.CacheBytesMax),
		RecordRefresh: c.Limits.VisibilityRefresh, Looks: c.Search.Looks(),
		LongPoll: c.Limits.LongPollMax, BufferedQueries: c.Limits.QueriesBufferedMax, NoPollerWindow: c.Limits.QueryPollerWindow,
	})
	if err != nil {
		return err
	}
	leases.Leases = engine
	s.views = views.New(views.Config{Store: s.store, Limits: views.Limits{
		Views: c.Limits.VisibilityViewsMax, ViewBytes: c.Limits.VisibilityViewBytesMax, NameBytes: c.Limits.IDBytesMax,
	}})
	s.buildIDs = buildids.New(buildids.Config{
		Store: s.store, Pollers: s.matching, Limits: versioningLimits(c.Limits), Changed: s.rollout.SetBuilds,
		RefreshAfter: refreshAfter(singleOwner(c.Store)), Logger: o.Logger,
	})
	s.matching.SetHistory(engine)
	s.rollout.Connect(s.matching, s.matching.Rerouted)
	if err := s.rollout.Load(ctx); err != nil {
		return err
	}
	if err := s.buildIDs.Load(ctx); err != nil {
		return err
	}
	if err := s.matching.Start(ctx); err != nil {
		return err
	}
	if err := engine.Start(ctx); err != nil {
		return fmt.Errorf("start history: %w", err)
	}
	s.history = engine
	s.rollout.Start()
	s.buildIDs.Start()
	return nil
}

// namespaceRecords are what goes with a namespace besides its runs and task queues.
type namespaceRecords struct {
	deployments *rollout.Service
	views       *views.Book
}

// DropDeployments implements cluster.DeploymentHousekeeping.
func (r *namespaceRecords) DropDeployments(ctx context.Context, namespaceID string) error {
	return errors.Join(r.deployments.DropDeployments(ctx, namespaceID), r.views.Drop(ctx, namespaceID))
}

func (s *services) makeDoctor(c config.Config, o Options) {
	s.refusals = newRefusals()
	s.doctor = doctor.New(doctor.Config{
		Runs: s.history, Queues: s.matching, Namespaces: s.namespaces, Visibility: s.visibility,
		Stores: s.searchStates, Refused: s.refusals.lately, Patience: c.Limits.DoctorPatience, Metrics: o.Metrics,
	})
}

// searchStates tells how those stores do that lists are answered from.
func (s *services) searchStates() (states []diagnosis.SearchStore) {
	for _, f := range s.history.FeedStatuses() {
		if f.Reads {
			states = append(states, diagnosis.SearchStore{Name: f.Name, Behind: f.Oldest, Blocked: s.searchStores.named(f.Name).indexer.Blocked()})
		}
	}
	return states
}

func (s *services) makeOutbound(c config.Config, o Options) {
	queue := outboundConfig(c.Limits, c.CallbackAddresses())
	queue.Metrics = o.Metrics
	s.outbound = outbound.New(queue)
}

// singleOwner: these stores belong to one process at a time, by memory or by a file lock.
func singleOwner(storeURL string) bool {
	return schemeOf(storeURL) == "memory" || schemeOf(storeURL) == "sqlite"
}

// ownerName names this node in leases. Where there can be no other, whoever
// comes next takes over at once, whatever its address.
func ownerName(c config.Config) string {
	if singleOwner(c.Store) {
		return "only"
	}
	return c.OwnerAddress()
}

// leaseDuration is long where nobody waits for the lease: renewing costs statements.
func leaseDuration(storeURL string) time.Duration {
	if singleOwner(storeURL) {
		return time.Minute
	}
	return 10 * time.Second
}

// lateLeases is set once, before matching starts.
type lateLeases struct{ cluster.Leases }

func (s *services) makeFrontend(ctx context.Context, c config.Config, o Options) error {
	info, err := clusterInfo(ctx, s.store, schemeOf(c.Store))
	if err != nil {
		return err
	}
	s.frontend = frontend.New(frontend.Config{
		History: s.history, Matching: s.matching, Deployments: s.rollout, Namespaces: s.namespaces, Visibility: s.visibility, Views: s.views, Doctor: s.doctor, Fresh: s.history.Fresh,
		Workers:           workers.New(workers.Config{Limits: workerLimits(c.Limits), Metrics: o.Metrics}),
		CallbackAddresses: c.CallbackAddresses(),
		BuildIDs:          s.buildIDs,
		Ledgers:           s.history,
		Limits:            c.Limits, Features: c.Features, ConcurrentLongPollsMax: c.Limits.LongPollsMax, ClusterInfo: info,
		Logger: o.Logger, Observer: newRPCObserver(o.Metrics, s.refusals), Watch: limitwatch.New(o.Logger, o.Metrics),
		NamespaceDeleted: s.worker.Kick, Tracer: s.tracing.Interceptor(), TraceOrigin: s.history.TraceOrigin,
	})
	s.api, err = s.frontend.HTTPHandler(frontend.HTTPConfig{Observe: observeHTTP(o.Metrics)})
	return err
}

func observeHTTP(reg *metrics.Registry) func(method string, status int, seconds float64) {
	duration := metrics.HTTPDuration.In(reg, metrics.None{})
	return func(method string, status int, seconds float64) {
		metrics.HTTPRequests.In(reg, metrics.HTTPCall{Method: method, Code: fmt.Sprint(status)}).Inc()
		duration.Observe(seconds)
	}
}

// answerPolls ends the calls that wait, so that workers go elsewhere or come back.
func (s *services) answerPolls(ctx context.Context) error {
	s.frontend.Drain()
	s.history.Drain()
	s.outbound.Drain()
	if err := s.matching.Stop(ctx); err != nil {
		return fmt.Errorf("stop matching: %w", err)
	}
	return nil
}

// indexTimeout is how long records may take to reach the visibility store at a
// stop. What does not is written after the next start.
const indexTimeout = time.Second

// outboundTimeout is how long calls to addresses outside may take at a stop. What
// is cut off is called again after the next start.
const outboundTimeout = 500 * time.Millisecond

// stop ends what was started, in the other order.
func (s *services) stop(ctx context.Context) error {
	var errs []error
	note := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	if s.worker != nil {
		note("stop the worker service", s.worker.Stop(ctx))
	}
	if s.rollout != nil {
		note("stop looking after worker deployments", s.rollout.Stop(ctx))
	}
	if s.buildIDs != nil {
		s.buildIDs.Stop()
	}
	if s.outbound != nil {
		short, done := context.WithTimeout(ctx, outboundTimeout)
		defer done()
		s.outbound.Stop(short) // what its calls find out is for history to store
	}
	if s.history != nil {
		note("stop history", s.history.Stop(ctx))
	}
	short, done := context.WithTimeout(ctx, indexTimeout)
	defer done()
	note("stop the indexers", s.searchStores.stopIndexers(short))
	s.database.Stop()
	if s.visibility != nil {
		note("end searches", s.visibility.Close())
	}
	note("close the search stores", s.searchStores.close())
	if s.store != nil {
		note("close the store", s.store.Close())
	}
	note("export traces", s.tracing.Stop(ctx))
	return errors.Join(errs...)
}
