package execution

import (
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"

	"perdure/visibility/attr"
	"perdure/visibility/inside"
)

// columnTypesMax bounds the types of pending activities that a record names.
const columnTypesMax = 50

// SearchColumns are what a search for runs in trouble goes by, under the keys
// of built-in attributes, and what the namespace lets search look at inside.
// Of a closed run's troubles only the last failure is left.
func (s *State) SearchColumns(look *inside.Look) map[string]*commonpb.Payload {
	c := columns{}
	if look != nil && look.Any() {
		s.insideColumns(c, look)
	}
	if s.Seen.FailureType != "" || s.Seen.FailureMessage != "" {
		c.text(attr.FailureType, s.Seen.FailureType)
		c.text(attr.FailureMessage, s.Seen.FailureMessage)
		c.text(attr.LastWorkerIdentity, s.Seen.Worker)
	}
	if !s.Open() {
		return c
	}
	c.text(attr.LastWorkerIdentity, s.Seen.Worker)
	c.time(attr.LastProgressTime, s.Seen.ProgressTime)
	oldest := s.activityColumns(c)
	if s.Task != nil {
		if s.Task.Attempt > 1 {
			c.set(attr.PendingWorkflowTaskAttempt, int64(s.Task.Attempt))
		}
		oldest = earliest(oldest, s.Task.OriginalScheduledTime)
	}
	c.time(attr.PendingOldestScheduledTime, oldest)
	return c
}

// insideColumns adds what the namespace lets search look at. What the run has
// noted of it is left out when the namespace does not let it any more.
func (s *State) insideColumns(c columns, look *inside.Look) {
	if look.Memo {
		for _, f := range look.Fields(s.Memo) {
			c.text(attr.MemoPrefix+f.Name, f.Value)
		}
	}
	if look.Input {
		c.text(attr.Input, look.Text(s.StartedAttributes().GetInput()))
	}
	if look.Pending && s.Open() {
		s.itemColumns(c, look)
	}
	seen := s.Seen.Inside
	if seen == nil {
		return
	}
	if look.Result {
		c.text(attr.Result, seen.Result)
	}
	if look.Activities {
		c.list(attr.ActivityTypes, seen.ActivityTypes)
		c.list(attr.ActivityIDs, seen.ActivityIDs)
	}
	if look.Signals {
		c.list(attr.SignalNames, seen.SignalNames)
	}
}

// activityColumns adds what is pending of activities and returns when the oldest was scheduled.
func (s *State) activityColumns(c columns) (oldest time.Time) {
	pending := s.Activities.values()
	c.set(attr.PendingActivityCount, int64(len(pending)))
	if len(pending) == 0 {
		return time.Time{}
	}
	var types []string
	attempt := int32(0)
	for _, a := range pending {
		attempt = max(attempt, a.Attempt)
		oldest = earliest(oldest, a.ScheduledTime)
		types = append(types, a.attributes().GetActivityType().GetName())
	}
	slices.Sort(types)
	types = slices.Compact(types)
	c.set(attr.PendingActivityTypes, types[:min(len(types), columnTypesMax)])
	c.set(attr.PendingActivityMaxAttempt, int64(attempt))
	return oldest
}

// columns are values by the keys of built-in attributes.
type columns map[string]*commonpb.Payload

func (c columns) set(name string, value any) {
	if key, t, ok := attr.BuiltIn(name); ok {
		c[key] = attr.Encode(value, t)
	}
}

func (c columns) text(name, value string) {
	if value != "" {
		c.set(name, value)
	}
}

func (c columns) list(name string, values []string) {
	if len(values) > 0 {
		c.set(name, values)
	}
}

func (c columns) time(name string, value time.Time) {
	if !value.IsZero() {
		c.set(name, value.UTC())
	}
}
