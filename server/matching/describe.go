package matching

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/cluster"
	"perdure/server/match"
)

// unversioned is the name that clients know for workers without a deployment.
const unversioned = "__unversioned__"

// maxReachabilityBuildIDs bounds a question for reachability.
const maxReachabilityBuildIDs = 5

// snapshot is what a queue tells about itself.
type snapshot struct {
	pollers    []*taskqueuepb.PollerInfo
	stats      *taskqueuepb.TaskQueueStats
	byPriority map[int32]*taskqueuepb.TaskQueueStats
	status     *taskqueuepb.TaskQueueStatus
	limit      *float64 // dispatches per second; nil: none set
}

// DescribeTaskQueue tells who polls a queue and what waits in it. See cluster.Matching.
func (e *Engine) DescribeTaskQueue(ctx context.Context, ns *cluster.Namespace, req *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	if err := checkQueue(req.GetTaskQueue()); err != nil {
		return nil, err
	}
	if req.GetApiMode() == enumspb.DESCRIBE_TASK_QUEUE_MODE_ENHANCED {
		return e.describeEnhanced(ctx, ns, req)
	}
	kind := req.GetTaskQueueType()
	if kind == enumspb.TASK_QUEUE_TYPE_UNSPECIFIED {
		kind = enumspb.TASK_QUEUE_TYPE_WORKFLOW
	}
	key := requestKey(ns, req.GetTaskQueue(), kind)
	s := e.snapshot(ctx, key)
	response := &workflowservice.DescribeTaskQueueResponse{
		Pollers:            s.pollers,
		EffectiveRateLimit: effectiveLimit(s.limit),
	}
	if !key.sticky {
		response.VersioningInfo = &taskqueuepb.TaskQueueVersioningInfo{
			CurrentVersion: unversioned, //nolint:staticcheck // clients still read it
			UpdateTime:     timestamppb.New(time.Unix(0, 0)),
		}
	}
	if req.GetReportStats() {
		response.Stats, response.StatsByPriorityKey = s.stats, s.byPriority
	}
	if req.GetReportConfig() {
		response.Config = &taskqueuepb.TaskQueueConfig{}
	}
	if req.GetIncludeTaskQueueStatus() {
		response.TaskQueueStatus = s.status
	}
	return response, nil
}

func checkQueue(queue *taskqueuepb.TaskQueue) error {
	if queue == nil {
		return serviceerror.NewInvalidArgument("taskQueue is not set")
	}
	if queue.GetName() == "" {
		return serviceerror.NewInvalidArgument("missing task queue name")
	}
	return nil
}

func effectiveLimit(limit *float64) *workflowservice.DescribeTaskQueueResponse_EffectiveRateLimit {
	if limit == nil {
		return &workflowservice.DescribeTaskQueueResponse_EffectiveRateLimit{
			RequestsPerSecond: systemRatePerSecond,
			RateLimitSource:   enumspb.RATE_LIMIT_SOURCE_SYSTEM,
		}
	}
	return &workflowservice.DescribeTaskQueueResponse_EffectiveRateLimit{
		RequestsPerSecond: float32(*limit),
		RateLimitSource:   enumspb.RATE_LIMIT_SOURCE_WORKER,
	}
}

// describeEnhanced answers by build id and type.
func (e *Engine) describeEnhanced(ctx context.Context, ns *cluster.Namespace, req *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	if req.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_STICKY {
		return nil, serviceerror.NewInvalidArgument("Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.")
	}
	builds := selectedBuilds(req.GetVersions()) //nolint:staticcheck // the enhanced mode is what the command line uses
	if req.GetReportTaskReachability() && len(builds) > maxReachabilityBuildIDs {
		return nil, serviceerror.NewInvalidArgument(fmt.Sprintf("Too many build ids for task reachability: at most %d.", maxReachabilityBuildIDs))
	}
	kinds := req.GetTaskQueueTypes()
	if len(kinds) == 0 {
		kinds = []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY}
	}
	infos := map[string]*taskqueuepb.TaskQueueVersionInfo{}
	for _, build := range builds {
		infos[build] = &taskqueuepb.TaskQueueVersionInfo{TypesInfo: map[int32]*taskqueuepb.TaskQueueTypeInfo{}}
	}
	for _, kind := range kinds {
		s := e.snapshot(ctx, requestKey(ns, req.GetTaskQueue(), kind))
		for build, info := range infos {
			info.TypesInfo[int32(kind)] = typeInfo(req, s, build)
		}
	}
	return &workflowservice.DescribeTaskQueueResponse{VersionsInfo: infos}, nil
}

