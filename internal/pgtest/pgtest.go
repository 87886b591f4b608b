// Package pgtest gives tests a PostgreSQL of their own.
//
// A test binary that uses it has
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
//
// and each test calls Schema or Database. The server starts with the first call,
// on a free loopback port, with default durability, and stops behind the last
// test or when the test binary dies. With PERDURE_TEST_POSTGRES set to the URL
// of an admin database, that server is used instead and left as it was.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable names the environment variable with the URL of an admin database.
const Variable = "PERDURE_TEST_POSTGRES"

// What one test binary has on its server.
var (
	mu      sync.Mutex
	running *cluster // nil: not started, or not ours
	shared  string   // URL of the database that holds the schemas, once there is one
	counter int      // numbers databases and schemas
)

// Run runs the tests of a binary and then stops the server, if one was started.
func Run(m *testing.M) int {
	code := m.Run()
	if err := finish(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		return max(code, 1)
	}
	return code
}

func finish() error {
	mu.Lock()
	defer mu.Unlock()
	if running != nil {
		return running.stop()
	}
	if shared == "" {
		return nil
	}
	return execute(os.Getenv(Variable), "DROP DATABASE "+sharedName()+" WITH (FORCE)")
}

// Database creates an empty database that goes with the test, and returns its
// URL. It takes a quarter of a second; most tests need no more than a Schema.
func Database(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	admin, err := adminURL()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name := next("test")
	if err := execute(admin, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	dropLater(t, admin, "DROP DATABASE "+name+" WITH (FORCE)")
	return inDatabase(admin, name)
}

// Schema creates an empty schema that goes with the test, in a database that
// this test binary shares, and returns the URL of a connection that works in it.
func Schema(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	address, err := sharedURL()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name := next("schema")
	if err := execute(address, "CREATE SCHEMA "+name); err != nil {
		t.Fatalf("create schema: %v", err)
	}
	dropLater(t, address, "DROP SCHEMA "+name+" CASCADE")
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatalf("address %q: %v", address, err)
	}
	query := parsed.Query()
	query.Set("search_path", name)
	parsed.RawQuery = query.Encode()
	return parsed.String()
}

// dropLater cleans a server up that is not ours. Ours goes as a whole, which is
// much quicker than dropping one database.
func dropLater(t testing.TB, address, statement string) {
	if running != nil {
		return
	}
	t.Cleanup(func() {
		if err := execute(address, statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	})
}

func next(kind string) string {
	counter++
	return fmt.Sprintf("%s_%d_%d", kind, os.Getpid(), counter)
}

func sharedName() string { return fmt.Sprintf("shared_%d", os.Getpid()) }

func sharedURL() (string, error) {
	if shared != "" {
		return shared, nil
	}
	admin, err := adminURL()
	if err != nil {
		return "", err
	}
	if err := execute(admin, "CREATE DATABASE "+sharedName()); err != nil {
		return "", err
	}
	shared = inDatabase(admin, sharedName())
	return shared, nil
}

// inDatabase names another database of the same server.
func inDatabase(admin, name string) string {
	address, err := url.Parse(admin)
	if err != nil {
		return "" // adminURL has refused it
	}
	address.Path = "/" + name
	return address.String()
}

func adminURL() (string, error) {
	if address := os.Getenv(Variable); address != "" {
		_, err := url.Parse(address)
		return address, err
	}
	if running == nil {
		started, err := start()
		if err != nil {
			return "", err
		}
		running = started
	}
	return running.url(), nil
}

func execute(address, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}
