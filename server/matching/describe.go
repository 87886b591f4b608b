package matching

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/cluster"
	"perdure/server/match"
	"perdure/server/store"
)

// snapshot is what a queue tells about itself.
type snapshot struct {
	pollers    []*taskqueuepb.PollerInfo
	stats      *taskqueuepb.TaskQueueStats
	byPriority map[int32]*taskqueuepb.TaskQueueStats
	status     *taskqueuepb.TaskQueueStatus
	rules      *rules
	limit      *float64 // dispatches per second; nil: none set
	source     enumspb.RateLimitSource
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
		EffectiveRateLimit: effectiveLimit(s),
	}
	if !key.sticky {
		response.VersioningInfo = e.versioningInfo(key)
	}
	if req.GetReportStats() {
		response.Stats, response.StatsByPriorityKey = s.stats, s.byPriority
	}
	if req.GetReportConfig() && s.rules != noRules {
		response.Config = s.rules.config
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

func effectiveLimit(s snapshot) *workflowservice.DescribeTaskQueueResponse_EffectiveRateLimit {
	limit := &workflowservice.DescribeTaskQueueResponse_EffectiveRateLimit{
		RequestsPerSecond: systemRatePerSecond, RateLimitSource: s.source,
	}
	if s.limit != nil {
		limit.RequestsPerSecond = float32(*s.limit)
	}
	return limit
}

// describeEnhanced answers by build id and type.
func (e *Engine) describeEnhanced(ctx context.Context, ns *cluster.Namespace, req *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	if req.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_STICKY {
		return nil, serviceerror.NewInvalidArgument("Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.")
	}
	builds := selectedBuilds(req.GetVersions()) //nolint:staticcheck // the enhanced mode is what the command line uses
	kinds := req.GetTaskQueueTypes()
	if len(kinds) == 0 {
		kinds = []enumspb.TaskQueueType{enumspb.TASK_QUEUE_TYPE_WORKFLOW, enumspb.TASK_QUEUE_TYPE_ACTIVITY}
	}
	infos := map[string]*taskqueuepb.TaskQueueVersionInfo{}
	add := func(build string, kind enumspb.TaskQueueType, info *taskqueuepb.TaskQueueTypeInfo) {
		if infos[build] == nil {
			infos[build] = &taskqueuepb.TaskQueueVersionInfo{TypesInfo: map[int32]*taskqueuepb.TaskQueueTypeInfo{}}
		}
		infos[build].TypesInfo[int32(kind)] = info
	}
	for _, kind := range kinds {
		all := e.snapshots(ctx, requestKey(ns, req.GetTaskQueue(), kind))
		if req.GetVersions().GetAllActive() { //nolint:staticcheck // likewise
			for _, build := range activeBuilds(all) {
				add(build, kind, typeInfo(req, all, build))
			}
		}
		for _, build := range builds {
			add(build, kind, typeInfo(req, all, build))
		}
	}
	return &workflowservice.DescribeTaskQueueResponse{VersionsInfo: infos}, nil
}

// activeBuilds are the build ids of the older versioning that have pollers or tasks.
func activeBuilds(all map[match.Version]snapshot) (builds []string) {
	for version, s := range all {
		active := len(s.pollers) > 0 || s.stats.GetApproximateBacklogCount() > 0
		if version.Deployment == "" && version.BuildID != "" && active {
			builds = append(builds, version.BuildID)
		}
	}
	return builds
}

// selectedBuilds lists build ids; the empty one stands for workers without.
func selectedBuilds(selection *taskqueuepb.TaskQueueVersionSelection) []string {
	builds := selection.GetBuildIds()
	if len(builds) == 0 || selection.GetUnversioned() || selection.GetAllActive() {
		builds = append([]string{""}, builds...)
	}
	return builds
}

// typeInfo is what belongs to a build id.
func typeInfo(req *workflowservice.DescribeTaskQueueRequest, all map[match.Version]snapshot, build string) *taskqueuepb.TaskQueueTypeInfo {
	info := &taskqueuepb.TaskQueueTypeInfo{}
	if req.GetReportPollers() {
		info.Pollers = sum(all, named(build)).pollers
	}
	if req.GetReportStats() {
		info.Stats = sum(all, named(build)).stats
	}
	return info
}

// snapshot tells the state; stored are the oldest tasks that are in the store only.
func (q *queue) snapshot(stored creations) snapshot {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	oldest := q.oldest()
	for p := range oldest {
		oldest[p] = older(oldest[p], stored[p])
	}
	s := snapshot{
		pollers:    q.pollers.list(now, q.engine.limits.PollerAge),
		stats:      q.stats(oldest, now),
		byPriority: q.statsByPriority(oldest, now),
		rules:      q.rules,
	}
	s.limit, s.source = effectiveRate(q.rules, q.family.perSecond.Load())
	s.status = q.status(s.limit)
	return s
}

// creations are when the oldest task of each priority was offered, in
// nanoseconds since the Unix epoch; zero: there is none.
type creations [priorities + 1]int64

func older(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func ageOf(created int64, now time.Time) time.Duration {
	if created == 0 {
		return 0
	}
	return max(now.Sub(time.Unix(0, created)), 0)
}

// oldestStored looks at lanes whose first task is in the store only.
func (q *queue) oldestStored(ctx context.Context) (oldest creations) {
	q.mu.Lock()
	var reads []store.QueueRead
	for _, l := range q.lanes.byID {
		if l.behind() && l.first() == nil {
			reads = append(reads, store.QueueRead{Queue: l.row, After: l.readLevel, Limit: 1})
		}
	}
	q.mu.Unlock()
	if len(reads) == 0 {
		return oldest
	}
	rows, err := q.engine.config.Store.ReadTasks(ctx, reads)
	if err != nil {
		q.engine.logger.Warn("the age of a backlog could not be read", "task_queue", q.key.name, "error", err)
	}
	for _, row := range rows {
		if _, created, err := decodeTask(row); err == nil { // a damaged one was or will be told when its turn comes
			p := match.LaneID(row.Queue.Lane).Priority()
			oldest[p] = older(oldest[p], created)
		}
	}
	return oldest
}

// oldest looks at the tasks in memory.
func (q *queue) oldest() (oldest creations) {
	look := func(i *match.Item[*entry]) {
		p := i.Value.priority()
		oldest[p] = older(oldest[p], i.Value.created)
	}
	for _, l := range q.lanes.byID {
		if first := l.ready.First(); first != nil {
			look(first)
		}
	}
	q.later.Each(look)
	return oldest
}

// oldestAge is the age of the oldest task in memory.
func (q *queue) oldestAge(now time.Time) time.Duration { return ageOf(q.oldest().first(), now) }

func (c creations) first() (first int64) {
	for _, created := range c {
		first = older(first, created)
	}
	return first
}

func (q *queue) stats(oldest creations, now time.Time) *taskqueuepb.TaskQueueStats {
	added, dispatched := q.rates(now)
	return &taskqueuepb.TaskQueueStats{
		ApproximateBacklogCount: q.lanes.waitingTasks(),
		ApproximateBacklogAge:   durationpb.New(ageOf(oldest.first(), now)),
		TasksAddRate:            float32(added),
		TasksDispatchRate:       float32(dispatched),
		RateLimitingActive:      q.limited,
	}
}

// statsByPriority leaves out priorities that were not seen, but for the default.
func (q *queue) statsByPriority(oldest creations, now time.Time) map[int32]*taskqueuepb.TaskQueueStats {
	stats := map[int32]*taskqueuepb.TaskQueueStats{}
	for p := match.HighestPriority; p <= priorities; p++ {
		s := &taskqueuepb.TaskQueueStats{
			ApproximateBacklogCount: q.lanes.live[p] + q.lanes.unread[p],
			ApproximateBacklogAge:   durationpb.New(ageOf(oldest[p], now)),
			TasksAddRate:            float32(q.added[p].PerSecond(now)),
			TasksDispatchRate:       float32(q.dispatched[p].PerSecond(now)),
			RateLimitingActive:      q.limited,
		}
		if p == match.DefaultPriority || s.ApproximateBacklogCount > 0 || s.TasksAddRate > 0 || s.TasksDispatchRate > 0 {
			stats[p] = s
		}
	}
	return stats
}

// status is the older form of stats. Levels are ids of the backlog: nothing up
// to the ack level waits, and nothing behind the read level is in memory.
func (q *queue) status(perSecond *float64) *taskqueuepb.TaskQueueStatus {
	read := int64(0)
	for _, l := range q.lanes.byID {
		read = max(read, l.readLevel)
	}
	ack := read
	for _, e := range q.inLine() {
		if e.stored {
			ack = min(ack, e.id-1)
		}
	}
	limit := float64(systemRatePerSecond)
	if perSecond != nil {
		limit = *perSecond
	}
	return &taskqueuepb.TaskQueueStatus{
		BacklogCountHint: q.lanes.waitingTasks(),
		ReadLevel:        read,
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
