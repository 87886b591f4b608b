package rollout

import (
	"context"
	"errors"
	"fmt"
	"sync"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/store"
)

// changeTriesMax bounds how often a change is decided anew since another node was faster.
const changeTriesMax = 5

// Do implements cluster.Deployments.
func (s *Service) Do(ctx context.Context, namespaceID, name string, c deployment.Command) (deployment.Decision, error) {
	lock, _ := s.changing.LoadOrStore(namespaceID, &sync.Mutex{})
	lock.(*sync.Mutex).Lock()
	defer lock.(*sync.Mutex).Unlock()
	for range changeTriesMax {
		d, err := s.try(ctx, namespaceID, name, c)
		// A change of unknown outcome is decided again on what is found: every
		// command finds its own work done.
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnknownOutcome) {
			return d, err
		}
	}
	return deployment.Decision{}, apierr.Unavailable("worker deployment %s is being changed by others, please retry", name)
}

func (s *Service) try(ctx context.Context, namespaceID, name string, c deployment.Command) (deployment.Decision, error) {
	old, err := s.readOne(ctx, namespaceID, name)
	if err != nil {
		return deployment.Decision{}, err
	}
	limits := s.config.Limits.Deployment
	d, err := deployment.Decide(old.state, c, deployment.Env{
		Now: s.config.Clock.Now().UTC(), Name: name, Limits: limits,
		Facts: s.facts(namespaceID, old.state, deployment.Questions(old.state, c, limits)),
	})
	if err != nil {
		return deployment.Decision{}, err
	}
	if !d.Changed {
		if s.known(namespaceID, name).version != old.version {
			s.changed(namespaceID, name, d.State, old.version) // another node made it, or a write whose answer was lost
		}
		return d, nil
	}
	if old.state == nil {
		if err := s.checkCount(ctx, namespaceID); err != nil {
			return deployment.Decision{}, err
		}
	}
	if err := s.write(ctx, namespaceID, name, d.State, old.version+1); err != nil {
		return deployment.Decision{}, err
	}
	s.changed(namespaceID, name, d.State, old.version+1)
	return d, nil
}

func (s *Service) readOne(ctx context.Context, namespaceID, name string) (record, error) {
	m, err := s.config.Store.Meta(ctx, kindOf(namespaceID), name)
	if errors.Is(err, store.ErrNotFound) {
		return record{}, nil
	}
	if err != nil {
		return record{}, apierr.Unavailable("worker deployment %s could not be read: %v", name, err)
	}
	state, err := decode(m)
	return record{state: state, version: m.Version}, err
}

func (s *Service) write(ctx context.Context, namespaceID, name string, state *deployment.State, version int64) error {
	m := store.Meta{Kind: kindOf(namespaceID), Key: name, Version: version}
	if state != nil {
		var err error
		if m.Data, err = state.Encode(); err != nil {
			return fmt.Errorf("encode worker deployment: %w", err)
		}
	}
	return s.config.Store.PutMeta(ctx, m)
}

// checkCount refuses one deployment too many.
func (s *Service) checkCount(ctx context.Context, namespaceID string) error {
	all, err := s.List(ctx, namespaceID)
	if err != nil {
		return err
	}
	if most := s.config.Limits.Deployments; len(all) >= most {
		return &serviceerror.ResourceExhausted{
			Cause: enumspb.RESOURCE_EXHAUSTED_CAUSE_WORKER_DEPLOYMENT_LIMITS, Scope: enumspb.RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
			Message: fmt.Sprintf("reached maximum deployments in namespace (%d)", most),
		}
	}
	return nil
}

// facts answers what a decision wants to know.
func (s *Service) facts(namespaceID string, state *deployment.State, ask deployment.Ask) deployment.Facts {
	f := deployment.Facts{Polled: make(map[string]bool), Active: make(map[deployment.Queue]bool)}
	for _, build := range ask.Polled {
		f.Polled[build] = s.polled(namespaceID, state, build)
	}
	table := s.Table(namespaceID)
	for _, q := range ask.Active {
		// A queue that another deployment has taken over is not missed here.
		ours := table.Routing(q).Current == match.Version{Deployment: state.Name, BuildID: state.Routing.Current}
		f.Active[q] = ours && s.queues.Busy(queueOf(namespaceID, q))
	}
	return f
}

func (s *Service) polled(namespaceID string, state *deployment.State, build string) bool {
	v := state.Version(build)
	if v == nil {
		return false
	}
	for _, q := range v.Queues {
		if s.queues.Polled(queueOf(namespaceID, q), match.Version{Deployment: state.Name, BuildID: build}) {
			return true
		}
	}
	return false
}

func queueOf(namespaceID string, q deployment.Queue) cluster.TaskQueue {
	return cluster.TaskQueue{NamespaceID: namespaceID, Name: q.Name, Type: q.Type, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
}

// DropDeployments implements cluster.DeploymentHousekeeping.
func (s *Service) DropDeployments(ctx context.Context, namespaceID string) error {
	records, err := s.config.Store.ListMeta(ctx, kindOf(namespaceID))
	if err != nil {
		return fmt.Errorf("list worker deployments: %w", err)
	}
	for _, m := range records {
		if err := s.write(ctx, namespaceID, m.Key, nil, m.Version+1); err != nil {
			return fmt.Errorf("drop a worker deployment: %w", err)
		}
		s.changed(namespaceID, m.Key, nil, m.Version+1)
	}
	return nil
}
