package execution

import (
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/versioning"
	"perdure/visibility/attr"
)

const (
	pinned      = enumspb.VERSIONING_BEHAVIOR_PINNED
	autoUpgrade = enumspb.VERSIONING_BEHAVIOR_AUTO_UPGRADE
)

// Versioning ties a run to versions of workers. What its override says comes before it.
type Versioning struct {
	// Behavior is what the worker of the last completed task said, or what the run inherited.
	Behavior enumspb.VersioningBehavior
	// Version completed the last task, or was inherited; zero without a behavior.
	Version match.Version
	// Deployment is the name that the worker of the last completed task gave.
	Deployment string

	// The rest is not in history: a run that a crash or a reset sets back goes on without.

	// Revision is that of the routing that the run last followed to a version.
	Revision int64
	// Moving is set while the run goes over to version To: from when a worker of
	// it has a task until it has completed one. No activity starts meanwhile.
	Moving bool
	To     match.Version
	// Notified is the version that the routing named, other than the pinned one,
	// when the last task was started; nil: the same.
	Notified *historypb.DeclinedTargetVersionUpgrade
}

// Overridden is the version that an override pins to; zero: it does not.
func Overridden(o *workflowpb.VersioningOverride) match.Version {
	if once := o.GetOneTime(); once != nil {
		return match.VersionOf(once.GetTargetDeploymentVersion())
	}
	return match.VersionOf(o.GetPinned().GetVersion())
}

// behavior is the effective one and, when that is pinned, the version.
func behavior(o *workflowpb.VersioningOverride, v *Versioning) (enumspb.VersioningBehavior, match.Version) {
	if version := Overridden(o); version != (match.Version{}) {
		return pinned, version
	}
	switch {
	case o.GetAutoUpgrade():
		return autoUpgrade, match.Version{}
	case v.Behavior == pinned:
		return pinned, v.Version
	}
	return v.Behavior, match.Version{}
}

// Behavior is how the run moves between versions, and the version that it is pinned to, if any.
func (s *State) Behavior() (enumspb.VersioningBehavior, match.Version) {
	return behavior(s.VersioningOverride, &s.Versioning)
}

// PinnedVersion is the only version whose workers get tasks of the run; zero: the routing decides.
func (s *State) PinnedVersion() match.Version {
	_, version := s.Behavior()
	return version
}

// Directive says which workers the run's workflow tasks and queries are for.
func (s *State) Directive() match.Directive {
	inherited := s.StartedAttributes().GetInheritedAutoUpgradeInfo().GetContinueAsNewInitialVersioningBehavior()
	return match.Directive{
		Pinned: s.PinnedVersion(), Key: s.WorkflowID, BuildID: s.buildID(), Unassigned: s.unassigned(),
		Ramping: s.LastTaskCompletedID == 0 && inherited == enumspb.CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_USE_RAMPING_VERSION,
	}
}

// activityDirective is Directive for activities: those of a queue that the
// version does not serve go where the routing of their queue says.
func (s *State) activityDirective(a *Activity) match.Directive {
	d := s.Directive()
	d.IfMember, d.Ramping = true, false
	if d.Unassigned = a.unassigned(); !a.usesRunsBuild() {
		d.BuildID = a.BuildID
	}
	return d
}

// target is the version that the run's workflow tasks go to, and the revision of the routing that says so.
func (t *transition) target() (match.Version, int64) {
	return t.env.Routes.Target(deployment.WorkflowQueue(t.s.StartedAttributes().GetTaskQueue().GetName()), t.s.Directive())
}

// mayStartHere tells whether a worker may get a task without asking its queue:
// it is of the version that the queue would choose.
func (t *transition) mayStartHere(worker match.Version) bool {
	version, _ := t.target()
	return version == worker && !t.s.Versioning.Moving
}

