package frontend

import (
	"context"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
	"perdure/server/versioning"
	"perdure/visibility/attr"
	"perdure/visibility/query"
)

// GetWorkerTaskReachability tells which tasks workers of build ids may still
// get, by the sets of compatible build ids.
//
//nolint:staticcheck // old clients call it
func (f *Frontend) GetWorkerTaskReachability(ctx context.Context, req *workflowservice.GetWorkerTaskReachabilityRequest) (*workflowservice.GetWorkerTaskReachabilityResponse, error) {
	if !f.features.BuildIDSets && !f.features.BuildIDRules {
		return nil, errRulesOff
	}
	if err := f.checkReachability(req); err != nil {
		return nil, err
	}
	search := &reachability{f: f, kind: req.GetReachability(), left: f.limits.ReachabilityQueuesMax}
	resp := &workflowservice.GetWorkerTaskReachabilityResponse{}
	for _, build := range req.GetBuildIds() {
		found, err := search.ofBuild(ctx, build, req.GetTaskQueues())
		if err != nil {
			return nil, err
		}
		resp.BuildIdReachability = append(resp.BuildIdReachability, found)
	}
	return resp, nil
}

func (f *Frontend) checkReachability(req *workflowservice.GetWorkerTaskReachabilityRequest) error {
	builds := req.GetBuildIds()
	switch {
	case len(builds) == 0:
		return apierr.InvalidArgument("Must query at least one build ID (or empty string for unversioned worker)")
	case len(builds) > f.limits.ReachabilityBuildIDsMax:
		return apierr.InvalidArgument("Too many build ids queried at once, limit: %d", f.limits.ReachabilityBuildIDsMax)
	}
	for _, build := range builds {
		if build == "" && len(req.GetTaskQueues()) == 0 {
			return apierr.InvalidArgument("Cannot get reachability of an unversioned worker without specifying at least one task queue (empty build ID is interpreted as unversioned)")
		}
	}
	for _, name := range req.GetTaskQueues() {
		if err := f.checkQueueName(name); err != nil {
			return err
		}
	}
	return nil
}

// reachability answers one request.
type reachability struct {
	f    *Frontend
	kind enumspb.TaskReachability
	left int // task queues that may still be looked at: each may cost two counts
}

func (r *reachability) ofBuild(ctx context.Context, build string, queues []string) (*taskqueuepb.BuildIdReachability, error) {
	if len(queues) == 0 {
		found, err := r.f.buildIDs.QueuesOf(ctx, namespaceOf(ctx).ID, build)
		if err != nil {
			return nil, err
		}
		queues = found
	}
	result := &taskqueuepb.BuildIdReachability{BuildId: build}
	for _, queue := range queues {
		one := &taskqueuepb.TaskQueueReachability{TaskQueue: queue, Reachability: []enumspb.TaskReachability{enumspb.TASK_REACHABILITY_UNSPECIFIED}}
		if r.left--; r.left >= 0 {
			var err error
			if one.Reachability, err = r.ofQueue(ctx, build, queue); err != nil {
				return nil, err
			}
		}
		result.TaskQueueReachability = append(result.TaskQueueReachability, one)
	}
	return result, nil
}

// ofQueue tells which tasks of one queue a build id may get: only the default
// of a set gets any.
func (r *reachability) ofQueue(ctx context.Context, build, queue string) ([]enumspb.TaskReachability, error) {
	data := r.f.buildIDs.Of(namespaceOf(ctx).ID, queue)
	builds, isDefault := data.Reach(build)
	if len(builds) == 0 {
		return nil, nil
	}
	var reached []enumspb.TaskReachability
	if isDefault {
		reached = append(reached, enumspb.TASK_REACHABILITY_NEW_WORKFLOWS)
	}
	kind, runs := r.existing()
	if kind == enumspb.TASK_REACHABILITY_NEW_WORKFLOWS {
		return reached, nil
	}
	there, err := r.f.anyRun(ctx, queue, query.And2(runsOf(builds, isDefault, versioning.VersionedRun), runs))
	if there {
		reached = append(reached, kind)
	}
	return reached, err
}

