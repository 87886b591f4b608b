package deployment

import (
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/server/match"
)

// State is one worker deployment. A State that a Decision returned is never
// changed again.
type State struct {
	Name         string
	CreateTime   time.Time
	RequestID    string // of the call that created it; empty: a poll did
	Routing      Routing
	Versions     []*Version // in order of creation
	LastModifier string     // identity of the last client that changed routing or manager
	Manager      string     // identity of the only client that may change routing; empty: all may
	// Changes counts what a conflict token guards: routing and manager.
	Changes int64
}

// Routing says which versions get work that is not pinned.
type Routing struct {
	Current string // build id; empty: workers without a version
	Ramping string // build id, with HasRamp; empty: workers without a version
	HasRamp bool
	// Percentage of the work goes to the ramping version, 0 to 100.
	Percentage        float32
	CurrentChanged    time.Time // zero: never
	RampingChanged    time.Time
	PercentageChanged time.Time
	Revision          int64 // grows with each change
}

// Version is one build of a deployment.
type Version struct {
	BuildID    string
	CreateTime time.Time
	RequestID  string // of the call that created it
	// Awaited is set until the first poll of a version that a call created.
	Awaited bool

	RoutingChanged   time.Time // when it last began or ceased to get work, or its share changed
	CurrentSince     time.Time // zero: not current
	RampingSince     time.Time // zero: not ramping
	FirstActivation  time.Time
	LastCurrent      time.Time
	LastDeactivation time.Time // zero while it gets work

	Drainage        enumspb.VersionDrainageStatus // unspecified while it gets work or never had any
	DrainageChanged time.Time
	DrainageChecked time.Time

	Queues       []Queue // that its workers polled, in order of the first poll
	Metadata     map[string]*commonpb.Payload
	LastModifier string // identity of the last client that created it or changed its metadata
}

// Queue is a task queue of one type in the deployment's namespace.
type Queue struct {
	Name string
	Type enumspb.TaskQueueType
}

// version finds a version by its build id; nil when there is none.
func (s *State) version(build string) *Version {
	for _, v := range s.Versions {
		if v.BuildID == build {
			return v
		}
	}
	return nil
}

// Version finds a version, which must not be changed; nil when there is none.
func (s *State) Version(build string) *Version { return s.version(build) }

// Named is the version of a build id; the empty one stands for workers without.
func (s *State) Named(build string) match.Version {
	if build == "" {
		return match.Version{}
	}
	return match.Version{Deployment: s.Name, BuildID: build}
}

// Idle tells whether the version exists and has no work, as far as is known.
func (s *State) Idle(build string) bool {
	v := s.version(build)
	return v != nil && s.idle(v)
}

// current tells whether the version gets the work that does not ramp.
func (s *State) current(v *Version) bool { return v.BuildID == s.Routing.Current }

func (s *State) ramping(v *Version) bool {
	return s.Routing.HasRamp && v.BuildID == s.Routing.Ramping
}

func (s *State) active(v *Version) bool { return s.current(v) || s.ramping(v) }

// Has tells whether workers of the version polled the queue.
func (v *Version) Has(q Queue) bool { return slices.Contains(v.Queues, q) }

// Status is how the version stands, in the API's words.
func (s *State) Status(v *Version) enumspb.WorkerDeploymentVersionStatus {
	switch {
	case s.current(v):
		return enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT
	case s.ramping(v):
		return enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING
	case v.Drainage == enumspb.VERSION_DRAINAGE_STATUS_DRAINING:
		return enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING
	case v.Drainage == enumspb.VERSION_DRAINAGE_STATUS_DRAINED:
		return enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED
	case v.Awaited:
		return enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_CREATED
	}
	return enumspb.WORKER_DEPLOYMENT_VERSION_STATUS_INACTIVE
}

// fork returns a state that may be changed while s stays as it is.
func (s *State) fork() *State {
	next := *s
	next.Versions = make([]*Version, len(s.Versions))
	for i, v := range s.Versions {
		copied := *v
		copied.Queues = v.Queues[:len(v.Queues):len(v.Queues)]
		next.Versions[i] = &copied
	}
	return &next
}

// DrainageRules say when it is looked whether a version still has work.
type DrainageRules struct {
	Grace    time.Duration // from when it ceased to get work to the first look
	Interval time.Duration // between looks
}

// nextLook is when a draining version is due to be looked at.
func (v *Version) nextLook(r DrainageRules) time.Time {
	first := v.DrainageChanged.Add(r.Grace)
	if !v.DrainageChecked.After(v.DrainageChanged) {
		return first
	}
	return later(first, v.DrainageChecked.Add(r.Interval))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// DueLooks are the draining versions to look at now, by build id.
func (s *State) DueLooks(now time.Time, r DrainageRules) []string {
	var due []string
	for _, v := range s.Versions {
		if v.Drainage == enumspb.VERSION_DRAINAGE_STATUS_DRAINING && !now.Before(v.nextLook(r)) {
			due = append(due, v.BuildID)
		}
	}
	return due
}

// newestFirst orders versions for people.
func (s *State) newestFirst() []*Version {
	versions := slices.Clone(s.Versions)
	slices.SortStableFunc(versions, func(a, b *Version) int {
		if c := b.CreateTime.Compare(a.CreateTime); c != 0 {
			return c
		}
		return strings.Compare(b.BuildID, a.BuildID)
	})
	return versions
}
