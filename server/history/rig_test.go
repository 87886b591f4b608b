package history

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store"
	"perdure/server/store/fault"
	"perdure/server/store/memory"
	"perdure/visibility"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shop = &cluster.Namespace{ID: "6f1b2c1e-0000-4000-8000-000000000001", Name: "shop"}

// oneNamespace knows the shop only.
type oneNamespace struct{}

func (oneNamespace) ByName(_ context.Context, name string) (*cluster.Namespace, error) {
	if name != shop.Name {
		return nil, serviceerror.NewNamespaceNotFound(name)
	}
	return shop, nil
}

func (oneNamespace) ByID(_ context.Context, id string) (*cluster.Namespace, error) {
	if id != shop.ID {
		return nil, serviceerror.NewNamespaceNotFound(id)
	}
	return shop, nil
}

// index remembers the newest record of each run. It outlives nodes.
type index struct {
	mu      sync.Mutex
	records map[string]*visibility.Record
	deaf    bool // records are taken and never written
	full    bool // there is no room
	changed chan struct{}
	offers  int
}

func newIndex() *index { return &index{records: map[string]*visibility.Record{}} }

func (i *index) Enqueue(ctx context.Context, r *visibility.Record, committed time.Time, done func()) error {
	for !i.Offer(r, committed, done) {
		select {
		case <-i.change():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (i *index) Flush(ctx context.Context) error {
	for i.is(func() bool { return i.full || i.deaf }) {
		select {
		case <-i.change():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (i *index) is(what func() bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return what()
}

// change is closed when the index becomes otherwise.
func (i *index) change() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.changed == nil {
		i.changed = make(chan struct{})
	}
	return i.changed
}

func (i *index) Offer(r *visibility.Record, _ time.Time, done func()) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.offers++
	if i.full || i.deaf {
		return i.deaf
	}
	if old := i.records[r.RunID]; old == nil || r.Version > old.Version {
		i.records[r.RunID] = r
	}
	if done != nil {
		done()
	}
	return true
}

func (i *index) setDeaf(deaf bool) { i.set(func() { i.deaf = deaf }) }

func (i *index) setFull(full bool) { i.set(func() { i.full = full }) }

func (i *index) set(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
	if i.changed != nil {
		close(i.changed)
		i.changed = nil
	}
}

func (i *index) record(runID string) *visibility.Record {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.records[runID]
}

// gate holds calls of the store back, and counts them.
type gate struct {
	store.Store
	mu     sync.Mutex
	held   map[string]chan struct{}
	calls  map[string]int
	groups []store.Group
	// deleteErr is what deletions fail with.
	deleteErr error
}

func (g *gate) pass(method string) {
	g.mu.Lock()
	g.calls[method]++
	held := g.held[method]
	g.mu.Unlock()
	if held != nil {
		<-held
	}
}

// hold makes calls of a method wait before they reach the store, until the returned function is called.
func (g *gate) hold(method string) (release func()) {
	held := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held[method] = held
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.held[method] == held {
			delete(g.held, method)
		}
		close(held)
	}
}

func (g *gate) count(method string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[method]
}

func (g *gate) committed() []store.Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.groups
}

func (g *gate) Commit(ctx context.Context, group store.Group) error {
	g.pass("Commit")
	err := g.Store.Commit(ctx, group)
	if err == nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.groups = append(g.groups, group)
	}
	return err
}

func (g *gate) failDeletions(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deleteErr = err
}

func (g *gate) DeleteExecutions(ctx context.Context, lease store.Lease, keys []store.ExecutionKey) error {
	g.mu.Lock()
	err := g.deleteErr
	g.mu.Unlock()
	if err != nil {
		return err
	}
	return g.Store.DeleteExecutions(ctx, lease, keys)
}

func (g *gate) Current(ctx context.Context, keys []store.WorkflowKey) ([]*store.Execution, error) {
	rows, err := g.Store.Current(ctx, keys)
	g.pass("Current") // the answer is on its way
	return rows, err
}

func (g *gate) Load(ctx context.Context, key store.ExecutionKey) (*store.Execution, error) {
	g.pass("Load")
	return g.Store.Load(ctx, key)
}

func (g *gate) LoadAll(ctx context.Context, keys []store.ExecutionKey) ([]store.Loaded, error) {
	rows, err := g.Store.LoadAll(ctx, keys)
	g.pass("LoadAll") // the answer is on its way
	return rows, err
}

func (g *gate) Checkpoint(ctx context.Context, lease store.Lease, c store.Checkpoint) error {
	g.pass("Checkpoint")
	return g.Store.Checkpoint(ctx, lease, c)
}

func (g *gate) Renew(ctx context.Context, leases []store.Lease) ([]store.Lease, error) {
	g.pass("Renew")
	return g.Store.Renew(ctx, leases)
}

func (g *gate) Acquire(ctx context.Context, shard int32, epoch int64, owner string) (store.Acquired, error) {
	g.pass("Acquire")
	return g.Store.Acquire(ctx, shard, epoch, owner)
}

func (g *gate) ReadLog(ctx context.Context, shard int32, after int64, limit int) ([]store.LogRow, error) {
	g.pass("ReadLog")
	return g.Store.ReadLog(ctx, shard, after, limit)
}

func (g *gate) Queues(ctx context.Context, shard int32) ([]store.QueueBacklog, error) {
	g.pass("Queues")
	return g.Store.Queues(ctx, shard)
}

func (g *gate) History(ctx context.Context, key store.ExecutionKey, from, to int64, limit int) ([]store.Batch, error) {
	g.pass("History")
	return g.Store.History(ctx, key, from, to, limit)
}

// node is one process: both engines on a store that may have been used before.
type node struct {
	*Engine
	t        *testing.T
	matching *matching.Engine
	gate     *gate
	fault    *fault.Store
	index    *index
}

// late breaks the circle of engines.
type late struct{ cluster.Leases }

func newData(t *testing.T) *memory.Data {
	data, err := memory.New(2)
	require.NoError(t, err)
	return data
}

func newNode(t *testing.T) *node { return startNode(t, newData(t), newIndex(), Config{}) }

// startNode starts a process. Its Config may be filled in part.
func startNode(t *testing.T, data *memory.Data, records *index, c Config) *node {
	n := makeNode(t, data, records, c)
	require.NoError(t, n.Start(t.Context()))
	return n
}

func makeNode(t *testing.T, data *memory.Data, records *index, c Config) *node {
	n := &node{t: t, fault: fault.New(data.Open(), fault.Plan{}), index: records}
	n.gate = &gate{Store: n.fault, held: map[string]chan struct{}{}, calls: map[string]int{}}
	leases := &late{}
	n.matching = matching.New(matching.Config{Store: n.gate, Leases: leases, HostName: "here"})
	c.Store, c.Namespaces, c.Matching, c.Shards = n.gate, oneNamespace{}, n.matching, n.matching
	c.Feeds = append([]Feed{{Name: "main", Indexer: records, Reads: true, First: true}}, c.Feeds...)
	if c.Owner == "" {
		c.Owner = "node"
	}
	engine, err := New(c)
	require.NoError(t, err)
	n.Engine, leases.Leases = engine, engine
	n.matching.SetHistory(engine)
	require.NoError(t, n.matching.Start(t.Context()))
	return n
}

// close ends the process in good order, and checks that no call holds an entry still.
func (n *node) close() {
	n.t.Helper()
	synctest.Wait() // calls that were answered end
	pinned := n.pinned()
	defer func() { require.True(n.t, n.t.Failed() || len(pinned) == 0, "calls forgot to unpin %v", pinned) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n.Drain()
	require.NoError(n.t, n.matching.Stop(ctx))
	require.NoError(n.t, n.Stop(ctx))
}

// pinned lists the workflows that calls hold.
func (n *node) pinned() (ids []string) {
	for _, s := range n.owned() {
		s.mu.Lock()
		for _, en := range s.entries {
			if en.pinned != 0 {
				ids = append(ids, en.workflow.WorkflowID)
			}
		}
		s.mu.Unlock()
	}
	return ids
}

// crash ends the process as a power failure does: nothing reaches the store any more.
func (n *node) crash() {
	n.fault.Crash()
	n.stop()
	n.spawning.Lock()
	n.stopped = true
	n.spawning.Unlock()
	n.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = n.matching.Stop(ctx) // what it could not store is lost, as it should be
	n.running.Wait()
}

const queueName = "goods"

func queue(name string) *taskqueuepb.TaskQueue { return &taskqueuepb.TaskQueue{Name: name} }

func payloads(text string) *commonpb.Payloads {
	return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Data: []byte(text)}}}
}

