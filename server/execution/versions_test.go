package execution

import (
	"strings"

	"github.com/stretchr/testify/require"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/deployment"
	"perdure/server/match"
)

// shop is the version of a build in the stories; empty: none.
func shop(build string) match.Version {
	if build == "" || build == "none" {
		return match.Version{}
	}
	return match.Version{Deployment: "shop", BuildID: build}
}

// route changes the routing: builds 1 and 2 serve the queue of the stories,
// build 1 alone serves the queue "both", too.
func (r *rig) route(commands ...deployment.Command) {
	if r.shop == nil {
		activities := deployment.Queue{Name: "q", Type: enumspb.TASK_QUEUE_TYPE_ACTIVITY}
		commands = append([]deployment.Command{
			deployment.Register{BuildID: "1", Queue: deployment.WorkflowQueue("q")}, deployment.Register{BuildID: "2", Queue: deployment.WorkflowQueue("q")},
			deployment.Register{BuildID: "1", Queue: activities}, deployment.Register{BuildID: "2", Queue: activities},
			deployment.Register{BuildID: "1", Queue: deployment.WorkflowQueue("both")},
		}, commands...)
	}
	for _, c := range commands {
		d, err := deployment.Decide(r.shop, c, deployment.Env{
			Now: r.now, Name: "shop", Limits: deployment.Limits{Versions: 9, QueuesPerVersion: 9},
		})
		require.NoError(r.t, err)
		r.shop = d.State
	}
	r.routes = deployment.NewTable([]*deployment.State{r.shop}).WithBuilds(r.builds)
}

// target is the version whose worker gets an offer.
func (r *rig) target(o Offer) match.Version {
	q := deployment.WorkflowQueue(o.Queue)
	switch {
	case o.Sticky:
		q.Name = o.NormalQueue
	case !o.Workflow:
		q.Type = enumspb.TASK_QUEUE_TYPE_ACTIVITY
	}
	version, _ := r.routes.Target(q, o.Direct)
	return version
}

// setWorker says who completes a task: the worker that has it, unless the step says otherwise.
func (r *rig) setWorker(request *workflowservice.RespondWorkflowTaskCompletedRequest, a args) {
	worker := r.worker
	if a.has("as") {
		worker = shop(a["as"])
	}
	if a.has("as-build") {
		worker = match.Version{BuildID: a["as-build"]}
	}
	request.DeploymentOptions = optionsOf(worker.Deployed())
	if worker.Older() != "" {
		request.WorkerVersionStamp = versionedStamp(worker.Older())
	}
	request.VersioningBehavior = behaviorOf(a["behavior"])
}

func optionsOf(v match.Version) *deploymentpb.WorkerDeploymentOptions {
	if v == (match.Version{}) {
		return nil
	}
	return &deploymentpb.WorkerDeploymentOptions{
		DeploymentName: v.Deployment, BuildId: v.BuildID, WorkerVersioningMode: enumspb.WORKER_VERSIONING_MODE_VERSIONED,
	}
}

func behaviorOf(name string) enumspb.VersioningBehavior {
	switch name {
	case "pinned":
		return pinned
	case "auto":
		return autoUpgrade
	}
	return enumspb.VERSIONING_BEHAVIOR_UNSPECIFIED
}

// overrideOf reads "pinned/2", "pinned" without a version, "auto" and "once/2".
func overrideOf(text string) *workflowpb.VersioningOverride {
	kind, build, _ := strings.Cut(text, "/")
	switch kind {
	case "pinned":
		return &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_Pinned{Pinned: &workflowpb.VersioningOverride_PinnedOverride{
			Behavior: workflowpb.VersioningOverride_PINNED_OVERRIDE_BEHAVIOR_PINNED, Version: shop(build).Proto(),
		}}}
	case "auto":
		return &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_AutoUpgrade{AutoUpgrade: true}}
	case "once":
		return &workflowpb.VersioningOverride{Override: &workflowpb.VersioningOverride_OneTime{OneTime: &workflowpb.VersioningOverride_OneTimeOverride{
			TargetDeploymentVersion: shop(build).Proto(),
		}}}
	}
	return nil
}

func initialOf(name string) enumspb.ContinueAsNewVersioningBehavior {
	switch name {
	case "auto":
		return enumspb.CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_AUTO_UPGRADE
	case "ramping":
		return enumspb.CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_USE_RAMPING_VERSION
	}
	return enumspb.CONTINUE_AS_NEW_VERSIONING_BEHAVIOR_UNSPECIFIED
}

// showVersioning is what clients see of the run's versioning.
func (s *State) showVersioning() string {
	info := s.describeVersioning()
	if info == nil {
		return ""
	}
	text := "versioning:" + showFields(info.ProtoReflect())
	for _, name := range []string{"TemporalWorkflowVersioningBehavior", "TemporalWorkerDeploymentVersion", "TemporalUsedWorkerDeploymentVersions", "BuildIds"} {
		if value := s.ShownSearchAttributes().GetIndexedFields()[name]; value != nil {
			text += "\n  " + name + "=" + showMessage(value.ProtoReflect())
		}
	}
	return text + "\n"
}

// stepVersions changes the routing or pins the run by hand.
func (w *walker) stepVersions() {
	if w.shop == nil || w.chance(3) {
		build := w.one("", "1", "2")
		w.route(deployment.SetCurrent{BuildID: build})
		if other := w.one("1", "2"); other != w.shop.Routing.Current {
			w.route(deployment.SetRamping{BuildID: other, Percentage: float32(w.pick(3) * 50)})
		}
		w.note("routing: %+v", w.shop.Routing)
		return
	}
	o := overrideOf(w.one("", "pinned", "pinned/1", "pinned/2", "pinned/3", "auto", "once/1", "once/2"))
	_, err := w.do(UpdateOptions{Options: &workflowpb.WorkflowExecutionOptions{VersioningOverride: o}, Mask: []string{"versioning_override"}})
	w.note("override %v: %v", o, err)
}
