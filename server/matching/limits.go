package matching

import "time"

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
		SyncMatchWait:   200 * time.Millisecond,
		PollWait:        time.Minute,
		PollReserve:     time.Second,
		StickyPollerAge: 10 * time.Second,
		PollerAge:       5 * time.Minute,
		ReadAheadTasks:  1000,
		BatchTasks:      1000,
		DeleteDelay:     time.Second,
		StoreTimeout:    10 * time.Second,
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
	// scalingPerSecond bounds the scaling decisions of one queue, so that
	// workers see the effect of one before they get many.
	scalingPerSecond = 10
	// systemRatePerSecond is what clients are told when nobody set a limit. It
	// is the figure they know from the reference; nothing is held back by it.
	systemRatePerSecond = 4000
	// limitBurst is the time whose tasks may go out at once under a rate limit.
	limitBurst = 100 * time.Millisecond
)

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	orDuration(&l.SyncMatchWait, d.SyncMatchWait)
	orDuration(&l.PollWait, d.PollWait)
	orDuration(&l.PollReserve, d.PollReserve)
	orDuration(&l.StickyPollerAge, d.StickyPollerAge)
	orDuration(&l.PollerAge, d.PollerAge)
	orDuration(&l.DeleteDelay, d.DeleteDelay)
	orDuration(&l.StoreTimeout, d.StoreTimeout)
	if l.ReadAheadTasks == 0 {
		l.ReadAheadTasks = d.ReadAheadTasks
	}
	if l.BatchTasks == 0 {
		l.BatchTasks = d.BatchTasks
	}
	return l
}

func orDuration(d *time.Duration, fallback time.Duration) {
	if *d == 0 {
		*d = fallback
	}
}

// pause is how long to wait after a number of failures in a row, the first being 1.
func pause(failures int) time.Duration {
	return min(retryFirst<<min(failures-1, 10), retryLast)
}
