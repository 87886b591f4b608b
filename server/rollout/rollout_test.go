package rollout_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/rollout"
	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/visibility"
	"perdure/visibility/attr"
	visibilitymemory "perdure/visibility/memory"
)

const nsID = "ns-id"

var (
	orders = deployment.WorkflowQueue("orders")
	blue   = match.Version{Deployment: "shop", BuildID: "blue"}
	green  = match.Version{Deployment: "shop", BuildID: "green"}
)

// countingStore counts calls about metadata and may lose the answer of a write.
type countingStore struct {
	store.Store
	reads, writes atomic.Int64
	loseAnswer    atomic.Bool
}

func (s *countingStore) Meta(ctx context.Context, kind, key string) (store.Meta, error) {
	s.reads.Add(1)
	return s.Store.Meta(ctx, kind, key)
}

func (s *countingStore) ListMeta(ctx context.Context, kind string) ([]store.Meta, error) {
	s.reads.Add(1)
	return s.Store.ListMeta(ctx, kind)
}

func (s *countingStore) PutMeta(ctx context.Context, m store.Meta) error {
	s.writes.Add(1)
	if err := s.Store.PutMeta(ctx, m); err != nil {
		return err
	}
	if s.loseAnswer.Swap(false) {
		return store.ErrUnknownOutcome
	}
	return nil
}

type oneNamespace struct{}

func (oneNamespace) List(context.Context) ([]*cluster.Namespace, error) {
	return []*cluster.Namespace{{ID: nsID, Name: "ns"}}, nil
}

type allLeases struct{}

func (allLeases) Lease(int32) (store.Lease, bool) { return store.Lease{}, true }

// queues are facts that a test sets.
type queues struct {
	mu     sync.Mutex
	polled map[match.Version]bool
	busy   map[string]bool
}

func (q *queues) Polled(_ cluster.TaskQueue, v match.Version) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.polled[v]
}

func (q *queues) Busy(queue cluster.TaskQueue) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy[queue.Name]
}

func (q *queues) set(v match.Version, polled bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.polled[v] = polled
}

type testBundle struct {
	t          *testing.T
	store      *countingStore
	visibility visibility.Store
	clock      *clock.Fake
	queues     *queues
	nodes      []*rollout.Service

	mu       sync.Mutex
	rerouted []deployment.Queue
}

func (b *testBundle) reroute(_ string, queues []deployment.Queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rerouted = append(b.rerouted, queues...)
}

// told are the queues that were rerouted since the last call.
func (b *testBundle) told() []deployment.Queue {
	b.mu.Lock()
	defer b.mu.Unlock()
	queues := b.rerouted
	b.rerouted = nil
	return queues
}

func setup(t *testing.T, nodes int) *testBundle {
	t.Helper()
	inner, err := memory.Open(1)
	require.NoError(t, err)
	b := &testBundle{
		t: t, store: &countingStore{Store: inner}, visibility: visibilitymemory.New(), clock: clock.NewFake(time.Unix(1e9, 0)),
		queues: &queues{polled: map[match.Version]bool{}, busy: map[string]bool{}},
	}
	for range nodes {
		s := rollout.New(rollout.Config{
			Store: b.store, Visibility: b.visibility, Namespaces: oneNamespace{}, Leases: allLeases{},
			Logger: slog.New(slog.DiscardHandler), Clock: b.clock,
			Limits: rollout.Limits{
				Deployments: 3, Deployment: deployment.Limits{Versions: 3, QueuesPerVersion: 3, MetadataBytes: 100},
				Drainage:     deployment.DrainageRules{Grace: time.Minute, Interval: time.Minute},
				RefreshAfter: 2 * time.Second,
			},
		})
		s.Connect(b.queues, b.reroute)
		require.NoError(t, s.Load(context.Background()))
		s.Start()
		t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
		b.nodes = append(b.nodes, s)
	}
	return b
}

func (b *testBundle) do(name string, c deployment.Command) deployment.Decision {
	b.t.Helper()
	d, err := b.nodes[0].Do(context.Background(), nsID, name, c)
	require.NoError(b.t, err)
	return d
}

