package frontend

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/config"
	"perdure/server/doctorpb"
	"perdure/server/ledgerpb"
	"perdure/server/limitwatch"
	"perdure/server/namespace"
	"perdure/server/nexus"
	"perdure/server/searchpb"
	"perdure/server/spans"
	"perdure/server/views"
	"perdure/visibility"
)

// ServerVersion is the version of the protocol's server that clients see:
// tools unlock their features by it.
const ServerVersion = "1.32.0"

// Config is what a frontend is made of. All but Observer, Watch and Clock must be set.
type Config struct {
	History  cluster.History
	Matching cluster.Matching
	// Deployments keeps the worker deployments.
	Deployments cluster.Deployments
	Workers     cluster.Workers
	BuildIDs    cluster.BuildIDs
	Ledgers     cluster.Ledgers
	Namespaces  *namespace.Registry
	Visibility  visibility.Store
	Views       *views.Book
	Doctor      cluster.Doctor
	Limits      config.Limits
	// CallbackAddresses are those that completion callbacks may name.
	CallbackAddresses nexus.AddressRules
	Features          config.Features
	// ConcurrentLongPollsMax bounds the calls under way that wait, for each
	// namespace and method; 0 does not.
	ConcurrentLongPollsMax int
	ClusterInfo            ClusterInfo
	Logger                 *slog.Logger
	Observer               Observer
	Watch                  *limitwatch.Watch
	Clock                  clock.Clock
	// Fresh waits until all that callers were told of before can be found, when a
	// search asks for it; nil: it always can.
	Fresh func(ctx context.Context) error
	// Tracer is put around every call; nil: none.
	Tracer grpc.UnaryServerInterceptor
	// TraceOrigin tells what is stored with a run of the span that it comes from; nil: nothing.
	TraceOrigin func(ctx context.Context, ns *cluster.Namespace, workflowID, runID string) (spans.Origin, error)
	// NamespaceDeleted is told when there is something to reclaim; nil: nobody is.
	NamespaceDeleted func()
}

// ClusterInfo is what GetClusterInfo tells.
type ClusterInfo struct {
	ClusterID        string // uuid, the same for the life of the store
	ClusterName      string // "active" when empty
	ShardCount       int32
	PersistenceStore string // such as "sqlite"
}

// Frontend answers the public API.
type Frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer

	history     cluster.History
	matching    cluster.Matching
	deployments cluster.Deployments
	workers     cluster.Workers
	buildIDs    cluster.BuildIDs
	ledgers     cluster.Ledgers
	namespaces  *namespace.Registry
	visibility  visibility.Store
	views       *views.Book
	doctor      cluster.Doctor
	limits      config.Limits
	addresses   nexus.AddressRules // that callbacks may name
	features    config.Features
	info        ClusterInfo
	logger      *slog.Logger
	observer    Observer
	watch       *limitwatch.Watch
	clock       clock.Clock
	rates       *rates
	polls       *pollGate
	health      *health.Server

	tracer           grpc.UnaryServerInterceptor
	traceOrigin      func(ctx context.Context, ns *cluster.Namespace, workflowID, runID string) (spans.Origin, error)
	namespaceDeleted func()
	fresh            func(ctx context.Context) error

	draining context.Context // done when long polls should end
	drain    context.CancelFunc
}

var _ workflowservice.WorkflowServiceServer = (*Frontend)(nil)

// New makes a frontend. Register puts it on a gRPC server that was made with ServerOptions.
func New(c Config) *Frontend {
	f := &Frontend{
		history:     c.History,
		matching:    c.Matching,
		deployments: c.Deployments,
		workers:     c.Workers,
		buildIDs:    c.BuildIDs,
		ledgers:     c.Ledgers,
		namespaces:  c.Namespaces,
		visibility:  c.Visibility,
		views:       c.Views,
		doctor:      c.Doctor,
		limits:      c.Limits,
		addresses:   c.CallbackAddresses,
		features:    c.Features,
		info:        c.ClusterInfo,
		logger:      c.Logger,
		observer:    c.Observer,
		watch:       c.Watch,
		clock:       c.Clock,
		rates:       newRates(c.Limits),
		polls:       newPollGate(c.ConcurrentLongPollsMax),
		health:      newHealth(),
		fresh:       c.Fresh,
		tracer:      c.Tracer,
		traceOrigin: c.TraceOrigin,
	}
	if f.namespaceDeleted = c.NamespaceDeleted; f.namespaceDeleted == nil {
		f.namespaceDeleted = func() {}
	}
	if f.info.ClusterName == "" {
		f.info.ClusterName = localClusterName
	}
	if f.observer == nil {
		f.observer = silent{}
	}
	if f.clock == nil {
		f.clock = clock.Wall()
	}
	f.draining, f.drain = context.WithCancel(context.Background())
	return f
}

// ServerOptions are the options of a gRPC server that serves this frontend:
// the interceptors, the size limit and the keepalive rules clients count on.
func (f *Frontend) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(f.chain()...),
		grpc.ChainStreamInterceptor(f.recoverStream),
		grpc.MaxRecvMsgSize(config.RequestBytesMax),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.ForceServerCodecV2(newLenientCodec()),
		// Clients ping every 10 s or slower, also without a call under way.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: 2 * time.Minute,
			// A connection that ends lets clients find new nodes; the grace
			// is longer than a long poll.
			MaxConnectionAge:      5 * time.Minute,
			MaxConnectionAgeGrace: 70 * time.Second,
			Time:                  time.Minute,
			Timeout:               10 * time.Second,
		}),
	}
}

// streamWorkers keep their grown stacks from call to call, which saves a tenth of
// a busy server's processor time; calls beyond them get a goroutine each.
const streamWorkers = 256

// Register puts the public services, health and reflection on a server made with ServerOptions.
func (f *Frontend) Register(server *grpc.Server) {
	for _, s := range f.services() {
		server.RegisterService(decodeLeniently(s.desc), s.implementation)
	}
	registerHealth(server, f.health)
	reflection.Register(server)
}

// service is a gRPC service with what answers it.
type service struct {
	desc           *grpc.ServiceDesc
	implementation any
}

func (f *Frontend) services() []service {
	return []service{
		{&workflowservice.WorkflowService_ServiceDesc, f},
		{&operatorservice.OperatorService_ServiceDesc, &operator{namespaces: f.namespaces, deleted: f.namespaceDeleted}},
		{&searchpb.SearchService_ServiceDesc, &searcher{f: f}},
		{&ledgerpb.LedgerService_ServiceDesc, &accountant{f: f}},
		{&doctorpb.DoctorService_ServiceDesc, &doctor{f: f}},
	}
}

// Drain makes ready for a stop: health says NOT_SERVING, and calls that wait
// are answered without a result. Other calls go on.
func (f *Frontend) Drain() {
	f.health.Shutdown()
	f.drain()
}
