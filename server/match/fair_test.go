package match

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// line is a flow with its tasks; a task is its number in order of arrival.
type line struct {
	flow   *Flow[*line]
	weight float64
	tasks  []int64
	served int
	away   bool // its tasks are awaited
}

// queueOf is a queue in small: it keeps lines and serves them in fair order.
type queueOf struct {
	fair    Fair[*line]
	lines   []*line
	arrived int64
}

func (q *queueOf) line(priority int32, weight float64) *line {
	l := &line{weight: weight}
	l.flow = NewFlow(l, priority)
	q.lines = append(q.lines, l)
	return l
}

func (q *queueOf) arrive(l *line) {
	q.arrived++
	l.tasks = append(l.tasks, q.arrived)
	q.settle(l)
}

func (q *queueOf) settle(l *line) {
	if len(l.tasks) == 0 {
		q.fair.Unset(l.flow)
		return
	}
	if l.away {
		q.fair.Await(l.flow, l.weight)
		return
	}
	q.fair.Set(l.flow, l.tasks[0], l.weight)
}

func (q *queueOf) serve() (*line, int64) {
	first := q.fair.First()
	if first == nil {
		return nil, 0
	}
	l := first.Value
	task := l.tasks[0]
	l.tasks = l.tasks[1:]
	l.served++
	q.fair.Serve(first)
	q.settle(l)
	return l, task
}

func drawWeight(t *rapid.T) float64 {
	return rapid.SampledFrom([]float64{0.1, 0.5, 1, 1, 1, 3, 10, 100}).Draw(t, "weight")
}

// While all have tasks, each has had its share to within one task, at any moment.
func TestSharesFollowWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queueOf
		total, strides := rapid.IntRange(1, 100).Draw(t, "tasks"), 0.0
		for range rapid.IntRange(1, 8).Draw(t, "lines") {
			l := q.line(DefaultPriority, drawWeight(t))
			strides += l.weight
			for range total + 1 {
				q.arrive(l)
			}
		}
		for n := range total {
			q.serve()
			for _, l := range q.lines {
				share := float64(n+1) * l.weight / strides
				require.InDelta(t, share, l.served, 1+share*float64(len(q.lines))/float64(n+1)+0.01*share, "weight %v", l.weight)
			}
		}
	})
}

// However many others come and whatever they have piled up, a task waits for a
// bounded number of turns: of each other line no more than fit into its own
// stride, and one.
func TestNobodyStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queueOf
		for range rapid.IntRange(2, 6).Draw(t, "lines") {
			q.line(DefaultPriority, drawWeight(t))
		}
		for range rapid.IntRange(0, 60).Draw(t, "before") {
			q.arrive(rapid.SampledFrom(q.lines).Draw(t, "line"))
			if rapid.IntRange(0, 3).Draw(t, "served") == 0 {
				q.serve()
			}
		}
		late := q.line(DefaultPriority, drawWeight(t))
		q.arrive(late)
		bound := 0.0
		for _, l := range q.lines[:len(q.lines)-1] {
			bound += 1.001*l.weight/late.weight + 1
		}
		for turns := 0.0; late.served == 0; turns++ {
			if turns > bound {
				t.Fatalf("%v turns, at most %v", turns, bound)
			}
			q.arrive(q.lines[0]) // never ends
			q.serve()
		}
	})
}

// New lines that never stop coming do not keep one waiting that is there.
func TestNewcomersDoNotStarveOthers(t *testing.T) {
	var q queueOf
	steady := q.line(DefaultPriority, 1)
	for range 100 {
		q.arrive(steady)
	}
	for range 300 {
		q.arrive(q.line(DefaultPriority, 1))
		q.arrive(q.line(DefaultPriority, 1))
		q.serve()
	}
	require.Greater(t, steady.served, 5, "one in each round, and rounds grow")
}

// What a line has had at any moment does not depend on the order in which a
// burst came, but for one task. In a line the order is that of arrival.
func TestOrderOfABurstDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.SampledFrom([]float64{0.5, 1, 2, 5}), 2, 5).Draw(t, "weights")
		var burst []int
		for i := range weights {
			for range rapid.IntRange(0, 15).Draw(t, "tasks") {
				burst = append(burst, i)
			}
		}
		var a, b queueOf
		for _, w := range weights {
			a.line(DefaultPriority, w)
			b.line(DefaultPriority, w)
		}
		for _, i := range burst {
			a.arrive(a.lines[i])
		}
		for _, i := range rapid.Permutation(burst).Draw(t, "other order") {
			b.arrive(b.lines[i])
		}
		lastOf := map[*line]int64{}
		for range burst {
			l, task := a.serve()
			require.Greater(t, task, lastOf[l])
			lastOf[l] = task
			b.serve()
			for i := range weights {
				require.InDelta(t, a.lines[i].served, b.lines[i].served, 1)
			}
		}
		last, _ := a.serve()
		require.Nil(t, last)
	})
}

