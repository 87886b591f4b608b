package execution

import (
	"cmp"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"perdure/server/deployment"
	"perdure/server/match"
	"perdure/server/versioning"
	"perdure/visibility/attr"
)

// Building ties a run to a build id of the older worker versioning (package versioning).
type Building struct {
	// Assigned is the build id that rules gave the run, or that it inherited; rules
	// may redirect it. As long as no task has completed each attempt gets it anew.
	Assigned string
	// Redirects counts how often rules have led the run to another build id.
	Redirects int64
	// Default is the build id that sets gave the run until a task has completed.
	Default string
	// Worker is that of the last completed task, or of the run whose set this one keeps.
	Worker Stamp
}

// Stamp is what a worker tells of itself by the older versioning.
type Stamp struct {
	BuildID       string
	UseVersioning bool
}

// versioned is the build id of a versioned worker; empty for others.
func (s Stamp) versioned() string {
	if !s.UseVersioning {
		return ""
	}
	return s.BuildID
}

// stampOf reads the API's form.
func stampOf(s *commonpb.WorkerVersionStamp) Stamp {
	return Stamp{BuildID: s.GetBuildId(), UseVersioning: s.GetUseVersioning()}
}

// Proto is the API's form; nil for a worker that tells nothing.
func (s Stamp) Proto() *commonpb.WorkerVersionStamp {
	if s == (Stamp{}) {
		return nil
	}
	return &commonpb.WorkerVersionStamp{BuildId: s.BuildID, UseVersioning: s.UseVersioning}
}

// versionedStamp is that of a versioned worker; nil without a build id.
func versionedStamp(build string) *commonpb.WorkerVersionStamp {
	return Stamp{BuildID: build, UseVersioning: build != ""}.Proto()
}

// buildID is the build id of the run, before redirects; empty: it is for workers
// without a version, or a deployment has it.
func (s *State) buildID() string {
	b := &s.Building
	switch {
	case b.Assigned != "":
		return b.Assigned
	case s.Versioning.Deployment != "":
		return ""
	case s.LastTaskCompletedID != 0, b.Worker != (Stamp{}):
		return b.Worker.versioned()
	}
	return b.Default
}

// unassigned tells whether nothing has given the run a build id and something may still do so.
func (s *State) unassigned() bool {
	return s.Building == (Building{}) && s.LastTaskCompletedID == 0
}

// assignBuild gives a run that has not completed a task a build id for the one that is being scheduled.
func (t *transition) assignBuild() {
	b := &t.s.Building
	started := t.s.StartedAttributes()
	if t.s.LastTaskCompletedID != 0 || started.GetInheritedBuildId() != "" || b.Worker != (Stamp{}) { //nolint:staticcheck // this is the older versioning
		return
	}
	build, byRule := t.env.Routes.Assigned(deployment.WorkflowQueue(started.GetTaskQueue().GetName()), t.s.Directive())
	assigned, byDefault := build, ""
	if !byRule {
		assigned, byDefault = "", build
	}
	t.visibility = t.visibility || b.Assigned != assigned
	b.Assigned, b.Default = assigned, byDefault
}

// land notes on which build id a worker starts something of the run. It tells
// whether rules know of it.
func (t *transition) land(worker match.Version) bool {
	build := worker.Older()
	if build != "" && t.s.unassigned() {
		t.assignBuild() // rules or sets came after the task was scheduled
	}
	b := &t.s.Building
	switch {
	case b.Assigned == build:
		return build != ""
	case b.Assigned == "" && t.s.buildID() != "": // a set's
		return false
	}
	b.Assigned, t.visibility, t.durable = build, true, true
	if build != "" {
		b.Redirects++
	}
	return build != ""
}

// applyBuild takes over what the start of a task or activity tells of rules.
func applyBuild(s *State, worker *commonpb.WorkerVersionStamp, redirects int64) {
	build := match.StampedBuild(worker)
	if build == "" {
		return
	}
	s.addKeywords(attr.BuildIDs, versioning.VersionedRun(build))
	if redirects >= s.Building.Redirects { // else the run has gone on meanwhile
		s.Building.Assigned, s.Building.Redirects = build, redirects
	}
}

// applyInheritedBuild takes over what event 1 tells of the build id.
func applyInheritedBuild(s *State, a *historypb.WorkflowExecutionStartedEventAttributes) {
	//nolint:staticcheck // this is the older versioning
	inherited, source := a.InheritedBuildId, a.SourceVersionStamp
	s.Building.Assigned, s.Building.Worker = inherited, stampOf(source)
	if build := cmp.Or(inherited, match.StampedBuild(source)); build != "" {
		s.addKeywords(attr.BuildIDs, versioning.VersionedRun(build))
	}
}

