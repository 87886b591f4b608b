// Package pgtest gives tests a PostgreSQL of their own.
//
// A test binary that uses it has
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
// and each test calls Database. The server starts with the first call, on a free
// loopback port, with default durability, and stops behind the last test or when
// the test binary dies. With PERDURE_TEST_POSTGRES set to the URL of an admin
// database, databases are created on that server instead.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable names the environment variable with the URL of an admin database.
const Variable = "PERDURE_TEST_POSTGRES"

var (
	mu      sync.Mutex
	running *cluster
	counter atomic.Int64
)

// Run runs the tests of a binary and then stops the server, if one was started.
func Run(m *testing.M) int {
	code := m.Run()
	mu.Lock()
	defer mu.Unlock()
	if running == nil {
		return code
	}
	if err := running.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		return max(code, 1)
	}
	return code
}

// Database creates an empty database that goes with the test, and returns its URL.
func Database(t testing.TB) string {
	t.Helper()
	admin, err := adminURL()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), counter.Add(1))
	if err := administer(admin, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() {
		if err := administer(admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	address, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("address %q: %v", admin, err)
	}
	address.Path = "/" + name
	return address.String()
}

func adminURL() (string, error) {
	if address := os.Getenv(Variable); address != "" {
		return address, nil
	}
	mu.Lock()
	defer mu.Unlock()
	if running == nil {
		started, err := start()
		if err != nil {
			return "", err
		}
		running = started
	}
	return running.url(), nil
}

func administer(admin, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}
