package estest

import (
	"io"
	"net/http"
	"strings"
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

// Send calls an Elasticsearch, of which t wants an answer without error, and returns the answer's body.
func Send(t testing.TB, method, address, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= http.StatusMultipleChoices {
		t.Fatalf("%s %s: %s: %s, %v", method, address, answer.Status, text, err)
	}
	return string(text)
}
