package clock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/clock"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func fired(timer clock.Timer) bool {
	select {
	case <-timer.C():
		return true
	default:
		return false
	}
}

func TestFakeFiresWhatIsDue(t *testing.T) {
	fake := clock.NewFake(start)
	soon, late, now := fake.NewTimer(time.Second), fake.NewTimer(time.Hour), fake.NewTimer(0)
	require.True(t, fired(now))
	require.False(t, fired(soon))
	fake.Advance(time.Second)
	require.Equal(t, start.Add(time.Second), fake.Now())
	require.True(t, fired(soon))
	require.False(t, fired(late))
	require.Equal(t, 1, fake.Armed())
}

func TestFakeStopAndReset(t *testing.T) {
	fake := clock.NewFake(start)
	timer := fake.NewTimer(time.Second)
	require.True(t, timer.Stop())
	require.False(t, timer.Stop())
	fake.Advance(time.Minute)
	require.False(t, fired(timer))

	require.False(t, timer.Reset(time.Second))
	require.True(t, timer.Reset(2*time.Second))
	fake.Advance(time.Second)
	require.False(t, fired(timer))
	fake.Advance(time.Second)

	require.False(t, timer.Reset(time.Second), "it had fired")
	require.False(t, fired(timer), "nothing old after Reset")
	fake.Advance(time.Second)
	require.True(t, fired(timer))
}

func TestWallTimerFires(t *testing.T) {
	wall := clock.Wall()
	before := wall.Now()
	timer := wall.NewTimer(time.Millisecond)
	require.False(t, (<-timer.C()).Before(before))
	require.False(t, timer.Reset(time.Hour))
	require.True(t, timer.Stop())
}
