package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// PortError tells that an address cannot be listened on. The program turns it
// into a hint at the option that sets the port.
type PortError struct {
	Purpose string // gRPC, HTTP, metrics, page
	Address string
	Err     error
}

func (e *PortError) Error() string {
	if errors.Is(e.Err, syscall.EADDRINUSE) {
		return fmt.Sprintf("%s port: %s is in use", e.Purpose, e.Address)
	}
	var address *net.OpError
	if errors.As(e.Err, &address) {
		return fmt.Sprintf("%s port: cannot listen on %s: %v", e.Purpose, e.Address, address.Err)
	}
	return fmt.Sprintf("%s port: cannot listen on %s: %v", e.Purpose, e.Address, e.Err)
}

func (e *PortError) Unwrap() error { return e.Err }

func listen(purpose, ip string, port int) (net.Listener, error) {
	address := net.JoinHostPort(ip, strconv.Itoa(port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &PortError{purpose, address, err}
	}
	return listener, nil
}

// listeners are bound before anything else happens, so that a port in use
// costs nothing and harms nothing.
type listeners struct{ grpc, http, metrics, page net.Listener }

// bind listens on all ports of the configuration; pagePort below zero means no page.
func bind(ip string, grpcPort, httpPort, metricsPort, pagePort int) (*listeners, error) {
	l := &listeners{}
	for _, b := range []struct {
		target  *net.Listener
		purpose string
		port    int
	}{{&l.grpc, "gRPC", grpcPort}, {&l.http, "HTTP", httpPort}, {&l.metrics, "metrics", metricsPort}, {&l.page, "page", pagePort}} {
		if b.port < 0 {
			continue
		}
		listener, err := listen(b.purpose, ip, b.port)
		if err != nil {
			l.close()
			return nil, err
		}
		*b.target = listener
	}
	return l, nil
}

func (l *listeners) close() {
	for _, listener := range []net.Listener{l.grpc, l.http, l.metrics, l.page} {
		if listener != nil {
			_ = listener.Close() // nobody has been served
		}
	}
}

// headerTimeout bounds how long a client may take to send its request line and headers.
const headerTimeout = 10 * time.Second

// serveHTTP serves until ctx ends, then lets requests under way finish within grace.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, grace time.Duration) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close() // the grace is over: cut what is left
	}
	return nil
}
