package match

import "time"

// Directive says which workers a task is for.
type Directive struct {
	// Pinned is the only version that may have the task; the zero version: the
	// routing of its queue decides.
	Pinned Version
	// IfMember gives a pinned task to the routing after all when its queue is
	// none of the version's queues.
	IfMember bool
	// Key decides, by its hash, whether the task is in the share that ramps.
	Key string
	// Ramping sends the task to the ramping version, if there is one, whatever its key.
	Ramping bool
	// BuildID is the build id that the task has by the older versioning, before
	// redirects; empty: it is for workers without one.
	BuildID string
	// Unassigned: nothing had a build id for the task yet. It gets one as soon as
	// rules or sets of its queue have one.
	Unassigned bool
}

// Routing is how tasks of one queue that are not pinned are divided among versions.
// The zero value sends all to workers without a version.
type Routing struct {
	Current Version
	// Ramping gets Percentage of the tasks, by their keys, when HasRamp is set.
	Ramping    Version
	HasRamp    bool
	Percentage float32 // 0 to 100
	// CurrentRevision and RampingRevision grow with each change in the
	// deployment that set the version.
	CurrentRevision, RampingRevision int64
	UpdatedAt                        time.Time // zero: nothing was ever set
}

// Target is the version whose workers get the task, and the revision of the
// routing that says so; 0 for a pinned task. member tells whether the queue is
// one of the pinned version's.
func (r Routing) Target(d Directive, member bool) (Version, int64) {
	switch {
	case d.Pinned != Version{} && (member || !d.IfMember):
		return d.Pinned, 0
	case r.HasRamp && (d.Ramping || InRamp(d.Key, r.Percentage)):
		return r.Ramping, r.RampingRevision
	}
	return r.Current, r.CurrentRevision
}

// InRamp tells whether a key is in the share of keys that a percentage stands
// for. The shares grow: who is in one is in every larger one.
func InRamp(key string, percentage float32) bool {
	const precision = 1 << 53
	return float64(mix(hash(key))%precision)/precision*100 < float64(percentage)
}

// mix spreads the bits of a hash whose input may be short, so that the low ones
// depend on all of it.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
