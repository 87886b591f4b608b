package match

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPriorityBounds(t *testing.T) {
	for in, want := range map[int32]int32{-1: 1, 0: 3, 1: 1, 3: 3, 5: 5, 9: 5} {
		require.Equal(t, want, Priority(in), "priority %d", in)
	}
}

// Whatever is pushed, popped and removed, what comes out is the first of a sorted list.
func TestOrderIsASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var order Order[int]
		var model []*Item[int]
		age := int64(0)
		steps := rapid.IntRange(1, 200).Draw(t, "steps")
		for range steps {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				age++
				i := &Item[int]{Age: rapid.Int64Range(1, 5).Draw(t, "age"), Tie: age}
				order.Push(i)
				model = append(model, i)
				slices.SortFunc(model, func(a, b *Item[int]) int {
					return cmp.Or(cmp.Compare(a.Age, b.Age), cmp.Compare(a.Tie, b.Tie))
				})
			case 2:
				i := order.Pop()
				if len(model) == 0 {
					require.Nil(t, i)
					continue
				}
				require.Same(t, model[0], i)
				require.False(t, i.Queued())
				model = model[1:]
			case 3:
				if len(model) == 0 {
					continue
				}
				at := rapid.IntRange(0, len(model)-1).Draw(t, "at")
				order.Remove(model[at])
				order.Remove(model[at])
				model = slices.Delete(model, at, at+1)
			}
			require.Equal(t, len(model), order.Len())
			if len(model) > 0 {
				require.Same(t, model[0], order.First())
			}
		}
		visited := 0
		order.Each(func(*Item[int]) { visited++ })
		require.Equal(t, len(model), visited)
	})
}

func TestRate(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	var r Rate
	require.Zero(t, r.PerSecond(start))
	for s := range 10 {
		r.Add(start.Add(time.Duration(s)*time.Second), 5)
	}
	require.InDelta(t, 5, r.PerSecond(start.Add(9*time.Second)), 0.001)
	require.InDelta(t, 2.5, r.PerSecond(start.Add(19*time.Second)), 0.001, "measured over its age")
	require.InDelta(t, 45.0/30, r.PerSecond(start.Add(30*time.Second)), 0.001, "the first second left the window")
	require.Zero(t, r.PerSecond(start.Add(time.Hour)))
	r.Add(start.Add(time.Hour), 3)
	require.InDelta(t, 3, r.PerSecond(start.Add(time.Hour)), 0.001)
	r.Add(start, 1) // the clock went back
	require.InDelta(t, 4, r.PerSecond(start.Add(time.Hour)), 0.001)
}

func TestPollerDelta(t *testing.T) {
	for _, c := range []struct {
		name  string
		facts PollFacts
		want  int32
	}{
		{"waited long for a fresh task", PollFacts{Waited: time.Second}, -1},
		{"waited long, task from the backlog", PollFacts{Waited: time.Second, FromBacklog: true}, 0},
		{"backlog ages", PollFacts{BacklogAge: 201 * time.Millisecond}, 1},
		{"backlog ages but a limit holds it back", PollFacts{BacklogAge: time.Hour, RateLimited: true}, 0},
		{"more comes than goes", PollFacts{AddRate: 13, DispatchRate: 10}, 1},
		{"as much comes as goes", PollFacts{AddRate: 12, DispatchRate: 10}, 0},
		{"nothing known", PollFacts{}, 0},
	} {
		require.Equal(t, c.want, PollerDelta(c.facts), c.name)
	}
}