func startRequest(id, requestID string) *workflowservice.StartWorkflowExecutionRequest {
	return &workflowservice.StartWorkflowExecutionRequest{
		Namespace: shop.Name, WorkflowId: id, RequestId: requestID, WorkflowType: &commonpb.WorkflowType{Name: "order"}, TaskQueue: queue(queueName),
	}
}

// begin starts a workflow and returns its run id.
func (n *node) begin(id string) string {
	n.t.Helper()
	r, err := n.StartWorkflowExecution(n.t.Context(), shop, startRequest(id, "start "+id))
	require.NoError(n.t, err)
	return r.RunId
}

func signalRequest(id, requestID string) *workflowservice.SignalWorkflowExecutionRequest {
	return &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: shop.Name, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id}, SignalName: "news", RequestId: requestID,
	}
}

func (n *node) signal(id, requestID string) error {
	_, err := n.SignalWorkflowExecution(n.t.Context(), shop, signalRequest(id, requestID))
	return err
}

type workflowTask = workflowservice.PollWorkflowTaskQueueResponse
type activityTask = workflowservice.PollActivityTaskQueueResponse

// poll waits up to a time for a workflow task; nil when none came.
func (n *node) poll(name string, wait time.Duration) *workflowTask {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), wait+time.Second) // the reserve of a poll
	defer cancel()
	r, err := n.matching.PollWorkflowTaskQueue(ctx, shop, &workflowservice.PollWorkflowTaskQueueRequest{TaskQueue: queue(name), Identity: "worker"})
	require.NoError(n.t, err)
	if r.TaskToken == nil {
		return nil
	}
	return r
}

