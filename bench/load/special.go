package load

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

var specialScenarios = []Scenario{
	{
		Name: "freshness", About: "starts and ends of workflows, until a search finds each; no-op workflows beside them at --rate", Unit: "change",
		Inflight: inflightDefault, Count: 1, play: playFreshness,
	},
	{
		Name: "open-idle", About: "that many workflows are started and stay open; then no-op workflows beside them", Unit: "open workflow",
		Inflight: inflightDefault, Count: 100_000, play: playOpenIdle,
	},
	{
		Name: "backlog", About: "that many workflows are started while no worker is there; then their tasks are drained", Unit: "task",
		Inflight: inflightDefault, Count: 1_000_000, play: playBacklog,
	},
	{
		Name: "hot-queue", About: "no-op workflows on one queue, while others are run one by one on that many other queues", Unit: "workflow",
		Inflight: inflightDefault, Count: 10_000, play: playHotQueue,
	},
	{
		Name: "hot-workflow", About: "signals to one workflow at a fixed rate, while no-op workflows are run", Unit: "signal",
		Inflight: 256, Rate: 5_000, play: playHotWorkflow,
	},
	{
		Name: "fairness", About: "one tenant has that many tasks queued; how long the few tasks of 50 others wait", Unit: "task",
		Inflight: 16, Count: 1_000_000, play: playFairness,
	},
}

const (
	// besideInflight is how many callers make the load whose latency another load may harm.
	besideInflight = 16
	// besideRate is how many units of it are due a second: little, so that its latency is all that can suffer.
	besideRate = 50
	// progressInterval is the time between two lines that tell how a count gets on.
	progressInterval = 10 * time.Second
	// drainPollers is how many polls drain a backlog: those of a fleet that was down.
	drainPollers = 128
	// countInterval is the time between two looks at a count.
	countInterval = 5 * time.Millisecond
)

// awaitCount waits until counter has reached total or the session is beyond hope.
func (s *Session) awaitCount(ctx context.Context, what string, counter *atomic.Int64, total int64) error {
	told := time.Now()
	for counter.Load() < total {
		if err := pause(ctx, countInterval); err != nil {
			return fmt.Errorf("%s: %d of %d: %w", what, counter.Load(), total, err)
		}
		if !s.healthy() {
			return fmt.Errorf("%s: %d of %d", what, counter.Load(), total)
		}
		if time.Since(told) > progressInterval {
			told = time.Now()
			s.Tell("%s: %d of %d", what, counter.Load(), total)
		}
	}
	return nil
}

// enqueue makes as many units as the session is about, and returns how many succeeded.
func (s *Session) enqueue(ctx context.Context, t *track, u unit, inflight int) (int64, error) {
	l := &loop{session: s, track: t, unit: u, inflight: inflight, limit: int64(s.Count)}
	err := s.measure(ctx, t, func(ctx context.Context) error {
		l.start(ctx)
		err := s.awaitCount(ctx, t.name, &l.taken, l.limit)
		l.wait()
		return err
	})
	return l.succeed.Load(), err
}

// playOpenIdle measures from the first start until every workflow has its first task behind it.
func playOpenIdle(s *Session, ctx context.Context) error {
	var settled atomic.Int64
	w := s.newWorker(s.queue, open, noop)
	w.completed = func() { settled.Add(1) }
	defer w.start(ctx)()
	l := &loop{session: s, track: s.main, unit: s.starts("idle", s.Inflight, open, ""), inflight: s.Inflight, limit: int64(s.Count)}
	err := s.measure(ctx, s.main, func(ctx context.Context) error {
		l.start(ctx).wait()
		return s.awaitCount(ctx, "first tasks done", &settled, l.succeed.Load())
	})
	if err != nil {
		return err
	}
	return s.others(ctx, s.part("no-op workflows beside them"), s.Duration)
}

// others runs no-op workflows at a low fixed rate for a time.
func (s *Session) others(ctx context.Context, t *track, duration time.Duration) error {
	defer s.startOthers(ctx, t).stop()
	return s.measureFor(ctx, t, duration)
}

func (s *Session) startOthers(ctx context.Context, t *track) *loop {
	l := &loop{session: s, track: t, unit: s.workflows("other", besideInflight, noop), inflight: besideInflight, rate: besideRate}
	return l.start(ctx)
}

// playBacklog measures the drain; a unit's latency is that of its poll.
func playBacklog(s *Session, ctx context.Context) error {
	started, err := s.enqueue(ctx, s.part("enqueue"), s.starts("task", s.Inflight, noop, ""), s.Inflight)
	if err != nil {
		return err
	}
	var drained atomic.Int64
	w := s.newWorker(s.queue, noop)
	w.pollers = max(w.pollers, drainPollers)
	w.completed = func() {
		drained.Add(1)
		s.main.done.Add(1)
	}
	return s.measure(ctx, s.main, func(ctx context.Context) error {
		defer w.start(ctx)()
		return s.awaitCount(ctx, "drained", &drained, started)
	})
}

// playHotWorkflow measures others alone first, then signals and others at the same time.
func playHotWorkflow(s *Session, ctx context.Context) error {
	before, meanwhile := s.part("others before"), s.beside("others meanwhile")
	defer s.newWorker(s.queue, open, noop).start(ctx)()
	if err := s.others(ctx, before, s.Duration); err != nil {
		return err
	}
	others := s.startOthers(ctx, meanwhile)
	defer others.stop()
	return s.steadily(ctx, s.signals(s.Inflight, hotSignalsPerRun))
}

// playHotQueue measures the cold queues alone first, then the hot one and the cold ones at the same time.
func playHotQueue(s *Session, ctx context.Context) error {
	inflight := min(besideInflight, s.Count)
	cold := s.coldQueues(inflight)
	if _, err := s.enqueue(ctx, s.part("first use of each cold queue"), cold, inflight); err != nil {
		return err
	}
	alone := &loop{session: s, track: s.part("cold queues before"), unit: cold, inflight: inflight, rate: besideRate}
	alone.start(ctx)
	err := s.measureFor(ctx, alone.track, s.Duration)
	alone.stop()
	if err != nil {
		return err
	}
	meanwhile := &loop{session: s, track: s.beside("cold queues meanwhile"), unit: cold, inflight: inflight, rate: besideRate}
	defer meanwhile.start(ctx).stop()
	defer s.newWorker(s.queue, noop).start(ctx)()
	return s.steadily(ctx, s.workflows("run", s.Inflight, noop))
}

// coldQueues makes units that use the next queue in turn: start a workflow there, poll for its task, complete it and wait for the result.
// No poll waits on a queue that has nothing, so any number of queues needs no more polls than callers.
func (s *Session) coldQueues(inflight int) unit {
	callers := s.callers(inflight, noop)
	var next atomic.Int64
	return func(ctx context.Context, by turn) error {
		c := callers[by.caller]
		c.start.TaskQueue = queueNamed(s.prefix + "cold-" + strconv.FormatInt(next.Add(1)%int64(s.Count), 10))
		run, err := c.begin(ctx, c.id("cold"))
		if err != nil {
			return err
		}
		w := s.newWorker(c.start.TaskQueue, noop)
		if err := once(ctx, w.workflowTasks(c.number, w.queue)); err != nil {
			return err
		}
		return c.finish(ctx, run)
	}
}
