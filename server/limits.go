package server

import (
	"time"

	"perdure/server/config"
	"perdure/server/deployment"
	"perdure/server/execution"
	"perdure/server/matching"
	"perdure/server/namespace"
	"perdure/server/nexus"
	"perdure/server/outbound"
	"perdure/server/rollout"
	"perdure/server/search"
	"perdure/server/versioning"
	"perdure/server/workers"
)

// executionLimits are the limits that the pure core enforces.
func executionLimits(l config.Limits) execution.Limits {
	return execution.Limits{
		BlobBytesWarn: l.BlobBytesWarn, BlobBytes: l.BlobBytesMax, MemoBytesWarn: l.MemoBytesWarn, MemoBytes: l.MemoBytesMax, IDBytes: l.IDBytesMax,
		TransactionBytes: int64(l.TransactionBytesMax), StateBytesWarn: l.StateBytesWarn, StateBytes: l.StateBytesMax,
		PendingActivities: l.PendingActivitiesMax, PendingChildren: l.PendingChildrenMax,
		PendingSignals: l.PendingSignalsMax, PendingCancels: l.PendingCancelsMax,
		BufferedEvents: l.BufferedEventsMax, BufferedBytes: l.BufferedBytesMax,
		Signals:         int64(l.SignalsMax),
		UpdatesInFlight: l.UpdatesInFlightMax, UpdateBytesInFlight: l.UpdateBytesInFlightMax, Updates: int64(l.UpdatesMax), UpdatesSuggestContinueRatio: l.UpdatesSuggestRatio,
		HistoryBytesSuggest: int64(l.HistoryBytesSuggest), HistoryEventsSuggest: int64(l.HistoryEventsSuggest),
		HistoryBytesWarn: int64(l.HistoryBytesWarn), HistoryBytes: int64(l.HistoryBytesMax),
		HistoryEventsWarn: int64(l.HistoryEventsWarn), HistoryEvents: int64(l.HistoryEventsMax),
		ActivityFailureBytesWarn: l.ActivityFailureBytesWarn, ActivityFailureBytes: l.ActivityFailureBytesMax,
		TaskTimeoutDefault: l.TaskTimeoutDefault, TaskTimeoutMax: l.TaskTimeoutMax, TaskRetryExtra: l.TaskRetryExtraMax, TaskHeartbeat: l.TaskHeartbeatMax,
		SpeculativeScheduleToStart: l.SpeculativeScheduleToStart, ChainedStartInterval: l.ReuseIntervalMin, ResetPoints: l.ResetPointsMax,
		Callbacks: l.CallbacksMax, CallbacksPerUpdate: l.CallbacksPerUpdateMax,
		CallbackRetry: nexus.Policy{InitialInterval: l.CallbackRetryInitial, MaximumInterval: l.CallbackRetryMax},
	}
}

// matchingLimits are the limits of task queues; what is not set here has the package's own default.
func matchingLimits(l config.Limits, refreshAfter time.Duration) matching.Limits {
	return matching.Limits{
		SyncMatchWait: l.SyncMatchWait, PollWait: l.TaskPollMax, StickyPollerAge: l.StickyPollerWindow,
		PollerAge: l.PollerHistory, ReadAheadTasks: l.BacklogReadMax, BatchTasks: l.BacklogBatchMax,
		LanesMax: l.LanesMax, WeightOverridesMax: l.WeightOverridesMax, RefreshAfter: refreshAfter,
	}
}

// workerLimits bound what is remembered of workers.
func workerLimits(l config.Limits) workers.Limits {
	return workers.Limits{
		Age: l.WorkerHistory, Workers: l.WorkersMax, Bytes: l.WorkersBytesMax,
		HeartbeatBytes: l.WorkerBytesMax, Page: l.VisibilityPageMax,
	}
}

// refreshAfter is how long what is known of a store is believed. That of one
// process need not be looked at for changes of others.
func refreshAfter(alone bool) time.Duration {
	if alone {
		return 0
	}
	return namespace.RefreshAfter
}

// rolloutLimits bound worker deployments.
func rolloutLimits(l config.Limits, refreshAfter time.Duration) rollout.Limits {
	return rollout.Limits{
		Deployments: l.DeploymentsMax,
		Deployment: deployment.Limits{
			Versions: l.DeploymentVersionsMax, QueuesPerVersion: l.DeploymentQueuesMax, MetadataBytes: l.DeploymentMetadataBytesMax,
		},
		Drainage:     deployment.DrainageRules{Grace: l.DrainageGrace, Interval: l.DrainageInterval},
		RefreshAfter: refreshAfter,
	}
}

// versioningLimits bound what a task queue knows of build ids.
func versioningLimits(l config.Limits) versioning.Limits {
	return versioning.Limits{
		Sets: l.BuildIDSetsMax, Builds: l.BuildIDsMax, Assignments: l.AssignmentRulesMax, Redirects: l.RedirectRulesMax,
		Upstream: l.UpstreamBuildsMax, BuildIDBytes: l.BuildIDBytesMax, Queues: l.BuildIDQueuesMax,
	}
}

// outboundConfig bounds the calls to addresses outside.
func outboundConfig(l config.Limits, allowed nexus.AddressRules) outbound.Config {
	return outbound.Config{
		Allowed: allowed, RequestTimeout: l.CallbackRequestTimeout,
		CallsMax: l.OutboundCallsMax, DestinationCallsMax: l.OutboundDestinationCallsMax, WaitingMax: l.OutboundWaitingMax,
		FailuresMax: l.OutboundFailuresMax, Pause: l.OutboundPause,
	}
}

// searchConfig is how the visibility store is guarded.
func searchConfig(l config.Limits, o Options) search.Config {
	return search.Config{Timeout: l.VisibilityQueryTimeout, Slow: l.VisibilitySlowQuery, Logger: o.Logger, Metrics: o.Metrics}
}
