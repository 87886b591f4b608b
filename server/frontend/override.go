package frontend

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/execution"
	"perdure/server/match"
)

// startOverride is the override of a start in its one form. The queue must be one of a pinned version's.
func (f *Frontend) startOverride(ctx context.Context, ns *cluster.Namespace, o *workflowpb.VersioningOverride, queue string) (*workflowpb.VersioningOverride, error) {
	override, err := canonicalOverride(o, true)
	version := execution.Overridden(override)
	if err != nil || version == (match.Version{}) {
		return override, err
	}
	member, err := f.isMember(ctx, ns, version, deployment.WorkflowQueue(queue))
	if err == nil && !member {
		err = execution.ErrNotMember(version, queue)
	}
	return override, err
}

// isMember tells whether a queue is one of a version's. The store knows it
// before this node does when another node has seen the first poll.
func (f *Frontend) isMember(ctx context.Context, ns *cluster.Namespace, v match.Version, q deployment.Queue) (bool, error) {
	if f.deployments.Table(ns.ID).Member(q, v) {
		return true, nil
	}
	s, err := f.deployments.Find(ctx, ns.ID, v.Deployment)
	if err != nil || s == nil {
		return false, err
	}
	return deployment.NewTable([]*deployment.State{s}).Member(q, v), nil
}

// canonicalOverride turns the forms that older clients send into the one that is
// kept, and refuses what makes no sense. With complete a pinned one names its version.
func canonicalOverride(o *workflowpb.VersioningOverride, complete bool) (*workflowpb.VersioningOverride, error) {
	if o == nil {
		return nil, nil
	}
	switch kind := o.GetOverride().(type) {
	case *workflowpb.VersioningOverride_Pinned:
		return o, checkPinned(kind.Pinned, complete)
	case *workflowpb.VersioningOverride_AutoUpgrade:
		if !kind.AutoUpgrade {
			return nil, apierr.InvalidArgument("auto-upgrade override must be true")
		}
		return o, nil
	case *workflowpb.VersioningOverride_OneTime:
		if kind.OneTime.GetTargetDeploymentVersion() == nil {
			return nil, apierr.InvalidArgument("must provide target deployment version if override is one-time.")
		}
		return o, checkVersionNames(match.VersionOf(kind.OneTime.GetTargetDeploymentVersion()))
	}
	return olderOverride(o)
}

func checkPinned(p *workflowpb.VersioningOverride_PinnedOverride, complete bool) error {
	switch {
	case p.GetVersion() == nil && complete:
		return apierr.InvalidArgument("must provide version if override is pinned.")
	case p.GetBehavior() == workflowpb.VersioningOverride_PINNED_OVERRIDE_BEHAVIOR_UNSPECIFIED:
		return apierr.InvalidArgument("must specify pinned override behavior if override is pinned.")
	case p.GetVersion() == nil:
		return nil
	}
	return checkVersionNames(match.VersionOf(p.GetVersion()))
}

// olderOverride reads the deprecated forms: a behavior, beside it the version.
//
//nolint:staticcheck // that is what older clients send
func olderOverride(o *workflowpb.VersioningOverride) (*workflowpb.VersioningOverride, error) {
	switch o.GetBehavior() {
	case enumspb.VERSIONING_BEHAVIOR_PINNED:
		version, err := olderVersion(o)
		if err != nil {
			return nil, err
		}
		return &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_Pinned{
			Pinned: &workflowpb.VersioningOverride_PinnedOverride{
				Behavior: workflowpb.VersioningOverride_PINNED_OVERRIDE_BEHAVIOR_PINNED, Version: version.Proto(),
			},
		}}, nil
	case enumspb.VERSIONING_BEHAVIOR_AUTO_UPGRADE:
		switch {
		case o.GetPinnedVersion() != "":
			return nil, apierr.InvalidArgument("only provide pinned version if behavior is 'PINNED'")
		case o.GetDeployment() != nil:
			return nil, apierr.InvalidArgument("only provide deployment if behavior is 'PINNED'")
		}
		return &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_AutoUpgrade{AutoUpgrade: true}}, nil
	}
	return nil, apierr.InvalidArgument("override behavior is required")
}

//nolint:staticcheck // see olderOverride
func olderVersion(o *workflowpb.VersioningOverride) (match.Version, error) {
	if d := o.GetDeployment(); d != nil {
		version := match.Version{Deployment: d.GetSeriesName(), BuildID: d.GetBuildId()}
		return version, checkVersionNames(version)
	}
	if o.GetPinnedVersion() == "" {
		return match.Version{}, apierr.InvalidArgument("must provide deployment (deprecated) or pinned version if behavior is 'PINNED'")
	}
	version, ok := match.ParseDotted(o.GetPinnedVersion())
	if !ok {
		return version, errNotDotted(o.GetPinnedVersion())
	}
	return version, checkVersionNames(version)
}
