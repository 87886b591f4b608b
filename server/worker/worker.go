package worker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/clock"
	"perdure/server/cluster"
	"perdure/server/metrics"
)

const (
	// pageRuns is how many runs are looked at and deleted at once: one
	// statement a table, short enough not to hold up the commits beside it.
	pageRuns = 500
	// restFactor keeps sweeps below half a percent of the time: a store that takes long to look through is looked through less often.
	restFactor = 200
	// firstWait lets a node that has just started serve first.
	firstWait = 30 * time.Second
)

// Namespaces are the namespaces with what their end takes.
type Namespaces interface {
	List(ctx context.Context) ([]*cluster.Namespace, error)
	Remove(ctx context.Context, n *cluster.Namespace) error
}

// Config is what a service needs. All but Clock and what belongs to Doctor must be set.
type Config struct {
	Namespaces   Namespaces
	Housekeeping cluster.Housekeeping
	Queues       cluster.QueueHousekeeping
	Deployments  cluster.DeploymentHousekeeping
	BuildIDs     cluster.BuildIDHousekeeping
	// SweepInterval is the least time between two looks for runs whose retention is over.
	SweepInterval time.Duration
	Audits        Audits
	// Doctor looks for runs in trouble, each DiagnosisInterval at so many a second; nil: nobody does.
	Doctor             cluster.Doctor
	DiagnosisInterval  time.Duration
	DiagnosisPerSecond int
	// Activity counts what runs have done: while it stays, a fleet without trouble is left alone.
	Activity func() int64
	Logger   *slog.Logger
	Metrics  *metrics.Registry
	Clock    clock.Clock // nil: the machine's
}

// Service does the chores of a node.
type Service struct {
	config Config
	kicked chan struct{}
	failed atomic.Int64 // chores that failed so far
	stop   context.CancelFunc
	done   chan struct{}
}

// New makes a service. Start begins its work.
func New(c Config) *Service {
	if c.Clock == nil {
		c.Clock = clock.Wall()
	}
	return &Service{config: c, kicked: make(chan struct{}, 1), done: make(chan struct{})}
}

// Start begins the work. It ends with Stop.
func (s *Service) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() {
		defer close(s.done)
		var chores sync.WaitGroup
		chores.Go(func() { s.run(ctx) })
		chores.Go(func() { s.runAudits(ctx) })
		chores.Go(func() { s.diagnose(ctx) })
		chores.Wait()
	}()
}

// Stop ends the work and waits until it has ended, or for ctx.
func (s *Service) Stop(ctx context.Context) error {
	s.stop()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kick has deleted namespaces looked at now.
func (s *Service) Kick() {
	select {
	case s.kicked <- struct{}{}:
	default: // one look is enough for all
	}
}

func (s *Service) run(ctx context.Context) {
	timer := s.config.Clock.NewTimer(firstWait)
	defer timer.Stop()
	nextSweep := s.config.Clock.Now().Add(firstWait)
	s.measureStart()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.kicked:
		case <-timer.C():
		}
		began := s.config.Clock.Now()
		due := !began.Before(nextSweep)
		failedBefore := s.failed.Load()
		nextLook := s.round(ctx, due)
		if now := s.config.Clock.Now(); due {
			rest := max(s.config.SweepInterval, restFactor*now.Sub(began))
			nextSweep = now.Add(rest)
			s.measureChore("retention", now, now.Sub(began), rest, s.failed.Load() == failedBefore && ctx.Err() == nil)
		}
		wake := nextSweep
		if !nextLook.IsZero() && nextLook.Before(wake) {
			wake = nextLook
		}
		timer.Reset(wake.Sub(s.config.Clock.Now()))
	}
}