// move notes which version a task that is being started goes to.
func (t *transition) move(worker match.Version, task *WorkflowTask) {
	v := &t.s.Versioning
	v.Notified = nil
	version, revision := t.routed()
	if base, own := t.s.Behavior(); base == pinned {
		task.TargetChanged = t.s.VersioningOverride == nil && version != own && !t.s.declined(version, revision)
		if t.s.VersioningOverride == nil && version != own {
			v.Notified = &historypb.DeclinedTargetVersionUpgrade{DeploymentVersion: version.Proto(), RevisionNumber: revision}
		}
		return
	}
	if task.Kind != TaskSpeculative {
		t.goOver(worker)
	}
}

// routed is what the routing would say if the run were not pinned.
func (t *transition) routed() (match.Version, int64) {
	d := t.s.Directive()
	d.Pinned = match.Version{}
	return t.env.Routes.Target(deployment.WorkflowQueue(t.s.StartedAttributes().GetTaskQueue().GetName()), d)
}

// declined tells whether a former run has heard of the version and stayed where it was.
func (s *State) declined(v match.Version, revision int64) bool {
	d := s.StartedAttributes().GetDeclinedTargetVersionUpgrade()
	return d != nil && match.VersionOf(d.GetDeploymentVersion()) == v && revision <= d.GetRevisionNumber()
}

// goOver begins to move the run to the version of a worker, unless it is there.
func (t *transition) goOver(worker match.Version) {
	v := &t.s.Versioning
	if worker == v.Version {
		v.Moving, v.To = false, match.Version{}
		return
	}
	v.Moving, v.To = true, worker
	if version, revision := t.routed(); version == worker && revision > 0 {
		v.Revision = revision
	}
}

// applyVersion takes over what a completed task tells of its worker.
func applyVersion(s *State, a *historypb.WorkflowTaskCompletedEventAttributes) {
	v := &s.Versioning
	worker := match.VersionOf(a.DeploymentVersion)
	v.Behavior, v.Version, v.Deployment = a.VersioningBehavior, worker, a.WorkerDeploymentName
	if v.Behavior == enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED {
		v.Version = match.Version{}
	}
	if v.Moving && v.To == worker {
		v.Moving, v.To = false, match.Version{}
	}
	if once := s.VersioningOverride.GetOneTime(); once != nil && match.VersionOf(once.TargetDeploymentVersion) == worker {
		s.VersioningOverride = nil
	}
	if worker != (match.Version{}) {
		s.addKeywords("TemporalUsedWorkerDeploymentVersions", worker.String())
	}
}

// applyInherited takes over what event 1 tells of the run that came before.
func applyInherited(s *State, a *historypb.WorkflowExecutionStartedEventAttributes) {
	s.VersioningOverride = a.VersioningOverride
	if version := match.VersionOf(a.InheritedPinnedVersion); version != (match.Version{}) {
		s.Versioning = Versioning{Behavior: pinned, Version: version, Deployment: version.Deployment}
	}
	if info := a.InheritedAutoUpgradeInfo; info != nil {
		version := match.VersionOf(info.SourceDeploymentVersion)
		s.Versioning = Versioning{
			Behavior: autoUpgrade, Version: version, Deployment: version.Deployment, Revision: info.SourceDeploymentRevisionNumber,
		}
	}
}

// rerouting runs something that may pin the run elsewhere. If it does, offers
// that are out are worthless: the run's tasks are offered anew.
func (t *transition) rerouting(change func()) {
	oldBehavior, oldVersion := t.s.Behavior()
	change()
	if behavior, version := t.s.Behavior(); behavior == oldBehavior && version == oldVersion {
		return
	}
	t.visibility = true
	t.s.unstick()
	if task := t.s.Task; task != nil && task.StartedEventID == 0 {
		task.Stamp = t.stamp()
		if task.Sticky {
			t.leaveSticky(task)
		}
	}
	for _, id := range t.s.Activities.keys() {
		if t.s.Activities.get(id).StartedTime.IsZero() {
			t.s.Activities.edit(id).Stamp = t.stamp()
		}
	}
}