// selectedBuilds lists build ids; the empty one stands for workers without.
func selectedBuilds(selection *taskqueuepb.TaskQueueVersionSelection) []string {
	builds := selection.GetBuildIds()
	if len(builds) == 0 || selection.GetUnversioned() || selection.GetAllActive() {
		builds = append([]string{""}, builds...)
	}
	return builds
}

// typeInfo is the part of a snapshot that belongs to a build id. All tasks
// belong to the empty one, since tasks are not routed by build id.
func typeInfo(req *workflowservice.DescribeTaskQueueRequest, s snapshot, build string) *taskqueuepb.TaskQueueTypeInfo {
	info := &taskqueuepb.TaskQueueTypeInfo{}
	if req.GetReportPollers() {
		for _, p := range s.pollers {
			if buildOf(p) == build {
				info.Pollers = append(info.Pollers, p)
			}
		}
	}
	if req.GetReportStats() {
		info.Stats = &taskqueuepb.TaskQueueStats{ApproximateBacklogAge: durationpb.New(0)}
		if build == "" {
			info.Stats = s.stats
		}
	}
	return info
}

// buildOf is the build id of a versioned worker, empty for others.
func buildOf(p *taskqueuepb.PollerInfo) string {
	if p.GetDeploymentOptions().GetWorkerVersioningMode() == enumspb.WORKER_VERSIONING_MODE_VERSIONED {
		return p.GetDeploymentOptions().GetBuildId()
	}
	if p.GetWorkerVersionCapabilities().GetUseVersioning() {
		return p.GetWorkerVersionCapabilities().GetBuildId()
	}
	return ""
}

