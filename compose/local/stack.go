package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"perdure/internal/childprocess"
	"perdure/internal/estest"
	"perdure/internal/pgtest"
	"perdure/internal/serverprocess"
)

// ports are those of compose.yaml and, for what only processes need, of the programs themselves.
var ports = map[string]int{
	"perdure": 7233, "perdure-http": 7243, "perdure-metrics": 9233, "shop": 9464, "prometheus": 9090, "alertmanager": 9093,
	"jaeger": 16686, "jaeger-admin": 14269, "otlp": 4317, "otlp-http": 4318, "jaeger-query": 16685, "jaeger-collector": 14250,
	"jaeger-collector-http": 14268, "jaeger-sampling": 5778, "jaeger-compact": 6831, "jaeger-binary": 6832, "zipkin-compact": 5775,
}

// stack is what runs.
type stack struct {
	folder    string // of logs and data; it goes at the end
	root      string // of the project
	settings  settings
	addresses map[string]string // URLs, and host:port of what speaks gRPC
	stops     []func() error    // in order of start
	ended     chan string       // names of processes that ended
}

func newStack(folder string, s settings) (*stack, error) {
	root, err := serverprocess.ProjectRoot()
	if err != nil {
		return nil, err
	}
	k := &stack{folder: folder, root: root, settings: s, addresses: map[string]string{}, ended: make(chan string, 100)}
	free, err := serverprocess.FreePorts(len(ports))
	if err != nil {
		return nil, err
	}
	for name, port := range ports {
		if s.freePorts {
			port, free = free[0], free[1:]
		}
		k.addresses[name] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	for _, name := range []string{"perdure-http", "perdure-metrics", "shop", "prometheus", "alertmanager", "jaeger", "jaeger-admin"} {
		k.addresses[name] = "http://" + k.addresses[name]
	}
	return k, nil
}

// host is an address without its scheme.
func (k *stack) host(name string) string { return strings.TrimPrefix(k.addresses[name], "http://") }

func (k *stack) port(name string) string {
	_, port, _ := net.SplitHostPort(k.host(name)) // made by newStack
	return port
}

// start brings everything up, in the order in which one needs the other.
func (k *stack) start(ctx context.Context) error {
	if err := k.startStores(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{k.startJaeger, k.startAlertmanager, k.startPerdure, k.startShop, k.startPrometheus} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// startStores starts both at once: Elasticsearch takes its time.
func (k *stack) startStores() error {
	var group errgroup.Group
	var postgres, elastic string
	var stopPostgres, stopElastic func() error
	group.Go(func() (err error) {
		postgres, stopPostgres, err = pgtest.Standalone()
		return err
	})
	group.Go(func() (err error) {
		elastic, stopElastic, err = estest.Standalone()
		return err
	})
	err := group.Wait()
	for _, stop := range []func() error{stopPostgres, stopElastic} {
		if stop != nil {
			k.stops = append(k.stops, stop)
		}
	}
	k.addresses["postgres"], k.addresses["elasticsearch"] = postgres, elastic
	return err
}

// program is one process of the stack.
type program struct {
	name        string
	command     []string
	environment []string
	healthy     string // URL that answers 200 once it serves
}

// launch starts a program and waits until it is healthy.
func (k *stack) launch(ctx context.Context, p program) error {
	log, err := os.Create(k.logFile(p.name))
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own copy
	command := exec.Command(p.command[0], p.command[1:]...)
	command.Dir, command.Stdout, command.Stderr = k.folder, log, log
	command.Env = append(os.Environ(), p.environment...)
	process, err := childprocess.Start(command, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	stopped := make(chan struct{})
	k.stops = append(k.stops, func() error {
		close(stopped)
		return stopProcess(p.name, process)
	})
	go func() {
		<-process.Ended()
		select {
		case <-stopped:
		default:
			k.ended <- p.name
		}
	}()
	if err := awaitHealthy(ctx, p.healthy, process); err != nil {
		return k.explain(p.name, err.Error())
	}
	return nil
}

func stopProcess(name string, process *childprocess.Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := process.Stop(ctx)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
		return nil // it does not handle the signal, which ends it as well
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return nil
}

// pollEvery is the pause between two questions whether something serves.
const pollEvery = 50 * time.Millisecond

func awaitHealthy(ctx context.Context, address string, process *childprocess.Process) error {
	client := http.Client{Timeout: 2 * time.Second}
	for {
		answer, err := client.Get(address)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-process.Ended():
			return fmt.Errorf("ended before it served: %v", process.Err())
		case <-ctx.Done():
			return fmt.Errorf("does not serve: %w", ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}

func (k *stack) logFile(name string) string { return filepath.Join(k.folder, name+".log") }

// explainBytes is how much of a log's end an error shows.
const explainBytes = 4000

func (k *stack) explain(name, what string) error {
	text, _ := os.ReadFile(k.logFile(name)) // only to explain
	return fmt.Errorf("%s %s:\n%s", name, what, text[max(0, len(text)-explainBytes):])
}

// stop ends everything, the last first.
func (k *stack) stop() error {
	var errs []error
	for i := len(k.stops) - 1; i >= 0; i-- {
		errs = append(errs, k.stops[i]())
	}
	k.stops = nil
	return errors.Join(errs...)
}
