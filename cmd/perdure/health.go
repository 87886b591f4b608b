package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// healthTimeout is the longest a well server takes to say so.
const healthTimeout = 3 * time.Second

type healthCommand struct {
	Address string `default:"127.0.0.1:9233" help:"Metrics port of the server."`
}

func (h *healthCommand) Help() string {
	return `Prints "ok" and ends with status 0 while the server serves, with status 1 while it starts, drains or is gone. For container images
without other tools.

Examples:
  perdure health
  perdure health --address 10.0.0.7:9233`
}

func (h *healthCommand) Run(c *console) error {
	client := http.Client{Timeout: healthTimeout}
	answer, err := client.Get("http://" + h.Address + "/healthz")
	if err != nil {
		return fmt.Errorf("no server answers: %w", err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // the status says enough
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(text)))
	}
	fmt.Fprintln(c.out, "ok")
	return nil
}