// tryPoll polls for a workflow task; the poll may fail.
func (n *node) tryPoll(wait time.Duration) (*workflowTask, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), wait+time.Second)
	defer cancel()
	r, err := n.matching.PollWorkflowTaskQueue(ctx, shop, &workflowservice.PollWorkflowTaskQueueRequest{TaskQueue: queue(queueName), Identity: "worker"})
	if err != nil || r.TaskToken == nil {
		return nil, err
	}
	return r, nil
}

func (n *node) tryPollActivity(wait time.Duration) (*activityTask, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), wait+time.Second)
	defer cancel()
	r, err := n.matching.PollActivityTaskQueue(ctx, shop, &workflowservice.PollActivityTaskQueueRequest{TaskQueue: queue(queueName), Identity: "worker"})
	if err != nil || r.TaskToken == nil {
		return nil, err
	}
	return r, nil
}

// take polls for a task that must come.
func (n *node) take() *workflowTask {
	n.t.Helper()
	task := n.poll(queueName, 10*time.Second)
	require.NotNil(n.t, task, "no workflow task came")
	return task
}

func (n *node) pollActivity(wait time.Duration) *activityTask {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), wait+time.Second)
	defer cancel()
	r, err := n.matching.PollActivityTaskQueue(ctx, shop, &workflowservice.PollActivityTaskQueueRequest{TaskQueue: queue(queueName), Identity: "worker"})
	require.NoError(n.t, err)
	if r.TaskToken == nil {
		return nil
	}
	return r
}

func (n *node) takeActivity() *activityTask {
	n.t.Helper()
	task := n.pollActivity(10 * time.Second)
	require.NotNil(n.t, task, "no activity task came")
	return task
}

func (n *node) complete(task *workflowTask, commands ...*commandpb.Command) {
	n.t.Helper()
	require.NoError(n.t, n.tryComplete(task, commands...))
}

func (n *node) tryComplete(task *workflowTask, commands ...*commandpb.Command) error {
	_, err := n.RespondWorkflowTaskCompleted(n.t.Context(), shop, &workflowservice.RespondWorkflowTaskCompletedRequest{
		TaskToken: task.TaskToken, Identity: "worker", Commands: commands,
	})
	return err
}

func (n *node) completeActivity(task *activityTask) error {
	_, err := n.RespondActivityTaskCompleted(n.t.Context(), shop, &workflowservice.RespondActivityTaskCompletedRequest{TaskToken: task.TaskToken})
	return err
}

func finish() *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{
			CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{},
		},
	}
}

func timer(id string, after time.Duration) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_START_TIMER,
		Attributes: &commandpb.Command_StartTimerCommandAttributes{
			StartTimerCommandAttributes: &commandpb.StartTimerCommandAttributes{TimerId: id, StartToFireTimeout: durationpb.New(after)},
		},
	}
}

// shortActivity has seconds for its one attempt.
func shortActivity(id string) *commandpb.Command {
	c := activity(id)
	c.GetScheduleActivityTaskCommandAttributes().StartToCloseTimeout = durationpb.New(5 * time.Second)
	return c
}

func activity(id string) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
		Attributes: &commandpb.Command_ScheduleActivityTaskCommandAttributes{
			ScheduleActivityTaskCommandAttributes: &commandpb.ScheduleActivityTaskCommandAttributes{
				ActivityId: id, ActivityType: &commonpb.ActivityType{Name: "pay"}, TaskQueue: queue(queueName),
				StartToCloseTimeout: durationpb.New(time.Hour), ScheduleToCloseTimeout: durationpb.New(time.Hour),
				RetryPolicy: &commonpb.RetryPolicy{MaximumAttempts: 1},
			},
		},
	}
}

