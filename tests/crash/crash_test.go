// Package crash kills the server with SIGKILL again and again while workflows of every shape are under way, and then
// looks that nothing acknowledged was lost and nothing ran twice that must not.
//
// PERDURE_CRASH_SEED=n repeats the moments of an earlier run.
package crash

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"perdure/internal/pgtest"
	"perdure/internal/serverprocess"
)

const (
	// workflows is how many are under way, spread over the shapes.
	workflows = 300
	// kills is how often the server dies.
	kills = 20
	// leastUptime and mostUptime bound the random time between a restart and the next kill.
	leastUptime, mostUptime = 50 * time.Millisecond, 2 * time.Second
	// leastPace and mostPace bound the pause between two steps of a workflow, so that most live through several kills.
	leastPace, mostPace = 500 * time.Millisecond, 5 * time.Second
	// startWindow is the time over which the workflows are started.
	startWindow = 10 * time.Second
	// restartTimeout bounds one restart on a busy machine.
	restartTimeout = 30 * time.Second
	// testTimeout bounds the test on one store.
	testTimeout = 4 * time.Minute
	// workflowTaskTimeout is short, so that a workflow task that was lost with the server comes back soon.
	workflowTaskTimeout = 3 * time.Second
	// environmentSeed repeats an earlier run's moments.
	environmentSeed = "PERDURE_CRASH_SEED"
)

const (
	taskQueue  = "crash"
	signalName = "said"
	updateName = "say"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func TestCrashOnSQLite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "perdure.db")
	searchStores := []string{
		"--search-store", "same=sqlite://" + file, "--search-store", "other=sqlite://" + filepath.Join(t.TempDir(), "search.db"), "--search-reads", "same",
	}
	testCrash(t, serverprocess.Options{DatabaseFile: file, ExtraArguments: searchStores}, "sqlite://"+file)
}

func TestCrashOnPostgres(t *testing.T) {
	url := pgtest.Database(t)
	testCrash(t, serverprocess.Options{Store: url}, url)
}

func testCrash(t *testing.T, options serverprocess.Options, storeURL string) {
	seed := seed(t)
	t.Logf("repeat with %s=%d", environmentSeed, seed)
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	binary, err := serverprocess.Build()
	require.NoError(t, err)
	output := logFile(t)
	options.Binary, options.Log = binary, output
	told := newReceiver(t)
	twoStores := len(options.ExtraArguments) > 0
	options.ExtraArguments = append(options.ExtraArguments, "--dynamic-config-value", allowReceiver)
	server, err := serverprocess.Start(ctx, options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Kill() })

	c, err := client.DialContext(ctx, client.Options{HostPort: server.Address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	defer c.Close()
	counter := &counter{runs: map[string]int{}}
	w := worker.New(c, taskQueue, worker.Options{})
	register(w, counter)
	require.NoError(t, w.Start())

	begun := time.Now()
	drivers := drive(ctx, c, told, rand.New(rand.NewPCG(seed, 1)))
	killRepeatedly(ctx, t, server, rand.New(rand.NewPCG(seed, 2)))
	t.Logf("%d kills in %s, %d workflows were still under way", kills, time.Since(begun).Round(time.Millisecond), drivers.underWay())
	records := drivers.wait(t)
	t.Logf("all %d workflows ended after %s", len(records), time.Since(begun).Round(time.Millisecond))
	verify(ctx, t, c, counter, records)
	verifyTold(ctx, t, c, told, records)
	t.Logf("verified after %s", time.Since(begun).Round(time.Millisecond))

	w.Stop()
	if twoStores {
		verifySearch(ctx, t, binary, server.MetricsAddress, "same", "other")
	}
	require.NoError(t, server.Stop(ctx))
	verifyStore(ctx, t, binary, storeURL)
}

// killRepeatedly ends the server with SIGKILL at random moments and starts it again on the same ports and store.
func killRepeatedly(ctx context.Context, t *testing.T, server *serverprocess.Process, random *rand.Rand) {
	t.Helper()
	for i := range kills {
		uptime := between(random, leastUptime, mostUptime)
		select {
		case <-time.After(uptime): // the random moment itself
		case <-ctx.Done():
			require.NoError(t, ctx.Err())
		}
		require.NoError(t, server.Kill())
		restart, cancel := context.WithTimeout(ctx, restartTimeout)
		err := server.Restart(restart)
		cancel()
		require.NoError(t, err, "restart after kill %d", i+1)
	}
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least)))
}

// verifyStore lets the binary rebuild each execution from its history and compare it with what is stored.
func verifyStore(ctx context.Context, t *testing.T, binary, storeURL string) {
	t.Helper()
	output, err := exec.CommandContext(ctx, binary, "doctor", "verify", "--store", storeURL).CombinedOutput()
	require.NoError(t, err, "%s", output)
	t.Logf("doctor verify: %s", output)
}

// verifySearch lets the server compare its stores of search records with its executions.
func verifySearch(ctx context.Context, t *testing.T, binary, address string, stores ...string) {
	t.Helper()
	for _, name := range stores {
		output, err := exec.CommandContext(ctx, binary, "visibility", "audit", "--address", address, "--store", name).CombinedOutput()
		require.NoError(t, err, "%s: %s", name, output)
		t.Logf("audit of %s: %s", name, output)
	}
}

func seed(t *testing.T) uint64 {
	t.Helper()
	given := os.Getenv(environmentSeed)
	if given == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	require.NoError(t, err)
	return seed
}

// logFile takes the server's output; a failed test shows where its end is.
func logFile(t *testing.T) *os.File {
	t.Helper()
	file, err := os.CreateTemp("", "perdure-crash-*.log")
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = file.Close()
		if t.Failed() {
			t.Logf("the server's log: %s", file.Name())
			return
		}
		_ = os.Remove(file.Name())
	})
	return file
}

// drivers are the clients of all workflows, one goroutine each.
type drivers struct {
	group   sync.WaitGroup
	mutex   sync.Mutex
	records []*record
	errs    []error
}

// drive starts every workflow at a random moment of the start window and does its client's part.
func drive(ctx context.Context, c client.Client, told *receiver, random *rand.Rand) *drivers {
	d := &drivers{}
	all := append(shapes, onceShape)
	for i := range workflows {
		r := &record{
			shape: all[i%len(all)], id: fmt.Sprintf("crash-%03d", i),
			pace: between(random, leastPace, mostPace), callback: told.callback(fmt.Sprintf("crash-%03d", i)),
		}
		delay := between(random, 0, startWindow)
		d.group.Go(func() {
			err := r.live(ctx, c, delay)
			d.mutex.Lock()
			defer d.mutex.Unlock()
			d.records = append(d.records, r)
			if err != nil {
				d.errs = append(d.errs, fmt.Errorf("%s %s: %w", r.shape.name, r.id, err))
			}
		})
	}
	return d
}

// underWay is how many workflows have not ended or not even begun.
func (d *drivers) underWay() int {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return workflows - len(d.records)
}

func (d *drivers) wait(t *testing.T) []*record {
	t.Helper()
	d.group.Wait()
	for _, err := range d.errs {
		t.Error(err)
	}
	require.Len(t, d.records, workflows)
	return d.records
}