// shownOverride is the override as it will be once events that wait are in history.
func (s *State) shownOverride() *workflowpb.VersioningOverride {
	for _, e := range slices.Backward(s.Buffered) {
		if a := e.GetWorkflowExecutionOptionsUpdatedEventAttributes(); a != nil && (a.UnsetVersioningOverride || a.VersioningOverride != nil) {
			return a.VersioningOverride
		}
	}
	return s.VersioningOverride
}

// resolveOverride fills in the version that a pinned override leaves out, and
// checks that the run's queue has it.
func (t *transition) resolveOverride(o *workflowpb.VersioningOverride) (*workflowpb.VersioningOverride, error) {
	if o.GetPinned() != nil && o.GetPinned().GetVersion() == nil {
		behavior, version := behavior(t.s.shownOverride(), &t.s.Versioning)
		if behavior != pinned {
			return nil, serviceerror.NewFailedPreconditionf("must specify a specific pinned override version because workflow with id %s "+
				"has behavior %s and is not yet pinned to any version", t.s.WorkflowID, behavior)
		}
		o = proto.CloneOf(o)
		o.GetPinned().Version = version.Proto()
	}
	return o, t.checkMember(o)
}

// checkMember checks that the run's queue has the version that an override pins to.
func (t *transition) checkMember(o *workflowpb.VersioningOverride) error {
	version := Overridden(o)
	if queue := t.s.StartedAttributes().GetTaskQueue().GetName(); version != (match.Version{}) && !t.env.Routes.Member(deployment.WorkflowQueue(queue), version) {
		return ErrNotMember(version, queue)
	}
	return nil
}

// ErrNotMember tells that nobody of a version has polled a queue for workflow tasks.
func ErrNotMember(v match.Version, queue string) error {
	return serviceerror.NewFailedPreconditionf("Pinned version '%s:%s' is not present in task queue '%s' of type 'Workflow'", v.Deployment, v.BuildID, queue)
}

// versionAttributes are the search attributes that tell of versions, in own.
func (s *State) versionAttributes(own map[string]*commonpb.Payload) {
	keyword := func(name, text string) {
		own[name] = attr.Encode(text, enumspb.INDEXED_VALUE_TYPE_KEYWORD)
	}
	behavior, version := behavior(s.shownOverride(), &s.Versioning)
	if behavior != enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED {
		keyword("TemporalWorkflowVersioningBehavior", behavior.String())
	}
	if builds := s.shownBuilds(behavior, version); len(builds) > 0 || behavior != enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED {
		own[attr.BuildIDs] = attr.Encode(builds, enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST)
	}
	if behavior != pinned {
		version = s.Versioning.Version
		if s.Building.Assigned != "" {
			own["BuildIds"] = attr.Encode(s.buildValues(), enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST)
		}
	}
	if version != (match.Version{}) {
		keyword("TemporalWorkerDeploymentVersion", version.String())
	}
	if name := s.WorkerDeployment(); name != "" {
		keyword("TemporalWorkerDeployment", name)
	}
}

// overrideWasRemoved tells whether an override was taken back, be it by an event that still waits.
func (s *State) overrideWasRemoved() bool {
	override := s.VersioningOverride
	for _, e := range s.Buffered {
		a := e.GetWorkflowExecutionOptionsUpdatedEventAttributes()
		switch {
		case a.GetUnsetVersioningOverride() && override != nil:
			return true
		case a.GetVersioningOverride() != nil:
			override = a.VersioningOverride
		}
	}
	return s.OverrideRemoved
}