// existing is the kind of runs that were asked for, with the filter that finds them.
func (r *reachability) existing() (enumspb.TaskReachability, query.Expr) {
	switch r.kind {
	case enumspb.TASK_REACHABILITY_NEW_WORKFLOWS:
		return r.kind, nil
	case enumspb.TASK_REACHABILITY_OPEN_WORKFLOWS:
		return r.kind, isRunning(query.Equal)
	case enumspb.TASK_REACHABILITY_CLOSED_WORKFLOWS:
		return r.kind, isRunning(query.NotEqual)
	default:
		return enumspb.TASK_REACHABILITY_EXISTING_WORKFLOWS, nil
	}
}

func isRunning(op query.Op) query.Expr {
	return compare(attr.ExecutionStatus, op, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING.String())
}

func compare(name string, op query.Op, value string) query.Expr {
	return &query.Compare{Field: query.Field{Name: name}, Op: op, Value: query.Value{Kind: query.String, String: value}}
}

// runsOf finds runs by what the attribute BuildIds says of one of the builds;
// the empty one stands for workers without a version. newest tells that runs which
// no worker has seen are theirs, too.
func runsOf(builds []string, newest bool, value func(build string) string) query.Expr {
	in := &query.In{Field: query.Field{Name: attr.BuildIDs}}
	for _, build := range builds {
		text := versioning.UnversionedRun
		if build != "" {
			text = value(build)
		}
		in.Values = append(in.Values, query.Value{Kind: query.String, String: text})
	}
	if !newest {
		return in
	}
	return &query.Or{Left: &query.IsNull{Field: in.Field}, Right: in}
}

// anyRun tells whether a run of a task queue is found.
func (f *Frontend) anyRun(ctx context.Context, queue string, where query.Expr) (bool, error) {
	ns := namespaceOf(ctx)
	q := &query.Query{Where: query.And2(compare(attr.TaskQueue, query.Equal, queue), where)}
	if err := query.Check(q, ns.SearchAttributes); err != nil {
		return false, err
	}
	counted, err := f.visibility.Count(ctx, ns.ID, q)
	if err != nil {
		return false, listError(err)
	}
	return counted.Total > 0, nil
}

// reportReachability tells for each build id of a description whether anything
// is, or will be, for its workers, by the rules and the runs there are.
func (f *Frontend) reportReachability(ctx context.Context, queue string, resp *workflowservice.DescribeTaskQueueResponse) error {
	if count := len(resp.GetVersionsInfo()); count > f.limits.ReachabilityBuildIDsMax { //nolint:staticcheck // the CLI reads it
		return apierr.InvalidArgument("Too many build ids queried at once, limit: %d", f.limits.ReachabilityBuildIDsMax)
	}
	data := f.buildIDs.Of(namespaceOf(ctx).ID, queue)
	for build, info := range resp.GetVersionsInfo() { //nolint:staticcheck // the CLI reads it
		var err error
		if info.TaskReachability, err = f.reachabilityOf(ctx, queue, data, build, info); err != nil {
			return err
		}
	}
	return nil
}

func (f *Frontend) reachabilityOf(ctx context.Context, queue string, data *versioning.Data, build string, info *taskqueuepb.TaskQueueVersionInfo) (enumspb.BuildIdTaskReachability, error) {
	if data.TakesNew(build) || hasBacklog(info) {
		return enumspb.BUILD_ID_TASK_REACHABILITY_REACHABLE, nil
	}
	builds := data.Upstream(build)
	if len(builds) == 0 {
		return enumspb.BUILD_ID_TASK_REACHABILITY_UNREACHABLE, nil
	}
	unversioned := slices.Contains(builds, "")
	open, err := f.anyRun(ctx, queue, query.And2(isRunning(query.Equal), runsOf(builds, unversioned, versioning.AssignedRun)))
	if err != nil || open {
		return enumspb.BUILD_ID_TASK_REACHABILITY_REACHABLE, err
	}
	closed, err := f.anyRun(ctx, queue, query.And2(isRunning(query.NotEqual), runsOf(builds, unversioned, versioning.VersionedRun)))
	if err != nil || closed {
		return enumspb.BUILD_ID_TASK_REACHABILITY_CLOSED_WORKFLOWS_ONLY, err
	}
	return enumspb.BUILD_ID_TASK_REACHABILITY_UNREACHABLE, nil
}

func hasBacklog(info *taskqueuepb.TaskQueueVersionInfo) bool {
	for _, kind := range info.GetTypesInfo() {
		if kind.GetStats().GetApproximateBacklogCount() > 0 {
			return true
		}
	}
	return false
}
