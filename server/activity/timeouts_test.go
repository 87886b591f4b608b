package activity

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"
)

func TestParseTimeouts(t *testing.T) {
	second := durationpb.New(time.Second)
	parsed, err := ParseTimeouts(second, nil, durationpb.New(math.MaxInt64), &durationpb.Duration{Seconds: 315_000_000_000})
	require.NoError(t, err)
	require.Equal(t, Timeouts{ScheduleToClose: time.Second, StartToClose: MaxDuration, Heartbeat: MaxDuration}, parsed, "durations are capped")
	_, err = ParseTimeouts(second, durationpb.New(-1), nil, nil)
	require.EqualError(t, err, "invalid ScheduleToStartTimeout: negative duration")
	_, err = ParseTimeouts(nil, nil, nil, &durationpb.Duration{Nanos: 2e9})
	require.ErrorContains(t, err, "invalid HeartbeatTimeout: ")
}

func TestNormalise(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		given Timeouts
		run   time.Duration
		want  Timeouts
	}{
		"schedule to close fills the rest":    {Timeouts{ScheduleToClose: 9 * s}, 0, Timeouts{9 * s, 9 * s, 9 * s, 0}},
		"schedule to close caps the rest":     {Timeouts{9 * s, 20 * s, 10 * s, 30 * s}, 0, Timeouts{9 * s, 9 * s, 9 * s, 9 * s}},
		"smaller ones stay":                   {Timeouts{9 * s, 2 * s, 3 * s, s}, 0, Timeouts{9 * s, 2 * s, 3 * s, s}},
		"start to close in an endless run":    {Timeouts{StartToClose: 4 * s}, 0, Timeouts{0, 0, 4 * s, 0}},
		"start to close in a bounded run":     {Timeouts{StartToClose: 4 * s}, 60 * s, Timeouts{60 * s, 60 * s, 4 * s, 0}},
		"schedule to start stays":             {Timeouts{ScheduleToStart: 5 * s, StartToClose: 4 * s}, 60 * s, Timeouts{60 * s, 5 * s, 4 * s, 0}},
		"the run caps all":                    {Timeouts{100 * s, 80 * s, 70 * s, 65 * s}, 60 * s, Timeouts{60 * s, 60 * s, 60 * s, 60 * s}},
		"a heartbeat lasts no longer than it": {Timeouts{StartToClose: 4 * s, Heartbeat: 5 * s}, 0, Timeouts{0, 0, 4 * s, 4 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.given.Normalise(c.run)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := Timeouts{ScheduleToStart: s, Heartbeat: s}.Normalise(60 * s)
	require.ErrorIs(t, err, ErrNoTimeout)
}

// TestNormaliseLaws: what is normal stays so, nothing outlasts what contains it, nothing becomes longer than asked for.
func TestNormaliseLaws(t *testing.T) {
	draw := func(t *rapid.T, name string) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(MaxDuration)).Draw(t, name)) * time.Duration(rapid.IntRange(0, 1).Draw(t, name+" set"))
	}
	rapid.Check(t, func(t *rapid.T) {
		given := Timeouts{draw(t, "schedule to close"), draw(t, "schedule to start"), draw(t, "start to close"), draw(t, "heartbeat")}
		run := draw(t, "run")
		got, err := given.Normalise(run)
		if given.ScheduleToClose == 0 && given.StartToClose == 0 {
			require.ErrorIs(t, err, ErrNoTimeout)
			return
		}
		require.NoError(t, err)
		again, err := got.Normalise(run)
		require.NoError(t, err)
		require.Equal(t, got, again)
		require.Positive(t, got.StartToClose)
		require.LessOrEqual(t, got.Heartbeat, got.StartToClose)
		if got.ScheduleToClose > 0 {
			require.LessOrEqual(t, got.ScheduleToStart, got.ScheduleToClose)
			require.LessOrEqual(t, got.StartToClose, got.ScheduleToClose)
		}
		if run > 0 {
			require.LessOrEqual(t, got.ScheduleToClose, run)
			require.LessOrEqual(t, got.StartToClose, run)
		}
		if given.StartToClose > 0 {
			require.LessOrEqual(t, got.StartToClose, given.StartToClose)
		}
	})
}
