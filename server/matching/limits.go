package matching

import (
	"time"

	"perdure/server/match"
)

// Limits bounds what the engine keeps and how long it waits. A zero field
// takes its value from [DefaultLimits].
type Limits struct {
	// SyncMatchWait is how long a task waits in memory for a poller before it is stored.
	SyncMatchWait time.Duration
	// PollWait is the longest wait of a poll, PollReserve included.
	PollWait time.Duration
	// PollReserve is how long before its deadline a poll is answered.
	PollReserve time.Duration
	// StickyPollerAge is how long after its last poll a sticky queue counts as served.
	StickyPollerAge time.Duration
	// PollerAge is how long a poller is remembered, and after how long without
	// use a queue leaves memory.
	PollerAge time.Duration
	// ReadAheadTasks is how many stored tasks of a queue are kept in memory.
	ReadAheadTasks int
	// LanesMax is how many priorities and fairness keys a queue keeps apart at a
	// time; beyond it further keys share lanes.
	LanesMax int
	// WeightOverridesMax is for how many fairness keys of a queue people may set weights.
	WeightOverridesMax int
	// RefreshAfter is how often the store is looked at for rules of task queues
	// that other nodes have changed; zero: there are none.
	RefreshAfter time.Duration
	// BatchTasks is how many tasks one write to the backlog carries, and one delete.
	BatchTasks int
	// DeleteDelay is how long delivered tasks may stay in the store.
	DeleteDelay time.Duration
	// StoreTimeout bounds one call to the store.
	StoreTimeout time.Duration
}

// DefaultLimits are the limits of a production server.
func DefaultLimits() Limits {
	return Limits{
		SyncMatchWait:      200 * time.Millisecond,
		PollWait:           time.Minute,
		PollReserve:        time.Second,
		StickyPollerAge:    10 * time.Second,
		PollerAge:          5 * time.Minute,
		ReadAheadTasks:     1000,
		LanesMax:           4096,
		WeightOverridesMax: 1000,
		BatchTasks:         1000,
		DeleteDelay:        time.Second,
		StoreTimeout:       10 * time.Second,
	}
}

const (
	// spillGrain spaces the rounds in which tasks go to the backlog, so that a
	// busy queue wakes up fifty times a second at most.
	spillGrain = 20 * time.Millisecond
	// retryFirst and retryLast bound the growing pause after a failed store
	// call or a failed start of a task.
	retryFirst = 50 * time.Millisecond
	retryLast  = 5 * time.Second
	// worrisomeFailures is after how many failed starts in a row operators are told.
	worrisomeFailures = 5
	// leaseWait is how long tasks wait in memory for the lease of their queue.
	leaseWait = 5 * time.Second
	// leaseRetry is how often they look for it.
	leaseRetry = 100 * time.Millisecond
	// stoppedWorkerAge is how long a worker that shut down is remembered: longer
	// than a poll that crossed the shutdown can be on its way.
	stoppedWorkerAge = time.Minute
	// systemRatePerSecond is what clients are told when nobody set a limit. It
	// is the figure they know from the reference; nothing is held back by it.
	systemRatePerSecond = 4000
	// pollerRatePerSecond is what clients are told of a poller that gives no limit.
	pollerRatePerSecond = 100_000
	// limitBurst is the time whose tasks may go out at once under a rate limit.
	limitBurst = 100 * time.Millisecond
	// laneShareLeast is how many stored tasks of a lane are kept in memory even
	// when there are many lanes: one that goes and one that is next.
	laneShareLeast = 2
	// discoverTimeout bounds the count of what a shard's queues have stored, which
	// takes a second or more for a million tasks.
	discoverTimeout = 2 * time.Minute
	// doomedBatches is how many batches of delivered tasks may wait to be deleted
	// before reading waits for them: they are remembered, and delivered again
	// after a crash.
	doomedBatches = 20
	// inHandMost is how many of a lane's tasks beyond its share may be with
	// pollers, or pause after failed starts, before it is read no further.
	inHandMost = 100
)

// scalingLimit bounds the scaling decisions of one queue, so that workers see
// the effect of one before they get many.
var scalingLimit = match.Limit{PerSecond: 10, Burst: time.Second}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	orDefault(&l.SyncMatchWait, d.SyncMatchWait)
	orDefault(&l.PollWait, d.PollWait)
	orDefault(&l.PollReserve, d.PollReserve)
	orDefault(&l.StickyPollerAge, d.StickyPollerAge)
	orDefault(&l.PollerAge, d.PollerAge)
	orDefault(&l.DeleteDelay, d.DeleteDelay)
	orDefault(&l.StoreTimeout, d.StoreTimeout)
	orDefault(&l.ReadAheadTasks, d.ReadAheadTasks)
	orDefault(&l.LanesMax, d.LanesMax)
	orDefault(&l.WeightOverridesMax, d.WeightOverridesMax)
	orDefault(&l.BatchTasks, d.BatchTasks)
	return l
}

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}

// pause is how long to wait after a number of failures in a row, the first being 1.
func pause(failures int) time.Duration {
	return min(retryFirst<<min(failures-1, 10), retryLast)
}