// Flows whose tasks are awaited at times get their shares all the same, to
// within two tasks of each, and serving goes on as long as somebody is ahead of
// nobody by more.
func TestAwaitedFlowsKeepTheirShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queueOf
		total, weights := rapid.IntRange(1, 200).Draw(t, "tasks"), 0.0
		for range rapid.IntRange(1, 6).Draw(t, "lines") {
			l := q.line(DefaultPriority, drawWeight(t))
			weights += l.weight
			for range total + 1 {
				q.arrive(l)
			}
		}
		for n := 0; n < total; {
			l := rapid.SampledFrom(q.lines).Draw(t, "line")
			l.away = rapid.Bool().Draw(t, "away")
			q.settle(l)
			got, _ := q.serve()
			if got == nil {
				awaited := q.fair.Awaited().Value
				require.True(t, awaited.away)
				awaited.away = false
				q.settle(awaited)
				continue
			}
			require.False(t, got.away)
			n++
			for _, l := range q.lines {
				share := float64(n) * l.weight / weights
				behind, ahead := 2+0.01*share, 2+2*share*float64(len(q.lines))/float64(n)+0.01*share+float64(len(q.lines))
				if diff := share - float64(l.served); diff > behind || -diff > ahead {
					t.Fatalf("weight %v has had %d, its share is %v", l.weight, l.served, share)
				}
			}
		}
	})
}

// Who has a single task does not wait for others to be read; who has many does.
func TestAwaitedFlowGivesWay(t *testing.T) {
	var q queueOf
	big, small, low := q.line(3, 1), q.line(3, 1), q.line(4, 1)
	for range 10 {
		q.arrive(big)
		q.arrive(low)
	}
	q.serve()
	big.away = true
	q.settle(big)
	for range 5 {
		q.arrive(small)
	}
	for range 2 {
		got, _ := q.serve()
		require.Same(t, small, got)
	}
	got, _ := q.serve()
	require.Nil(t, got, "neither the rest nor a lower priority")
	require.Same(t, big, q.fair.Awaited().Value)
	big.away = false
	q.settle(big)
	for _, want := range []*line{big, big, big, small, big} {
		got, _ := q.serve()
		require.Same(t, want, got)
	}
}

func TestPriorityBeforeWeight(t *testing.T) {
	var q queueOf
	low, high := q.line(2, 1000), q.line(1, 0.001)
	for range 3 {
		q.arrive(low)
		q.arrive(high)
	}
	for _, want := range []*line{high, high, high, low, low, low} {
		got, _ := q.serve()
		require.Same(t, want, got)
	}
}

// A line that had nothing to give for a while has no claim for that time.
func TestRestGivesNoClaim(t *testing.T) {
	var q queueOf
	busy, idle := q.line(3, 1), q.line(3, 1)
	for range 100 {
		q.arrive(busy)
	}
	q.arrive(idle)
	q.serve()
	q.serve()
	for range 50 {
		q.serve()
	}
	for range 100 {
		q.arrive(idle)
	}
	before := busy.served
	for range 20 {
		q.serve()
	}
	require.Equal(t, 10, busy.served-before)
}

// A changed weight counts at once, and so does an older first task.
func TestWeightChanges(t *testing.T) {
	var q queueOf
	a, b := q.line(3, 1), q.line(3, 1)
	for range 300 {
		q.arrive(a)
		q.arrive(b)
	}
	for range 20 {
		q.serve()
	}
	require.InDelta(t, a.served, b.served, 1)
	a.weight = 9
	q.settle(a)
	before := a.served
	for range 100 {
		q.serve()
	}
	require.InDelta(t, 90, a.served-before, 2)
}

func TestVirtualTimeBeginsAnew(t *testing.T) {
	var q queueOf
	a, b := q.line(3, 1), q.line(3, 2)
	for range 40 {
		q.arrive(a)
		q.arrive(b)
	}
	q.serve()
	l := q.fair.level(a.flow)
	l.now += virtualMax
	for _, x := range q.lines {
		x.flow.base += virtualMax
		x.flow.turn.Age += virtualMax
	}
	for range 30 {
		q.serve()
	}
	require.Less(t, l.now, int64(1<<40))
	require.InDelta(t, 2*a.served, b.served, 2)
}

func TestWeightBounds(t *testing.T) {
	nan := float32(0)
	nan /= nan
	for in, want := range map[float32]float64{0: 1, 1: 1, 2.5: 2.5, -1: 0.001, 1e-9: 0.001, 1e9: 1000} {
		require.Equal(t, want, Weight(in), "weight %v", in)
	}
	require.Equal(t, 1.0, Weight(nan))
}

func TestLanes(t *testing.T) {
	require.Zero(t, LaneOf(DefaultPriority, ""))
	require.EqualValues(t, -364878255613022069, LaneOf(1, "tenant-1"), "stored: it never changes")
	rapid.Check(t, func(t *rapid.T) {
		p, key := rapid.Int32Range(1, 5).Draw(t, "priority"), rapid.String().Draw(t, "key")
		other := rapid.String().Draw(t, "other")
		own, shared := LaneOf(p, key), SharedLane(p, key)
		require.Equal(t, p, own.Priority())
		require.Equal(t, p, shared.Priority())
		require.NotEqual(t, own, shared)
		require.NotEqual(t, LaneOf(p, ""), shared)
		require.Equal(t, key == other, own == LaneOf(p, other), fmt.Sprint(key, other))
		require.NotEqual(t, own, LaneOf(p%5+1, key))
	})
}
