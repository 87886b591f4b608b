package frontend_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"perdure/server/cluster"
	"perdure/server/frontend"
	"perdure/visibility"
	"perdure/visibility/attr"
	visibilitymemory "perdure/visibility/memory"
)

// versioned is a frontend with both kinds of the older worker versioning on,
// and runs to look for.
type versioned struct {
	*testing.T
	*bundle
	runs *visibilitymemory.Store
	book cluster.BuildIDs
}

func setupVersioned(t *testing.T) versioned {
	t.Helper()
	v := versioned{T: t, runs: visibilitymemory.New()}
	v.bundle = setup(t, func(c *frontend.Config) {
		c.Features.BuildIDSets, c.Features.BuildIDRules = true, true
		c.Visibility, v.book = v.runs, c.BuildIDs
		c.Limits.ReachabilityBuildIDsMax, c.Limits.ReachabilityQueuesMax = 5, 3
	})
	return v
}

// run makes a run known of a task queue with values of BuildIds.
func (v versioned) run(queue string, closed bool, builds ...string) {
	record := &visibility.Record{
		NamespaceID: v.ns.ID, WorkflowID: fmt.Sprint(queue, closed, builds), RunID: fmt.Sprint(queue, closed, builds), Version: 1,
		TaskQueue: queue, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: time.Unix(100, 0), ExecutionTime: time.Unix(100, 0),
	}
	if closed {
		record.Status, record.CloseTime = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, time.Unix(200, 0)
	}
	if len(builds) > 0 {
		record.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{
			attr.BuildIDs: attr.Encode(builds, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST),
		}}
	}
	require.NoError(v, v.runs.Write(context.Background(), []*visibility.Record{record}))
}

func (v versioned) addSet(queue, build string) {
	_, err := v.client.UpdateWorkerBuildIdCompatibility(context.Background(), &workflowservice.UpdateWorkerBuildIdCompatibilityRequest{
		Namespace: "default", TaskQueue: queue,
		Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewBuildIdInNewDefaultSet{AddNewBuildIdInNewDefaultSet: build},
	})
	require.NoError(v, err)
}

func (v versioned) addCompatible(queue, build, with string) {
	_, err := v.client.UpdateWorkerBuildIdCompatibility(context.Background(), &workflowservice.UpdateWorkerBuildIdCompatibilityRequest{
		Namespace: "default", TaskQueue: queue,
		Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleBuildId{
			AddNewCompatibleBuildId: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleVersion{
				NewBuildId: build, ExistingCompatibleBuildId: with,
			},
		},
	})
	require.NoError(v, err)
}

// reach writes what a build id reaches as "queue: kinds; ...".
func (v versioned) reach(build string, kind enumspb.TaskReachability, queues ...string) string {
	got, err := v.client.GetWorkerTaskReachability(context.Background(), &workflowservice.GetWorkerTaskReachabilityRequest{
		Namespace: "default", BuildIds: []string{build}, TaskQueues: queues, Reachability: kind,
	})
	require.NoError(v, err)
	require.Len(v, got.GetBuildIdReachability(), 1)
	require.Equal(v, build, got.GetBuildIdReachability()[0].GetBuildId())
	var parts []string
	for _, q := range got.GetBuildIdReachability()[0].GetTaskQueueReachability() {
		var kinds []string
		for _, k := range q.GetReachability() {
			kinds = append(kinds, k.String())
		}
		parts = append(parts, q.GetTaskQueue()+": "+strings.Join(kinds, " "))
	}
	return strings.Join(parts, "; ")
}

