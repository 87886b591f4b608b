package match

import "time"

const (
	// idlePoll is the wait after which a poll shows that there are more pollers than work.
	idlePoll = time.Second
	// staleBacklog is the age at which waiting tasks show that pollers are missing.
	staleBacklog = 200 * time.Millisecond
	// overload is the ratio of added to dispatched tasks that shows the same.
	overload = 1.2
)

// PollFacts is what is known when a poll has got a task.
type PollFacts struct {
	Waited       time.Duration // of the poll, until it got the task
	FromBacklog  bool          // the task came from the durable backlog
	RateLimited  bool          // a dispatch limit holds tasks back
	BacklogAge   time.Duration // of the oldest task that still waits, 0 without one
	AddRate      float64       // tasks a second
	DispatchRate float64       // tasks a second
}

// PollerDelta is by how many polls a worker should change the number it keeps
// open: -1, 0 or 1.
func PollerDelta(f PollFacts) int32 {
	switch {
	case f.Waited >= idlePoll && !f.FromBacklog:
		return -1
	case f.RateLimited:
		return 0
	case f.BacklogAge > staleBacklog:
		return 1
	case f.DispatchRate > 0 && f.AddRate/f.DispatchRate > overload:
		return 1
	}
	return 0
}
