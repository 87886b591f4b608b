package activity

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

// Timeouts are the four time-outs of an activity; 0 is unset or without end.
type Timeouts struct {
	ScheduleToClose time.Duration
	ScheduleToStart time.Duration
	StartToClose    time.Duration
	Heartbeat       time.Duration
}

// ErrNoTimeout tells that neither start-to-close nor schedule-to-close is set.
var ErrNoTimeout = errors.New("a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity.")

// ParseTimeouts checks and caps what a client gave.
func ParseTimeouts(scheduleToClose, scheduleToStart, startToClose, heartbeat *durationpb.Duration) (Timeouts, error) {
	given := []struct {
		name  string
		value *durationpb.Duration
	}{
		{"ScheduleToCloseTimeout", scheduleToClose}, {"ScheduleToStartTimeout", scheduleToStart},
		{"StartToCloseTimeout", startToClose}, {"HeartbeatTimeout", heartbeat},
	}
	for _, g := range given {
		if err := ValidDuration(g.value); err != nil {
			return Timeouts{}, fmt.Errorf("invalid %s: %w", g.name, err)
		}
	}
	return Timeouts{Cap(scheduleToClose), Cap(scheduleToStart), Cap(startToClose), Cap(heartbeat)}, nil
}

// Normalise fills in what follows from the time-outs that are set. The run
// timeout caps all of them; 0 is a run without end.
func (t Timeouts) Normalise(run time.Duration) (Timeouts, error) {
	switch {
	case t.ScheduleToClose > 0:
		t.ScheduleToStart = atMost(t.ScheduleToStart, t.ScheduleToClose)
		t.StartToClose = atMost(t.StartToClose, t.ScheduleToClose)
	case t.StartToClose > 0:
		t.ScheduleToClose = run
		if t.ScheduleToStart == 0 {
			t.ScheduleToStart = run
		}
	default:
		return Timeouts{}, ErrNoTimeout
	}
	if run > 0 {
		t.ScheduleToClose = min(t.ScheduleToClose, run)
		t.ScheduleToStart = min(t.ScheduleToStart, run)
		t.StartToClose = min(t.StartToClose, run)
		t.Heartbeat = min(t.Heartbeat, run)
	}
	t.Heartbeat = min(t.Heartbeat, t.StartToClose)
	return t, nil
}

// atMost is d, or the bound when d is unset or larger.
func atMost(d, bound time.Duration) time.Duration {
	if d == 0 {
		return bound
	}
	return min(d, bound)
}
