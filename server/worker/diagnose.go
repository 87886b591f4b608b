package worker

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/cluster"
	"perdure/server/diagnosis"
	"perdure/server/metrics"
)

// restingRounds is how many looks without a run that waits it takes, with nothing
// done between, until the fleet is left alone: what had just begun to wait at the
// first is seen at the second.
const restingRounds = 2

// diagnoser looks at the fleet again and again. Only its goroutine uses it.
type diagnoser struct {
	*Service
	shown    map[metrics.Troubled]struct{} // series of the last round
	activity int64                         // of the runs, at the last round
	resting  int                           // rounds in a row without a run that waits
}

// diagnose counts runs in trouble by cause, until ctx ends.
func (s *Service) diagnose(ctx context.Context) {
	if s.config.Doctor == nil {
		return
	}
	d := &diagnoser{Service: s}
	labels := metrics.Chore{Chore: "diagnosis"}
	metrics.ChorePeriod.In(s.config.Metrics, labels).Set(max(s.config.DiagnosisInterval, firstWait).Seconds())
	metrics.ChoreLastSuccess.In(s.config.Metrics, labels).Set(float64(s.config.Clock.Now().UnixMilli()) / 1000)
	timer := s.config.Clock.NewTimer(firstWait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C():
		}
		began := s.config.Clock.Now()
		whole := d.round(ctx)
		took := s.config.Clock.Now().Sub(began)
		s.measureChore("diagnosis", began.Add(took), took, s.config.DiagnosisInterval, whole)
		timer.Reset(s.config.DiagnosisInterval)
	}
}

// round looks at all namespaces. It tells whether all could be looked at.
func (d *diagnoser) round(ctx context.Context) (whole bool) {
	activity := d.config.Activity()
	if activity == d.activity && d.resting >= restingRounds {
		return true
	}
	all, err := d.config.Namespaces.List(ctx)
	if err != nil {
		d.note(ctx, "list_namespaces", "", err)
		return false
	}
	counts, candidates := map[metrics.Troubled]int{}, int64(0)
	whole = true
	for _, ns := range all {
		if ns.State == enumspb.NAMESPACE_STATE_DELETED {
			continue
		}
		found, err := d.config.Doctor.Fleet(ctx, ns, cluster.FleetRequest{PerSecond: d.config.DiagnosisPerSecond})
		if err != nil {
			d.note(ctx, "diagnosis", ns.Name, err)
			whole = false
			continue
		}
		candidates += found.Candidates
		d.count(counts, found)
	}
	d.show(counts)
	if d.resting++; candidates > 0 || !whole || activity != d.activity {
		d.resting = 0
	}
	d.activity = activity
	return whole && ctx.Err() == nil
}

func (d *diagnoser) count(counts map[metrics.Troubled]int, found *diagnosis.Fleet) {
	for _, g := range found.Groups {
		counts[metrics.Troubled{Namespace: found.Namespace, Cause: string(g.Code), Class: g.Class.Word()}] += g.Runs
	}
}

// show sets the gauges and forgets those of causes that nothing has any more.
func (d *diagnoser) show(counts map[metrics.Troubled]int) {
	for labels := range d.shown {
		if counts[labels] == 0 {
			metrics.TroubledRuns.Forget(d.config.Metrics, labels)
		}
	}
	d.shown = map[metrics.Troubled]struct{}{}
	for labels, runs := range counts {
		d.shown[labels] = struct{}{}
		metrics.TroubledRuns.In(d.config.Metrics, labels).Set(float64(runs))
	}
}

// measureChore tells of one round of a chore.
func (s *Service) measureChore(chore string, now time.Time, took, rest time.Duration, whole bool) {
	labels := metrics.Chore{Chore: chore}
	metrics.ChoreDuration.In(s.config.Metrics, labels).Seconds(took)
	metrics.ChorePeriod.In(s.config.Metrics, labels).Set((took + rest).Seconds())
	if whole {
		metrics.ChoreLastSuccess.In(s.config.Metrics, labels).Set(float64(now.UnixMilli()) / 1000)
	}
}
