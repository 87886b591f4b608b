package frontend_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"perdure/server/buildids"
	"perdure/server/cluster"
	"perdure/server/config"
	"perdure/server/deployment"
	"perdure/server/frontend"
	"perdure/server/match"
	"perdure/server/namespace"
	"perdure/server/rollout"
	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/server/versioning"
	"perdure/server/views"
	"perdure/server/workers"
	"perdure/visibility"
	"perdure/visibility/query"
)

// errReached is what the services behind the frontend answer: the request was
// found good and handed on.
var errReached = serviceerror.NewDataLoss("handed on")

// recorder is History and Matching: it keeps the last request and answers what it is told.
type recorder struct {
	cluster.History
	cluster.Matching

	mu       sync.Mutex
	requests []any
	hidden   bool          // of the last history read
	answer   any           // of the next call; nil: errReached
	answers  []any         // of the next calls, before answer
	entered  chan struct{} // when set, calls tell that they came and wait for the end of their context
}

// Polled and Busy: nobody polls, and nothing waits.
func (r *recorder) Polled(cluster.TaskQueue, match.Version) bool { return false }
func (r *recorder) Busy(cluster.TaskQueue) bool                  { return false }

func (r *recorder) record(req any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, req)
}

func (r *recorder) last() any {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) == 0 {
		return nil
	}
	return r.requests[len(r.requests)-1]
}

func (r *recorder) nextAnswer() any {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.answers) == 0 {
		return r.answer
	}
	next := r.answers[0]
	r.answers = r.answers[1:]
	return next
}

// handle records a request and makes the answer.
func handle[T any](ctx context.Context, r *recorder, req any) (*T, error) {
	r.record(req)
	if r.entered != nil {
		r.entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if answer, ok := r.nextAnswer().(*T); ok {
		return answer, nil
	}
	return nil, errReached
}

// finder is a visibility store that keeps the last query and finds what it is told.
type finder struct {
	visibility.Store
	listed  visibility.ListRequest
	records []*visibility.Record
	counted visibility.CountResult
	err     error
}

func (f *finder) List(_ context.Context, req visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	f.listed = req
	if f.err == nil && req.PageToken != nil {
		return nil, nil, visibility.ErrPageToken
	}
	return f.records, []byte("next"), f.err
}

func (f *finder) Count(_ context.Context, _ string, q *query.Query) (visibility.CountResult, error) {
	f.listed.Query = q
	return f.counted, f.err
}

func (f *finder) Name() string { return "finder" }

// bundle is a frontend on a connection within the process.
type bundle struct {
	frontend    *frontend.Frontend
	namespaces  *namespace.Registry
	behind      *recorder
	deployments *rollout.Service
	visible     *finder
	conn        *grpc.ClientConn
	client      workflowservice.WorkflowServiceClient
	ns          *cluster.Namespace
}

func defaultLimits(t testing.TB) config.Limits {
	t.Helper()
	limits := config.Default().Limits
	limits.RequestsPerSecond, limits.NamespacePerSecond, limits.VisibilityPerSec = 0, 0, 0
	return limits
}

func setup(t testing.TB, options ...func(*frontend.Config)) *bundle {
	t.Helper()
	ctx := context.Background()
	b := &bundle{behind: &recorder{}, visible: &finder{}}
	records := memoryStore(t)
	b.namespaces = namespace.New(records, slog.New(slog.DiscardHandler))
	for _, name := range []string{"default", namespace.SystemName} {
		ns, err := b.namespaces.Ensure(ctx, name, 24*time.Hour)
		require.NoError(t, err)
		if name == "default" {
			b.ns = ns
		}
	}
	deployments := rollout.New(rollout.Config{
		Store: records, Namespaces: b.namespaces, Logger: slog.New(slog.DiscardHandler), Limits: rollout.Limits{
			Deployments: 20, Deployment: deployment.Limits{Versions: 10, QueuesPerVersion: 10, MetadataBytes: 1000},
		},
	})
	deployments.Connect(b.behind, nil)
	require.NoError(t, deployments.Load(ctx))
	t.Cleanup(func() { require.NoError(t, deployments.Stop(context.Background())) })
	b.deployments = deployments
	c := frontend.Config{
		History: b.behind, Matching: b.behind, Deployments: deployments, Namespaces: b.namespaces, Visibility: b.visible,
		Workers: workers.New(workers.Config{Limits: workers.Limits{
			Age: time.Minute, Workers: 10, Bytes: 1 << 20, HeartbeatBytes: 1 << 10, Page: 10,
		}}),
		BuildIDs: buildids.New(buildids.Config{Store: records, Limits: versioning.Limits{
			Sets: 10, Builds: 100, Assignments: 100, Redirects: 500, Upstream: 50, BuildIDBytes: 255, Queues: 20,
		}}),
		Views:       views.New(views.Config{Store: records, Limits: views.Limits{Views: 3, ViewBytes: 1000, NameBytes: 100}}),
		Limits:      defaultLimits(t),
		ClusterInfo: frontend.ClusterInfo{ClusterID: "00000000-0000-0000-0000-000000000009", ShardCount: 4, PersistenceStore: "memory"},
		Logger:      slog.New(slog.DiscardHandler),
	}
	for _, option := range options {
		option(&c)
	}
	b.frontend = frontend.New(c)
	b.conn = serve(t, b.frontend)
	b.client = workflowservice.NewWorkflowServiceClient(b.conn)
	return b
}

func memoryStore(t testing.TB) store.Store {
	t.Helper()
	s, err := memory.Open(4)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// serve runs the frontend on a listener in memory and connects to it.
func serve(t testing.TB, f *frontend.Frontend) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(f.ServerOptions()...)
	f.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///frontend",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		server.Stop()
		if err := <-served; !errors.Is(err, grpc.ErrServerStopped) { // a short test may be over before it has begun to serve
			require.NoError(t, err)
		}
	})
	return conn
}
