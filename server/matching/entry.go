package matching

import (
	"perdure/server/cluster"
	"perdure/server/match"
)

// state is where an entry is in its life.
type state int

const (
	waiting  state = iota // ready for a poller
	delayed               // put back after a failed start, not ready yet
	out                   // with a poller that starts it
	kept                  // started, but only the backlog will know that after a crash
	finished              // reported, or to be read from the store again
)

// entry is a task in memory. The queue's mutex guards it, but for task, which
// the poller that has the entry reads.
type entry struct {
	task    *cluster.Task
	lane    *lane
	done    func(cluster.Outcome) // nil once called
	created int64                 // nanoseconds since the Unix epoch; grows strictly within a queue
	state   state
	// id is the key in the backlog; zero until a write is under way.
	id     int64
	stored bool // the write is durable
	// fresh is set while the entry is in the queue's list of that name, spilling
	// while it waits for a write: it must not be in either twice.
	fresh, spilling bool
	returned        bool // by a poller that could not start it: it has had its turn
	remembered      bool // its execution remembers the start: the store need not keep it
	// term is the queue's term when the entry came: an older one belongs to a lost lease.
	term     int
	failures int // failed starts in a row
	place    match.Item[*entry]
	expiry   match.Item[*entry] // in the queue's expiring order when the task expires
}

func newEntry(task *cluster.Task, done func(cluster.Outcome), created int64, l *lane) *entry {
	e := &entry{task: task, done: done, created: created, lane: l}
	e.place.Value, e.expiry.Value = e, e
	return e
}

func (e *entry) priority() int32 { return e.lane.priority() }

// takeOut gives the entry to a poller. The task of a stored entry is marked as
// one from the backlog; its owner may hold the old value, so it gets a new one.
func (e *entry) takeOut(q *queue) {
	e.state = out
	if e.stored && e.task.Remembered == nil {
		task := *e.task
		task.FromBacklog = true
		task.Remembered = func() { q.remembered(e) }
		e.task = &task
	}
}

// outcomes are reports to owners of tasks, collected under a queue's mutex and
// made after it is released: an owner may offer again from within its report.
type outcomes struct {
	reports []report
}

type report struct {
	done    func(cluster.Outcome)
	outcome cluster.Outcome
}

// add reports for the entry, once.
func (o *outcomes) add(e *entry, outcome cluster.Outcome) {
	if e.done == nil {
		return
	}
	o.reports = append(o.reports, report{e.done, outcome})
	e.done = nil
}

func (o *outcomes) send() {
	for _, r := range o.reports {
		r.done(r.outcome)
	}
}
