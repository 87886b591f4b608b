package deployment

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
)

// Command is something that is to be done with a deployment. The concrete types
// below are all there are.
type Command interface{ command() }

// Register tells that a worker of a version polls a queue. Reply: nil.
type Register struct {
	BuildID string
	Queue   Queue
}

// Create makes a deployment without versions. Reply: nil.
type Create struct{ RequestID, Identity string }

// CreateVersion makes a version before its first poll. Reply: nil.
type CreateVersion struct{ BuildID, RequestID, Identity string }

// SetCurrent makes a version the current one. Reply: Routing, the former one.
type SetCurrent struct {
	BuildID        string // empty: workers without a version
	Identity       string
	Token          []byte // nil: whatever was changed meanwhile
	IgnoreMissing  bool   // do not mind that active queues lack pollers of the version
	AllowNoPollers bool   // make the version when it does not exist
}

// SetRamping gives a share of the work to a version. Reply: Routing, the former one.
type SetRamping struct {
	BuildID        string  // empty: workers without a version; with Percentage 0 there is no ramp any more
	Percentage     float32 // 0 to 100
	Identity       string
	Token          []byte
	IgnoreMissing  bool
	AllowNoPollers bool
}

// SetManager lets one client alone change the routing. Reply: string, the former manager.
type SetManager struct {
	Manager  string // empty: all may
	Identity string
	Token    []byte
}

// UpdateMetadata changes what users keep with a version. Reply: the metadata afterwards.
type UpdateMetadata struct {
	BuildID  string
	Upsert   map[string]*commonpb.Payload
	Remove   []string
	Identity string
}

// DeleteVersion removes a version that nobody needs. Reply: nil.
type DeleteVersion struct {
	BuildID      string
	SkipDrainage bool // even if open runs are pinned to it
	Identity     string
}

// Delete removes a deployment without versions. Reply: nil.
type Delete struct{}

// NoteLook tells what a look at the open runs pinned to a draining version has
// found. Reply: nil.
type NoteLook struct {
	BuildID string
	Open    bool // there are some
}

// NotePinned tells that a run was pinned to a version by hand, so that a
// version without work has some. Reply: nil.
type NotePinned struct{ BuildID string }

func (Register) command()       {}
func (Create) command()         {}
func (CreateVersion) command()  {}
func (SetCurrent) command()     {}
func (SetRamping) command()     {}
func (SetManager) command()     {}
func (UpdateMetadata) command() {}
func (DeleteVersion) command()  {}
func (Delete) command()         {}
func (NoteLook) command()       {}
func (NotePinned) command()     {}

// Env is what a decision may know besides the state: plain data.
type Env struct {
	Now    time.Time
	Name   string // of the deployment
	Limits Limits
	Facts  Facts
}

// Limits bound a deployment.
type Limits struct {
	Versions         int // of one deployment
	QueuesPerVersion int
	MetadataBytes    int // of one version
}

// Facts are the answers to Questions.
type Facts struct {
	Polled map[string]bool // versions, by build id, that workers polled for lately
	Active map[Queue]bool  // queues that have tasks, or had some lately
}

// Ask is what a command must know before it is decided.
type Ask struct {
	Polled []string // build ids
	Active []Queue
}

// Questions tells what Decide will look at in Facts; s may be nil.
func Questions(s *State, c Command, limits Limits) Ask {
	if s == nil {
		return Ask{}
	}
	switch c := c.(type) {
	case DeleteVersion:
		return Ask{Polled: []string{c.BuildID}}
	case Register:
		return s.askForRoom(c.BuildID, limits)
	case CreateVersion:
		return s.askForRoom(c.BuildID, limits)
	case SetCurrent:
		ask := s.askForRoom(c.BuildID, limits)
		ask.Active = s.missing(c.BuildID)
		return ask
	case SetRamping:
		ask := s.askForRoom(c.BuildID, limits)
		ask.Active = s.missing(c.BuildID)
		return ask
	}
	return Ask{}
}

// askForRoom asks who of those that could make room is polled.
func (s *State) askForRoom(build string, limits Limits) Ask {
	var ask Ask
	if build == "" || s.version(build) != nil || len(s.Versions) < limits.Versions {
		return ask
	}
	for _, v := range s.Versions {
		if s.idle(v) {
			ask.Polled = append(ask.Polled, v.BuildID)
		}
	}
	return ask
}

// missing are the queues of the current version that a version has not.
func (s *State) missing(build string) []Queue {
	current := s.version(s.Routing.Current)
	if build == "" || current == nil || current.BuildID == build {
		return nil
	}
	var missing []Queue
	next := s.version(build)
	for _, q := range current.Queues {
		if next == nil || !next.Has(q) {
			missing = append(missing, q)
		}
	}
	return missing
}