// shownBuilds are the builds of workers that worked on the run, with what changes with its behavior: where it is pinned
// to, or that it goes by no version. The latter is told of a run that never had one once a worker was there or an override
// was taken back.
func (s *State) shownBuilds(behavior enumspb.VersioningBehavior, version match.Version) []string {
	builds := s.keywords(attr.BuildIDs)
	if behavior == enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED {
		if s.overrideWasRemoved() && !slices.Contains(builds, versioning.UnversionedRun) {
			builds = append([]string{versioning.UnversionedRun}, builds...)
		}
		return builds
	}
	builds = slices.DeleteFunc(builds, func(build string) bool { return build == versioning.UnversionedRun })
	if behavior == pinned {
		builds = append([]string{"pinned:" + escape(version.Deployment) + ":" + escape(version.BuildID)}, builds...)
	}
	return builds
}

// escape keeps a colon in a name from being taken for a separator.
func escape(name string) string { return strings.ReplaceAll(name, ":", "|:") }

// WorkerDeployment is the deployment that has the run, as clients see it.
func (s *State) WorkerDeployment() string {
	if version := s.PinnedVersion(); version != (match.Version{}) {
		return version.Deployment
	}
	return s.Versioning.Deployment
}

// describeVersioning is nil for a run that has to do with no version.
func (s *State) describeVersioning() *workflowpb.WorkflowExecutionVersioningInfo {
	v := &s.Versioning
	override := describeOverride(s.shownOverride())
	if v.Behavior == enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED && override == nil && !v.Moving && v.Revision == 0 && !s.overrideWasRemoved() {
		return nil
	}
	info := &workflowpb.WorkflowExecutionVersioningInfo{
		Behavior: v.Behavior, DeploymentVersion: v.Version.Proto(), VersioningOverride: override, RevisionNumber: v.Revision,
		ContinueAsNewInitialVersioningBehavior: s.StartedAttributes().GetInheritedAutoUpgradeInfo().GetContinueAsNewInitialVersioningBehavior(),
	}
	if v.Version != (match.Version{}) {
		info.Version = v.Version.Dotted() //nolint:staticcheck // older clients read it
	}
	if v.Moving {
		info.VersionTransition = &workflowpb.DeploymentVersionTransition{Version: v.To.Dotted(), DeploymentVersion: v.To.Proto()}
	}
	return info
}

// describeOverride adds the deprecated fields that older clients read.
func describeOverride(o *workflowpb.VersioningOverride) *workflowpb.VersioningOverride {
	if o == nil {
		return nil
	}
	shown := proto.CloneOf(o)
	switch {
	case o.GetPinned() != nil:
		//nolint:staticcheck // older clients read them
		shown.Behavior, shown.PinnedVersion = pinned, match.VersionOf(o.GetPinned().GetVersion()).Dotted()
	case o.GetAutoUpgrade():
		shown.Behavior = autoUpgrade //nolint:staticcheck // likewise
	}
	return shown
}

func (v *Versioning) encode(e *encoder) {
	e.int(1, int64(v.Behavior))
	e.text(2, v.Version.Deployment)
	e.text(3, v.Version.BuildID)
	e.text(4, v.Deployment)
	e.int(5, v.Revision)
	e.bool(6, v.Moving)
	e.text(7, v.To.Deployment)
	e.text(8, v.To.BuildID)
	e.message(9, v.Notified)
}

func (v *Versioning) decode(field protowire.Number, value value) {
	switch field {
	case 1:
		v.Behavior = enumspb.VersioningBehavior(value.int())
	case 2:
		v.Version.Deployment = value.text()
	case 3:
		v.Version.BuildID = value.text()
	case 4:
		v.Deployment = value.text()
	case 5:
		v.Revision = value.int()
	case 6:
		v.Moving = value.bool()
	case 7:
		v.To.Deployment = value.text()
	case 8:
		v.To.BuildID = value.text()
	case 9:
		v.Notified = unmarshal(value, &historypb.DeclinedTargetVersionUpgrade{})
	}
}

// versioningFacts are what history tells of a run's versioning.
type versioningFacts struct {
	behavior   enumspb.VersioningBehavior
	version    match.Version
	deployment string
}

func (v Versioning) told() versioningFacts {
	return versioningFacts{v.Behavior, v.Version, v.Deployment}
}
