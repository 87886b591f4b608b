package versioning

import (
	"slices"
	"strings"

	"perdure/server/match"
)

// Follow goes along the redirect rules from a build id to the one that tasks end up with.
func (d Data) Follow(build string) string {
	for range d.Redirects { // rules make no circle: each is passed once at most
		i := d.redirectOf(build)
		if i < 0 {
			break
		}
		build = d.Redirects[i].Target
	}
	return build
}

// Assign chooses the build id of a new execution by the assignment rules;
// empty: unversioned. The same key always falls into the same part of a ramp.
func (d Data) Assign(key string) string {
	for _, a := range d.Assignments {
		if match.InRamp(key, a.Percentage) {
			return a.BuildID
		}
	}
	return ""
}

// Assigned is the build id that something new of a queue gets, before redirects:
// by the rules, else as the default of the default set; empty: it is for workers
// without a version.
func (d Data) Assigned(key string) (build string, byRule bool) {
	if build := d.Assign(key); build != "" {
		return build, true
	}
	if len(d.Sets) == 0 {
		return "", false
	}
	return d.Sets[len(d.Sets)-1].Default(), false
}

// Reach tells which tasks workers of a build id, empty for those without a
// version, can get by the sets: builds are those whose runs they can go on
// with, empty when none; isDefault tells whether new runs are for them.
func (d Data) Reach(build string) (builds []string, isDefault bool) {
	if build == "" {
		return []string{""}, len(d.Sets) == 0
	}
	i := d.setOf(build)
	if i < 0 || d.Sets[i].Default() != build {
		return nil, false
	}
	for _, b := range d.Sets[i].Builds {
		builds = append(builds, b.ID)
	}
	return builds, i == len(d.Sets)-1
}

// Newest is the build id whose workers go on with the tasks of another: the
// end of its redirect rules, else the default of its set, else itself. Where both
// kinds know of a build id the rules count, so that the newest of the newest is itself.
func (d Data) Newest(build string) string {
	known := func(r Redirect) bool { return r.Source == build || r.Target == build }
	if i := d.setOf(build); i >= 0 && !slices.ContainsFunc(d.Redirects, known) {
		build = d.Sets[i].Default()
	}
	return d.Follow(build)
}

// Upstream is a build id and all that redirect rules lead to it. It is empty
// when they lead away from it: no task is for it any more.
func (d Data) Upstream(build string) []string {
	if d.Follow(build) != build {
		return nil
	}
	builds := []string{build}
	for _, r := range d.Redirects {
		if d.Follow(r.Source) == build {
			builds = append(builds, r.Source)
		}
	}
	return builds
}

// TakesNew tells whether the assignment rules, or the want of them, give new
// executions to a build id; empty: to workers without a version.
func (d Data) TakesNew(build string) bool {
	for _, a := range d.Assignments {
		if a.Percentage > 0 && d.Follow(a.BuildID) == build {
			return true
		}
		if a.Percentage == fullRamp {
			return false
		}
	}
	return d.Follow("") == build && (build != "" || len(d.Sets) == 0)
}

// Values of the search attribute BuildIds.
const (
	// UnversionedRun: a worker without a version worked on the run.
	UnversionedRun = "unversioned"
	versionedRun   = "versioned"
	assignedRun    = "assigned"
)

// VersionedRun: a versioned worker of the build worked on the run, or the run is assigned to it.
func VersionedRun(build string) string { return buildValue(versionedRun, build) }

// AssignedRun: the run is assigned to the build now.
func AssignedRun(build string) string { return buildValue(assignedRun, build) }

// UnversionedBuild: a worker without a version, but with a build id, worked on the run.
func UnversionedBuild(build string) string { return buildValue(UnversionedRun, build) }

func buildValue(kind, build string) string { return kind + ":" + strings.ReplaceAll(build, ":", "|:") }
