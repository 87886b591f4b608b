package history

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/proto"

	"perdure/server/cluster"
	"perdure/server/execution"
	"perdure/server/store"
)

// entry is one execution in memory.
type entry struct {
	shard    *shard
	key      store.ExecutionKey
	workflow store.WorkflowKey
	runID    string
	lease    store.Lease // under which it was made: it can be changed under no other

	mu sync.Mutex
	account
	gone error // set when the entry must not be used any more

	// state is the newest, maybe ahead of what is durable; visible is what the
	// outside may see: all of it that must be durable is.
	state, visible *execution.State
	// queued is the version of the last change handed to the committer, stored the last known durable one.
	queued, stored int64
	durable        *execution.State // the last known durable one; nil: not heard of since it was read
	ticket         *ticket          // of the last change handed to the committer
	// unsaved are events of volatile decisions; the next change takes them along.
	unsaved []*historypb.HistoryEvent
	// starts are to be called when the next change is durable: it remembers
	// volatile starts of tasks that the backlog keeps till then.
	starts []func()

	// tail are the events from tailFirst up to the state's last.
	tail      []*historypb.HistoryEvent
	tailFirst int64
	tailBytes int

	watch   chan struct{}   // closed when visible changes; nil: nobody watches
	offered map[int64]int64 // scheduled event → stamp of the last offer
	sending bool            // a goroutine delivers messages
	called  map[int64]int32 // callback → attempt that the outbound queue has
	parked  bool            // the durable backlog may have the offers: a restart makes none
	results []pendingResult // of updates, not yet visible
	waiters map[string][]chan execution.UpdateResult
	queries []*bufferedQuery

	used    time.Time
	pinned  int          // calls that hold the entry; guarded by shard.mu
	retired bool         // is among the shard's closed runs; guarded by shard.mu
	weight  atomic.Int64 // its part of shard.bytes
}

// pendingResult is told to those who wait once the version is visible.
type pendingResult struct {
	version int64
	result  execution.UpdateResult
}

// tailLimitBytes bounds the events of one execution kept in memory.
const tailLimitBytes = 1 << 20

// do decides a command on the entry and waits until it is durable. With an
// error the decision stands if it has a state.
func (e *Engine) do(ctx context.Context, en *entry, c execution.Command) (execution.Decision, error) {
	return e.doTask(ctx, en, c, nil)
}

// doTask is do for a command that starts a task that matching gave out.
func (e *Engine) doTask(ctx context.Context, en *entry, c execution.Command, task *cluster.Task) (execution.Decision, error) {
	env, err := e.envByID(ctx, en.workflow.NamespaceID)
	if err != nil {
		return execution.Decision{}, err
	}
	t := moments{found: env.Now, locked: env.Now}
	if task == nil {
		t.received = cluster.Received(ctx)
	}
	if !en.mu.TryLock() {
		en.mu.Lock()
		t.locked = time.Now().UTC()
		e.metrics.lockWait.Seconds(t.locked.Sub(t.found))
	}
	if en.gone != nil {
		defer en.mu.Unlock()
		return execution.Decision{}, en.gone
	}
	d, err := execution.Decide(en.state, c, env)
	var after func()
	var remembered func()
	switch {
	case err == nil:
		remembered = en.startOf(task, &d)
		old := en.state
		after = e.install(en, d)
		e.noteDecision(en, old, c, t, task)
	case task != nil && len(en.starts) > 0 && errors.Is(err, execution.ErrStale):
		err = cluster.ErrUnsettledTask
	}
	durable, state := en.ticket, en.state
	en.mu.Unlock()
	if after != nil {
		after()
	}
	// An error, too, may tell of a state that is not durable yet.
	if waitErr := waitFor(ctx, durable, state, c); waitErr != nil {
		return execution.Decision{}, waitErr
	}
	if remembered != nil {
		remembered()
	}
	if err == nil {
		err = d.Err
	}
	return d, err
}

