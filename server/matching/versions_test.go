package matching_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/matching"
	"perdure/server/store/memory"
	"perdure/server/versioning"
)

// routes is a table that tests change.
type routes struct {
	table atomic.Pointer[deployment.Table]
}

func (r *routes) Table(string) *deployment.Table { return r.table.Load() }

var orders = deployment.WorkflowQueue("orders")

// set makes a build current for the queue; empty: workers without a version.
func (r *routes) set(build string) {
	var s *deployment.State
	env := deployment.Env{Name: "shop", Now: time.Unix(2, 0), Limits: deployment.Limits{Versions: 10, QueuesPerVersion: 10}}
	for _, b := range []string{"1", "2"} {
		s = must(deployment.Decide(s, deployment.Register{BuildID: b, Queue: orders}, env)).State
	}
	if build != "" {
		s = must(deployment.Decide(s, deployment.SetCurrent{BuildID: build, IgnoreMissing: true}, env)).State
	}
	r.table.Store(deployment.NewTable([]*deployment.State{s}))
}

func must(d deployment.Decision, err error) deployment.Decision {
	if err != nil {
		panic(err)
	}
	return d
}

// routedRig is a rig whose queues are divided among versions.
type routedRig struct {
	*rig
	routes *routes
}

func newRoutedRig(t *testing.T, data *memory.Data, table *routes) *routedRig {
	r := prepared(t, data)
	r.engine = matching.New(matching.Config{Store: r.store, Leases: r.leases, HostName: "here", Routes: table})
	r.engine.SetHistory(r.history)
	require.NoError(t, r.engine.Start(t.Context()))
	r.acquire()
	return &routedRig{rig: r, routes: table}
}

func (r *routedRig) reroute(build string) {
	r.routes.set(build)
	r.engine.Rerouted(ns.ID, []deployment.Queue{orders})
}

// pollAs polls as a worker of a build.
func (r *routedRig) pollAs(ctx context.Context, build string) string {
	req := pollRequest(queue())
	req.DeploymentOptions = &deploymentpb.WorkerDeploymentOptions{
		DeploymentName: "shop", BuildId: build, WorkerVersioningMode: enumspb.WORKER_VERSIONING_MODE_VERSIONED,
	}
	resp, err := r.engine.PollWorkflowTaskQueue(ctx, ns, req)
	require.NoError(r.t, err)
	return string(resp.GetTaskToken())
}

// atOnce is the time for a poll that should find something in memory or nothing.
func atOnce(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func memoryData(t *testing.T) *memory.Data {
	data, err := memory.New(2)
	require.NoError(t, err)
	return data
}

func TestTasksGoToTheCurrentVersion(t *testing.T) {
	table := &routes{}
	table.set("1")
	r := newRoutedRig(t, memoryData(t), table)
	defer r.stop()
	r.offer(task(queue(), "w"))
	require.Empty(t, r.pollAs(atOnce(t), "2"))
	require.Empty(t, r.poll(atOnce(t), queue()))
	require.Equal(t, "w", r.pollAs(t.Context(), "1"))
}

func TestPinnedTasksStay(t *testing.T) {
	table := &routes{}
	table.set("1")
	r := newRoutedRig(t, memoryData(t), table)
	defer r.stop()
	pinned := task(queue(), "pinned")
	pinned.Direct.Pinned = match.Version{Deployment: "shop", BuildID: "1"}
	r.offer(pinned)
	r.reroute("2")
	require.Empty(t, r.pollAs(atOnce(t), "2"))
	require.Equal(t, "pinned", r.pollAs(t.Context(), "1"))
}

func TestWaitingTasksFollowTheRouting(t *testing.T) {
	table := &routes{}
	table.set("")
	r := newRoutedRig(t, memoryData(t), table)
	defer r.stop()
	done := r.offer(task(queue(), "w"))
	r.reroute("1")
	r.reroute("2")
	require.Equal(t, "w", r.pollAs(t.Context(), "2"))
	require.Equal(t, cluster.Delivered, done.now(t))
}

// TestStoredTasksFollowTheRouting has more tasks than memory holds, of which
// half are pinned to a version without workers.
func TestStoredTasksFollowTheRouting(t *testing.T) {
	const tasks = 3000
	table := &routes{}
	table.set("1")
	data := memoryData(t)
	r := newRoutedRig(t, data, table)
	for i := range tasks {
		offered := task(queue(), fmt.Sprintf("w%d", i))
		if i < tasks/2 {
			offered.Direct.Pinned = match.Version{Deployment: "shop", BuildID: "1"}
		}
		r.offer(offered)
	}
	require.Eventually(t, func() bool { return r.stored() == tasks }, 10*time.Second, 5*time.Millisecond)
	r.stop()

	// The routing changes while no process runs.
	table.set("2")
	again := newRoutedRig(t, data, table)
	defer again.stop()
	got := map[string]bool{}
	for len(got) < tasks/2 {
		id := again.pollAs(t.Context(), "2")
		require.NotEmpty(t, id)
		got[id] = true
	}
	require.Eventually(t, func() bool { return again.stored() == tasks/2 }, 10*time.Second, 5*time.Millisecond)
	require.Empty(t, again.pollAs(atOnce(t), "2"))
	require.Equal(t, "w0", again.pollAs(t.Context(), "1"))
}

func TestQueriesFollowTheRouting(t *testing.T) {
	table := &routes{}
	table.set("1")
	r := newRoutedRig(t, memoryData(t), table)
	defer r.stop()
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := r.engine.DispatchQuery(ctx, queryOf(queue()))
		asked <- err
	}()
	polled := make(chan string, 1)
	go func() { polled <- r.pollAs(t.Context(), "2") }()
	r.reroute("2")
	require.NotEmpty(t, <-polled)
	cancel()
	require.ErrorIs(t, <-asked, context.Canceled)
}

