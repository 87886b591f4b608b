package workers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/metrics"
	"perdure/server/workers"
)

var (
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	shop  = &cluster.Namespace{ID: "shop-id", Name: "shop"}
	other = &cluster.Namespace{ID: "other-id", Name: "other"}
)

var limits = workers.Limits{Age: 5 * time.Minute, Workers: 1000, Bytes: 1 << 20, HeartbeatBytes: 1 << 10, Page: 100}

// rig is a registry with a clock and metrics of its own.
type rig struct {
	t        require.TestingT
	clock    *clock.Fake
	metrics  *metrics.Registry
	registry *workers.Registry
}

func newRig(t require.TestingT, change ...func(*workers.Limits)) *rig {
	limits := limits
	for _, f := range change {
		f(&limits)
	}
	r := &rig{t: t, clock: clock.NewFake(noon), metrics: metrics.NewRegistry()}
	r.registry = workers.New(workers.Config{Limits: limits, Clock: r.clock, Metrics: r.metrics})
	return r
}

func (r *rig) tryRecord(ns *cluster.Namespace, beats ...*workerpb.WorkerHeartbeat) error {
	_, err := r.registry.RecordWorkerHeartbeat(context.Background(), ns, &workflowservice.RecordWorkerHeartbeatRequest{WorkerHeartbeat: beats})
	return err
}

func (r *rig) record(beats ...*workerpb.WorkerHeartbeat) {
	require.NoError(r.t, r.tryRecord(shop, beats...))
}

func (r *rig) list(req *workflowservice.ListWorkersRequest) *workflowservice.ListWorkersResponse {
	resp, err := r.registry.ListWorkers(context.Background(), shop, req)
	require.NoError(r.t, err)
	return resp
}

// keys are the workers that a filter finds, in order.
func (r *rig) keys(filter string) string {
	return keysOf(r.list(&workflowservice.ListWorkersRequest{Query: filter}))
}

func keysOf(resp *workflowservice.ListWorkersResponse) string {
	var keys []string
	for _, w := range resp.GetWorkers() {
		keys = append(keys, w.GetWorkerInstanceKey())
	}
	return strings.Join(keys, " ")
}

func named(keys ...string) []*workerpb.WorkerHeartbeat {
	var beats []*workerpb.WorkerHeartbeat
	for _, key := range keys {
		beats = append(beats, &workerpb.WorkerHeartbeat{WorkerInstanceKey: key})
	}
	return beats
}

func fullHeartbeat() *workerpb.WorkerHeartbeat {
	return &workerpb.WorkerHeartbeat{
		WorkerInstanceKey: "a", WorkerIdentity: "me@here", TaskQueue: "orders",
		HostInfo:          &workerpb.WorkerHostInfo{HostName: "here", WorkerGroupingKey: "g", ProcessId: "7", CurrentHostCpuUsage: 0.5},
		DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: "pay", BuildId: "1.0"},
		SdkName:           "go-sdk", SdkVersion: "1.48", Status: enumspb.WORKER_STATUS_RUNNING,
		StartTime: timestamppb.New(noon.Add(-time.Hour)), HeartbeatTime: timestamppb.New(noon),
		Plugins: []*workerpb.PluginInfo{{Name: "p", Version: "1"}}, Drivers: []*workerpb.StorageDriverInfo{{Type: "mem"}},
		WorkflowTaskSlotsInfo: &workerpb.WorkerSlotsInfo{CurrentAvailableSlots: 5},
	}
}

