// Package clients drives a perdure process with the official clients: the Go, Python and TypeScript SDKs, the command line
// tool and the player of recorded raw calls. Each suite runs against each store; PERDURE_TEST_ADDRESS=host:port runs them
// against a server that is already there instead.
package clients

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"perdure/internal/serverprocess"
	"perdure/tests/postgres"
)

const (
	// environmentAddress names a running server to test instead of starting one.
	environmentAddress = "PERDURE_TEST_ADDRESS"
	// serverStartTimeout bounds the start of a server on a busy machine; process_test.go holds the promised second.
	serverStartTimeout = 20 * time.Second
	// serverStopTimeout bounds the drain after SIGTERM.
	serverStopTimeout = 15 * time.Second
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stopSharedServers(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := stopCluster(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// target is one server that the suites drive.
type target struct {
	name    string
	address string
}

// eachTarget runs test against every store, or against the one server that the environment names.
func eachTarget(t *testing.T, test func(t *testing.T, server target)) {
	t.Helper()
	if address := os.Getenv(environmentAddress); address != "" {
		t.Run("given", func(t *testing.T) { test(t, target{name: "given", address: address}) })
		return
	}
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) { test(t, target{name: store.name, address: store.shared(t).Address}) })
	}
}

// storeKind is one store a server can run on, with one server that all suites of this package share.
type storeKind struct {
	name    string
	options func(t testing.TB, folder string) serverprocess.Options

	mutex   sync.Mutex
	process *serverprocess.Process
	folder  string
	log     lockedBuffer
}

var stores = []*storeKind{
	{name: "sqlite", options: func(_ testing.TB, folder string) serverprocess.Options {
		return serverprocess.Options{DatabaseFile: filepath.Join(folder, "perdure.db")}
	}},
	{name: "postgres", options: func(t testing.TB, _ string) serverprocess.Options {
		return serverprocess.Options{Store: freshDatabase(t)}
	}},
}

// shared starts the store's server at the first call.
func (s *storeKind) shared(t *testing.T) *serverprocess.Process {
	t.Helper()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("server log (%s), its end:\n%s", s.name, s.log.tail())
		}
	})
	if s.process != nil {
		return s.process
	}
	folder, err := os.MkdirTemp("", "perdure-clients-")
	require.NoError(t, err)
	s.folder = folder
	s.process = startServer(t, s.options(t, folder), &s.log)
	return s.process
}

func startServer(t testing.TB, options serverprocess.Options, log *lockedBuffer) *serverprocess.Process {
	t.Helper()
	binary, err := serverprocess.Build()
	require.NoError(t, err)
	options.Binary, options.Log = binary, log
	ctx, cancel := context.WithTimeout(t.Context(), serverStartTimeout)
	defer cancel()
	process, err := serverprocess.Start(ctx, options)
	require.NoError(t, err, "server log:\n%s", log.tail())
	return process
}

// stopSharedServers ends what the suites shared; each must drain and exit with status 0.
func stopSharedServers() error {
	for _, store := range stores {
		if store.process == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), serverStopTimeout)
		err := store.process.Stop(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("stop the server on %s: %w\n%s", store.name, err, store.log.tail())
		}
		if err := os.RemoveAll(store.folder); err != nil {
			return err
		}
	}
	return nil
}

// startCluster runs one PostgreSQL for this test binary; it counts the statements it is sent.
var startCluster = sync.OnceValues(func() (*postgres.Cluster, error) {
	clusterStarted.Store(true)
	return postgres.Start(context.Background(), "shared_preload_libraries=pg_stat_statements")
})

var (
	clusterStarted atomic.Bool
	databaseNumber atomic.Int32
)

// freshDatabase is the URL of an empty database.
func freshDatabase(t testing.TB) string {
	t.Helper()
	cluster, err := startCluster()
	require.NoError(t, err)
	url, err := cluster.Create(t.Context(), fmt.Sprintf("clients_%d", databaseNumber.Add(1)))
	require.NoError(t, err)
	return url
}

func stopCluster() error {
	if !clusterStarted.Load() {
		return nil
	}
	cluster, err := startCluster()
	if err != nil {
		return err
	}
	return cluster.Stop()
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
