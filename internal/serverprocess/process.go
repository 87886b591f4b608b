// Package serverprocess runs a built perdure binary as a child process, for the demo, the client suites and the crash test.
//
// A Process keeps its ports and its store over Kill and Restart, so clients see one server that went away and came back.
package serverprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"perdure/internal/childprocess"
)

const (
	// probeInterval is the pause between two questions whether the server serves.
	probeInterval = 5 * time.Millisecond
	// probeTimeout bounds one such question.
	probeTimeout = time.Second
)

// Options say what to run.
type Options struct {
	// Binary is the path of the perdure binary.
	Binary string
	// DatabaseFile is the SQLite file; empty with an empty Store means in memory.
	DatabaseFile string
	// Store is a store URL such as postgres://user:password@host:port/database; it excludes DatabaseFile.
	Store string
	// ExtraArguments are appended to the command line of `perdure dev`.
	ExtraArguments []string
	// Environment is added to this process's own, as NAME=VALUE.
	Environment []string
	// Log receives what the server prints; nil drops it.
	Log io.Writer
}

// Process is a running server. Its methods are for one goroutine at a time.
type Process struct {
	// Address, HTTPAddress and MetricsAddress are host:port on loopback, fixed for the life of the Process.
	Address, HTTPAddress, MetricsAddress string
	// StartDuration is the time from the last start of the process to its first answer.
	StartDuration time.Duration

	options Options
	process *childprocess.Process
}

// Start runs the server on free ports and returns when it answers, or with an error when it ended or ctx is over first.
func Start(ctx context.Context, options Options) (*Process, error) {
	ports, err := FreePorts(3)
	if err != nil {
		return nil, err
	}
	at := func(i int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i])) }
	p := &Process{Address: at(0), HTTPAddress: at(1), MetricsAddress: at(2), options: options}
	return p, p.Restart(ctx)
}

// Restart runs the server again, which must have ended, on the same ports and store.
func (p *Process) Restart(ctx context.Context) error {
	started := time.Now()
	command := exec.Command(p.options.Binary, p.Arguments()...)
	command.Env = append(os.Environ(), p.options.Environment...)
	command.Stdout, command.Stderr = p.options.Log, p.options.Log
	process, err := childprocess.Start(command, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.options.Binary, err)
	}
	p.process = process
	if err := p.awaitServing(ctx); err != nil {
		_ = p.Kill()
		return fmt.Errorf("%s %v: %w", p.options.Binary, p.Arguments(), err)
	}
	p.StartDuration = time.Since(started)
	return nil
}

// Arguments is the command line after the binary's name.
func (p *Process) Arguments() []string {
	port := func(address string) string {
		_, port, _ := net.SplitHostPort(address)
		return port
	}
	arguments := []string{
		"dev", "--headless", "--ip", "127.0.0.1", "--port", port(p.Address),
		"--http-port", port(p.HTTPAddress), "--metrics-port", port(p.MetricsAddress), "--namespace", "default",
	}
	if p.options.DatabaseFile != "" {
		arguments = append(arguments, "--db-filename", p.options.DatabaseFile)
	}
	if p.options.Store != "" {
		arguments = append(arguments, "--store", p.options.Store)
	}
	return append(arguments, p.options.ExtraArguments...)
}

// PID is the process id of the last start.
func (p *Process) PID() int { return p.process.PID() }

// Kill ends the server with SIGKILL, as a power cut would, and waits until it is gone.
func (p *Process) Kill() error { return p.process.End(syscall.SIGKILL) }

// Stop asks the server to drain with SIGTERM and waits. The error is nil only for exit status 0 before ctx is over; a server
// that takes longer is killed.
func (p *Process) Stop(ctx context.Context) error { return p.process.Stop(ctx) }

// awaitServing returns when the server answers GetSystemInfo and knows namespace default, as every SDK asks first.
func (p *Process) awaitServing(ctx context.Context) error {
	connection, err := grpc.NewClient(p.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		if err = p.probe(ctx, connection); err == nil {
			return nil
		}
		select {
		case <-p.process.Ended():
			return fmt.Errorf("ended before it served: %w", exitError(p.process.Err()))
		case <-ctx.Done():
			return fmt.Errorf("does not serve, last answer: %w", err)
		case <-ticker.C:
		}
	}
}

// probe dials plainly first: a gRPC channel that was once refused waits a second before it tries again.
func (p *Process) probe(ctx context.Context, connection *grpc.ClientConn) error {
	plain, err := net.DialTimeout("tcp", p.Address, probeTimeout)
	if err != nil {
		return err
	}
	_ = plain.Close()
	connection.ResetConnectBackoff()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	service := workflowservice.NewWorkflowServiceClient(connection)
	if _, err := service.GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{}, grpc.WaitForReady(true)); err != nil {
		return err
	}
	_, err = service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	return err
}

// FreePorts returns count TCP ports of loopback that nobody listens on now.
func FreePorts(count int) ([]int, error) {
	ports := make([]int, count)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
