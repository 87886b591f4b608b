package deployment

import (
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/match"
	"perdure/server/versioning"
)

// Table is how the task queues of a namespace are divided among versions. It
// is never changed; a nil table has no versions.
type Table struct {
	routes map[Queue]*route
	builds Builds
}

// Builds is what the older versioning knows of task queues, by their names: of
// all types alike. It is never changed.
type Builds map[string]*versioning.Data

// WithBuilds is the table with what the older versioning knows.
func (t *Table) WithBuilds(b Builds) *Table { return &Table{routes: t.routes, builds: b} }

type route struct {
	routing match.Routing
	members map[match.Version]struct{}
	ramped  time.Time // when the ramp that counts was set
	current time.Time // when the current version that counts was set
	unset   time.Time // when a deployment last left the queue to workers without a version
}

// NewTable makes the table of a namespace's deployments. Where several have set
// a version for a queue, the last one counts.
func NewTable(deployments []*State) *Table {
	t := &Table{routes: make(map[Queue]*route)}
	ordered := slices.SortedFunc(slices.Values(deployments), func(a, b *State) int { return strings.Compare(a.Name, b.Name) })
	for _, s := range ordered {
		for _, v := range s.Versions {
			for _, q := range v.Queues {
				t.route(q).members[s.Named(v.BuildID)] = struct{}{}
			}
		}
	}
	for _, s := range ordered {
		t.addCurrent(s)
		t.addRamp(s)
	}
	for _, r := range t.routes {
		r.routing.UpdatedAt = later(r.current, r.ramped)
		if r.current.IsZero() {
			r.routing.UpdatedAt = later(r.unset, r.ramped)
		}
	}
	return t
}

func (t *Table) route(q Queue) *route {
	r := t.routes[q]
	if r == nil {
		r = &route{members: make(map[match.Version]struct{})}
		t.routes[q] = r
	}
	return r
}

// addCurrent takes over the current version of a deployment for its queues.
func (t *Table) addCurrent(s *State) {
	current := s.version(s.Routing.Current)
	if current == nil {
		for _, v := range s.Versions {
			for _, q := range v.Queues {
				r := t.routes[q]
				r.unset = later(r.unset, s.Routing.CurrentChanged)
			}
		}
		return
	}
	for _, q := range current.Queues {
		r := t.routes[q]
		if r.current.IsZero() || s.Routing.CurrentChanged.After(r.current) {
			r.current = s.Routing.CurrentChanged
			r.routing.Current, r.routing.CurrentRevision = s.Named(current.BuildID), s.Routing.Revision
		}
	}
}

// addRamp takes over the ramp of a deployment. One to workers without a version
// is for the queues of the current version.
func (t *Table) addRamp(s *State) {
	if !s.Routing.HasRamp {
		return
	}
	ramped := s.version(s.Routing.Ramping)
	if s.Routing.Ramping == "" {
		ramped = s.version(s.Routing.Current)
	}
	if ramped == nil {
		return
	}
	for _, q := range ramped.Queues {
		r := t.routes[q]
		if r.ramped.IsZero() || s.Routing.PercentageChanged.After(r.ramped) {
			r.ramped = s.Routing.PercentageChanged
			r.routing.HasRamp, r.routing.Percentage = true, s.Routing.Percentage
			r.routing.Ramping, r.routing.RampingRevision = s.Named(s.Routing.Ramping), s.Routing.Revision
		}
	}
}

// Routing is how tasks of a queue are divided that are not pinned.
func (t *Table) Routing(q Queue) match.Routing {
	if r := t.find(q); r != nil {
		return r.routing
	}
	return match.Routing{}
}

// Member tells whether workers of the version have polled the queue.
func (t *Table) Member(q Queue, v match.Version) bool {
	r := t.find(q)
	if r == nil {
		return false
	}
	_, member := r.members[v]
	return member
}

// Target is the version that gets a task of the queue, and the revision of the
// routing that says so; 0 for a pinned task. What the deployments leave to workers
// without a version goes by the older versioning.
func (t *Table) Target(q Queue, d match.Directive) (match.Version, int64) {
	version, revision := t.deployed(q, d)
	if version != (match.Version{}) {
		return version, revision
	}
	version.BuildID = d.BuildID
	if data := t.Builds(q.Name); data != nil {
		if d.Unassigned {
			version.BuildID, _ = data.Assigned(d.Key)
		}
		version.BuildID = data.Newest(version.BuildID)
	}
	return version, revision
}

// Assigned is the build id that something new of the queue gets by the older
// versioning; empty when a deployment has it. See versioning.Data.
func (t *Table) Assigned(q Queue, d match.Directive) (build string, byRule bool) {
	data := t.Builds(q.Name)
	if data == nil {
		return "", false
	}
	if version, _ := t.deployed(q, d); version != (match.Version{}) {
		return "", false
	}
	return data.Assigned(d.Key)
}

// deployed is the version by the deployments alone.
func (t *Table) deployed(q Queue, d match.Directive) (match.Version, int64) {
	r := t.find(q)
	if r == nil {
		return match.Routing{}.Target(d, false)
	}
	_, member := r.members[d.Pinned]
	return r.routing.Target(d, member)
}

// Builds is what the older versioning knows of the queues of a name; nil: nothing.
func (t *Table) Builds(name string) *versioning.Data {
	if t == nil || len(t.builds) == 0 {
		return nil
	}
	return t.builds[name]
}

func (t *Table) find(q Queue) *route {
	if t == nil {
		return nil
	}
	return t.routes[q]
}

// Versions tells whether any worker with a version has polled the queue, or the
// older versioning knows of it.
func (t *Table) Versions(q Queue) bool { return t.find(q) != nil || t.Builds(q.Name) != nil }

// Rerouted are the queues whose tasks may go to other versions in t than in old.
func (t *Table) Rerouted(old *Table) []Queue {
	queues := make(map[Queue]struct{})
	for _, table := range []*Table{t, old} {
		if table == nil {
			continue
		}
		for q := range table.routes {
			if !t.same(old, q) {
				queues[q] = struct{}{}
			}
		}
		for name := range table.builds {
			if t.Builds(name) != old.Builds(name) {
				queues[WorkflowQueue(name)], queues[activityQueue(name)] = struct{}{}, struct{}{}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(queues), func(a, b Queue) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return int(a.Type) - int(b.Type)
	})
}

func (t *Table) same(old *Table, q Queue) bool {
	a, b := t.find(q), old.find(q)
	if a == nil || b == nil {
		return a == b
	}
	return a.routing == b.routing && maps.Equal(a.members, b.members)
}

// WorkflowQueue is the queue of workflow tasks with a name.
func WorkflowQueue(name string) Queue {
	return Queue{Name: name, Type: enumspb.TASK_QUEUE_TYPE_WORKFLOW}
}

func activityQueue(name string) Queue {
	return Queue{Name: name, Type: enumspb.TASK_QUEUE_TYPE_ACTIVITY}
}
