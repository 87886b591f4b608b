package workers_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"perdure/server/clock"
	"perdure/server/workers"
)

// crew are three workers: one that told everything, one that told a little, one that told its key.
func crew() []*workerpb.WorkerHeartbeat {
	return []*workerpb.WorkerHeartbeat{
		fullHeartbeat(),
		{
			WorkerInstanceKey: "b", TaskQueue: "orders-2", SdkName: "java-sdk", Status: enumspb.WORKER_STATUS_SHUTTING_DOWN,
			DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{DeploymentName: "pay", BuildId: "2.0"},
			StartTime:         timestamppb.New(noon.Add(-time.Minute)),
		},
		{WorkerInstanceKey: "c"},
	}
}

func TestFilters(t *testing.T) {
	r := newRig(t)
	r.record(crew()...)
	for filter, want := range map[string]string{
		"":                              "a b c",
		"WorkerInstanceKey = 'b'":       "b",
		"WorkerIdentity = \"me@here\"":  "a",
		"HostName = 'here'":             "a",
		"TaskQueue = 'orders'":          "a",
		"`TaskQueue` = 'orders'":        "a",
		"TaskQueue != 'orders'":         "b c",
		"TaskQueue STARTS_WITH 'order'": "a b",
		"NOT TaskQueue STARTS_WITH 'orders-' AND TaskQueue IS NOT NULL":             "a",
		"TaskQueue IN ('orders', 'orders-2')":                                       "a b",
		"TaskQueue = 'Orders'":                                                      "",
		"DeploymentName = 'pay'":                                                    "a b",
		"DeploymentName IS NULL":                                                    "c",
		"BuildId IN ('2.0', '3.0')":                                                 "b",
		"SdkName = 'java-sdk' OR SdkVersion = '1.48'":                               "a b",
		"(SdkName = 'java-sdk' OR SdkVersion = '1.48') AND BuildId = '1.0'":         "a",
		"StartTime > '2026-11-22T11:30:00Z'":                                        "b",
		"StartTime <= '2026-11-22T13:00:00+02:00'":                                  "a",
		"StartTime BETWEEN '2026-11-22T11:00:00Z' AND '2026-11-22T11:59:00Z'":       "a b",
		"StartTime BETWEEN '2026-11-22T11:00:00.001Z' AND '2026-11-22T11:58:59.9Z'": "",
		"HeartbeatTime = '2026-11-22T12:00:00Z'":                                    "a",
		"HeartbeatTime IS NULL":                                                     "b c",
		"WorkerStatus = 'Running'":                                                  "a",
		"Status = 'WORKER_STATUS_SHUTTING_DOWN'":                                    "b",
		"Status IN ('Running', 'Unspecified')":                                      "a c",
	} {
		require.Equal(t, want, r.keys(filter), filter)
		counted, err := r.registry.CountWorkers(t.Context(), shop, &workflowservice.CountWorkersRequest{Query: filter})
		require.NoError(t, err)
		require.Len(t, strings.Fields(want), int(counted.GetCount()), filter)
	}
}

func TestBadFilters(t *testing.T) {
	r := newRig(t)
	for filter, want := range map[string]string{
		"Nope = 1":                     "invalid query: invalid search attribute: Nope (byte 1)",
		"taskqueue = 'orders'":         "invalid query: invalid search attribute: taskqueue (byte 1; did you mean TaskQueue?)",
		"TaskQueue = orders":           `invalid query: operation is not supported: column name on the right side of comparison expression (did you forget to quote "orders"?) (byte 1)`,
		"Status = 'Resting'":           "invalid query: invalid expression: invalid Status value 'Resting' (byte 1)",
		"WorkerStatus = 'running'":     "invalid query: invalid expression: invalid WorkerStatus value 'running' (byte 1)",
		"StartTime > 'yesterday'":      "invalid query: invalid expression: unable to parse datetime 'yesterday' (byte 1)",
		"TaskQueue = 'a' ORDER BY a":   "invalid query: operation is not supported: 'ORDER BY' clause",
		"GROUP BY SdkName":             "invalid query: operation is not supported: 'GROUP BY' clause",
		"StartTime LIKE 'o%'":          "invalid query: invalid expression: unable to parse datetime 'o%' (byte 1)",
		"StartTime STARTS_WITH '2026'": "invalid query: invalid expression: unable to parse datetime '2026' (byte 1)",
	} {
		_, err := r.registry.ListWorkers(t.Context(), shop, &workflowservice.ListWorkersRequest{Query: filter})
		require.Equal(t, serviceerror.NewInvalidArgument(want), err, filter)
		_, err = r.registry.CountWorkers(t.Context(), shop, &workflowservice.CountWorkersRequest{Query: filter})
		require.Equal(t, serviceerror.NewInvalidArgument(want), err, filter)
	}
}

