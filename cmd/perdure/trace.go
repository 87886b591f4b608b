package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"perdure/server/spans"
	"perdure/server/tracing"
)

type traceCommand struct {
	WorkflowID string `arg:"" name:"workflow_id" help:"Id of the workflow."`
	RunID      string `name:"run-id" placeholder:"ID" help:"Id of the run; the latest if left out."`
	Namespace  string `short:"n" default:"default" help:"Namespace of the workflow."`
	Address    string `default:"127.0.0.1:7243" help:"HTTP API of a server, host:port or URL."`
	JSON       bool   `name:"json" help:"Print OTLP/JSON instead of a tree."`
	OTLP       string `name:"otlp" placeholder:"ADDRESS" help:"Send the spans to a receiver of OTLP over gRPC, host:port or URL, instead of printing them."`
}

func (t *traceCommand) Help() string {
	return `The trace is made from the run's history, so every run in the store has one, whether it was sampled or not and whatever its workers
know of traces. Made again it is the same trace with the same ids: sent twice, nothing is there twice.

Examples:
  perdure trace order-42
  perdure trace order-42 --json > trace.json
  perdure trace order-42 --otlp collector:4317`
}

func (t *traceCommand) Run(c *console) error {
	ctx, stop := interruptible()
	defer stop()
	text, err := t.fetch(ctx)
	if err != nil {
		return err
	}
	if t.JSON {
		_, err = fmt.Fprintf(c.out, "%s\n", text)
		return err
	}
	list, err := spans.UnmarshalJSON(text)
	if err != nil {
		return fmt.Errorf("answer of %s: %w", t.Address, err)
	}
	if t.OTLP == "" {
		_, err = io.WriteString(c.out, spans.Tree(list))
		return err
	}
	if err := tracing.Send(ctx, t.OTLP, list); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "sent %d spans of trace %s to %s\n", len(list), list[0].Trace, t.OTLP)
	return err
}

// fetch gets the trace as OTLP/JSON.
func (t *traceCommand) fetch(ctx context.Context) ([]byte, error) {
	base := t.Address
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	address := fmt.Sprintf("%s/perdure/v1/namespaces/%s/trace?workflow_id=%s&run_id=%s", base, url.PathEscape(t.Namespace), url.QueryEscape(t.WorkflowID), url.QueryEscape(t.RunID))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, usageError{fmt.Errorf("--address %q: %w", t.Address, err)}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no server answers (--address names its HTTP API): %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
	}
	return text, errors.Join(err)
}