// assignActivity gives an attempt that does not go by the run's build id one of its own.
func (t *transition) assignActivity(a *Activity) {
	if a.usesRunsBuild() {
		return
	}
	q := deployment.Queue{Name: a.attributes().GetTaskQueue().GetName(), Type: enumspb.TASK_QUEUE_TYPE_ACTIVITY}
	a.BuildID, a.ByRule = t.env.Routes.Assigned(q, t.s.activityDirective(a))
}

// workerStamp tells of the worker of the last attempt; nil unless the older versioning knows it.
func (a *Activity) workerStamp() *commonpb.WorkerVersionStamp {
	if a.Worker.Deployment != "" {
		return nil
	}
	return versionedStamp(a.Worker.BuildID)
}

// unassigned tells whether nothing has given the attempt a build id yet.
func (a *Activity) unassigned() bool { return a.BuildID == "" && !a.usesRunsBuild() }

func (a *Activity) usesRunsBuild() bool {
	return a.Scheduled.GetActivityTaskScheduledEventAttributes().GetUseWorkflowBuildId() //nolint:staticcheck // this is the older versioning
}

// landActivity notes on which build id a worker starts an activity: rules that
// redirect one that goes by the run's build id redirect the run.
func (t *transition) landActivity(a *Activity, worker match.Version) {
	a.Redirects = 0
	if a.unassigned() && worker.Older() != "" {
		t.assignActivity(a) // rules or sets came after the attempt was scheduled
	}
	here := a.attributes().GetTaskQueue().GetName() == t.s.StartedAttributes().GetTaskQueue().GetName()
	if a.usesRunsBuild() && here && worker.Deployment == "" && t.land(worker) {
		a.Redirects = t.s.Building.Redirects
	}
}

// inheritedBuild is the build id, by rules or by its set, that another run gets of this one.
func (s *State) inheritedBuild() (assigned string, source *commonpb.WorkerVersionStamp) {
	if s.Building.Assigned != "" {
		return s.Building.Assigned, nil
	}
	return "", s.sourceStamp()
}

// sourceStamp makes the run that follows keep the set of this one; nil: it has none.
func (s *State) sourceStamp() *commonpb.WorkerVersionStamp {
	if s.Building.Assigned != "" || s.Versioning.Deployment != "" {
		return nil
	}
	return versionedStamp(s.Building.Worker.versioned())
}

// keepsQueue refuses to pass a build id that no rule gave on to another queue: it says nothing there.
func (t *transition) keepsQueue(inherit bool, queue string, cause enumspb.WorkflowTaskFailedCause, what string) error {
	own := t.s.StartedAttributes().GetTaskQueue().GetName()
	if !inherit || t.s.Building.Assigned != "" || queue == "" || queue == own {
		return nil
	}
	return fail(cause, "%s with UseCompatibleVersion cannot run on different task queue.", what)
}

// errOtherBuild refuses the answer of a worker that did not get the task.
func errOtherBuild(started, answered string) error {
	return serviceerror.NewNotFoundf("this workflow task was dispatched to Build ID %s, not %s", started, answered)
}

// buildValues are the values of the attribute BuildIds of a run that rules know of.
func (s *State) buildValues() []string {
	assigned := s.Building.Assigned
	values := append([]string{versioning.AssignedRun(assigned)}, s.keywords(attr.BuildIDs)...)
	if worked := versioning.VersionedRun(assigned); !slices.Contains(values, worked) {
		values = append(values, worked)
	}
	return values
}

func (s *State) describeBuild(info *workflowpb.WorkflowExecutionInfo) {
	//nolint:staticcheck // this is the older versioning
	info.AssignedBuildId, info.InheritedBuildId = s.Building.Assigned, s.StartedAttributes().GetInheritedBuildId()
	info.MostRecentWorkerVersionStamp = s.Building.Worker.Proto() //nolint:staticcheck // likewise
}

func (s *State) describeActivityBuild(a *Activity, info *workflowpb.PendingActivityInfo) {
	switch {
	case a.usesRunsBuild() && s.Building.Assigned != "":
		info.AssignedBuildId = &workflowpb.PendingActivityInfo_UseWorkflowBuildId{UseWorkflowBuildId: &emptypb.Empty{}}
	case a.ByRule:
		info.AssignedBuildId = &workflowpb.PendingActivityInfo_LastIndependentlyAssignedBuildId{LastIndependentlyAssignedBuildId: a.BuildID}
	}
}

func (b *Building) encode(e *encoder) {
	e.text(1, b.Assigned)
	e.int(2, b.Redirects)
	e.text(3, b.Default)
	e.text(4, b.Worker.BuildID)
	e.bool(5, b.Worker.UseVersioning)
}

func (b *Building) decode(field protowire.Number, value value) {
	switch field {
	case 1:
		b.Assigned = value.text()
	case 2:
		b.Redirects = value.int()
	case 3:
		b.Default = value.text()
	case 4:
		b.Worker.BuildID = value.text()
	case 5:
		b.Worker.UseVersioning = value.bool()
	}
}
