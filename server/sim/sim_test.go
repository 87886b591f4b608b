package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"perdure/server/store/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seeds are those that the environment asks for, else a few.
func seeds(t *testing.T, usual int) (list []uint64) {
	if text := os.Getenv("PERDURE_SIM_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		return []uint64{seed}
	}
	if text := os.Getenv("PERDURE_SIM_SEEDS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		usual = n
	}
	for seed := range usual {
		list = append(list, uint64(seed+1))
	}
	return list
}

func TestMemory(t *testing.T) { simulate(t, "memory", 3) }

func TestSQLite(t *testing.T) { simulate(t, "sqlite", 1) }

func simulate(t *testing.T, backend string, usual int) {
	for _, seed := range seeds(t, usual) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulateSeed(t, backend, seed) })
		})
	}
}

// clientsMax is how many workflows are started from outside.
const clientsMax = 30

func simulateSeed(t *testing.T, backend string, seed uint64) {
	w := newWorld(t, backend, fault.Plan{
		Seed: seed, ErrorShare: 0.01, LostShare: 0.02, DelayShare: 0.3, DelayMax: 30 * time.Millisecond,
	})
	n := w.start()
	calling, working := w.connect(), w.connect()
	ws := startWorkers(working, w, seed)
	ctx, cancel := context.WithCancel(t.Context())
	var clients []*client
	var all sync.WaitGroup
	for i := range clientsMax {
		c := newClient(w.service(calling), seed, i)
		clients = append(clients, c)
		all.Go(func() { c.run(ctx) })
	}
	n = troubles(w, n, rand.New(rand.NewPCG(seed, 1<<20)))
	all.Wait()

	// From here on the store is well, so that all can come to its end.
	w.plan = fault.Plan{}
	n.kill()
	n = w.start()
	a := &audit{t: t, service: w.service(calling), workers: ws, outside: w.outside}
	for _, c := range clients {
		require.NoError(t, c.failed, c.id)
		a.settled(c, 72*time.Hour)
	}
	<-time.After(time.Hour) // children and records too
	for _, c := range clients {
		a.client(c)
	}
	ws.stop()
	runs := countRuns(a, w, n)
	t.Logf("%d runs in %d processes", runs, w.nodes)
	cancel()
	require.NoError(t, calling.Close())
	require.NoError(t, working.Close())
}

// countRuns stops the node, looks at the rows, and at what a last node's search shows.
func countRuns(a *audit, w *world, n *node) int {
	n.stop()
	runs := a.rows(w)
	n = w.start()
	<-time.After(time.Minute)
	a.search(runs)
	n.stop()
	return runs
}

// troubles kills the node, or stops it, again and again: often at first, then over a day.
func troubles(w *world, n *node, random *rand.Rand) *node {
	for i := range 8 {
		longest := 15 * time.Second
		if i > 5 {
			longest = 6 * time.Hour
		}
		<-time.After(time.Duration(random.Int64N(int64(longest))))
		if random.IntN(4) == 0 {
			n.stop()
		} else {
			n.kill()
		}
		<-time.After(time.Duration(random.IntN(3000)) * time.Millisecond)
		n = w.start()
	}
	return n
}