func TestWhatAWorkerSaidIsShown(t *testing.T) {
	r := newRig(t)
	beat := fullHeartbeat()
	r.record(beat)
	described, err := r.registry.DescribeWorker(t.Context(), shop, &workflowservice.DescribeWorkerRequest{WorkerInstanceKey: "a"})
	require.NoError(t, err)
	require.True(t, proto.Equal(beat, described.GetWorkerInfo().GetWorkerHeartbeat()))

	resp := r.list(&workflowservice.ListWorkersRequest{})
	//nolint:staticcheck // SDKs and tools still read it
	full := resp.GetWorkersInfo()
	require.Len(t, full, 1)
	require.True(t, proto.Equal(beat, full[0].GetWorkerHeartbeat()))
	require.Len(t, resp.GetWorkers(), 1)
	require.True(t, proto.Equal(&workerpb.WorkerListInfo{
		WorkerInstanceKey: "a", WorkerIdentity: "me@here", TaskQueue: "orders", DeploymentVersion: beat.DeploymentVersion,
		SdkName: "go-sdk", SdkVersion: "1.48", Status: enumspb.WORKER_STATUS_RUNNING, StartTime: beat.StartTime,
		HostName: "here", WorkerGroupingKey: "g", ProcessId: "7", Plugins: beat.Plugins, Drivers: beat.Drivers,
	}, resp.GetWorkers()[0]), resp.GetWorkers()[0])
}

func TestTheLastHeartbeatCounts(t *testing.T) {
	r := newRig(t)
	r.record(&workerpb.WorkerHeartbeat{WorkerInstanceKey: "a", Status: enumspb.WORKER_STATUS_RUNNING})
	r.record(&workerpb.WorkerHeartbeat{WorkerInstanceKey: "a", Status: enumspb.WORKER_STATUS_SHUTTING_DOWN})
	require.Empty(t, r.keys("Status = 'Running'"))
	require.Equal(t, "a", r.keys("Status = 'ShuttingDown'"))
	r.record(&workerpb.WorkerHeartbeat{WorkerInstanceKey: "a", Status: enumspb.WORKER_STATUS_SHUTDOWN})
	require.Empty(t, r.keys(""), "it said good-bye")
}

func TestNamespacesAreApart(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.tryRecord(other, named("a", "b")...))
	r.record(named("a")...)
	require.Equal(t, "a", r.keys(""))
	r.record(&workerpb.WorkerHeartbeat{WorkerInstanceKey: "a", Status: enumspb.WORKER_STATUS_SHUTDOWN})
	counted, err := r.registry.CountWorkers(t.Context(), other, &workflowservice.CountWorkersRequest{})
	require.NoError(t, err)
	require.EqualValues(t, 2, counted.GetCount())
}

func TestUnknownWorker(t *testing.T) {
	_, err := newRig(t).registry.DescribeWorker(t.Context(), shop, &workflowservice.DescribeWorkerRequest{WorkerInstanceKey: "zz"})
	require.Equal(t, serviceerror.NewNotFound("Worker zz not found"), err)
}

func TestWorkersAreForgotten(t *testing.T) {
	r := newRig(t)
	r.record(named("a", "b")...)
	r.clock.Advance(time.Minute)
	r.record(named("b")...)
	r.clock.Advance(4*time.Minute - 1)
	require.Equal(t, "a b", r.keys(""), "a moment before the age")
	r.clock.Advance(1)
	require.Equal(t, "b", r.keys(""))
	_, err := r.registry.DescribeWorker(t.Context(), shop, &workflowservice.DescribeWorkerRequest{WorkerInstanceKey: "a"})
	require.Error(t, err)
	r.clock.Advance(time.Minute)
	require.Empty(t, r.keys(""))
}

func TestNumberOfWorkersIsBounded(t *testing.T) {
	r := newRig(t, func(l *workers.Limits) { l.Workers = 3 })
	r.record(named("a", "b", "c")...)
	require.Equal(t, "a b c", r.keys(""), "as many as may be")
	r.record(named("a")...)
	require.Equal(t, "a b c", r.keys(""), "a heartbeat takes no new place")
	r.record(named("d")...)
	require.Equal(t, "a c d", r.keys(""), "the one heard of least recently made room")
	require.EqualValues(t, 1, r.metrics.Value("perdure_workers_evicted_total"))
}