func (b *testBundle) register(v match.Version) {
	b.t.Helper()
	require.NoError(b.t, b.nodes[0].Register(context.Background(), nsID, v, orders))
}

// status is how a version stands in the store.
func (b *testBundle) status(v match.Version) enumspb.WorkerDeploymentVersionStatus {
	s, err := b.nodes[0].Find(context.Background(), nsID, v.Deployment)
	require.NoError(b.t, err)
	if s == nil || s.Version(v.BuildID) == nil {
		return enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_UNSPECIFIED
	}
	return s.Status(s.Version(v.BuildID))
}

// until polls a condition with a deadline.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, time.Millisecond, what)
}

func TestPollsOfAKnownVersionCostNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	b.register(blue)
	require.EqualValues(t, 1, b.store.writes.Load())
	reads := b.store.reads.Load()
	for range 1000 {
		b.register(blue)
	}
	require.EqualValues(t, 1, b.store.writes.Load())
	require.Equal(t, reads, b.store.reads.Load())
	require.True(t, b.nodes[0].Table(nsID).Member(orders, blue))
}

func TestManyFirstPollsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	var wait sync.WaitGroup
	for i := range 12 {
		wait.Go(func() {
			q := deployment.WorkflowQueue(fmt.Sprint("q", i%3))
			require.NoError(t, b.nodes[i%2].Register(context.Background(), nsID, blue, q))
		})
	}
	wait.Wait()
	s, err := b.nodes[0].Find(context.Background(), nsID, blue.Deployment)
	require.NoError(t, err)
	require.Len(t, s.Versions, 1)
	require.Len(t, s.Versions[0].Queues, 3)
}

func TestOtherNodesFollow(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	b.register(blue)
	b.do("shop", deployment.SetCurrent{BuildID: "blue"})
	require.Equal(t, blue, b.nodes[0].Table(nsID).Routing(orders).Current)
	b.clock.Advance(2 * time.Second)
	until(t, "the other node reads the change", func() bool {
		return b.nodes[1].Table(nsID).Routing(orders).Current == blue
	})
}

func TestANewNodeKnowsWhatIsStored(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	b.register(blue)
	b.do("shop", deployment.SetRamping{BuildID: "blue", Percentage: 30})
	late := rollout.New(rollout.Config{Store: b.store, Namespaces: oneNamespace{}, Clock: b.clock, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, late.Load(context.Background()))
	require.Equal(t, b.nodes[0].Table(nsID).Routing(orders), late.Table(nsID).Routing(orders))
	require.EqualValues(t, 30, late.Table(nsID).Routing(orders).Percentage)
}

func TestLostAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	b.register(blue)
	b.store.loseAnswer.Store(true)
	b.do("shop", deployment.SetCurrent{BuildID: "blue"})
	require.Equal(t, enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT, b.status(blue))
	require.Equal(t, blue, b.nodes[0].Table(nsID).Routing(orders).Current)
}

func TestDeploymentsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	ctx := context.Background()
	for i := range 3 {
		b.do(fmt.Sprint("d", i), deployment.Create{})
	}
	_, err := b.nodes[0].Do(ctx, nsID, "d3", deployment.Create{})
	var limit *serviceerror.ResourceExhausted
	require.ErrorAs(t, err, &limit)
	require.Equal(t, enumspb.RESOURCE_EXHAUSTED_CAUSE_WORKER_DEPLOYMENT_LIMITS, limit.Cause)
	b.do("d1", deployment.Delete{})
	b.do("d3", deployment.Create{})
	all, err := b.nodes[0].List(ctx, nsID)
	require.NoError(t, err)
	require.Len(t, all, 3)
}

