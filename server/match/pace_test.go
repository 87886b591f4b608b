package match

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// passUntil lets as many pass as the limit allows up to a time, and tells when.
func passUntil(p *Pace, from, until time.Time, l Limit) []time.Time {
	var passed []time.Time
	for now := from; ; {
		wait := p.Wait(now, l)
		if wait == Never || now.Add(wait).After(until) {
			return passed
		}
		now = now.Add(wait)
		p.Pass(now, l)
		passed = append(passed, now)
	}
}

// In no stretch of time pass more than the rate and one burst, and all that may pass do.
func TestPaceHoldsTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limit{PerSecond: rapid.Float64Range(0.5, 60).Draw(t, "per second"), Burst: 100 * time.Millisecond}
		var p Pace
		start := time.Unix(1_700_000_000, 0)
		times := passUntil(&p, start, start.Add(4*time.Second), l)
		require.InDelta(t, 4*l.PerSecond, len(times), 0.1*l.PerSecond+2)
		for i := range times {
			for j := i; j < len(times); j++ {
				span := times[j].Sub(times[i]).Seconds()
				require.LessOrEqual(t, float64(j-i+1), l.PerSecond*(span+0.1)+1.001)
			}
		}
	})
}

func TestPaceChanges(t *testing.T) {
	burst := 100 * time.Millisecond
	var p Pace
	now := time.Unix(1_700_000_000, 0)
	require.True(t, p.Rested(now))
	require.Equal(t, Never, p.Wait(now, Limit{}))
	p.Pass(now, Limit{})
	require.True(t, p.Rested(now))

	slow := Limit{PerSecond: 0.01, Burst: burst}
	require.Zero(t, p.Wait(now, slow))
	p.Pass(now, slow)
	require.Equal(t, 100*time.Second, p.Wait(now, slow))
	require.False(t, p.Rested(now))
	fast := Limit{PerSecond: 1000, Burst: burst}
	require.LessOrEqual(t, p.Wait(now, fast), time.Millisecond, "a raised limit counts at once")
	p.Pass(now, slow)
	require.LessOrEqual(t, p.Wait(now.Add(-time.Hour), slow), 100*time.Second, "the clock went back")
}

func TestPaceReturn(t *testing.T) {
	now := time.Unix(1000, 0)
	limit := Limit{PerSecond: 10}
	var p Pace
	p.Pass(now, limit)
	require.Equal(t, 100*time.Millisecond, p.Wait(now, limit))
	p.Return(limit)
	require.Zero(t, p.Wait(now, limit), "it did not pass")
	p.Pass(now, limit)
	p.Return(Limit{})
	require.Equal(t, 100*time.Millisecond, p.Wait(now, limit), "a limit of zero counts nothing")
}
