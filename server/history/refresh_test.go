package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

func TestRefreshes(t *testing.T) {
	var at time.Time
	after := func(d time.Duration) time.Time { return at.Add(d) }
	run, other := store.ExecutionKey{Exec: 1}, store.ExecutionKey{Exec: 2}
	s := &shard{}
	due := func(r *refreshes, now time.Time) (execs []int64) {
		runs, _ := r.due(now)
		for _, key := range runs {
			execs = append(execs, key.key.Exec)
		}
		return execs
	}

	r := newRefreshes(30 * time.Second)
	r.changed(s, run, after(0))
	r.changed(s, other, after(time.Second))
	require.Empty(t, due(r, after(30*time.Second-1)))
	require.Equal(t, []int64{1}, due(r, after(30*time.Second)), "it has rested")
	require.Equal(t, []int64{2}, due(r, after(time.Minute)))
	require.Empty(t, due(r, after(time.Hour)), "once")

	r.changed(s, run, after(0))
	r.recorded(s, run)
	require.Empty(t, due(r, after(time.Hour)), "another record had all of it")

	r.changed(s, run, after(0))
	r.recorded(s, run)
	r.changed(s, run, after(20*time.Second))
	require.Empty(t, due(r, after(30*time.Second)), "the first turn is void")
	require.Equal(t, []int64{1}, due(r, after(50*time.Second)))

	last := time.Duration(0)
	for now := time.Duration(0); last == 0; now += 10 * time.Second {
		r.changed(s, run, after(now))
		if len(due(r, after(now))) > 0 {
			last = now
		}
	}
	require.GreaterOrEqual(t, last, refreshLongest, "it never rests")
	require.Less(t, last, refreshLongest+time.Minute)
}
