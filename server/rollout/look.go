package rollout

import (
	"context"
	"strings"
	"time"

	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/visibility/query"
)

const (
	// looksOften and looksSeldom bound the time between two rounds: a round that
	// finds nothing due costs a walk through memory.
	looksOften  = 100 * time.Millisecond
	looksSeldom = 10 * time.Second
)

// lookLoop looks at draining versions when they are due.
func (s *Service) lookLoop(ctx context.Context) {
	rules := s.config.Limits.Drainage
	pace := min(max(min(rules.Grace, rules.Interval)/10, looksOften), looksSeldom)
	timer := s.config.Clock.NewTimer(pace)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C():
		}
		s.lookRound(ctx)
		timer.Reset(pace)
	}
}

// due is a draining version to look at.
type due struct {
	namespaceID string
	version     match.Version
}

func (s *Service) lookRound(ctx context.Context) {
	for _, d := range s.dueLooks() {
		if err := s.look(ctx, d); err != nil && ctx.Err() == nil {
			s.config.Logger.WarnContext(ctx, "the runs pinned to a version could not be counted", "namespace_id", d.namespaceID, "version", d.version.String(), "error", err)
		}
	}
}

// dueLooks are the looks of the deployments that this node looks after.
func (s *Service) dueLooks() []due {
	now := s.config.Clock.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []due
	for namespaceID, sp := range s.spaces {
		for name, r := range sp.records {
			builds := r.state.DueLooks(now, s.config.Limits.Drainage)
			if len(builds) == 0 {
				continue
			}
			if _, ours := s.config.Leases.Lease(cluster.SlotOf(namespaceID, name)); !ours {
				continue
			}
			for _, build := range builds {
				all = append(all, due{namespaceID, match.Version{Deployment: name, BuildID: build}})
			}
		}
	}
	return all
}

// look counts the open runs that are pinned to a version.
func (s *Service) look(ctx context.Context, d due) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	q, err := query.Parse(openPinned(d.version))
	if err != nil {
		return err
	}
	if err := query.Check(q, nil); err != nil {
		return err
	}
	counted, err := s.config.Visibility.Count(ctx, d.namespaceID, q)
	if err != nil {
		return err
	}
	_, err = s.Do(ctx, d.namespaceID, d.version.Deployment, deployment.NoteLook{BuildID: d.version.BuildID, Open: counted.Total > 0})
	return err
}

// openPinned finds the open runs that are pinned to a version.
func openPinned(v match.Version) string {
	name := strings.ReplaceAll(v.String(), "'", "''")
	return "TemporalWorkerDeploymentVersion = '" + name + "' AND TemporalWorkflowVersioningBehavior = 'Pinned'" +
		" AND (ExecutionStatus = 'Running' OR ExecutionStatus = 'Paused')"
}