func TestPages(t *testing.T) {
	r := newRig(t, func(l *workers.Limits) { l.Page = 4 })
	r.record(named("", "a", "b", "c", "d", "e")...)
	for size, want := range map[int32][]string{
		1:   {"", "a", "b", "c", "d", "e"},
		2:   {" a", "b c", "d e"},
		4:   {" a b c", "d e"},
		5:   {" a b c", "d e"},
		0:   {" a b c", "d e"},
		-1:  {" a b c", "d e"},
		100: {" a b c", "d e"},
	} {
		var pages []string
		req := &workflowservice.ListWorkersRequest{PageSize: size}
		for {
			resp := r.list(req)
			pages = append(pages, keysOf(resp))
			if req.NextPageToken = resp.GetNextPageToken(); len(req.NextPageToken) == 0 {
				break
			}
		}
		require.Equal(t, want, pages, size)
	}
}

func TestPageTokensAreBoundToTheirList(t *testing.T) {
	r := newRig(t)
	r.record(named("a", "b", "c")...)
	token := r.list(&workflowservice.ListWorkersRequest{PageSize: 1, Query: "Status = 'Unspecified'"}).GetNextPageToken()
	for _, req := range []*workflowservice.ListWorkersRequest{
		{NextPageToken: token},
		{NextPageToken: token, Query: "Status = 'Unspecified'", IncludeSystemWorkers: true},
		{NextPageToken: token[:8], Query: "Status = 'Unspecified'"},
		{NextPageToken: []byte("{}")},
	} {
		_, err := r.registry.ListWorkers(t.Context(), shop, req)
		require.Equal(t, serviceerror.NewInvalidArgument("invalid next_page_token"), err)
	}
	_, err := r.registry.ListWorkers(t.Context(), other, &workflowservice.ListWorkersRequest{NextPageToken: token, Query: "Status = 'Unspecified'"})
	require.Error(t, err, "another namespace")
}

func TestAListEndsWithItsCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newRig(t).registry.ListWorkers(ctx, shop, &workflowservice.ListWorkersRequest{})
	require.ErrorIs(t, err, context.Canceled)
}

// TestAgainstModel makes random heartbeats and compares with a plain map.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &rig{t: t, clock: clock.NewFake(noon)}
		r.registry = workers.New(workers.Config{Limits: limits, Clock: r.clock})
		heard := map[string]time.Time{}
		t.Repeat(map[string]func(*rapid.T){
			"beat": func(t *rapid.T) {
				key := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")
				status := rapid.SampledFrom([]enumspb.WorkerStatus{enumspb.WORKER_STATUS_RUNNING, enumspb.WORKER_STATUS_SHUTDOWN}).Draw(t, "status")
				r.record(&workerpb.WorkerHeartbeat{WorkerInstanceKey: key, Status: status})
				heard[key] = r.clock.Now()
				if status == enumspb.WORKER_STATUS_SHUTDOWN {
					delete(heard, key)
				}
			},
			"wait": func(t *rapid.T) {
				r.clock.Advance(time.Duration(rapid.IntRange(1, 150).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) {
				var want []string
				for _, key := range []string{"a", "b", "c", "d"} {
					at, known := heard[key]
					if known && r.clock.Now().Sub(at) < limits.Age {
						want = append(want, key)
					}
				}
				require.Equal(t, strings.Join(want, " "), r.keys(""))
			},
		})
	})
}

// TestManyAtOnce is for the race detector; each worker is there in the end.
func TestManyAtOnce(t *testing.T) {
	r := newRig(t, func(l *workers.Limits) { l.Workers, l.Page = 10000, 10000 })
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 100 {
				r.record(&workerpb.WorkerHeartbeat{WorkerInstanceKey: fmt.Sprint(i, "-", j), SdkName: "go"})
				_, err := r.registry.CountWorkers(t.Context(), shop, &workflowservice.CountWorkersRequest{Query: "SdkName = 'go'"})
				require.NoError(t, err)
			}
		})
	}
	all.Wait()
	require.Len(t, strings.Fields(r.keys("")), 800)
	require.EqualValues(t, 800, r.metrics.Value("perdure_workers_registered", "go"))
}
