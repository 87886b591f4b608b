package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"perdure/server/ledgerpb"
)

type ledgerCommand struct {
	WorkflowID string `arg:"" name:"workflow-id" help:"Id of the workflow."`
	RunID      string `name:"run-id" placeholder:"ID" help:"Id of a run; without it the newest."`
	Namespace  string `short:"n" default:"default" help:"Namespace of the workflow."`
	Address    string `default:"127.0.0.1:7233" help:"gRPC address of a running server."`
	JSON       bool   `name:"json" help:"Print the answer as JSON."`
}

func (l *ledgerCommand) Help() string {
	return `Each line is a stage: how often it happened, how long it took in all and at most, and for which share of the run's life it was under way.
Stages that overlap, such as activities at the same time, may have shares of more than 100 % together.

Examples:
  perdure ledger order-17
  perdure ledger order-17 --namespace orders --json`
}

func (l *ledgerCommand) Run(c *console) error {
	conn, err := grpc.NewClient(l.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return usageError{fmt.Errorf("--address %q: %w", l.Address, err)}
	}
	defer conn.Close()
	ctx, stop := interruptible()
	defer stop()
	r, err := ledgerpb.NewLedgerServiceClient(conn).GetLedger(ctx, &ledgerpb.GetLedgerRequest{
		Namespace: l.Namespace, WorkflowId: l.WorkflowID, RunId: l.RunID,
	})
	if err != nil {
		return fmt.Errorf("%s: %s", l.Address, status.Convert(err).Message())
	}
	if l.JSON {
		text, err := protojson.Marshal(r)
		if err != nil {
			return err
		}
		encoder := json.NewEncoder(c.out) // protojson's own spacing is random
		encoder.SetIndent("", "  ")
		return encoder.Encode(json.RawMessage(text))
	}
	return printLedger(c.out, r)
}

func printLedger(out io.Writer, r *ledgerpb.GetLedgerResponse) error {
	until := "open for"
	if r.CloseTime != nil {
		until = "closed after"
	}
	fmt.Fprintf(out, "%s %s, %s, %s %v\n\n", r.WorkflowId, r.RunId, r.WorkflowType, until, brief(r.Life.AsDuration()))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "stage\ttimes\topen\ttotal\tlongest\tshare\t")
	printStages(table, r.Stages)
	if len(r.ServerStages) > 0 {
		fmt.Fprintf(table, "\t\t\t\t\t\t\nin the server, since %s\t\t\t\t\t\t\n", r.ServerSince.AsTime().Local().Format(time.DateTime))
		printStages(table, r.ServerStages)
	}
	return table.Flush()
}

func printStages(table io.Writer, stages []*ledgerpb.Stage) {
	for _, s := range stages {
		fmt.Fprintf(table, "%s\t%d\t%d\t%v\t%v\t%.1f %%\t\n", s.Name, s.Count, s.Open, brief(s.Total.AsDuration()), brief(s.Maximum.AsDuration()), 100*s.Share)
	}
}

// brief leaves out what nobody reads.
func brief(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}
