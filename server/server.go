package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"perdure/server/config"
	"perdure/server/metrics"
	"perdure/server/telemetry"
)

// finishTimeout is the time to release leases and close the store once the
// drain time is over: what is left of ten seconds after the default drain.
const finishTimeout = 1500 * time.Millisecond

// Options are what a configuration file has no say in.
type Options struct {
	Version string
	// PagePort serves the page that tells where things are; below zero there is none.
	PagePort int
	Logger   *slog.Logger
	Metrics  *metrics.Registry
	// Ready is called once all ports serve.
	Ready func(Ready)
}

// Ready tells where a server serves. Page is empty without one.
type Ready struct{ Version, GRPC, HTTP, Metrics, Page, Store string }

// Run serves until ctx ends, then drains: polls are answered empty, commits
// finish, leases are released. It returns nil after an orderly end.
func Run(ctx context.Context, c config.Config, o Options) error {
	ports, err := bind(c.Listen.IP, c.Listen.GRPCPort, c.Listen.HTTPPort, c.Listen.MetricsPort, o.PagePort)
	if err != nil {
		return err
	}
	defer ports.close()
	if c.Listen.Advertise == "" {
		c.Listen.Advertise = ports.grpc.Addr().String() // port 0 has become a real one
	}
	n, err := newNode(ctx, c, o)
	if err != nil {
		return err
	}
	return n.run(ctx, ports)
}

// node is a running server.
type node struct {
	config   config.Config
	options  Options
	services *services
	grpc     *grpc.Server
	draining chan struct{} // closed when ctx of Run is over
}

func newNode(ctx context.Context, c config.Config, o Options) (*node, error) {
	s, err := startServices(ctx, c, o)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(s.frontend.ServerOptions()...)
	s.frontend.Register(server)
	return &node{config: c, options: o, services: s, grpc: server, draining: make(chan struct{})}, nil
}

// run serves all ports. The first that fails ends all.
func (n *node) run(ctx context.Context, ports *listeners) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.grpc.Serve(ports.grpc) })
	n.serve(ctx, group, ports.http, n.services.api)
	n.serve(ctx, group, ports.metrics, n.services.operations().handler(telemetry.NewHandler(n.options.Metrics, n.healthy)))
	ready := n.ready(ports)
	if ports.page != nil {
		n.serve(ctx, group, ports.page, pageHandler(ready))
	}
	if n.options.Ready != nil {
		n.options.Ready(ready)
	}
	n.options.Logger.Info("serving", "version", n.options.Version, "grpc", ready.GRPC, "http", ready.HTTP, "metrics", ready.Metrics, "store", ready.Store)
	<-ctx.Done()
	close(n.draining)
	n.options.Logger.Info("draining")
	err := n.drain()
	if failed := group.Wait(); failed != nil {
		return fmt.Errorf("serve: %w", failed)
	}
	return err
}

// httpGrace is how long HTTP requests under way may take once the drain has begun.
const httpGrace = 3 * time.Second

func (n *node) serve(ctx context.Context, group *errgroup.Group, listener net.Listener, handler http.Handler) {
	group.Go(func() error { return serveHTTP(ctx, listener, handler, httpGrace) })
}

func (n *node) ready(ports *listeners) Ready {
	r := Ready{
		Version: n.options.Version,
		GRPC:    ports.grpc.Addr().String(),
		HTTP:    ports.http.Addr().String(),
		Metrics: ports.metrics.Addr().String(),
		Store:   describeStore(n.config.Store),
	}
	if ports.page != nil {
		r.Page = ports.page.Addr().String()
	}
	return r
}

func describeStore(storeURL string) string {
	if schemeOf(storeURL) == "memory" {
		return "in memory, lost at exit"
	}
	return Where(storeURL)
}

var errDraining = errors.New("draining")

func (n *node) healthy() error {
	select {
	case <-n.draining:
		return errDraining
	default:
		return nil
	}
}

// drain ends calls, then services, then the store, in bounded time.
func (n *node) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), n.config.DrainTimeout)
	defer cancel()
	quiet := make(chan struct{})
	go func() {
		n.grpc.GracefulStop() // no new calls; waits for those under way
		close(quiet)
	}()
	err := n.services.answerPolls(ctx)
	select {
	case <-quiet:
	case <-ctx.Done():
		n.options.Logger.Warn("calls were cut at the end of the drain time")
		n.grpc.Stop()
	}
	last, done := context.WithTimeout(context.Background(), max(finishTimeout, time.Until(deadline(ctx))))
	defer done()
	return errors.Join(err, n.services.stop(last))
}

func deadline(ctx context.Context) time.Time {
	d, _ := ctx.Deadline() // drain has set one
	return d
}
