// Command demo shows a server at work: it starts a built perdure binary on a fresh SQLite file, runs the order example
// against it, prints the history of the order and says where to look next.
//
//	go run ./examples/demo --binary bin/perdure
//	go run ./examples/demo --address 127.0.0.1:7233     (a server that already runs)
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"perdure/examples/go/order"
	"perdure/internal/serverprocess"
)

const (
	// demoTimeout bounds the whole demo.
	demoTimeout = 2 * time.Minute
	// drainTimeout bounds the stop of the server at the end.
	drainTimeout = 15 * time.Second
)

func main() {
	binary := flag.String("binary", "bin/perdure", "perdure binary to start on a temporary SQLite file")
	address := flag.String("address", "", "host:port of a running server to use instead")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), demoTimeout)
	defer cancel()
	if err := run(ctx, os.Stdout, *binary, *address); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, binary, address string) error {
	if address != "" {
		return tell(ctx, out, address)
	}
	folder, err := os.MkdirTemp("", "perdure-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	var serverLog bytes.Buffer
	server, err := serverprocess.Start(ctx, serverprocess.Options{
		Binary: binary, DatabaseFile: filepath.Join(folder, "perdure.db"), Log: &serverLog,
	})
	if err != nil {
		return fmt.Errorf("start the server: %w\n%s", err, serverLog.String())
	}
	fmt.Fprintf(out, "\nperdure dev serves on %s after %d ms, SQLite file %s\n",
		server.Address, server.StartDuration.Milliseconds(), filepath.Join(folder, "perdure.db"))
	err = tell(ctx, out, server.Address)
	stopContext, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if stopErr := server.Stop(stopContext); err == nil && stopErr != nil {
		err = fmt.Errorf("stop the server: %w", stopErr)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, serverLog.String())
	}
	fmt.Fprint(out, "\nThe server was stopped and its file removed.\n")
	printNext(out)
	return nil
}

// tell runs the order example and prints its histories.
func tell(ctx context.Context, out io.Writer, address string) error {
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: log.NewStructuredLogger(order.QuietLogger())})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	defer c.Close()
	w := worker.New(c, order.TaskQueue, worker.Options{})
	order.Register(w)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	defer w.Stop()
	fmt.Fprint(out, "\nAn order, as its client sees it (examples/go/order/story.go):\n\n")
	sample := order.New()
	run, err := order.Tell(ctx, c, out, sample)
	if err != nil {
		return err
	}
	for _, workflowID := range []string{run.GetID(), sample.ID + "-parcel"} {
		events, err := history(ctx, c, workflowID)
		if err != nil {
			return fmt.Errorf("history of %s: %w", workflowID, err)
		}
		fmt.Fprintf(out, "\nHistory of %s, %d events:\n\n", workflowID, len(events))
		PrintHistory(out, events)
	}
	return nil
}

func history(ctx context.Context, c client.Client, workflowID string) ([]*historypb.HistoryEvent, error) {
	iterator := c.GetWorkflowHistory(ctx, workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	var events []*historypb.HistoryEvent
	for iterator.HasNext() {
		event, err := iterator.Next()
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

func printNext(out io.Writer) {
	fmt.Fprint(out, `
Where to look next
  bin/perdure dev --db-filename perdure.db        a server that keeps what it is told
    gRPC for SDKs and the CLI    127.0.0.1:7233
    HTTP/JSON API                http://127.0.0.1:7243/api/v1/namespaces/default/workflows
    metrics                      http://127.0.0.1:9233/metrics
  go run ./examples/go                            this order again; Python and TypeScript in examples/
  temporal workflow list                          the official CLI finds port 7233 by itself
  bin/perdure --help                              everything else
`)
}
