package matching_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/server/cluster"
	"perdure/server/matching"
	"perdure/server/store/memory"
)

// owner is a history in small: it offers tasks until they are stored or
// delivered, offers all others again after a crash, and knows which started.
type owner struct {
	mu      sync.Mutex
	rig     *rig
	pending map[string]bool // offered, no outcome yet, or dropped
	started map[string]bool
	failing bool // starts fail
}

func (o *owner) offer(id string) {
	o.mu.Lock()
	o.pending[id] = true
	r := o.rig
	o.mu.Unlock()
	x := task(queue(), id)
	// The id decides, so that an offer made again says the same: many keys come and
	// go, some are there all the time.
	n, err := strconv.Atoi(strings.TrimPrefix(id, "wf-"))
	if err != nil {
		panic(err)
	}
	x.Priority, x.FairnessKey = int32(n%3+2), []string{"", "a", "b", "key-" + strconv.Itoa(n/7)}[n%4]
	x.FairnessWeight = float32(n % 5)
	r.engine.Offer(x, func(outcome cluster.Outcome) { o.outcome(r, id, outcome) })
}

func (o *owner) outcome(from *rig, id string, outcome cluster.Outcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if from == o.rig && (outcome == cluster.Stored || outcome == cluster.Delivered) {
		delete(o.pending, id)
	}
}

// offerAgain offers what has no good outcome. Only a new process may do so for
// tasks without any outcome.
func (o *owner) offerAgain() {
	o.mu.Lock()
	var ids []string
	for id := range o.pending {
		ids = append(ids, id)
	}
	o.mu.Unlock()
	slices.Sort(ids)
	for _, id := range ids {
		o.offer(id)
	}
}

func (o *owner) start(ctx context.Context, x *cluster.Task) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case o.failing:
		return errors.New("busy")
	case o.started[x.Execution.WorkflowID]:
		return cluster.ErrStaleTask
	}
	o.started[x.Execution.WorkflowID] = true
	return nil
}

func (o *owner) process(t *testing.T, data *memory.Data) {
	r := rigOn(t, data, matching.Limits{ReadAheadTasks: 8, BatchTasks: 5, LanesMax: 20})
	r.history.set(o.start)
	o.mu.Lock()
	o.rig = r
	o.mu.Unlock()
}

// crash lets another process take over; the old one learns that it is fenced.
func (o *owner) crash(t *testing.T, data *memory.Data) {
	old := o.rig
	o.process(t, data)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = old.engine.Stop(ctx) // may run out of time: its store may be failing
	o.offerAgain()
}

// Whatever happens to clients, store, history and processes, no task is lost.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runModel(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func runModel(t *testing.T, random *rand.Rand) {
	data, err := memory.New(1)
	require.NoError(t, err)
	o := &owner{pending: map[string]bool{}, started: map[string]bool{}}
	o.process(t, data)
	var polls sync.WaitGroup
	offered := 0
	for range 300 {
		switch n := random.IntN(100); {
		case n < 45:
			o.offer(fmt.Sprintf("wf-%04d", offered))
			offered++
		case n < 75:
			r, patience := o.rig, time.Duration(random.IntN(1500))*time.Millisecond
			polls.Go(func() {
				ctx, leave := context.WithCancel(t.Context())
				defer time.AfterFunc(patience, leave).Stop()
				defer leave()
				r.poll(ctx, queue())
			})
		case n < 90:
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
		case n < 93:
			o.rig.store.failWith(errors.New("away"), random.IntN(2) == 0)
		case n < 96:
			o.rig.store.failWith(nil, false)
		case n < 98:
			o.mu.Lock()
			o.failing = !o.failing
			o.mu.Unlock()
		default:
			o.crash(t, data)
		}
	}
	polls.Wait()
	o.finish(t, data, offered)
}

// finish lets everything work again and expects all tasks to come out.
func (o *owner) finish(t *testing.T, data *memory.Data, offered int) {
	o.mu.Lock()
	o.failing = false
	o.mu.Unlock()
	o.rig.store.failWith(nil, false)
	time.Sleep(time.Minute)
	o.crash(t, data)
	for range offered {
		if o.rig.pollFor(queue(), 10*time.Second) == "" {
			break
		}
	}
	require.Len(t, o.started, offered)
	time.Sleep(time.Minute)
	require.Zero(t, o.rig.stored())
	o.rig.stop()
	require.Empty(t, o.pending)
}
