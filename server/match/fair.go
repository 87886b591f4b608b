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
	awaited  bool  // its tasks are not here yet
	served   bool  // since it was set
	base     int64 // virtual time when its first task became the first
	// turn is the flow's place: Age is the virtual time at which its turn ends,
	// Tie the age of its first task.
	turn Item[*Flow[T]]
	// gate is its place among the awaited: Age is where others have to wait for it.
	gate Item[*Flow[T]]
}

// NewFlow makes a flow that waits for nothing yet.
func NewFlow[T any](value T, priority int32) *Flow[T] {
	f := &Flow[T]{Value: value, priority: priority}
	f.turn.Value, f.gate.Value = f, f
	return f
}

// Queued tells whether the flow waits for its turn.
func (f *Flow[T]) Queued() bool { return f.turn.Queued() }

// Fair tells whose turn it is. A higher priority goes first, always; within a
// priority flows take turns in proportion to their weights (self-clocked fair
// queueing): a flow's turn ends one stride, the inverse of the weight of its
// first task, after it had its last turn or came, and whose turn ends first
// goes. Virtual time is the end of the last turn.
//
// So a flow that comes late has no claim for the time before, nor has it to
// wait for what others have piled up; and as virtual time grows with each turn
// nobody waits for ever. A flow that has nothing leaves nothing behind. The
// zero value is empty and ready.
type Fair[T any] struct {
	levels [LowestPriority - HighestPriority + 1]level[T]
}

type level[T any] struct {
	now            int64
	ready, awaited Order[*Flow[T]]
	gates          Order[*Flow[T]] // the awaited again
}

func (f *Fair[T]) level(flow *Flow[T]) *level[T] {
	return &f.levels[flow.priority-HighestPriority]
}

func (l *level[T]) enter(flow *Flow[T]) {
	if flow.awaited {
		flow.gate.Age, flow.gate.Tie = flow.nextEnd(), flow.turn.Tie
		l.gates.Push(&flow.gate)
		l.awaited.Push(&flow.turn)
		return
	}
	l.ready.Push(&flow.turn)
}

func (l *level[T]) leave(flow *Flow[T]) {
	if flow.awaited {
		l.gates.Remove(&flow.gate)
		l.awaited.Remove(&flow.turn)
		return
	}
	l.ready.Remove(&flow.turn)
}

// Set enters a flow, or tells that it has another first task: how old it is
// (lower is older; it decides between equal turns) and its weight.
func (f *Fair[T]) Set(flow *Flow[T], age int64, weight float64) { f.put(flow, false, age, weight) }

// Await enters a flow whose first task is still to be read.
func (f *Fair[T]) Await(flow *Flow[T], weight float64) { f.put(flow, true, 0, weight) }

func (f *Fair[T]) put(flow *Flow[T], awaited bool, age int64, weight float64) {
	l := f.level(flow)
	switch {
	case flow.Queued():
		l.leave(flow)
	case flow.served:
		flow.base = flow.turn.Age
	default:
		flow.base = l.now
	}
	flow.awaited, flow.served = awaited, false
	flow.turn.Age, flow.turn.Tie = flow.base+stride(weight), age
	l.enter(flow)
	l.renew()
}

// Unset takes a flow out that has no task to give. It keeps no claim.
func (f *Fair[T]) Unset(flow *Flow[T]) {
	l := f.level(flow)
	l.leave(flow)
	flow.served = false
	l.renew()
}

// First is the flow whose turn it is, nil when there is none or its tasks are
// awaited. Others of its priority may go before it while it has had one turn
// less than is due, so that who has a single task need not wait for reads of others.
func (f *Fair[T]) First() *Flow[T] {
	for i := range f.levels {
		ready, gate := f.levels[i].ready.First(), f.levels[i].gates.First()
		switch {
		case ready != nil && (gate == nil || ready.Age <= gate.Age):
			return ready.Value
		case gate != nil:
			return nil
		}
	}
	return nil
}

// nextEnd is when the turn behind the flow's next one ends, if its tasks are alike.
func (f *Flow[T]) nextEnd() int64 { return 2*f.turn.Age - f.base }

// Awaited is the flow that should be read first, since others will wait for it
// first; nil when there is none.
func (f *Fair[T]) Awaited() *Flow[T] {
	for i := range f.levels {
		if gate := f.levels[i].gates.First(); gate != nil {
			return gate.Value
		}
	}
	return nil
}

// Serve takes the flow out whose first task has gone. Set or Await enters it
// again, Unset when it has nothing more.
func (f *Fair[T]) Serve(flow *Flow[T]) {
	l := f.level(flow)
	end := flow.turn.Age
	if awaited := l.awaited.First(); awaited != nil {
		end = min(end, awaited.Age) // time waits for whose turn it is
	}
	l.now = max(l.now, end)
	l.leave(flow)
	flow.served = true
}

// renew keeps virtual time small: it begins anew whenever nobody waits, and
// once in thousands of millions of turns in between.
func (l *level[T]) renew() {
	if l.ready.Len()+l.awaited.Len() > 0 && l.now < virtualMax {
		return
	}
	for _, order := range []*Order[*Flow[T]]{&l.ready, &l.awaited} {
		order.Each(func(turn *Item[*Flow[T]]) {
			turn.Value.base -= l.now
			turn.Age -= l.now
		})
	}
	l.gates.Each(func(gate *Item[*Flow[T]]) { gate.Age -= l.now })
	l.now = 0
}
