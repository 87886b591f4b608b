package versioning

import (
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
)

// Data is what one task queue knows of build ids. Values are immutable: an
// update returns another one.
type Data struct {
	// Sets are in the order in which they became the queue's default: the last is.
	Sets []Set `json:"sets,omitempty"`
	// Assignments are tried in order.
	Assignments []Assignment `json:"assignments,omitempty"`
	// Redirects are in order of age, the newest first.
	Redirects []Redirect `json:"redirects,omitempty"`
	// FullyRamped: there was an assignment rule for everything once, so that
	// the queue may not lose its last one unless by force.
	FullyRamped bool `json:"fullyRamped,omitempty"`
	// Clock counts the changes of defaults: it orders sets and their builds.
	Clock int64 `json:"clock,omitempty"`
}

// Set is build ids that can go on with one another's runs, in the order in
// which they became the set's default: the last is.
type Set struct {
	Builds []Build `json:"builds"`
	Since  int64   `json:"since"` // when it became the queue's default
}

// Build is one member of a set.
type Build struct {
	ID    string `json:"id"`
	Since int64  `json:"since"` // when it became the set's default
}

// Assignment sends a share of new executions to a build id.
type Assignment struct {
	BuildID    string    `json:"buildId"`
	Percentage float32   `json:"percentage"` // 0 to 100
	CreatedAt  time.Time `json:"createdAt"`
}

// Redirect sends all tasks of one build id to another.
type Redirect struct {
	Source    string    `json:"source"` // empty: unversioned
	Target    string    `json:"target"`
	CreatedAt time.Time `json:"createdAt"`
}

// Limits of one task queue.
type Limits struct {
	Sets, Builds           int
	Assignments, Redirects int
	Upstream               int // build ids that lead to one target
	BuildIDBytes           int
	Queues                 int // whose sets have one build id
}

// fullRamp is the percentage of a rule for everything.
const fullRamp = 100

// Default is the default build id of the set.
func (s Set) Default() string { return s.Builds[len(s.Builds)-1].ID }

func (s Set) has(build string) bool {
	return slices.ContainsFunc(s.Builds, func(b Build) bool { return b.ID == build })
}

func (s Set) clone() Set { return Set{Builds: slices.Clone(s.Builds), Since: s.Since} }

// clone copies so deep that changes of the copy leave d alone.
func (d Data) clone() Data {
	sets := make([]Set, len(d.Sets))
	for i, s := range d.Sets {
		sets[i] = s.clone()
	}
	d.Sets, d.Assignments, d.Redirects = sets, slices.Clone(d.Assignments), slices.Clone(d.Redirects)
	return d
}

// tick is the time of a change of defaults.
func (d *Data) tick() int64 {
	d.Clock++
	return d.Clock
}

func failedPrecondition(format string, args ...any) error {
	return serviceerror.NewFailedPreconditionf(format, args...)
}

func invalidArgument(format string, args ...any) error {
	return serviceerror.NewInvalidArgumentf(format, args...)
}