// snapshot asks a queue. One that is not in memory has nothing.
func (e *Engine) snapshot(ctx context.Context, key queueKey) snapshot {
	q := e.lookup(key)
	if q == nil {
		return snapshot{
			stats:      &taskqueuepb.TaskQueueStats{ApproximateBacklogAge: durationpb.New(0)},
			byPriority: map[int32]*taskqueuepb.TaskQueueStats{},
			status:     &taskqueuepb.TaskQueueStatus{TaskIdBlock: &taskqueuepb.TaskIdBlock{}},
		}
	}
	created := q.oldestStored(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	s := snapshot{
		pollers:    q.pollers.list(now, e.limits.PollerAge),
		stats:      q.stats(now),
		byPriority: q.statsByPriority(now),
		status:     q.status(),
	}
	if created != 0 && now.Sub(time.Unix(0, created)) > s.stats.ApproximateBacklogAge.AsDuration() {
		s.stats.ApproximateBacklogAge = durationpb.New(now.Sub(time.Unix(0, created)))
	}
	if q.limiter != nil {
		limit := float64(q.limiter.Limit())
		s.limit = &limit
	}
	return s
}

// oldestStored is when the oldest task that is in the store only was offered,
// in nanoseconds since the Unix epoch; zero when there is none or tasks in
// memory are older anyway.
func (q *queue) oldestStored(ctx context.Context) int64 {
	q.mu.Lock()
	after := q.backlog.readLevel
	ask := after < q.backlog.stored && q.backlog.inMemory == 0
	q.mu.Unlock()
	if !ask {
		return 0
	}
	rows, err := q.engine.config.Store.ReadTasks(ctx, q.row, after, 1)
	if err != nil || len(rows) == 0 {
		return 0
	}
	_, created, err := decodeTask(rows[0])
	if err != nil {
		return 0
	}
	return created
}

// waitingTasks counts tasks that no poller has finished.
func (q *queue) waitingTasks() int64 { return q.liveTotal() + q.backlog.unreadTotal() }

// oldestAge is the age of the oldest task in memory.
func (q *queue) oldestAge(now time.Time) time.Duration {
	oldest := now.UnixNano()
	for _, order := range []*match.Order[*entry]{&q.ready, &q.later} {
		order.Each(func(i *match.Item[*entry]) { oldest = min(oldest, i.Value.created) })
	}
	return time.Duration(now.UnixNano() - oldest)
}

func (q *queue) stats(now time.Time) *taskqueuepb.TaskQueueStats {
	added, dispatched := q.rates(now)
	return &taskqueuepb.TaskQueueStats{
		ApproximateBacklogCount: q.waitingTasks(),
		ApproximateBacklogAge:   durationpb.New(q.oldestAge(now)),
		TasksAddRate:            float32(added),
		TasksDispatchRate:       float32(dispatched),
		RateLimitingActive:      q.limited,
	}
}

// statsByPriority leaves out priorities that were not seen. Tasks that an
// earlier process stored count once they have been read.
func (q *queue) statsByPriority(now time.Time) map[int32]*taskqueuepb.TaskQueueStats {
	oldest := map[int32]int64{}
	q.ready.Each(func(i *match.Item[*entry]) {
		if first, ok := oldest[i.Priority]; !ok || i.Value.created < first {
			oldest[i.Priority] = i.Value.created
		}
	})
	stats := map[int32]*taskqueuepb.TaskQueueStats{}
	for p := match.HighestPriority; p <= match.LowestPriority; p++ {
		s := &taskqueuepb.TaskQueueStats{
			ApproximateBacklogCount: q.live[p] + q.backlog.unread[p],
			TasksAddRate:            float32(q.added[p].PerSecond(now)),
			TasksDispatchRate:       float32(q.dispatched[p].PerSecond(now)),
			RateLimitingActive:      q.limited,
		}
		if s.ApproximateBacklogCount == 0 && s.TasksAddRate == 0 && s.TasksDispatchRate == 0 {
			continue
		}
		age := time.Duration(0)
		if first, ok := oldest[p]; ok {
			age = time.Duration(now.UnixNano() - first)
		}
		s.ApproximateBacklogAge = durationpb.New(age)
		stats[p] = s
	}
	return stats
}

// status is the older form of stats. Levels are ids of the backlog.
func (q *queue) status() *taskqueuepb.TaskQueueStatus {
	ack := q.backlog.readLevel
	for _, order := range []*match.Order[*entry]{&q.ready, &q.later} {
		order.Each(func(i *match.Item[*entry]) {
			if i.Value.stored {
				ack = min(ack, i.Value.id-1)
			}
		})
	}
	limit := float64(systemRatePerSecond)
	if q.limiter != nil {
		limit = float64(q.limiter.Limit())
	}
	return &taskqueuepb.TaskQueueStatus{
		BacklogCountHint: q.waitingTasks(),
		ReadLevel:        q.backlog.readLevel,
		AckLevel:         ack,
		RatePerSecond:    limit,
		TaskIdBlock:      &taskqueuepb.TaskIdBlock{},
	}
}

// ListTaskQueuePartitions tells the partitions of a queue: one of each type. See cluster.Matching.
func (e *Engine) ListTaskQueuePartitions(_ context.Context, _ *cluster.Namespace, req *workflowservice.ListTaskQueuePartitionsRequest) (*workflowservice.ListTaskQueuePartitionsResponse, error) {
	if err := checkQueue(req.GetTaskQueue()); err != nil {
		return nil, err
	}
	partition := func() []*taskqueuepb.TaskQueuePartitionMetadata {
		return []*taskqueuepb.TaskQueuePartitionMetadata{{Key: req.GetTaskQueue().GetName(), OwnerHostName: e.config.HostName}}
	}
	return &workflowservice.ListTaskQueuePartitionsResponse{
		ActivityTaskQueuePartitions: partition(),
		WorkflowTaskQueuePartitions: partition(),
	}, nil
}