func TestStickyTasksOfAnotherVersionAreRefused(t *testing.T) {
	table := &routes{}
	table.set("1")
	r := newRoutedRig(t, memoryData(t), table)
	defer r.stop()
	require.Empty(t, r.poll(atOnce(t), stickyQueue()))
	sticky := task(stickyQueue(), "w")
	sticky.Worker = match.Version{Deployment: "shop", BuildID: "1"}
	waiting := r.offer(sticky)
	require.True(t, waiting.pending())
	r.reroute("2")
	require.Equal(t, cluster.Refused, waiting.now(t))
	later := task(stickyQueue(), "later")
	later.Worker = sticky.Worker
	require.Equal(t, cluster.Refused, r.offer(later).now(t))
}

// builds makes the older versioning know of the queue.
func (r *routedRig) builds(data versioning.Data) {
	table := r.routes.table.Load()
	if table == nil {
		table = deployment.NewTable(nil)
	}
	r.routes.table.Store(table.WithBuilds(deployment.Builds{orders.Name: &data}))
	r.engine.Rerouted(ns.ID, []deployment.Queue{orders})
}

// pollBuild polls as a worker of a build id by the older versioning.
func (r *routedRig) pollBuild(ctx context.Context, name cluster.TaskQueue, build string) string {
	req := pollRequest(name)
	req.WorkerVersionCapabilities = &commonpb.WorkerVersionCapabilities{BuildId: build, UseVersioning: true}
	resp, err := r.engine.PollWorkflowTaskQueue(ctx, ns, req)
	require.NoError(r.t, err)
	return string(resp.GetTaskToken())
}

// redirects are rules that lead from each build id to the next.
func redirects(builds ...string) (data versioning.Data) {
	for i := 1; i < len(builds); i++ {
		data.Redirects = append(data.Redirects, versioning.Redirect{Source: builds[i-1], Target: builds[i]})
	}
	return data
}

// taskOf is a task of a run that has a build id.
func taskOf(build, id string) *cluster.Task {
	x := task(queue(), id)
	x.Direct.BuildID = build
	return x
}

func TestBuildIDsGetOnlyTheirTasks(t *testing.T) {
	r := newRoutedRig(t, memoryData(t), &routes{})
	defer r.stop()
	r.builds(redirects("1.0", "1.1"))
	for _, build := range []string{"", "1.0", "9"} {
		r.offer(taskOf(build, "of "+build))
	}
	for build, want := range map[string]string{"1.0": "", "1.1": "of 1.0", "2.0": "", "9": "of 9"} {
		require.Equal(t, want, r.pollBuild(atOnce(t), queue(), build), build)
	}
	require.Equal(t, "of ", r.poll(atOnce(t), queue()))
}

// A change of rules moves what waits, stored tasks too.
func TestWaitingTasksFollowTheBuildIDs(t *testing.T) {
	data := memoryData(t)
	r := newRoutedRig(t, data, &routes{})
	waits := r.offer(taskOf("1.0", "waits"))
	r.builds(redirects("1.0", "1.1"))
	require.Equal(t, "waits", r.pollBuild(t.Context(), queue(), "1.1"))
	require.Equal(t, cluster.Delivered, waits.now(t))
	r.offer(taskOf("1.0", "moves"))
	r.offer(taskOf("2.0", "stays"))
	require.Eventually(t, func() bool { return r.stored() == 2 }, 10*time.Second, 5*time.Millisecond)
	r.stop()

	r.routes.table.Store(r.routes.table.Load().WithBuilds(nil))
	again := newRoutedRig(t, data, r.routes)
	defer again.stop()
	again.builds(redirects("1.0", "1.1", "1.2"))
	require.Equal(t, "moves", again.pollBuild(t.Context(), queue(), "1.2"))
	require.Equal(t, "stays", again.pollBuild(t.Context(), queue(), "2.0"))
	require.Empty(t, again.pollBuild(atOnce(t), queue(), "1.1"))
}

