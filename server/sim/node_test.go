package sim

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"perdure/server/buildids"
	"perdure/server/cluster"
	"perdure/server/config"
	"perdure/server/frontend"
	"perdure/server/history"
	"perdure/server/matching"
	"perdure/server/namespace"
	"perdure/server/nexus"
	"perdure/server/outbound"
	"perdure/server/store"
	"perdure/server/store/fault"
	"perdure/server/store/memory"
	"perdure/server/store/sqlite"
	registry "perdure/server/workers"
	"perdure/visibility"
	"perdure/visibility/indexer"
	visibilitymemory "perdure/visibility/memory"
)

const namespaceName = "shop"

// allowed are the addresses that workflows may tell of their end.
var allowed = nexus.AddressRules{{Pattern: "outside.test"}}

// world is what outlives processes: the stored data, and the address that clients know.
type world struct {
	t       *testing.T
	open    func() store.Store // a new process's handle on the data
	records visibility.Store
	plan    fault.Plan
	outside *outside

	mu       sync.Mutex
	listener *bufconn.Listener // of the node that serves; nil: none
	nodes    int
}

func newWorld(t *testing.T, backend string, plan fault.Plan) *world {
	w := &world{t: t, records: visibilitymemory.New(), plan: plan, outside: newOutside(plan.Seed)}
	switch backend {
	case "memory":
		data, err := memory.New(2)
		require.NoError(t, err)
		w.open = func() store.Store { return data.Open() }
	case "sqlite":
		url := "sqlite://" + filepath.Join(t.TempDir(), "sim.db")
		w.open = func() store.Store {
			s, err := sqlite.Open(t.Context(), url, store.Options{Shards: 2, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			return s
		}
	}
	return w
}

var errNobody = errors.New("no node serves")

// dial reaches the node that serves now.
func (w *world) dial(ctx context.Context, _ string) (net.Conn, error) {
	w.mu.Lock()
	listener := w.listener
	w.mu.Unlock()
	if listener == nil {
		return nil, errNobody
	}
	return listener.DialContext(ctx)
}

// connect makes a client's connection, which finds each new node by itself.
func (w *world) connect() *grpc.ClientConn {
	quick := backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: time.Second}
	connection, err := grpc.NewClient("passthrough:///node", grpc.WithContextDialer(w.dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: quick, MinConnectTimeout: time.Second}))
	require.NoError(w.t, err)
	return connection
}

// node is one process.
type node struct {
	world    *world
	store    *fault.Store
	indexer  *indexer.Indexer
	matching *matching.Engine
	history  *history.Engine
	outbound *outbound.Queue
	frontend *frontend.Frontend
	server   *grpc.Server
	serving  sync.WaitGroup
}

// start starts a process. On a store that fails it may take more than one.
func (w *world) start() *node {
	for {
		n, err := w.tryStart()
		if err == nil {
			return n
		}
		n.kill()
		<-time.After(time.Second)
	}
}

// late breaks the circle of engines.
type late struct{ cluster.Leases }

func (w *world) tryStart() (*node, error) {
	w.nodes++
	plan := w.plan
	plan.Seed += uint64(w.nodes) << 32
	n := &node{world: w, store: fault.New(w.open(), plan)}
	quiet := slog.New(slog.DiscardHandler)
	limits := config.Default().Limits
	n.outbound = outbound.New(outbound.Config{
		Allowed: allowed, RequestTimeout: limits.CallbackRequestTimeout, CallsMax: 4, DestinationCallsMax: 4, WaitingMax: 5,
		FailuresMax: limits.OutboundFailuresMax, Pause: limits.OutboundPause, Transport: w.outside,
	})
	namespaces := namespace.New(n.store, quiet)
	n.indexer = indexer.New(indexer.Config{Store: w.records, Logger: quiet})
	leases := &late{}
	n.matching = matching.New(matching.Config{Store: n.store, Leases: leases, Namespaces: namespaces, Logger: quiet, HostName: "here"})
	engine, err := history.New(history.Config{
		Outbound: n.outbound,
		Store:    n.store, Namespaces: namespaces, Matching: n.matching, Shards: n.matching,
		Feeds:  []history.Feed{{Name: "main", Indexer: n.indexer, Store: w.records, Reads: true, First: true}},
		Logger: quiet, Owner: "only", LeaseDuration: time.Minute, CacheEntries: 50,
	})
	if err != nil {
		return n, err
	}
	leases.Leases = engine
	n.matching.SetHistory(engine)
	if err := n.matching.Start(w.t.Context()); err != nil {
		return n, err
	}
	n.history = engine
	if err := engine.Start(w.t.Context()); err != nil {
		return n, err
	}
	if _, err := namespaces.Ensure(w.t.Context(), namespaceName, 72*time.Hour); err != nil {
		return n, err
	}
	n.frontend = frontend.New(frontend.Config{
		History: engine, Matching: n.matching, Namespaces: namespaces, Visibility: w.records, Limits: limits,
		BuildIDs: buildids.New(buildids.Config{Store: n.store, Pollers: n.matching}),
		Workers: registry.New(registry.Config{Limits: registry.Limits{
			Age: limits.WorkerHistory, Workers: 100, Bytes: limits.WorkersBytesMax, HeartbeatBytes: limits.WorkerBytesMax, Page: 100,
		}}),
		ConcurrentLongPollsMax: limits.LongPollsMax, CallbackAddresses: allowed, Logger: quiet,
	})
	n.serve()
	return n, nil
}

func (n *node) serve() {
	n.server = grpc.NewServer(n.frontend.ServerOptions()...)
	n.frontend.Register(n.server)
	listener := bufconn.Listen(1 << 20)
	n.serving.Go(func() { _ = n.server.Serve(listener) }) // it ends with Stop, which says nothing new
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	n.world.listener = listener
}

// leave takes the node's address away from clients.
func (n *node) leave() {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	n.world.listener = nil
}

// kill ends the process like a power failure: nothing reaches the store any more.
func (n *node) kill() {
	n.store.Crash()
	n.leave()
	if n.server != nil {
		n.server.Stop()
		n.serving.Wait()
		n.frontend.Drain()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	over, end := context.WithCancel(ctx)
	end()
	n.outbound.Stop(over)
	_ = n.indexer.Close(over) // what these cannot do any more is lost, as it should be
	_ = n.matching.Stop(ctx)
	if n.history != nil { // else it was not started
		_ = n.history.Stop(ctx)
	}
	require.NoError(n.world.t, n.store.Close())
}

// stop ends the process in good order.
func (n *node) stop() {
	n.leave()
	quiet := make(chan struct{})
	go func() {
		n.server.GracefulStop() // clients go away, or they would poll the drained node without pause
		close(quiet)
	}()
	n.frontend.Drain()
	n.history.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = n.matching.Stop(ctx) // the store may fail at the end too
	<-quiet
	n.serving.Wait()
	n.outbound.Stop(ctx)
	_ = n.history.Stop(ctx)
	_ = n.indexer.Close(ctx)
	require.NoError(n.world.t, n.store.Close())
}

func (w *world) service(connection *grpc.ClientConn) workflowservice.WorkflowServiceClient {
	return workflowservice.NewWorkflowServiceClient(connection)
}
