package matching_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/matching"
	"perdure/server/store/memory"
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
