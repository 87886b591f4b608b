package versioning

import "perdure/server/match"

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
