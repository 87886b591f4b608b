// Package estest gives tests an Elasticsearch of their own.
//
// A test binary that uses it has
//
//	func TestMain(m *testing.M) { os.Exit(estest.Run(m)) }
//
// and each test calls URL. The server starts with the first call, on free
// loopback ports, and stops behind the last test or when the test binary dies.
// With PERDURE_TEST_ELASTICSEARCH set to the URL of a server, that one is used
// instead. Tests share a server, so each uses index names of its own.
package estest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

// Variable names the environment variable with the URL of a server.
const Variable = "PERDURE_TEST_ELASTICSEARCH"

var (
	mu      sync.Mutex
	running *node // nil: not started, or not ours
	counter int   // numbers prefixes
)

// Run runs the tests of a binary, a *testing.M or what wraps one, and then stops the server, if one was started.
func Run(m interface{ Run() int }) int {
	code := m.Run()
	mu.Lock()
	defer mu.Unlock()
	if running == nil {
		return code
	}
	if err := running.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop Elasticsearch:", err)
		return max(code, 1)
	}
	return code
}

// URL is the address of the server that the test binary shares.
func URL(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if address := os.Getenv(Variable); address != "" {
		return address
	}
	if running == nil {
		started, err := start(false)
		if err != nil {
			t.Fatalf("start Elasticsearch: %v", err)
		}
		running = started
	}
	return running.url()
}

// IsOpenSearch tells whether the server of the environment variable is an OpenSearch, which lacks some of what Elasticsearch has.
func IsOpenSearch(t testing.TB) bool {
	t.Helper()
	address := os.Getenv(Variable)
	if address == "" {
		return false
	}
	answer, err := http.Get(address)
	if err != nil {
		t.Fatalf("ask %s for its version: %v", address, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("ask %s for its version: %v", address, err)
	}
	return strings.Contains(string(text), `"opensearch"`)
}

// Prefix is a beginning of index names that no other test has.
func Prefix() string {
	mu.Lock()
	defer mu.Unlock()
	counter++
	return fmt.Sprintf("test-%d-%d", os.Getpid(), counter)
}
