package load

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// taking makes units that take some time.
func taking(d time.Duration) unit {
	return func(ctx context.Context, _ turn) error { return pause(ctx, d) }
}

// played runs a loop with warm-up in virtual time and returns what was measured.
func played(t *testing.T, l *loop, warmup, duration time.Duration) Series {
	t.Helper()
	l.session = &Session{}
	l.track = &track{window: &window{}}
	l.start(t.Context())
	require.NoError(t, pause(t.Context(), warmup))
	l.track.window.open()
	require.NoError(t, pause(t.Context(), duration))
	l.track.window.close()
	l.stop()
	return l.track.series()
}

func TestClosedLoopIsAsFastAsItsUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := played(t, &loop{unit: taking(10 * time.Millisecond), inflight: 3}, 1005*time.Millisecond, 10*time.Second)
		require.EqualValues(t, 3000, s.Done)
		require.InEpsilon(t, 10*time.Millisecond, s.Latency.Quantile(0.99), 0.01)
		require.Zero(t, s.Unstarted)
	})
}

func TestOpenLoopMakesUnitsWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := played(t, &loop{unit: taking(30 * time.Millisecond), inflight: 10, rate: 100}, 995*time.Millisecond, 10*time.Second)
		require.EqualValues(t, 1000, s.Done)
		require.EqualValues(t, 1000, s.Latency.Count())
		require.InEpsilon(t, 30*time.Millisecond, s.Latency.Quantile(0.99), 0.01)
		require.Zero(t, s.Unstarted)
	})
}

// TestOpenLoopCountsTheTimeBeforeAUnitCouldBegin: a server that is slow makes units wait for one another, and that is its fault.
func TestOpenLoopCountsTheTimeBeforeAUnitCouldBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Units are due each 10 ms and take 20 ms, one at a time.
		s := played(t, &loop{unit: taking(20 * time.Millisecond), inflight: 1, rate: 100}, 0, 10*time.Second)
		require.InDelta(t, 500, s.Done, 2)
		require.InDelta(t, 500, s.Unstarted, 2, "those that nobody came to are told")
		require.InDelta(t, 1000, s.Latency.Count(), 2, "and count with the time they had waited")
		require.Greater(t, s.Latency.Quantile(0.99), 4500*time.Millisecond)
		require.Greater(t, s.Latency.Quantile(0.5), 2*time.Second)
	})
}

func TestLoopWithALimitEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loop{session: &Session{}, track: &track{window: &window{}}, unit: taking(time.Millisecond), inflight: 7, limit: 100}
		l.start(t.Context()).wait()
		require.EqualValues(t, 100, l.succeed.Load())
	})
}

func TestUnitsThatHangAreCutAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loop{unit: taking(time.Hour), inflight: 2}
		begun := time.Now()
		s := played(t, l, 0, time.Second)
		require.Equal(t, time.Second+drainTimeout, time.Since(begun))
		require.Zero(t, s.Done)
		require.EqualValues(t, 2, l.session.failures.Load())
	})
}

func TestLoopEndsWhenNothingWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		var calls atomic.Int64
		s := &Session{scenario: Scenario{Name: "x"}, main: &track{window: &window{}}}
		l := &loop{session: s, track: s.main, inflight: 3, unit: func(context.Context, turn) error {
			calls.Add(1)
			return broken
		}}
		l.start(t.Context()).wait()
		require.InDelta(t, errorsMax, calls.Load(), 3)
		require.ErrorIs(t, s.trouble(), broken)
	})
}

func TestWaitsCountThoseThatNobodyTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &waits{track: &track{window: &window{}}, due: map[string]time.Time{}}
		q.track.window.open()
		q.enter("a", time.Now())
		q.enter("b", time.Now())
		require.NoError(t, pause(t.Context(), time.Second))
		q.leave("a")
		q.leave("never entered")
		require.NoError(t, pause(t.Context(), time.Second))
		q.track.window.close()
		q.giveUp()
		s := q.track.series()
		require.EqualValues(t, 1, s.Done)
		require.EqualValues(t, 1, s.Unstarted)
		require.InEpsilon(t, 2*time.Second, s.Latency.Max(), 0.01)
	})
}