// measureStart makes the age of the last success count from now on.
func (s *Service) measureStart() {
	labels := metrics.Chore{Chore: "retention"}
	metrics.ChorePeriod.In(s.config.Metrics, labels).Set(max(s.config.SweepInterval, firstWait).Seconds())
	metrics.ChoreLastSuccess.In(s.config.Metrics, labels).Set(float64(s.config.Clock.Now().UnixMilli()) / 1000)
}

// round looks at all namespaces. It returns when a deleted one wants another look; zero: never.
func (s *Service) round(ctx context.Context, sweep bool) (nextLook time.Time) {
	all, err := s.config.Namespaces.List(ctx)
	if err != nil {
		s.note(ctx, "list_namespaces", "", err)
		return s.config.Clock.Now().Add(firstWait)
	}
	for _, ns := range all {
		switch {
		case ctx.Err() != nil:
			return nextLook
		case ns.State == enumspb.NAMESPACE_STATE_DELETED && !ns.RemoveAfter.IsZero():
			if at := s.reclaim(ctx, ns); !at.IsZero() && (nextLook.IsZero() || at.Before(nextLook)) {
				nextLook = at
			}
		case sweep && ns.Retention > 0:
			s.sweep(ctx, ns)
		}
	}
	return nextLook
}

// sweep removes closed runs whose retention is over.
func (s *Service) sweep(ctx context.Context, ns *cluster.Namespace) {
	before := s.config.Clock.Now().Add(-ns.Retention)
	page := cluster.DeletedRuns{More: true}
	for page.More && ctx.Err() == nil {
		var err error
		if page, err = s.config.Housekeeping.DeleteClosed(ctx, ns, before, page.Next, pageRuns); err != nil {
			s.note(ctx, "retention", ns.Name, err)
			return
		}
	}
}

// reclaim removes what a deleted namespace has left, and at last its record. It
// returns when to look again; zero: nothing is left.
func (s *Service) reclaim(ctx context.Context, ns *cluster.Namespace) time.Time {
	left, page := 0, cluster.DeletedRuns{More: true}
	for page.More && ctx.Err() == nil {
		var err error
		if page, err = s.config.Housekeeping.DeleteRuns(ctx, ns, page.Next, pageRuns); err != nil {
			s.note(ctx, "delete_runs", ns.Name, err)
			return s.config.Clock.Now().Add(firstWait)
		}
		left += page.Seen
	}
	now := s.config.Clock.Now()
	switch {
	case ctx.Err() != nil:
		return time.Time{}
	case left > 0: // a run may have started another one meanwhile
		return now.Add(time.Second)
	case now.Before(ns.RemoveAfter):
		return ns.RemoveAfter
	}
	if err := s.config.Queues.DropQueues(ctx, ns.ID); err != nil {
		s.note(ctx, "drop_task_queues", ns.Name, err)
		return now.Add(firstWait)
	}
	if err := s.config.Deployments.DropDeployments(ctx, ns.ID); err != nil {
		s.note(ctx, "drop_deployments", ns.Name, err)
		return now.Add(firstWait)
	}
	if err := s.config.BuildIDs.DropBuildIDs(ctx, ns.ID); err != nil {
		s.note(ctx, "drop_build_ids", ns.Name, err)
		return now.Add(firstWait)
	}
	if err := s.config.Namespaces.Remove(ctx, ns); err != nil {
		s.note(ctx, "remove_namespace", ns.Name, err)
		return now.Add(firstWait)
	}
	s.config.Logger.InfoContext(ctx, "a deleted namespace is gone", "namespace", ns.Name, "namespace_id", ns.ID)
	return time.Time{}
}

// note tells of a chore that failed; it is tried again later.
func (s *Service) note(ctx context.Context, chore, namespace string, err error) {
	if ctx.Err() != nil {
		return
	}
	s.failed.Add(1)
	metrics.ChoresFailed.In(s.config.Metrics, metrics.Chore{Chore: chore}).Inc()
	s.config.Logger.WarnContext(ctx, "a chore failed and is tried again", "chore", chore, "namespace", namespace, "error", err)
}
