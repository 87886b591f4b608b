package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"perdure/server"
	"perdure/server/doctorpb"
	"perdure/server/frontend"
	"perdure/server/telemetry"
)

type doctorCommand struct {
	Why    whyCommand    `cmd:"" default:"withargs" help:"Say why a workflow does not come on, or those of a namespace."`
	Verify verifyCommand `cmd:"" help:"Compare every run in a store with its history."`
}

// errTrouble tells that something is stuck or held back.
var errTrouble = errors.New("trouble")

// doctorTimeout bounds one question.
const doctorTimeout = time.Minute

type whyCommand struct {
	WorkflowID string `arg:"" optional:"" name:"workflow-id" help:"Workflow to look at; without one, all open runs of the namespace that have waited for a while."`
	RunID      string `short:"r" placeholder:"ID" help:"Run of the workflow; without one, the current run."`
	Namespace  string `short:"n" default:"default" help:"Namespace of the workflow."`
	Address    string `default:"127.0.0.1:7233" help:"Host and port of the server's gRPC API."`
	JSON       bool   `name:"json" help:"Print the answer as JSON."`
	Examples   int32  `default:"3" help:"Workflows shown of each cause."`
}

func (w *whyCommand) Help() string {
	return `The first cause is why it does not come on; docs/doctor.md lists all of them. The exit code is 3 when something is stuck or held back.

Examples:
  perdure doctor order-42
  perdure doctor --namespace orders
  perdure doctor order-42 --json | jq '.report.causes[0].code'`
}

func (w *whyCommand) Run(c *console) error {
	conn, err := grpc.NewClient(w.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return usageError{fmt.Errorf("--address %q: %w", w.Address, err)}
	}
	defer conn.Close()
	ctx, stop := interruptible()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "client-name", "perdure-cli", "client-version", frontend.ServerVersion, "perdure-visibility-fresh", "1")
	client := doctorpb.NewDoctorServiceClient(conn)
	if w.WorkflowID != "" {
		return w.one(ctx, c, client)
	}
	return w.fleet(ctx, c, client)
}

// one looks at one workflow.
func (w *whyCommand) one(ctx context.Context, c *console, client doctorpb.DoctorServiceClient) error {
	resp, err := client.Diagnose(ctx, &doctorpb.DiagnoseRequest{Namespace: w.Namespace, WorkflowId: w.WorkflowID, RunId: w.RunID})
	if err != nil {
		return w.refused(err)
	}
	if w.JSON {
		err = printJSON(c, resp)
	} else {
		printReport(c.out, resp.Report, "")
	}
	if err == nil && isTrouble(resp.Report.Verdict) {
		return errTrouble
	}
	return err
}

// fleet looks at all workflows of the namespace.
func (w *whyCommand) fleet(ctx context.Context, c *console, client doctorpb.DoctorServiceClient) error {
	resp, err := client.DiagnoseFleet(ctx, &doctorpb.DiagnoseFleetRequest{Namespace: w.Namespace, Examples: w.Examples})
	if err != nil {
		return w.refused(err)
	}
	if w.JSON {
		err = printJSON(c, resp)
	} else {
		printFleet(c.out, resp)
	}
	if err == nil && len(resp.Groups) > 0 {
		return errTrouble
	}
	return err
}

func (w *whyCommand) refused(err error) error {
	return fmt.Errorf("%s: %s", w.Address, status.Convert(err).Message())
}

func isTrouble(verdict string) bool { return verdict == "stuck" || verdict == "held back" }

func printJSON(c *console, m proto.Message) error {
	text, err := protojson.MarshalOptions{Multiline: true}.Marshal(m)
	if err == nil {
		_, err = fmt.Fprintln(c.out, string(text))
	}
	return err
}

type verifyCommand struct {
	migrateCommand
}

func (v *verifyCommand) Help() string {
	return `Stop the server first. Each difference is a line; the exit code is 1 when there are any.

Examples:
  perdure doctor verify --store sqlite:///var/lib/perdure/perdure.db
  perdure doctor verify --config perdure.yaml`
}

func (v *verifyCommand) Run(c *console) error {
	settings, err := v.settings()
	if err != nil {
		return err
	}
	logger, err := telemetry.NewLogger(c.err, settings.Log.Format, settings.Log.Level, nil)
	if err != nil {
		return usageError{err}
	}
	ctx, stop := interruptible()
	defer stop()
	problems := 0
	runs, err := server.Verify(ctx, settings, logger, func(p server.Problem) {
		problems++
		fmt.Fprintln(c.out, p)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "verified %d runs, %d problems\n", runs, problems)
	if problems > 0 {
		return fmt.Errorf("%s: states and histories differ", server.Where(settings.Store))
	}
	return nil
}
