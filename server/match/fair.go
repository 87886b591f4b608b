package match

// stridePerWeight is the virtual time that a task of weight 1 takes. The
// greatest weight still makes steps of a thousand, and 2^31 tasks of the least
// weight fit in before the numbers begin anew.
const stridePerWeight = 1 << 20

// virtualMax is the virtual time at which the numbers begin anew.
const virtualMax = 1 << 61

func stride(weight float64) int64 { return max(int64(stridePerWeight/weight), 1) }

// Flow is a line of tasks that shares a queue with others by weight. It is in
// one [Fair] at a time. NewFlow makes it.
type Flow[T any] struct {
	Value    T
	priority int32
	base     int64 // virtual time when its first task became the first
	// turn is the flow's place: Age is the virtual time at which its turn ends,
	// Tie the age of its first task.
	turn Item[*Flow[T]]
}

// NewFlow makes a flow that waits for nothing yet.
func NewFlow[T any](value T, priority int32) *Flow[T] {
	f := &Flow[T]{Value: value, priority: priority}
	f.turn.Value = f
	return f
}

// Queued tells whether the flow waits for its turn.
func (f *Flow[T]) Queued() bool { return f.turn.Queued() }

// Fair tells whose turn it is. A higher priority goes first, always; within a
// priority flows take turns in proportion to their weights (self-clocked fair
// queueing): a flow's turn ends one stride, the inverse of the weight of its
// first task, after it had its last turn or came, whichever is later, and whose
// turn ends first goes. Virtual time is the end of the last turn.
//
// So a flow that comes late has no claim for the time before, nor has it to
// wait for what others have piled up; and as virtual time grows with each turn
// nobody waits for ever. A flow that has nothing leaves nothing behind. The
// zero value is empty and ready.
type Fair[T any] struct {
	levels [LowestPriority - HighestPriority + 1]level[T]
}

type level[T any] struct {
	now   int64
	flows Order[*Flow[T]]
}

func (f *Fair[T]) level(flow *Flow[T]) *level[T] {
	return &f.levels[flow.priority-HighestPriority]
}

// Set enters a flow, or tells that it has another first task: how old it is
// (lower is older; it decides between equal turns) and its weight.
func (f *Fair[T]) Set(flow *Flow[T], age int64, weight float64) {
	l := f.level(flow)
	queued := flow.Queued()
	if !queued {
		flow.base = l.now
	}
	flow.turn.Age, flow.turn.Tie = flow.base+stride(weight), age
	if queued {
		l.flows.Move(&flow.turn)
		return
	}
	l.flows.Push(&flow.turn)
}

// Unset takes a flow out that has no task to give. It keeps no claim.
func (f *Fair[T]) Unset(flow *Flow[T]) {
	l := f.level(flow)
	l.flows.Remove(&flow.turn)
	l.renew()
}

// First is the flow whose turn it is, nil when there is none.
func (f *Fair[T]) First() *Flow[T] {
	for i := range f.levels {
		if first := f.levels[i].flows.First(); first != nil {
			return first.Value
		}
	}
	return nil
}

// Serve takes the flow out whose first task has gone. Set enters it again.
func (f *Fair[T]) Serve(flow *Flow[T]) {
	l := f.level(flow)
	l.now = max(l.now, flow.turn.Age)
	f.Unset(flow)
}

// renew keeps virtual time small: it begins anew whenever nobody waits, and
// once in thousands of millions of turns in between.
func (l *level[T]) renew() {
	if l.flows.Len() > 0 && l.now < virtualMax {
		return
	}
	l.flows.Each(func(turn *Item[*Flow[T]]) {
		turn.Value.base -= l.now
		turn.Age -= l.now
	})
	l.now = 0
}
