package matching_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"perdure/internal/pgtest"
	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/metrics"
	"perdure/server/store"
	"perdure/server/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(withPostgres{m}) }

// withPostgres stops the server that benchmarks started.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return pgtest.Run(w.m) }

var ns = &cluster.Namespace{ID: "6f1b2c1e-0000-4000-8000-000000000001", Name: "shop"}

// rig is an engine with a store, a lease on every shard and a history that
// starts whatever it is given.
type rig struct {
	t        *testing.T
	data     *memory.Data
	store    *countingStore
	leases   *heldLeases
	history  *fakeHistory
	registry *metrics.Registry
	engine   *matching.Engine
}

func newRig(t *testing.T) *rig {
	data, err := memory.New(2)
	require.NoError(t, err)
	return rigOn(t, data, matching.Limits{})
}

// prepared is a rig without its engine.
func prepared(t *testing.T, data *memory.Data) *rig {
	return &rig{
		t: t, data: data, store: &countingStore{Store: data.Open()},
		leases: &heldLeases{}, history: &fakeHistory{}, registry: metrics.NewRegistry(),
	}
}

// rigOn starts a new process on data that may have been used before.
func rigOn(t *testing.T, data *memory.Data, limits matching.Limits) *rig {
	r := prepared(t, data)
	r.engine = matching.New(matching.Config{
		Store: r.store, Leases: r.leases, Metrics: r.registry, HostName: "here", Limits: limits,
	})
	r.engine.SetHistory(r.history)
	require.NoError(t, r.engine.Start(t.Context()))
	r.acquire()
	return r
}

func (r *rig) acquire() {
	shards, err := r.store.Shards(context.Background())
	require.NoError(r.t, err)
	for _, s := range shards {
		a, err := r.store.Acquire(context.Background(), s.ID, s.Epoch, "node")
		require.NoError(r.t, err)
		r.leases.set(a)
		r.engine.ShardAcquired(s.ID)
	}
}

func (r *rig) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.NoError(r.t, r.engine.Stop(ctx))
}

func (r *rig) stored() int64 {
	total := int64(0)
	shards, err := r.store.Shards(context.Background())
	require.NoError(r.t, err)
	for _, s := range shards {
		queues, err := r.store.Queues(context.Background(), s.ID)
		require.NoError(r.t, err)
		for _, q := range queues {
			total += q.Count
		}
	}
	return total
}

// heldLeases knows what was acquired.
type heldLeases struct {
	mu   sync.Mutex
	held []store.Acquired
}

func (l *heldLeases) set(a store.Acquired) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.held {
		if l.held[i].Lease.Shard == a.Lease.Shard {
			l.held[i] = a
			return
		}
	}
	l.held = append(l.held, a)
}

func (l *heldLeases) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = nil
}

func (l *heldLeases) Lease(slot int32) (store.Lease, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.held {
		if a.FirstSlot <= slot && slot <= a.LastSlot {
			return a.Lease, true
		}
	}
	return store.Lease{}, false
}

// countingStore counts statements and can fail on demand.
type countingStore struct {
	*memory.Store
	mu                      sync.Mutex
	appends, reads, deletes int
	fail, failDeletes       error
	failAfter               bool // the write is made, then the error returned
	beforeAppend            func()
	beforeRead              func()
}

func (s *countingStore) failWith(err error, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.failAfter = err, after
}

func (s *countingStore) count(n *int) (error, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
	return s.fail, s.failAfter
}

func (s *countingStore) counts() (appends, reads, deletes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appends, s.reads, s.deletes
}

func (s *countingStore) AppendTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTask) error {
	fail, after := s.count(&s.appends)
	s.mu.Lock()
	before := s.beforeAppend
	s.mu.Unlock()
	if before != nil {
		before()
	}
	if fail != nil && !after {
		return fail
	}
	if err := s.Store.AppendTasks(ctx, lease, tasks); err != nil {
		return err
	}
	return fail
}

func (s *countingStore) ReadTasks(ctx context.Context, reads []store.QueueRead) ([]store.QueueTask, error) {
	if fail, _ := s.count(&s.reads); fail != nil {
		return nil, fail
	}
	s.mu.Lock()
	before := s.beforeRead
	s.mu.Unlock()
	if before != nil {
		before()
	}
	return s.Store.ReadTasks(ctx, reads)
}

func (s *countingStore) DeleteTasks(ctx context.Context, lease store.Lease, tasks []store.QueueTaskKey) error {
	fail, _ := s.count(&s.deletes)
	s.mu.Lock()
	fail = errors.Join(fail, s.failDeletes)
	s.mu.Unlock()
	if fail != nil {
		return fail
	}
	return s.Store.DeleteTasks(ctx, lease, tasks)
}

// fakeHistory starts tasks: the response's token is the workflow id.
type fakeHistory struct {
	cluster.History
	mu      sync.Mutex
	started []*cluster.Task
	onStart func(ctx context.Context, task *cluster.Task) error
	// volatile leaves it to the test to tell that starts are remembered.
	volatile bool
}

// Prefetch has nothing to read.
func (h *fakeHistory) Prefetch(context.Context, []cluster.ExecutionRef) {}