// startOf settles who remembers a task that starts, and returns what to call
// once the decision is durable. A volatile start of a run whose tasks are in the
// backlog needs the backlog until the run's next change; without that the run
// itself must remember it now. The lock is held.
func (en *entry) startOf(task *cluster.Task, d *execution.Decision) (remembered func()) {
	switch {
	case task == nil:
		return nil
	case task.FromBacklog:
		en.parked = true
	}
	if !d.Volatile || !en.parked {
		return task.Remembered
	}
	if task.Remembered == nil {
		d.Volatile = false
		return nil
	}
	en.starts = append(en.starts, task.Remembered)
	return nil
}

// install makes a decision the entry's newest state. The lock is held; the
// returned function, if any, is to be called without it.
func (e *Engine) install(en *entry, d execution.Decision) (after func()) {
	en.state = d.State
	en.used = time.Now()
	en.addTail(d.Events)
	for _, r := range d.Updates {
		en.results = append(en.results, pendingResult{version: d.State.Version, result: r})
	}
	e.count(en, d)
	if d.Volatile {
		en.unsaved = append(en.unsaved, d.Events...)
		if en.stored >= en.queued {
			return e.publish(en, en.state)
		}
		return nil // shown with the change it stands on
	}
	e.committer.enqueue(en, d)
	return nil
}

// takeUnsaved returns the events of the change to be queued.
func (en *entry) takeUnsaved(events []*historypb.HistoryEvent) []*historypb.HistoryEvent {
	if len(en.unsaved) == 0 {
		return events
	}
	all := append(en.unsaved, events...)
	en.unsaved = nil
	return all
}

func (en *entry) addTail(events []*historypb.HistoryEvent) {
	if len(events) == 0 {
		return
	}
	if len(en.tail) == 0 {
		en.tailFirst = events[0].EventId
	}
	before := en.tailBytes
	defer func() { en.weigh(eventWeight * int64(en.tailBytes-before)) }()
	for _, event := range events {
		en.tailBytes += proto.Size(event)
	}
	en.tail = append(en.tail, events...)
	for en.tailBytes > tailLimitBytes && len(en.tail) > 64+len(en.unsaved) {
		// Half of it goes at once: cutting one by one would copy again and again.
		half := len(en.tail) / 2
		for _, event := range en.tail[:half] {
			en.tailBytes -= proto.Size(event)
		}
		en.tail = append([]*historypb.HistoryEvent(nil), en.tail[half:]...)
		en.tailFirst = en.tail[0].EventId
	}
}

const (
	// entryBytes is about what an entry takes beside its events.
	entryBytes = 4 << 10
	// eventWeight is how much more an event takes in memory than on the wire.
	eventWeight = 3
)

// weigh adds to what the entry counts for in the cache.
func (en *entry) weigh(bytes int64) {
	en.weight.Add(bytes)
	en.shard.bytes.Add(bytes)
}

// changed returns a channel that is closed when the visible state changes. The lock is held.
func (en *entry) changed() <-chan struct{} {
	if en.watch == nil {
		en.watch = make(chan struct{})
	}
	return en.watch
}

// view is what the outside may see of the entry.
func (en *entry) view(ctx context.Context) (*execution.State, <-chan struct{}, error) {
	en.mu.Lock()
	defer en.mu.Unlock()
	for en.gone == nil && en.visible == nil { // a run whose first commit is under way
		if err := en.untilChanged(ctx); err != nil {
			return nil, nil, err
		}
	}
	if en.gone != nil {
		return nil, nil, en.gone
	}
	return en.visible, en.changed(), nil
}

// untilChanged lets go of the lock until the visible state has changed or the
// last queued change has failed.
func (en *entry) untilChanged(ctx context.Context) error {
	changed, t := en.changed(), en.ticket
	en.mu.Unlock()
	defer en.mu.Lock()
	if err := t.wait(ctx); err != nil {
		return err
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// ticket is the promise of a commit.
type ticket struct {
	done chan struct{}
	err  error
}

func newTicket() *ticket { return &ticket{done: make(chan struct{})} }

// wait returns when the commit is durable, or failed, or the caller's time is over.
func (t *ticket) wait(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case <-t.done:
		return t.err
	case <-ctx.Done():
		return contextError(ctx)
	}
}

func contextError(ctx context.Context) error {
	if ctx.Err() == context.DeadlineExceeded {
		return serviceerror.NewDeadlineExceeded("context deadline exceeded")
	}
	return serviceerror.NewCanceled("context canceled")
}