func TestReachabilityBySets(t *testing.T) {
	t.Parallel()
	const anything, open, closed = enumspb.TASK_REACHABILITY_UNSPECIFIED, enumspb.TASK_REACHABILITY_OPEN_WORKFLOWS, enumspb.TASK_REACHABILITY_CLOSED_WORKFLOWS
	v := setupVersioned(t)
	require.Equal(t, "q: ", v.reach("1.0", anything, "q"), "unknown")
	require.Equal(t, "q: NewWorkflows", v.reach("", anything, "q"), "a queue without versions")

	v.addSet("q", "1.0")
	require.Equal(t, "q: NewWorkflows", v.reach("1.0", anything, "q"))
	require.Equal(t, "q: ", v.reach("", anything, "q"))
	v.run("q", false, "versioned:1.0")
	v.run("elsewhere", false, "versioned:2.0")
	require.Equal(t, "q: NewWorkflows ExistingWorkflows", v.reach("1.0", anything, "q"))
	require.Equal(t, "q: NewWorkflows OpenWorkflows", v.reach("1.0", open, "q"))
	require.Equal(t, "q: NewWorkflows", v.reach("1.0", closed, "q"))
	require.Equal(t, "q: NewWorkflows", v.reach("1.0", enumspb.TASK_REACHABILITY_NEW_WORKFLOWS, "q"))

	v.addSet("q", "2.0")
	require.Equal(t, "q: ExistingWorkflows", v.reach("1.0", anything, "q"), "another set has new ones")
	v.addCompatible("q", "1.1", "1.0")
	require.Equal(t, "q: ", v.reach("1.0", anything, "q"), "a newer build goes on with its runs")
	require.Equal(t, "q: ExistingWorkflows", v.reach("1.1", anything, "q"))
	require.Equal(t, "q: NewWorkflows", v.reach("2.0", anything, "q"))
	v.run("q", true, "versioned:2.0")
	require.Equal(t, "q: NewWorkflows ClosedWorkflows", v.reach("2.0", closed, "q"))

	v.run("q", false)
	require.Equal(t, "q: ", v.reach("", anything, "q"))
	require.Equal(t, "q: NewWorkflows OpenWorkflows", v.reach("2.0", open, "q"), "runs that no worker has seen")
	v.run("q", false, "unversioned")
	require.Equal(t, "q: ExistingWorkflows", v.reach("", anything, "q"), "runs from before")
}

func TestReachabilityFindsQueues(t *testing.T) {
	t.Parallel()
	v := setupVersioned(t)
	for _, queue := range []string{"d", "b", "a", "c"} {
		v.addSet(queue, "1.0")
	}
	require.Equal(t, "a: NewWorkflows; b: NewWorkflows; c: NewWorkflows; d: Unspecified",
		v.reach("1.0", enumspb.TASK_REACHABILITY_UNSPECIFIED), "three are looked at")
	require.Empty(t, v.reach("2.0", enumspb.TASK_REACHABILITY_UNSPECIFIED))
}

func TestReachabilityRefuses(t *testing.T) {
	t.Parallel()
	v := setupVersioned(t)
	for name, request := range map[string]*workflowservice.GetWorkerTaskReachabilityRequest{
		"no build":              {},
		"too many":              {BuildIds: []string{"1", "2", "3", "4", "5", "6"}, TaskQueues: []string{"q"}},
		"unversioned, no queue": {BuildIds: []string{"1", ""}},
		"a partition":           {BuildIds: []string{"1"}, TaskQueues: []string{"q", "/_sys/q/1"}},
	} {
		request.Namespace = "default"
		_, err := v.client.GetWorkerTaskReachability(context.Background(), request)
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
	}
	_, err := v.client.GetWorkerTaskReachability(context.Background(), &workflowservice.GetWorkerTaskReachabilityRequest{
		Namespace: "default", BuildIds: []string{"1", "2", "3", "4", "5"}, TaskQueues: []string{"q"},
	})
	require.NoError(t, err)
}

func TestOlderVersioningIsOff(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	const sets = "Worker versioning v0.1 (Version Set-based, deprecated) is disabled on this namespace."
	const rules = "Worker versioning v0.2 (Rules-based, deprecated) is disabled on this namespace."
	_, updateSets := b.client.UpdateWorkerBuildIdCompatibility(ctx, &workflowservice.UpdateWorkerBuildIdCompatibilityRequest{Namespace: "default"})
	_, getSets := b.client.GetWorkerBuildIdCompatibility(ctx, &workflowservice.GetWorkerBuildIdCompatibilityRequest{Namespace: "default"})
	_, updateRules := b.client.UpdateWorkerVersioningRules(ctx, &workflowservice.UpdateWorkerVersioningRulesRequest{Namespace: "default"})
	_, getRules := b.client.GetWorkerVersioningRules(ctx, &workflowservice.GetWorkerVersioningRulesRequest{Namespace: "default"})
	_, reach := b.client.GetWorkerTaskReachability(ctx, &workflowservice.GetWorkerTaskReachabilityRequest{Namespace: "default"})
	for err, want := range map[error]string{updateSets: sets, getSets: sets, updateRules: rules, getRules: rules, reach: rules} {
		require.Equal(t, codes.PermissionDenied, status.Code(err))
		require.Equal(t, want, status.Convert(err).Message())
	}
}

