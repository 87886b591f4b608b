package execution

import (
	commandpb "go.temporal.io/api/command/v1"
	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"perdure/server/deployment"
	"perdure/server/match"
)

// Inheritance is what a new run gets of the versioning of the run it comes from.
type Inheritance struct {
	Override    *workflowpb.VersioningOverride
	Pinned      match.Version // zero: not pinned
	AutoUpgrade *deploymentpb.InheritedAutoUpgradeInfo
	// BuildID is inherited by the rules of the older versioning, Source by its sets; nil: it is not.
	BuildID string
	Source  *commonpb.WorkerVersionStamp
}

// inheritedOverride is the override that a following run or a child on a queue
// keeps: one that pins to a version which serves the queue.
func (s *State) inheritedOverride(routes *deployment.Table, queue string) *workflowpb.VersioningOverride {
	o := s.VersioningOverride
	if o.GetPinned() == nil || !routes.Member(deployment.WorkflowQueue(queue), Overridden(o)) {
		return nil
	}
	return o
}

// lasting is the behavior without an override that is for one task only.
func (s *State) lasting() (enumspb.VersioningBehavior, match.Version) {
	if s.VersioningOverride.GetOneTime() != nil {
		return behavior(nil, &s.Versioning)
	}
	return s.Behavior()
}

// inheritedBase is what a run on a queue inherits besides an override: the
// version that the run is pinned to, or the one it has come to by upgrades.
func (s *State) inheritedBase(routes *deployment.Table, queue string) Inheritance {
	how, version := s.lasting()
	member := func(v match.Version) bool { return routes.Member(deployment.WorkflowQueue(queue), v) }
	switch {
	case how == pinned && member(version):
		return Inheritance{Pinned: version}
	case how == autoUpgrade && s.Versioning.Revision > 0 && member(s.Versioning.Version):
		return Inheritance{AutoUpgrade: s.upgradeInfo(0)}
	}
	return Inheritance{}
}

func (s *State) upgradeInfo(initial enumspb.ContinueAsNewVersioningBehavior) *deploymentpb.InheritedAutoUpgradeInfo {
	return &deploymentpb.InheritedAutoUpgradeInfo{
		SourceDeploymentVersion: s.Versioning.Version.Proto(), SourceDeploymentRevisionNumber: s.Versioning.Revision,
		ContinueAsNewInitialVersioningBehavior: initial,
	}
}

// ChildInheritance is what a child gets of the run's versioning. An override of
// the child's own comes instead.
func (s *State) ChildInheritance(routes *deployment.Table, child *historypb.StartChildWorkflowExecutionInitiatedEventAttributes) Inheritance {
	if own := child.VersioningOverride; own != nil {
		return Inheritance{Override: own}
	}
	queue := child.TaskQueue.GetName()
	inherited := s.inheritedBase(routes, queue)
	inherited.Override = s.inheritedOverride(routes, queue)
	if child.InheritBuildId { //nolint:staticcheck // this is the older versioning
		inherited.BuildID, inherited.Source = s.inheritedBuild()
	}
	return inherited
}

// into writes what is inherited to the event that starts the run.
func (i Inheritance) into(started *historypb.WorkflowExecutionStartedEventAttributes) {
	if i.Override != nil {
		started.VersioningOverride = i.Override
	}
	started.InheritedPinnedVersion, started.InheritedAutoUpgradeInfo = i.Pinned.Proto(), i.AutoUpgrade
	started.InheritedBuildId, started.SourceVersionStamp = i.BuildID, i.Source //nolint:staticcheck // this is the older versioning
}

// inheritContinued gives the run that continues this one what it inherits. Asked
// for an initial behavior, it starts as one that upgrades.
func (t *transition) inheritContinued(next *historypb.WorkflowExecutionStartedEventAttributes, a *commandpb.ContinueAsNewWorkflowExecutionCommandAttributes) {
	initial := a.InitialVersioningBehavior
	queue := next.TaskQueue.GetName()
	inherited := t.s.inheritedBase(t.env.Routes, queue)
	switch {
	case initial == enumspb.CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_UNSPECIFIED:
		if inherited.Pinned != (match.Version{}) {
			next.DeclinedTargetVersionUpgrade = t.s.Versioning.Notified
		}
	case t.s.Versioning.Revision > 0 && t.env.Routes.Member(deployment.WorkflowQueue(queue), t.s.Versioning.Version):
		inherited = Inheritance{AutoUpgrade: t.s.upgradeInfo(initial)}
	default:
		inherited = Inheritance{}
	}
	inherited.Override = t.s.inheritedOverride(t.env.Routes, queue)
	if a.InheritBuildId { //nolint:staticcheck // this is the older versioning
		inherited.BuildID, inherited.Source = t.s.inheritedBuild()
	}
	inherited.into(next)
}

// inheritRetried gives the next attempt of this run what the run had inherited
// itself, as far as it still goes by it.
func (t *transition) inheritRetried(next *historypb.WorkflowExecutionStartedEventAttributes) {
	old := t.s.StartedAttributes()
	queue := next.TaskQueue.GetName()
	inherited := t.s.inheritedBase(t.env.Routes, queue)
	if old.InheritedPinnedVersion == nil {
		inherited.Pinned = match.Version{}
	} else if inherited.Pinned != (match.Version{}) {
		next.DeclinedTargetVersionUpgrade = t.s.Versioning.Notified
	}
	if old.InheritedAutoUpgradeInfo == nil {
		inherited.AutoUpgrade = nil
	} else if inherited.AutoUpgrade != nil {
		inherited.AutoUpgrade.ContinueAsNewInitialVersioningBehavior = old.InheritedAutoUpgradeInfo.ContinueAsNewInitialVersioningBehavior
	}
	inherited.Override = t.s.inheritedOverride(t.env.Routes, queue)
	inherited.BuildID, inherited.Source = old.InheritedBuildId, t.s.sourceStamp() //nolint:staticcheck // this is the older versioning
	inherited.into(next)
}