func child(id string, policy enumspb.ParentClosePolicy) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_StartChildWorkflowExecutionCommandAttributes{
			StartChildWorkflowExecutionCommandAttributes: &commandpb.StartChildWorkflowExecutionCommandAttributes{
				WorkflowId: id, WorkflowType: &commonpb.WorkflowType{Name: "parcel"}, TaskQueue: queue("parcels"), ParentClosePolicy: policy,
			},
		},
	}
}

func signalOther(id string) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_SignalExternalWorkflowExecutionCommandAttributes{
			SignalExternalWorkflowExecutionCommandAttributes: &commandpb.SignalExternalWorkflowExecutionCommandAttributes{
				Execution: &commonpb.WorkflowExecution{WorkflowId: id}, SignalName: "news",
			},
		},
	}
}

func cancelOther(id string) *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_RequestCancelExternalWorkflowExecutionCommandAttributes{
			RequestCancelExternalWorkflowExecutionCommandAttributes: &commandpb.RequestCancelExternalWorkflowExecutionCommandAttributes{WorkflowId: id},
		},
	}
}

func continueAsNew() *commandpb.Command {
	return &commandpb.Command{
		CommandType: enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION,
		Attributes: &commandpb.Command_ContinueAsNewWorkflowExecutionCommandAttributes{
			ContinueAsNewWorkflowExecutionCommandAttributes: &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{
				WorkflowType: &commonpb.WorkflowType{Name: "order"}, TaskQueue: queue(queueName),
			},
		},
	}
}

// history reads all visible events of the current run, or of a run.
func (n *node) history(id, runID string) []*historypb.HistoryEvent {
	n.t.Helper()
	r, err := n.GetWorkflowExecutionHistory(n.t.Context(), shop, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID},
	}, true)
	require.NoError(n.t, err)
	require.Empty(n.t, r.NextPageToken, "one page holds it")
	for i, e := range r.History.Events {
		require.EqualValues(n.t, i+1, e.EventId, "events are without gaps")
	}
	return r.History.Events
}

// times counts events of a type in a history.
func times(events []*historypb.HistoryEvent, kind enumspb.EventType) int {
	count := 0
	for _, e := range events {
		if e.EventType == kind {
			count++
		}
	}
	return count
}

func (n *node) describe(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return n.DescribeWorkflowExecution(n.t.Context(), shop, &workflowservice.DescribeWorkflowExecutionRequest{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id},
	})
}

func (n *node) status(id, runID string) enumspb.WorkflowExecutionStatus {
	n.t.Helper()
	r, err := n.DescribeWorkflowExecution(n.t.Context(), shop, &workflowservice.DescribeWorkflowExecutionRequest{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID},
	})
	require.NoError(n.t, err)
	return r.WorkflowExecutionInfo.Status
}

// eventually polls a condition up to a minute of the bubble's time.
func (n *node) eventually(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		require.True(n.t, time.Now().Before(deadline), what)
		n.pause()
	}
}

// pause lets a little of the bubble's time pass.
func (n *node) pause() { n.passes(10 * time.Millisecond) }

// passes lets the bubble's time pass.
func (n *node) passes(d time.Duration) { <-time.After(d) }

func queryRequest(id string) *workflowservice.QueryWorkflowRequest {
	return &workflowservice.QueryWorkflowRequest{
		Namespace: shop.Name, Execution: &commonpb.WorkflowExecution{WorkflowId: id}, Query: &querypb.WorkflowQuery{QueryType: "state"},
	}
}

// current is the stored row of the newest run.
func (n *node) current(id string) *store.Execution {
	n.t.Helper()
	rows, err := n.gate.Store.Current(n.t.Context(), []store.WorkflowKey{keyOf(shop.ID, id)})
	require.NoError(n.t, err)
	return rows[0]
}

// shardFor is the shard of a workflow.
func (n *node) shardFor(id string) *shard {
	n.t.Helper()
	s, err := n.shardOf(keyOf(shop.ID, id).Slot)
	require.NoError(n.t, err)
	return s
}

// entryOf is the current run of a workflow in memory. It is not pinned.
func (n *node) entryOf(id string) *entry {
	n.t.Helper()
	en, err := n.find(n.t.Context(), shop.ID, id, "")
	require.NoError(n.t, err)
	en.shard.unpin(en)
	return en
}

// evict drops all that nobody needs, as a full cache does.
func (n *node) evict() {
	for _, s := range n.owned() {
		s.mu.Lock()
		for key, en := range s.entries {
			if en.evictable() {
				s.forgetLocked(key, en)
			}
		}
		s.mu.Unlock()
	}
}

func name(prefix string, i int) string { return fmt.Sprintf("%s-%d", prefix, i) }