func (v versioned) changeRules(queue string, change func(*workflowservice.UpdateWorkerVersioningRulesRequest)) {
	ctx := context.Background()
	rules, err := v.client.GetWorkerVersioningRules(ctx, &workflowservice.GetWorkerVersioningRulesRequest{Namespace: "default", TaskQueue: queue})
	require.NoError(v, err)
	request := &workflowservice.UpdateWorkerVersioningRulesRequest{Namespace: "default", TaskQueue: queue, ConflictToken: rules.GetConflictToken()}
	change(request)
	_, err = v.client.UpdateWorkerVersioningRules(ctx, request)
	require.NoError(v, err)
}

// described tells the reachability of build ids by a description of the queue q.
func (v versioned) described(backlog string, builds ...string) map[string]enumspb.BuildIdTaskReachability {
	infos := map[string]*taskqueuepb.TaskQueueVersionInfo{}
	for _, build := range builds {
		stats := &taskqueuepb.TaskQueueStats{}
		if build == backlog {
			stats.ApproximateBacklogCount = 1
		}
		infos[build] = &taskqueuepb.TaskQueueVersionInfo{TypesInfo: map[int32]*taskqueuepb.TaskQueueTypeInfo{2: {Stats: stats}}}
	}
	v.behind.answer = &workflowservice.DescribeTaskQueueResponse{VersionsInfo: infos} //nolint:staticcheck // the CLI reads it
	got, err := v.client.DescribeTaskQueue(context.Background(), &workflowservice.DescribeTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: "q"}, ReportTaskReachability: true,
	})
	require.NoError(v, err)
	found := map[string]enumspb.BuildIdTaskReachability{}
	for build, info := range got.GetVersionsInfo() { //nolint:staticcheck // the CLI reads it
		found[build] = info.GetTaskReachability()
	}
	return found
}

func TestReachabilityByRules(t *testing.T) {
	t.Parallel()
	const reachable, gone, closed = enumspb.BUILD_ID_TASK_REACHABILITY_REACHABLE, enumspb.BUILD_ID_TASK_REACHABILITY_UNREACHABLE, enumspb.BUILD_ID_TASK_REACHABILITY_CLOSED_WORKFLOWS_ONLY
	type found = map[string]enumspb.BuildIdTaskReachability
	v := setupVersioned(t)
	require.Equal(t, found{"": reachable, "1.0": gone}, v.described("none", "", "1.0"))
	require.Equal(t, found{"1.0": reachable}, v.described("1.0", "1.0"), "tasks wait for it")

	assign := func(build string, percentage float32) func(*workflowservice.UpdateWorkerVersioningRulesRequest) {
		return func(r *workflowservice.UpdateWorkerVersioningRulesRequest) {
			r.Operation = &workflowservice.UpdateWorkerVersioningRulesRequest_InsertAssignmentRule{
				InsertAssignmentRule: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertBuildIdAssignmentRule{Rule: &taskqueuepb.BuildIdAssignmentRule{
					TargetBuildId: build,
					Ramp:          &taskqueuepb.BuildIdAssignmentRule_PercentageRamp{PercentageRamp: &taskqueuepb.RampByPercentage{RampPercentage: percentage}},
				}},
			}
		}
	}
	v.changeRules("q", assign("1.0", 50))
	require.Equal(t, found{"": reachable, "1.0": reachable}, v.described("none", "", "1.0"))
	v.changeRules("q", assign("2.0", 100))
	v.changeRules("q", assign("3.0", 0))
	require.Equal(t, found{"": gone, "1.0": gone, "2.0": reachable, "3.0": gone}, v.described("none", "", "1.0", "2.0", "3.0"))

	v.run("q", false, "assigned:1.0", "versioned:1.0")
	v.run("q", true, "versioned:3.0")
	v.run("q", true, "unversioned")
	require.Equal(t, found{"": closed, "1.0": reachable, "2.0": reachable, "3.0": closed}, v.described("none", "", "1.0", "2.0", "3.0"))

	v.run("q", false, "assigned:0.9", "versioned:0.9")
	v.changeRules("q", func(r *workflowservice.UpdateWorkerVersioningRulesRequest) {
		r.Operation = &workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleRedirectRule{
			AddCompatibleRedirectRule: &workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleBuildIdRedirectRule{
				Rule: &taskqueuepb.CompatibleBuildIdRedirectRule{SourceBuildId: "0.9", TargetBuildId: "3.0"},
			},
		}
	})
	require.Equal(t, found{"0.9": gone, "3.0": reachable}, v.described("none", "0.9", "3.0"))
}

