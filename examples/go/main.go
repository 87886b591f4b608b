// Command go runs the order example: a worker and a client in one process.
//
//	go run ./examples/go --address 127.0.0.1:7233
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"perdure/examples/go/order"
)

// storyTimeout bounds the whole example.
const storyTimeout = time.Minute

func main() {
	address := flag.String("address", "127.0.0.1:7233", "host:port of the server")
	namespace := flag.String("namespace", "default", "namespace to run in")
	flag.Parse()
	if err := run(*address, *namespace); err != nil {
		fmt.Fprintln(os.Stderr, "order example:", err)
		os.Exit(1)
	}
}

func run(address, namespace string) error {
	ctx, cancel := context.WithTimeout(context.Background(), storyTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(order.QuietLogger())})
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	defer c.Close()
	w := worker.New(c, order.TaskQueue, worker.Options{})
	order.Register(w)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	defer w.Stop()
	_, err = order.Tell(ctx, c, os.Stdout, order.New())
	return err
}
