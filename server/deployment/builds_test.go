package deployment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/match"
	"perdure/server/versioning"
)

// assigning is a queue whose new runs get a build id.
func assigning(build string) *versioning.Data {
	return &versioning.Data{Assignments: []versioning.Assignment{{BuildID: build, Percentage: 100}}}
}

func TestTheOlderVersioningComesSecond(t *testing.T) {
	q := WorkflowQueue("q")
	env := Env{Name: "shop", Now: time.Unix(1, 0), Limits: Limits{Versions: 5, QueuesPerVersion: 5}}
	d, err := Decide(nil, Register{BuildID: "blue", Queue: q}, env)
	require.NoError(t, err)
	blue := match.Version{Deployment: "shop", BuildID: "blue"}
	built := match.Directive{Key: "w", BuildID: "1.0"}
	target := func(table *Table, d match.Directive) match.Version {
		version, _ := table.Target(q, d)
		return version
	}
	assigned := func(table *Table, name string) string {
		build, _ := table.Assigned(WorkflowQueue(name), match.Directive{Key: "w"})
		return build
	}

	data := assigning("1.0")
	data.Redirects = []versioning.Redirect{{Source: "1.0", Target: "1.1"}}
	table := NewTable([]*State{d.State}).WithBuilds(Builds{"q": data})
	require.Equal(t, "1.0", assigned(table, "q"))
	require.Empty(t, assigned(table, "other"))
	require.Equal(t, match.Version{BuildID: "1.1"}, target(table, built))
	require.Equal(t, match.Version{BuildID: "1.1"}, target(table, match.Directive{Key: "w", Unassigned: true}))
	require.Equal(t, match.Version{}, target(table, match.Directive{Key: "w"}))
	require.Equal(t, blue, target(table, match.Directive{Pinned: blue, BuildID: "1.0"}))
	require.True(t, table.Versions(activityQueue("q")))
	require.False(t, table.Versions(activityQueue("other")))

	d, err = Decide(d.State, SetCurrent{BuildID: "blue"}, env)
	require.NoError(t, err)
	table = NewTable([]*State{d.State}).WithBuilds(Builds{"q": data})
	require.Empty(t, assigned(table, "q"))
	require.Equal(t, blue, target(table, built))
	var nobody *Table
	require.Empty(t, assigned(nobody, "q"))
	require.Equal(t, match.Version{BuildID: "1.0"}, target(nobody, built), "a build that nobody has told of")
}

func TestChangesOfBuildsMoveTasks(t *testing.T) {
	same := assigning("1.0")
	old := NewTable(nil).WithBuilds(Builds{"a": same, "b": assigning("1.0"), "gone": same})
	table := NewTable(nil).WithBuilds(Builds{"a": same, "b": assigning("2.0"), "c": same})
	both := func(name string) []Queue { return []Queue{WorkflowQueue(name), activityQueue(name)} }
	var want []Queue
	for _, name := range []string{"b", "c", "gone"} {
		want = append(want, both(name)...)
	}
	require.Equal(t, want, table.Rerouted(old))
	require.Empty(t, table.Rerouted(table))
	require.Equal(t, append(append(both("a"), both("b")...), both("c")...), table.Rerouted(nil))
}

func TestLookingUpBuildsAllocatesNothing(t *testing.T) {
	table := NewTable(nil).WithBuilds(Builds{"q": assigning("1.0")})
	for _, name := range []string{"q", "other"} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			table.Target(WorkflowQueue(name), match.Directive{Key: "w"})
			table.Assigned(WorkflowQueue(name), match.Directive{Key: "w"})
		}), name)
	}
}
