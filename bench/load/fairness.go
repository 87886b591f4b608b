package load

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
)

const (
	// smallTenants are those that have a few tasks now and then.
	smallTenants = 50
	// taskPace is how long a worker is busy with a task on average: workers, not the machine, shall be what is scarce.
	taskPace = 10 * time.Millisecond
	// settleTime is how long tasks that came last have until they count as left behind.
	settleTime = 2 * time.Second
)

// playFairness measures how long tasks of small tenants wait for a worker, on an idle queue and then beside the backlog of a large
// tenant. The workers are the same few in both.
func playFairness(s *Session, ctx context.Context) error {
	idle, meanwhile := s.part("small tenants, idle queue"), s.beside("small tenants, large backlog")
	if err := s.fairnessPhase(ctx, idle, idle); err != nil {
		return err
	}
	big := s.starts("big", inflightDefault, noop, "big")
	if _, err := s.enqueue(ctx, s.part("enqueue of the large tenant"), big, inflightDefault); err != nil {
		return err
	}
	return s.fairnessPhase(ctx, meanwhile, s.main)
}

// fairnessPhase adds the waits of small tenants' tasks to small, as long as the window of measured is open.
func (s *Session) fairnessPhase(ctx context.Context, small, measured *track) error {
	queued := &waits{track: small, due: map[string]time.Time{}}
	w := s.newWorker(s.queue, noop)
	w.pollers, w.pace, w.sticky = s.Inflight, taskPace, nil
	w.seen = func(task *workflowservice.PollWorkflowTaskQueueResponse, _ *progress) {
		if s.main.window.contains(time.Now()) {
			s.main.done.Add(1)
		}
		queued.leave(task.WorkflowExecution.WorkflowId)
	}
	defer w.start(ctx)()
	l := &loop{session: s, track: &track{window: &window{}}, unit: s.smallTasks(queued), inflight: besideInflight, rate: besideRate}
	l.start(ctx)
	err := s.measureFor(ctx, measured, s.Duration)
	l.stop()
	queued.settle(ctx)
	queued.giveUp()
	return err
}

// smallTasks makes units that start a workflow of the next small tenant.
func (s *Session) smallTasks(queued *waits) unit {
	callers := s.callers(besideInflight, noop)
	var next atomic.Int64
	return func(ctx context.Context, by turn) error {
		c := callers[by.caller]
		c.start.Priority = &commonpb.Priority{FairnessKey: "small-" + strconv.FormatInt(next.Add(1)%smallTenants, 10)}
		id := c.id("small")
		queued.enter(id, by.due)
		_, err := c.begin(ctx, id)
		return err
	}
}

// waits times tasks from when they were due until a worker has them. It holds those that wait: besideRate of them for each second
// of a phase at most.
type waits struct {
	track *track
	mutex sync.Mutex
	due   map[string]time.Time // by workflow id
}

func (q *waits) enter(id string, due time.Time) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.due[id] = due
}

func (q *waits) leave(id string) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if due, waited := q.due[id]; waited {
		delete(q.due, id)
		q.track.addDue(due, time.Now())
	}
}

// settle returns when no task waits, or after a while.
func (q *waits) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for q.length() > 0 && pause(ctx, countInterval) == nil {
	}
}

func (q *waits) length() int {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return len(q.due)
}

// giveUp counts those that no worker has got yet with the time they have waited so far.
func (q *waits) giveUp() {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	for _, due := range q.due {
		q.track.missed(due, time.Now())
	}
}
