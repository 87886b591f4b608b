package matching

import (
	"context"
	"time"

	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
)

// versioningInfo tells how a task queue is divided among versions.
func (e *Engine) versioningInfo(key queueKey) *taskqueuepb.TaskQueueVersioningInfo {
	var routing match.Routing
	if e.config.Routes != nil {
		routing = e.config.Routes.Table(key.namespaceID).Routing(deployment.Queue{Name: key.name, Type: key.kind})
	}
	info := &taskqueuepb.TaskQueueVersioningInfo{
		CurrentVersion:           routing.Current.Dotted(), //nolint:staticcheck // clients still read it
		CurrentDeploymentVersion: routing.Current.Proto(),
		UpdateTime:               timestamppb.New(time.Unix(0, 0)),
	}
	if !routing.UpdatedAt.IsZero() {
		info.UpdateTime = timestamppb.New(routing.UpdatedAt)
	}
	if routing.HasRamp {
		info.RampingVersion = routing.Ramping.Dotted() //nolint:staticcheck // likewise
		info.RampingDeploymentVersion, info.RampingVersionPercentage = routing.Ramping.Proto(), routing.Percentage
	}
	return info
}

// snapshots ask the queues of all versions; the zero version is there in any case.
func (e *Engine) snapshots(ctx context.Context, key queueKey) map[match.Version]snapshot {
	all := map[match.Version]snapshot{
		{}: (&queue{engine: e, key: key, rules: e.rules.get(key), family: &family{}}).snapshot(creations{}),
	}
	for _, q := range e.familyOf(key) {
		all[q.key.version] = q.snapshot(q.oldestStored(ctx))
	}
	return all
}

// snapshot asks for the sum over all versions of workers.
func (e *Engine) snapshot(ctx context.Context, key queueKey) snapshot {
	all := e.snapshots(ctx, key)
	return sum(all, func(match.Version) bool { return true })
}

// sum adds the snapshots of those versions that are wanted. Limits are those of
// workers without a version, if there are any.
func sum(all map[match.Version]snapshot, wanted func(match.Version) bool) snapshot {
	total := all[match.Version{}]
	if !wanted(match.Version{}) {
		total = snapshot{stats: &taskqueuepb.TaskQueueStats{ApproximateBacklogAge: durationpb.New(0)}}
	}
	for version, s := range all {
		if version != (match.Version{}) && wanted(version) {
			total.add(s)
		}
	}
	sortPollers(total.pollers)
	return total
}

func (s *snapshot) add(other snapshot) {
	s.pollers = append(s.pollers, other.pollers...)
	s.stats = addStats(s.stats, other.stats)
	for p, stats := range other.byPriority {
		if s.byPriority == nil {
			s.byPriority = map[int32]*taskqueuepb.TaskQueueStats{}
		}
		s.byPriority[p] = addStats(s.byPriority[p], stats)
	}
	if s.limit == nil && other.limit != nil {
		s.limit, s.source = other.limit, other.source
	}
	if s.status != nil {
		s.status.BacklogCountHint += other.status.BacklogCountHint
	}
}

func addStats(a, b *taskqueuepb.TaskQueueStats) *taskqueuepb.TaskQueueStats {
	if a == nil {
		return b
	}
	return &taskqueuepb.TaskQueueStats{
		ApproximateBacklogCount: a.ApproximateBacklogCount + b.ApproximateBacklogCount,
		ApproximateBacklogAge:   durationpb.New(max(a.ApproximateBacklogAge.AsDuration(), b.ApproximateBacklogAge.AsDuration())),
		TasksAddRate:            a.TasksAddRate + b.TasksAddRate,
		TasksDispatchRate:       a.TasksDispatchRate + b.TasksDispatchRate,
		RateLimitingActive:      a.RateLimitingActive || b.RateLimitingActive,
	}
}

// VersionStats implements cluster.VersionStats.
func (e *Engine) VersionStats(ctx context.Context, name cluster.TaskQueue, v match.Version) (*taskqueuepb.TaskQueueStats, map[int32]*taskqueuepb.TaskQueueStats) {
	s := sum(e.snapshots(ctx, keyOf(name)), func(other match.Version) bool { return other == v })
	return s.stats, s.byPriority
}

// named tells whether a client's word stands for the version: the empty one for
// workers without, else "deployment:build" or the build id alone.
func named(word string) func(match.Version) bool {
	return func(v match.Version) bool {
		if word == "" {
			return v == match.Version{}
		}
		return v != match.Version{} && (v.String() == word || v.BuildID == word)
	}
}