func TestFactsComeFromTheQueues(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	ctx := context.Background()
	b.register(blue)
	b.do("shop", deployment.SetCurrent{BuildID: "blue"})
	b.queues.busy["orders"] = true
	set := deployment.SetCurrent{BuildID: "green", AllowNoPollers: true}
	_, err := b.nodes[0].Do(ctx, nsID, "shop", set)
	require.ErrorContains(t, err, "missing active task queues")
	// Another deployment takes the queue over: nothing is missing any more.
	require.NoError(t, b.nodes[0].Register(ctx, nsID, match.Version{Deployment: "other", BuildID: "1"}, orders))
	b.clock.Advance(time.Second)
	b.do("other", deployment.SetCurrent{BuildID: "1"})
	b.do("shop", set)

	b.do("shop", deployment.SetCurrent{BuildID: "blue"})
	b.queues.set(green, true)
	require.NoError(t, b.nodes[0].Register(ctx, nsID, green, orders))
	_, err = b.nodes[0].Do(ctx, nsID, "shop", deployment.DeleteVersion{BuildID: "green", SkipDrainage: true})
	require.ErrorContains(t, err, "it has active pollers")
	b.queues.set(green, false)
	b.do("shop", deployment.DeleteVersion{BuildID: "green", SkipDrainage: true})
}

// run is the search record of a run that is pinned to a version.
func run(id string, version int64, v match.Version, status enumspb.WorkflowExecutionStatus) *visibility.Record {
	keyword := func(text string) *commonpb.Payload {
		return attr.Encode(text, enumspb.INDEXED_VALUE_TYPE_KEYWORD)
	}
	return &visibility.Record{
		NamespaceID: nsID, WorkflowID: id, RunID: id, Version: version, Status: status, StartTime: time.Unix(1e9, 0),
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			"TemporalWorkerDeploymentVersion": keyword(v.String()), "TemporalWorkflowVersioningBehavior": keyword("Pinned"),
		}},
	}
}

// advance moves time by small steps, as the loop of looks does.
func (b *testBundle) advance(by time.Duration) {
	for range by / time.Second {
		b.clock.Advance(time.Second)
	}
}

func TestDrainage(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	ctx := context.Background()
	odd := match.Version{Deployment: "shop", BuildID: "it's"}
	for _, v := range []match.Version{blue, odd} {
		b.register(v)
		b.do("shop", deployment.SetCurrent{BuildID: v.BuildID})
	}
	b.do("shop", deployment.SetCurrent{})
	require.NoError(t, b.visibility.Write(ctx, []*visibility.Record{
		run("open", 1, odd, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING), run("closed", 1, blue, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED),
	}))
	b.advance(50 * time.Second)
	require.Equal(t, enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING, b.status(blue), "the grace is not over")
	drained := func(v match.Version) func() bool {
		return func() bool {
			b.advance(time.Second)
			return b.status(v) == enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED
		}
	}
	until(t, "blue is drained", drained(blue))
	require.Equal(t, enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING, b.status(odd))
	require.NoError(t, b.visibility.Write(ctx, []*visibility.Record{run("open", 2, odd, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)}))
	until(t, "the other one is drained after its run", drained(odd))

	b.nodes[0].NotePinned(nsID, blue)
	until(t, "a pinned run makes work", func() bool { return b.status(blue) == enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING })
	writes := b.store.writes.Load()
	b.nodes[0].NotePinned(nsID, blue)
	require.NoError(t, b.nodes[0].Stop(ctx))
	require.Equal(t, writes, b.store.writes.Load(), "it is known")
}

func TestChangesOfTheRoutingAreTold(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	b.register(blue)
	b.told()
	b.do(blue.Deployment, deployment.SetCurrent{BuildID: blue.BuildID})
	require.Equal(t, []deployment.Queue{orders}, b.told())
	b.register(blue)
	b.do(blue.Deployment, deployment.SetManager{Manager: "m"})
	require.Empty(t, b.told())
}

func TestADeletedNamespaceHasNoDeployments(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	b.register(blue)
	b.do(blue.Deployment, deployment.SetCurrent{BuildID: blue.BuildID})
	b.told()
	require.NoError(t, b.nodes[0].DropDeployments(t.Context(), nsID))
	left, err := b.nodes[0].List(t.Context(), nsID)
	require.NoError(t, err)
	require.Empty(t, left)
	require.False(t, b.nodes[0].Table(nsID).Member(orders, blue))
	require.Equal(t, []deployment.Queue{orders}, b.told())
}
