package history

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/metrics"
	"perdure/server/store"
)

// engineMetrics are handles resolved once.
type engineMetrics struct {
	registry          *metrics.Registry
	commits           map[string]commitMetrics // by outcome
	commitWait        metrics.Histogram
	commitTransitions metrics.Histogram
	commitQueued      metrics.Gauge
	transitions       metrics.Counter
	cacheHits         metrics.Counter
	cacheMisses       metrics.Counter
	cacheEntries      metrics.Gauge
	cacheEvicted      metrics.Counter
	shardsOwned       metrics.Gauge
	shardsTotal       metrics.Gauge
	timersPending     metrics.Gauge
	timerLag          metrics.Histogram
	checkpointsOK     metrics.Counter
	checkpointsFailed metrics.Counter
	logPending        metrics.Gauge
	longPolls         metrics.Gauge
	historyEvents     metrics.Histogram
	historyBytes      metrics.Histogram
	cacheBytes        metrics.Gauge
	lockWait          metrics.Histogram
	activityAttempts  metrics.Histogram
	events            map[enumspb.EventType]metrics.Counter
}

// commitMetrics are those of one outcome.
type commitMetrics struct {
	groups   metrics.Counter
	duration metrics.Histogram
}

func (c commitMetrics) done(took time.Duration) {
	c.groups.Inc()
	c.duration.Seconds(took)
}

// commitOutcome is how a group's commit ended, as a label.
func commitOutcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, store.ErrLeaseLost):
		return "lease_lost"
	case errors.Is(err, store.ErrConflict):
		return "conflict"
	case errors.Is(err, store.ErrUnknownOutcome):
		return "unknown_outcome"
	}
	return "error"
}

func newCommitMetrics(r *metrics.Registry) map[string]commitMetrics {
	made := map[string]commitMetrics{}
	for _, outcome := range []string{"ok", "lease_lost", "conflict", "unknown_outcome", "error"} {
		labels := metrics.Outcome{Outcome: outcome}
		made[outcome] = commitMetrics{metrics.Commits.In(r, labels), metrics.CommitDuration.In(r, labels)}
	}
	return made
}

func newEventMetrics(r *metrics.Registry) map[enumspb.EventType]metrics.Counter {
	made := map[enumspb.EventType]metrics.Counter{}
	for number := range enumspb.EventType_name {
		kind := enumspb.EventType(number)
		made[kind] = metrics.Events.In(r, metrics.EventType{Event: snake(kind.String())})
	}
	return made
}

func newEngineMetrics(r *metrics.Registry) engineMetrics {
	execution := metrics.CacheName{Cache: "execution"}
	return engineMetrics{
		registry:          r,
		commits:           newCommitMetrics(r),
		commitWait:        metrics.CommitWait.In(r, metrics.None{}),
		commitTransitions: metrics.CommitTransitions.In(r, metrics.None{}),
		commitQueued:      metrics.CommitQueued.In(r, metrics.None{}),
		transitions:       metrics.Transitions.In(r, metrics.None{}),
		cacheHits:         metrics.CacheRequests.In(r, metrics.CacheResult{Cache: "execution", Result: "hit"}),
		cacheMisses:       metrics.CacheRequests.In(r, metrics.CacheResult{Cache: "execution", Result: "miss"}),
		cacheEntries:      metrics.CacheEntries.In(r, execution),
		cacheEvicted:      metrics.CacheEvicted.In(r, execution),
		shardsOwned:       metrics.ShardsOwned.In(r, metrics.None{}),
		shardsTotal:       metrics.ShardsTotal.In(r, metrics.None{}),
		timersPending:     metrics.TimersPending.In(r, metrics.None{}),
		timerLag:          metrics.TimerFireLag.In(r, metrics.None{}),
		checkpointsOK:     metrics.Checkpoints.In(r, metrics.Outcome{Outcome: "ok"}),
		checkpointsFailed: metrics.Checkpoints.In(r, metrics.Outcome{Outcome: "error"}),
		logPending:        metrics.LogPending.In(r, metrics.None{}),
		longPolls:         metrics.LongPolls.In(r, metrics.None{}),
		historyEvents:     metrics.HistoryEvents.In(r, metrics.None{}),
		historyBytes:      metrics.HistoryBytes.In(r, metrics.None{}),
		cacheBytes:        metrics.CacheBytes.In(r, execution),
		lockWait:          metrics.RunLockWait.In(r, metrics.None{}),
		activityAttempts:  metrics.ActivityAttempts.In(r, metrics.None{}),
		events:            newEventMetrics(r),
	}
}
