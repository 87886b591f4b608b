package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"perdure/server/store"
)

// registers is the model: one shard's epoch and the version of a few of its runs.
type registers struct {
	epoch    int64
	versions [3]int64
}

type operation int

const (
	acquireShard operation = iota
	commitRuns
	loadRun
)

type input struct {
	operation operation
	epoch     int64
	runs      []int // of a commit; one for a load
	previous  []int64
}

type output struct {
	err     error // nil or a sentinel of package store
	version int64 // of a load, 0 when there is no run
}

// model says what a store that does one thing at a time would answer.
func model(epoch int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return registers{epoch: epoch} },
		Step: func(state, in, out any) (bool, any) {
			got := out.(output)
			want, after := state.(registers).step(in.(input))
			return errors.Is(got.err, want.err) && want.version == got.version, after
		},
	}
}

func (s registers) step(in input) (output, registers) {
	if in.operation == loadRun {
		return output{version: s.versions[in.runs[0]]}, s
	}
	if in.epoch != s.epoch {
		return output{err: store.ErrLeaseLost}, s
	}
	after := s
	if in.operation == acquireShard {
		after.epoch++
		return output{}, after
	}
	for i, run := range in.runs {
		if s.versions[run] != in.previous[i] {
			return output{err: store.ErrConflict}, s
		}
		after.versions[run]++
	}
	return output{}, after
}

// client is one node with its own, often outdated, belief about the store.
type client struct {
	store   store.Store
	shard   store.Shard
	random  *rand.Rand
	believe registers
}

func (c *client) choose() input {
	switch draw := c.random.IntN(20); {
	case draw == 0:
		return input{operation: acquireShard, epoch: c.believe.epoch}
	case draw < 8:
		return input{operation: loadRun, runs: []int{c.random.IntN(len(c.believe.versions))}}
	}
	runs := c.random.Perm(len(c.believe.versions))[:1+c.random.IntN(2)]
	previous := make([]int64, len(runs))
	for i, run := range runs {
		previous[i] = c.believe.versions[run]
	}
	return input{operation: commitRuns, epoch: c.believe.epoch, runs: runs, previous: previous}
}

func (c *client) do(ctx context.Context, in input) output {
	switch in.operation {
	case acquireShard:
		_, err := c.store.Acquire(ctx, c.shard.ID, in.epoch, "owner")
		return output{err: err}
	case loadRun:
		found, err := c.store.Load(ctx, c.run(in.runs[0], 0).Key)
		if errors.Is(err, store.ErrNotFound) {
			return output{}
		}
		if err != nil {
			return output{err: err}
		}
		return output{version: found.Version}
	}
	part := store.ShardGroup{Lease: store.Lease{Shard: c.shard.ID, Epoch: in.epoch}}
	for i, run := range in.runs {
		part.Executions = append(part.Executions, c.run(run, in.previous[i]))
	}
	return output{err: c.store.Commit(ctx, group(part))}
}

func (c *client) run(number int, previous int64) store.ExecutionWrite {
	write := start(fmt.Sprintf("w-%d", number), c.shard.FirstSlot, int64(number)+1)
	write.PrevVersion, write.Version = previous, previous+1
	return write
}

// learn keeps the belief near enough to the truth that many calls succeed.
func (c *client) learn(ctx context.Context, in input, out output) error {
	if in.operation == loadRun {
		c.believe.versions[in.runs[0]] = out.version
	}
	if in.operation == commitRuns && out.err == nil {
		for _, run := range in.runs {
			c.believe.versions[run]++
		}
	}
	if errors.Is(out.err, store.ErrLeaseLost) || in.operation == acquireShard {
		shards, err := c.store.Shards(ctx)
		if err != nil {
			return err
		}
		c.believe.epoch = shards[0].Epoch
	}
	return nil
}

func testLinearizable(t *testing.T, f *fixture) {
	const clients, calls = 6, 60
	shard := f.shardRow(t, f.firstShard(t))
	handles := []store.Store{f.store, f.handle(t)}
	began := time.Now()
	var (
		mu         sync.Mutex
		operations []porcupine.Operation
		outcomes   = map[error]int{}
		group      sync.WaitGroup
		failures   = make(chan error, clients)
	)
	for id := range clients {
		group.Go(func() {
			c := &client{store: handles[id%2], shard: shard, random: rand.New(rand.NewPCG(uint64(id), 1)), believe: registers{epoch: shard.Epoch}}
			for range calls {
				in := c.choose()
				called := time.Since(began)
				out := c.do(t.Context(), in)
				returned := time.Since(began)
				mu.Lock()
				operations = append(operations, porcupine.Operation{
					ClientId: id, Input: in, Call: called.Nanoseconds(), Output: out, Return: returned.Nanoseconds(),
				})
				outcomes[sentinel(out.err)]++
				mu.Unlock()
				if err := c.learn(t.Context(), in, out); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failures)
	require.NoError(t, <-failures)
	require.Equal(t, clients*calls, len(operations))
	for err := range outcomes {
		require.Contains(t, []error{nil, store.ErrLeaseLost, store.ErrConflict}, err, "no deadlock and no other surprise")
	}
	require.NotZero(t, outcomes[nil])
	require.NotZero(t, outcomes[store.ErrLeaseLost], "the fence was tried")
	require.NotZero(t, outcomes[store.ErrConflict], "versions were tried")
	require.Equal(t, porcupine.Ok, porcupine.CheckOperationsTimeout(model(shard.Epoch), operations, time.Minute))
}

func sentinel(err error) error {
	for _, known := range []error{store.ErrLeaseLost, store.ErrConflict} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}
