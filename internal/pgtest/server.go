package pgtest

import (
	"syscall"
	"testing"
)

// Server is a server that belongs to one test, which may crash it.
type Server struct {
	t testing.TB
	c *cluster
}

// Start starts a server of its own for a test that must do harm to one. Other
// tests use Database, which is much quicker.
func Start(t testing.TB) *Server {
	t.Helper()
	c, err := start()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return &Server{t: t, c: c}
}

// URL is the address of the server's admin database.
func (s *Server) URL() string { return s.c.url() }

// Crash ends the server in mid-flight, without a checkpoint and without telling
// its clients how their transactions ended.
func (s *Server) Crash() {
	s.t.Helper()
	if err := s.c.process.End(syscall.SIGQUIT); err != nil {
		s.t.Fatalf("crash PostgreSQL: %v", err)
	}
}

// Restart starts the server again on its old port and waits until it serves.
func (s *Server) Restart() {
	s.t.Helper()
	binaries, err := binaryFolder()
	if err != nil {
		s.t.Fatal(err)
	}
	owner, err := serverUser()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.launchOn(s.c.port, binaries, owner); err != nil {
		s.t.Fatalf("restart PostgreSQL: %v", err)
	}
}
