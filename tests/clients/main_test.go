// Package clients drives a perdure process with the official clients: the Go, Python and TypeScript SDKs, the command line
// tool and the player of recorded raw calls. Each suite runs against each store; PERDURE_TEST_ADDRESS=host:port runs them
// against a server that is already there instead.
package clients

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/pgtest"
	"perdure/internal/serverprocess"
)

const (
	// environmentAddress names a running server to test instead of starting one.
	environmentAddress = "PERDURE_TEST_ADDRESS"
	// serverStartTimeout bounds the start of a server on a busy machine; process_test.go holds the promised second.
	serverStartTimeout = 20 * time.Second
	// drainWithin bounds a stop, with polls in flight or not.
	drainWithin = 10 * time.Second
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// target is one server that the suites drive.
type target struct {
	name    string
	address string
}

// eachTarget runs test against every store, or against the one server that the environment names. The arguments go to the
// command line of the servers.
func eachTarget(t *testing.T, test func(t *testing.T, server target), arguments ...string) {
	t.Helper()
	if address := os.Getenv(environmentAddress); address != "" {
		t.Run("given", func(t *testing.T) { test(t, target{name: "given", address: address}) })
		return
	}
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			options := store.options(t)
			options.ExtraArguments = append(options.ExtraArguments, arguments...)
			process := startServer(t, options)
			t.Cleanup(func() { stopServer(t, process) })
			test(t, target{name: store.name, address: process.Address})
		})
	}
}

// stores are what a server of this package's tests can run on.
var stores = []struct {
	name    string
	options func(t testing.TB) serverprocess.Options
}{
	{name: "sqlite", options: func(t testing.TB) serverprocess.Options {
		return serverprocess.Options{DatabaseFile: filepath.Join(t.TempDir(), "perdure.db")}
	}},
	{name: "postgres", options: func(t testing.TB) serverprocess.Options {
		return serverprocess.Options{Store: pgtest.Database(t)}
	}},
}

// startServer runs a server; a test that fails shows the end of its log. The caller stops it; what is left is killed.
func startServer(t testing.TB, options serverprocess.Options) *serverprocess.Process {
	t.Helper()
	binary, err := serverprocess.Build()
	require.NoError(t, err)
	log := &lockedBuffer{}
	options.Binary, options.Log = binary, log
	ctx, cancel := context.WithTimeout(t.Context(), serverStartTimeout)
	defer cancel()
	process, err := serverprocess.Start(ctx, options)
	require.NoError(t, err, "server log:\n%s", log.tail())
	t.Cleanup(func() {
		_ = process.Kill()
		if t.Failed() {
			t.Logf("server log, its end:\n%s", log.tail())
		}
	})
	return process
}

// stopServer drains the server, which must end with status 0 soon.
func stopServer(t testing.TB, process *serverprocess.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), drainWithin) // the test's own context has ended at its cleanup
	defer cancel()
	require.NoError(t, process.Stop(ctx))
}

// logTailBytes is how much of a server's log a failed test shows.
const logTailBytes = 4000

// lockedBuffer collects a process's output; reads and writes may race.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) tail() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	content := b.buffer.Bytes()
	return string(content[max(0, len(content)-logTailBytes):])
}
