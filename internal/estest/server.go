package estest

import (
	"syscall"
	"testing"
)

// Server is a server that belongs to one test, which may crash it.
type Server struct {
	t testing.TB
	n *node
}

// Start starts a server of its own for a test that must do harm to one. Other
// tests use URL, since a start takes seconds.
func Start(t testing.TB) *Server {
	t.Helper()
	n, err := start(false)
	if err != nil {
		t.Fatalf("start Elasticsearch: %v", err)
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Errorf("stop Elasticsearch: %v", err)
		}
	})
	return &Server{t: t, n: n}
}

// URL is the address of the server.
func (s *Server) URL() string { return s.n.url() }

// Crash kills the server in mid-flight.
func (s *Server) Crash() {
	s.t.Helper()
	if err := s.n.process.End(syscall.SIGKILL); err != nil {
		s.t.Fatalf("crash Elasticsearch: %v", err)
	}
}

// Restart starts the server again on its old port and data and waits until it serves.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.n.launchOn(s.n.port); err != nil {
		s.t.Fatalf("restart Elasticsearch: %v", err)
	}
}