func TestStickyTasksOfASupersededBuildAreRefused(t *testing.T) {
	r := newRoutedRig(t, memoryData(t), &routes{})
	defer r.stop()
	require.Empty(t, r.pollBuild(atOnce(t), stickyQueue(), "1.0"))
	sticky := task(stickyQueue(), "w")
	sticky.Worker, sticky.Direct.BuildID = match.Version{BuildID: "1.0"}, "1.0"
	waiting := r.offer(sticky)
	require.True(t, waiting.pending())
	r.builds(redirects("1.0", "1.1"))
	require.Equal(t, cluster.Refused, waiting.now(t))
}

func TestDescribeByBuildID(t *testing.T) {
	r := newRoutedRig(t, memoryData(t), &routes{})
	defer r.stop()
	r.offer(taskOf("1.0", "waits"))
	require.Empty(t, r.pollBuild(atOnce(t), queue(), "2.0"))
	got := r.describe(&workflowservice.DescribeTaskQueueRequest{
		TaskQueue: &taskqueuepb.TaskQueue{Name: orders.Name}, ApiMode: enumspb.DESCRIBE_TASK_QUEUE_MODE_ENHANCED, ReportStats: true, ReportPollers: true,
		Versions: &taskqueuepb.TaskQueueVersionSelection{BuildIds: []string{"3.0"}, AllActive: true}, //nolint:staticcheck // the CLI sends it
	}).VersionsInfo //nolint:staticcheck // likewise
	for build, want := range map[string]struct{ backlog, pollers int }{"": {0, 0}, "1.0": {1, 0}, "2.0": {0, 1}, "3.0": {0, 0}} {
		info := got[build].TypesInfo[int32(enumspb.TASK_QUEUE_TYPE_WORKFLOW)]
		require.EqualValues(t, want.backlog, info.Stats.ApproximateBacklogCount, build)
		require.Len(t, info.Pollers, want.pollers, build)
	}
}

// TestRatesHoldOverAllVersions: workers of several builds share the rate of their queue.
func TestRatesHoldOverAllVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoutedRig(t, memoryData(t), &routes{})
		defer r.stop()
		builds := []string{"", "1.0", "2.0"}
		for i := range 3000 {
			x := task(activityQueue(), fmt.Sprint("a", i))
			x.Direct.BuildID = builds[i%len(builds)]
			r.offer(x)
		}
		total := r.takeByBuilds(builds, 10, 5*time.Second)
		require.InDelta(t, 50, total, 3, "a worker's limit")
		total = r.takeByBuilds(builds, 100, 5*time.Second)
		require.InDelta(t, 500, total, 15, "the newest counts for all")
		r.configure(&configUpdate{UpdateQueueRateLimit: perSecond(20)})
		total = r.takeByBuilds(builds, 100, 5*time.Second)
		require.InDelta(t, 100, total, 5, "that of people")
		r.configure(&configUpdate{UpdateQueueRateLimit: &rateUpdate{}, UpdateFairnessKeyRateLimitDefault: perSecond(30)})
		total = r.takeByBuilds(builds, 100_000, 5*time.Second)
		require.InDelta(t, 150, total, 6, "that of a fairness key")
	})
}

// takeByBuilds lets a worker of each build take activities for a time, and counts them.
func (r *routedRig) takeByBuilds(builds []string, perSecond float64, d time.Duration) int64 {
	ctx, cancel := context.WithTimeout(r.t.Context(), d+time.Second) // polls are answered a second before
	defer cancel()
	var taken atomic.Int64
	var workers sync.WaitGroup
	for _, build := range builds {
		workers.Go(func() {
			for {
				response, err := r.engine.PollActivityTaskQueue(ctx, ns, &workflowservice.PollActivityTaskQueueRequest{
					TaskQueue: &taskqueuepb.TaskQueue{Name: activityQueue().Name}, Identity: "worker" + build,
					TaskQueueMetadata:         &taskqueuepb.TaskQueueMetadata{MaxTasksPerSecond: wrapperspb.Double(perSecond)},
					WorkerVersionCapabilities: &commonpb.WorkerVersionCapabilities{BuildId: build, UseVersioning: build != ""},
				})
				require.NoError(r.t, err)
				if len(response.GetTaskToken()) == 0 {
					return
				}
				taken.Add(1)
			}
		})
	}
	workers.Wait()
	return taken.Load()
}
