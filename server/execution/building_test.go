package execution

import (
	"strings"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"

	"perdure/server/deployment"
	"perdure/server/versioning"
)

// stepBuilds says what the queues q and other know of build ids from now on:
// new tasks go to that of assign, redirect=a/b sends those of a to b, and set=a,b is one
// set of compatible build ids, set2 a newer one.
func (r *rig) stepBuilds(a args) {
	data := &versioning.Data{}
	if a.has("assign") {
		data.Assignments = []versioning.Assignment{{BuildID: a["assign"], Percentage: 100}}
	}
	if from, to, found := strings.Cut(a["redirect"], "/"); found {
		data.Redirects = []versioning.Redirect{{Source: from, Target: to}}
	}
	for _, name := range []string{"set", "set2"} {
		if !a.has(name) {
			continue
		}
		set := versioning.Set{}
		for _, build := range strings.Split(a[name], ",") {
			set.Builds = append(set.Builds, versioning.Build{ID: build})
		}
		data.Sets = append(data.Sets, set)
	}
	r.build(data)
}

func (r *rig) build(data *versioning.Data) {
	table := r.routes
	if table == nil {
		table = deployment.NewTable(nil)
	}
	r.builds = deployment.Builds{"q": data, "other": data}
	r.routes = table.WithBuilds(r.builds)
}

// childStart is how the run's child begins, as far as its parent has to do with it.
func (r *rig) childStart(id string) *historypb.WorkflowExecutionStartedEventAttributes {
	for _, child := range r.s.Children.values() {
		if child.WorkflowID == id {
			a := child.Initiated.GetStartChildWorkflowExecutionInitiatedEventAttributes()
			started := &historypb.WorkflowExecutionStartedEventAttributes{TaskQueue: a.TaskQueue}
			r.s.ChildInheritance(r.routes, a).into(started)
			return started
		}
	}
	require.Fail(r.t, "no such child", id)
	return nil
}

// fork goes on with the run that a reset behind an event makes.
func (s *story) fork(behind int) string {
	r := s.rig
	d, err := Fork(Reset{
		RunID: "forked", RequestID: "reset", Reason: "why", BaseRunID: r.s.RunID,
		Prefix: r.history[:behind], Later: r.history[behind:],
	}, r.s, r.env())
	require.NoError(r.t, err)
	fork := newRig(r.t)
	fork.now, fork.limits, fork.routes, fork.builds = r.now, r.limits, r.routes, r.builds
	fork.adopt(d)
	s.rig = fork
	return fork.showDecision(d, nil)
}

// showBuilding is what clients see of the run's build id.
func (s *State) showBuilding() string {
	info := s.describeInfo()
	text := ""
	//nolint:staticcheck // this is the older versioning
	if info.AssignedBuildId != "" || info.MostRecentWorkerVersionStamp.GetUseVersioning() {
		text = "build: assigned " + info.AssignedBuildId + ", inherited " + info.InheritedBuildId +
			", last worker " + info.MostRecentWorkerVersionStamp.GetBuildId() + "\n"
		if value := info.SearchAttributes.GetIndexedFields()["BuildIds"]; value != nil {
			text += "  BuildIds=" + showMessage(value.ProtoReflect()) + "\n"
		}
	}
	return text
}

// stepBuilding changes what the queue knows of build ids.
func (w *walker) stepBuilding() {
	data := &versioning.Data{}
	switch w.pick(3) {
	case 0:
		data.Assignments = []versioning.Assignment{{BuildID: w.one("1.0", "2.0"), Percentage: float32(w.pick(3) * 50)}}
	case 1:
		data.Sets = []versioning.Set{{Builds: []versioning.Build{{ID: "s"}, {ID: w.one("s.1", "1.0")}}}}
	}
	if w.chance(2) {
		data.Redirects = []versioning.Redirect{{Source: w.one("", "1.0", "2.0"), Target: w.one("3.0", "4.0")}}
	}
	w.build(data)
	w.note("builds: %+v", *data)
}