func (h *fakeHistory) start(ctx context.Context, task *cluster.Task) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.onStart != nil {
		if err := h.onStart(ctx, task); err != nil {
			return err
		}
	}
	h.started = append(h.started, task)
	if task.Remembered != nil && !h.volatile {
		task.Remembered()
	}
	return nil
}

func (h *fakeHistory) tasks() []*cluster.Task {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*cluster.Task(nil), h.started...)
}

func (h *fakeHistory) set(onStart func(context.Context, *cluster.Task) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onStart = onStart
}

func (h *fakeHistory) StartWorkflowTask(ctx context.Context, task *cluster.Task, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	if err := h.start(ctx, task); err != nil {
		return nil, err
	}
	return &workflowservice.PollWorkflowTaskQueueResponse{TaskToken: []byte(task.Execution.WorkflowID)}, nil
}

func (h *fakeHistory) StartActivityTask(ctx context.Context, task *cluster.Task, _ *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	if err := h.start(ctx, task); err != nil {
		return nil, err
	}
	return &workflowservice.PollActivityTaskQueueResponse{TaskToken: []byte(task.Execution.WorkflowID)}, nil
}

// queue names the normal workflow queue that most tests use.
func queue() cluster.TaskQueue {
	return cluster.TaskQueue{
		NamespaceID: ns.ID, Name: "orders",
		Type: enumspb.TASK_QUEUE_TYPE_WORKFLOW, Kind: enumspb.TASK_QUEUE_KIND_NORMAL,
	}
}

func stickyQueue() cluster.TaskQueue {
	q := queue()
	q.Name, q.Kind, q.NormalName = "orders-sticky", enumspb.TASK_QUEUE_KIND_STICKY, "orders"
	return q
}

func activityQueue() cluster.TaskQueue {
	q := queue()
	q.Type = enumspb.TASK_QUEUE_TYPE_ACTIVITY
	return q
}

func task(queue cluster.TaskQueue, id string) *cluster.Task {
	return &cluster.Task{
		Queue:            queue,
		Execution:        cluster.ExecutionRef{NamespaceID: ns.ID, WorkflowID: id, RunID: "run-" + id, Slot: 7, Exec: 42},
		ScheduledEventID: 2, Stamp: 3, Priority: 3, ScheduledTime: time.Now().UTC(),
		Volatile: queue.Kind == enumspb.TASK_QUEUE_KIND_STICKY,
	}
}

// report receives the outcome of one offer and fails the test on a second one.
type report chan cluster.Outcome

func (r *rig) offer(task *cluster.Task) report {
	c := make(report, 1)
	r.engine.Offer(task, func(o cluster.Outcome) {
		select {
		case c <- o:
		default:
			panic(fmt.Sprintf("a second outcome: %d", o))
		}
	})
	return c
}

func (r *rig) offerMany(queue cluster.TaskQueue, from, to int) []report {
	var reports []report
	for i := from; i < to; i++ {
		reports = append(reports, r.offer(task(queue, fmt.Sprintf("wf-%04d", i))))
	}
	return reports
}

// now is the outcome, which must be there at once.
func (c report) now(t *testing.T) cluster.Outcome {
	require.False(t, c.pending(), "no outcome yet")
	return <-c
}

func (c report) pending() bool { return len(c) == 0 }

// poll waits for a workflow task and returns the workflow id, empty when none came.
func (r *rig) poll(ctx context.Context, queue cluster.TaskQueue) string {
	response, err := r.engine.PollWorkflowTaskQueue(ctx, ns, pollRequest(queue))
	require.NoError(r.t, err)
	return string(response.TaskToken)
}

// hintOf takes a task and returns how many are said to wait beside it.
func (r *rig) hintOf(queue cluster.TaskQueue) int64 {
	response, err := r.engine.PollWorkflowTaskQueue(r.t.Context(), ns, pollRequest(queue))
	require.NoError(r.t, err)
	return response.BacklogCountHint
}

func pollRequest(queue cluster.TaskQueue) *workflowservice.PollWorkflowTaskQueueRequest {
	return &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: ns.Name, Identity: "worker-1", WorkerInstanceKey: "key-1",
		TaskQueue: &taskqueuepb.TaskQueue{Name: queue.Name, Kind: queue.Kind, NormalName: queue.NormalName},
	}
}

func (r *rig) pollActivity(ctx context.Context, perSecond *wrapperspb.DoubleValue) string {
	request := &workflowservice.PollActivityTaskQueueRequest{
		Namespace: ns.Name, Identity: "worker-1", TaskQueue: &taskqueuepb.TaskQueue{Name: "orders"},
	}
	if perSecond != nil {
		request.TaskQueueMetadata = &taskqueuepb.TaskQueueMetadata{MaxTasksPerSecond: perSecond}
	}
	response, err := r.engine.PollActivityTaskQueue(ctx, ns, request)
	require.NoError(r.t, err)
	return string(response.TaskToken)
}

// loaded is the number of queues in memory, as a scrape tells it.
func (r *rig) loaded() float64 {
	recorder := httptest.NewRecorder()
	r.registry.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(r.t, http.StatusOK, recorder.Code)
	return r.registry.Value("perdure_task_queues_loaded")
}

// instantHistory starts everything.
type instantHistory struct{ cluster.History }

func (instantHistory) StartWorkflowTask(context.Context, *cluster.Task, *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	return &workflowservice.PollWorkflowTaskQueueResponse{TaskToken: []byte("token")}, nil
}