func TestMemoryOfWorkersIsBounded(t *testing.T) {
	const most = 20 << 10
	r := newRig(t, func(l *workers.Limits) { l.Bytes = most })
	total := 0
	for i := range 100 {
		beat := &workerpb.WorkerHeartbeat{WorkerInstanceKey: fmt.Sprintf("w%02d", i), Environment: &workerpb.EnvironmentInfo{
			Runtimes: []*workerpb.EnvironmentInfo_Runtime{{Version: strings.Repeat("v", 500)}},
		}}
		r.record(beat)
		total += proto.Size(beat)
	}
	found := r.list(&workflowservice.ListWorkersRequest{}).GetWorkers()
	require.Greater(t, total, most)
	require.Greater(t, len(found), 10)
	require.Less(t, len(found)*500, most)
	require.Equal(t, "w99", found[len(found)-1].GetWorkerInstanceKey())
}

func TestSizeOfAHeartbeatIsBounded(t *testing.T) {
	const most = 300
	r := newRig(t, func(l *workers.Limits) { l.HeartbeatBytes = most })
	sized := func(key string, size int) *workerpb.WorkerHeartbeat {
		beat := &workerpb.WorkerHeartbeat{WorkerInstanceKey: key, WorkerIdentity: strings.Repeat("i", 150)}
		beat.WorkerIdentity += strings.Repeat("i", size-proto.Size(beat))
		require.Equal(t, size, proto.Size(beat))
		return beat
	}
	r.record(sized("a", most))
	err := r.tryRecord(shop, sized("b", most), sized("c", most+1))
	require.Equal(t, serviceerror.NewInvalidArgument("Heartbeat of worker c has 301 bytes, the limit is 300."), err)
	require.Equal(t, "a", r.keys(""), "all or nothing")
}

func TestServersOwnWorkersAreHidden(t *testing.T) {
	r := newRig(t)
	r.record(
		&workerpb.WorkerHeartbeat{WorkerInstanceKey: "a", TaskQueue: "temporal-sys-per-ns-tq"},
		&workerpb.WorkerHeartbeat{WorkerInstanceKey: "b", TaskQueue: "orders"},
	)
	require.Equal(t, "b", r.keys(""))
	require.Equal(t, "a b", keysOf(r.list(&workflowservice.ListWorkersRequest{IncludeSystemWorkers: true})))
	for system, want := range map[bool]int64{false: 1, true: 2} {
		counted, err := r.registry.CountWorkers(t.Context(), shop, &workflowservice.CountWorkersRequest{IncludeSystemWorkers: system})
		require.NoError(t, err)
		require.Equal(t, want, counted.GetCount())
	}
}

func TestWorkersAreCountedBySDK(t *testing.T) {
	r := newRig(t)
	beat := func(key, sdk string) { r.record(&workerpb.WorkerHeartbeat{WorkerInstanceKey: key, SdkName: sdk}) }
	beat("a", "go")
	beat("b", "go")
	beat("c", "java")
	beat("c", "java") // again
	require.EqualValues(t, 2, r.metrics.Value("perdure_workers_registered", "go"))
	require.EqualValues(t, 1, r.metrics.Value("perdure_workers_registered", "java"))
	for i := range 30 {
		beat(fmt.Sprint("x", i), fmt.Sprintf("sdk-%02d", i))
	}
	beat("y", strings.Repeat("n", 65))
	require.EqualValues(t, 2, r.metrics.Value("perdure_workers_registered", "go"))
	require.EqualValues(t, 1, r.metrics.Value("perdure_workers_registered", "sdk-17"), "the twentieth")
	require.Zero(t, r.metrics.Value("perdure_workers_registered", "sdk-18"))
	require.EqualValues(t, 13, r.metrics.Value("perdure_workers_registered", "_other_"))
	r.clock.Advance(5 * time.Minute)
	require.Zero(t, r.metrics.Value("perdure_workers_registered", "go"))
	require.Zero(t, r.metrics.Value("perdure_workers_registered", "_other_"))
}