func TestReachabilityOfTooManyBuilds(t *testing.T) {
	t.Parallel()
	v := setupVersioned(t)
	require.Len(t, v.described("none", "1", "2", "3", "4", "5"), 5)
	infos := v.behind.answer.(*workflowservice.DescribeTaskQueueResponse).VersionsInfo //nolint:staticcheck // the CLI reads it
	infos["6"] = &taskqueuepb.TaskQueueVersionInfo{}
	_, err := v.client.DescribeTaskQueue(context.Background(), &workflowservice.DescribeTaskQueueRequest{
		Namespace: "default", TaskQueue: &taskqueuepb.TaskQueue{Name: "q"}, ReportTaskReachability: true,
	})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
}

// poll asks for a task as a versioned worker and tells the answer's code and words.
func (v versioned) poll(queue *taskqueuepb.TaskQueue, build string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := v.client.PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: "default", TaskQueue: queue,
		WorkerVersionCapabilities: &commonpb.WorkerVersionCapabilities{BuildId: build, UseVersioning: true},
	})
	if status.Code(err) == codes.OutOfRange {
		var newer *serviceerror.NewerBuildExists
		require.ErrorAs(v, serviceerror.FromStatus(status.Convert(err)), &newer)
		return "newer: " + newer.DefaultBuildID
	}
	return status.Code(err).String()
}

func TestWorkersOfAnOldBuildGetNothing(t *testing.T) {
	t.Parallel()
	handedOn := codes.DataLoss.String()
	v := setupVersioned(t)
	queue := &taskqueuepb.TaskQueue{Name: "q"}
	sticky := &taskqueuepb.TaskQueue{Name: "s", Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: "q"}
	require.Equal(t, handedOn, v.poll(queue, "1.0"), "not known yet")
	v.addSet("q", "1.0")
	require.Equal(t, handedOn, v.poll(queue, "1.0"))
	v.addSet("q", "2.0")
	require.Equal(t, handedOn, v.poll(queue, "1.0"), "its runs are for it alone")
	v.addCompatible("q", "1.1", "1.0")
	require.Equal(t, "newer: 1.1", v.poll(queue, "1.0"))
	require.Equal(t, "newer: 1.1", v.poll(sticky, "1.0"))
	require.Equal(t, handedOn, v.poll(queue, "1.1"))
	v.changeRules("q", func(r *workflowservice.UpdateWorkerVersioningRulesRequest) {
		r.Operation = &workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleRedirectRule{
			AddCompatibleRedirectRule: &workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleBuildIdRedirectRule{
				Rule: &taskqueuepb.CompatibleBuildIdRedirectRule{SourceBuildId: "r", TargetBuildId: "r.1"},
			},
		}
	})
	require.Equal(t, "newer: r.1", v.poll(queue, "r"))
	require.Equal(t, handedOn, v.poll(queue, "r.1"))
	sticky.NormalName = ""
	require.Equal(t, codes.InvalidArgument.String(), v.poll(sticky, "3.0"))
}
