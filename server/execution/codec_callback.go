package execution

import (
	"slices"

	failurepb "go.temporal.io/api/failure/v1"
	"google.golang.org/protobuf/encoding/protowire"

	"perdure/server/nexus"
)

// Callbacks are stored as the events that bring them, and the progress of those
// that have made some: a run may have many that stand by.

func (s *State) encodeCallbacks(e *encoder) {
	events := slices.Clone(s.unregistered)
	for _, c := range s.Callbacks.entries {
		events = append(events, c.RegisteredID)
	}
	slices.Sort(events)
	for _, id := range slices.Compact(events) {
		if id != 1 { // which is always asked
			e.int(38, id)
		}
	}
	for _, c := range s.Callbacks.values() {
		if c.Progress.Stage != nexus.Standby {
			e.record(39, c.encode)
		}
	}
}

func (c *Callback) encode(e *encoder) {
	e.int(1, c.RegisteredID)
	e.int(2, int64(c.Index))
	e.int(3, c.TriggerID)
	e.int(4, int64(c.Progress.Stage))
	e.int(5, int64(c.Progress.Attempts))
	e.time(6, c.Progress.LastTime)
	e.message(7, c.Progress.LastFailure)
	e.time(8, c.Progress.NextTime)
}

func (s *State) decodeCallbacks(field protowire.Number, v value) bool {
	switch field {
	case 38:
		s.unregistered = append(s.unregistered, v.int())
	case 39:
		c := &Callback{}
		v.record(c.decode)
		s.Callbacks.put(c.Key(), c)
	default:
		return false
	}
	return true
}

func (c *Callback) decode(field protowire.Number, v value) {
	switch field {
	case 1:
		c.RegisteredID = v.int()
	case 2:
		c.Index = int(v.int())
	case 3:
		c.TriggerID = v.int()
	case 4:
		c.Progress.Stage = nexus.Stage(v.int())
	case 5:
		c.Progress.Attempts = int32(v.int())
	case 6:
		c.Progress.LastTime = v.time()
	case 7:
		c.Progress.LastFailure = unmarshal(v, &failurepb.Failure{})
	case 8:
		c.Progress.NextTime = v.time()
	}
}
