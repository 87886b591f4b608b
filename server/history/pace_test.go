package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	paced := func(changes int, took time.Duration) *pace {
		p := &pace{}
		for range 100 {
			p.committed(changes, took, now)
		}
		return p
	}
	require.Zero(t, paced(1, time.Millisecond).rest(1, now), "a lone caller does not wait")
	busy := paced(2, time.Millisecond)
	require.Equal(t, time.Millisecond, busy.rest(1, now), "as long as the last commit took")
	require.Equal(t, 400*time.Microsecond, busy.rest(3, now.Add(600*time.Microsecond)))
	require.Zero(t, busy.rest(smallGroup, now), "many do not wait")
	require.Zero(t, busy.rest(0, now), "nobody waits")
	require.Zero(t, busy.rest(1, now.Add(time.Millisecond)))
	require.Zero(t, busy.rest(1, now.Add(time.Millisecond-restGrainMin+1)), "too short for a timer")
	require.Equal(t, restMax, paced(2, time.Second).rest(1, now), "a slow store is no reason to wait for long")
	for range 100 {
		busy.committed(1, time.Millisecond, now)
	}
	require.Zero(t, busy.rest(1, now), "the others have gone")
}
