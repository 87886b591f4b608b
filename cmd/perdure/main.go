// Command perdure is a durable-execution server in one binary.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

const (
	exitFailure = 1 // something outside stood in the way: a port, a store
	exitUsage   = 2 // the command line or the configuration is wrong
	exitTrouble = 3 // workflows are stuck or held back
)

type commands struct {
	Dev        devCommand        `cmd:"" help:"Run a server for development: everything in one process, namespace \"default\" is there."`
	Server     serverCommand     `cmd:"" help:"Run a server from a configuration file."`
	Migrate    migrateCommand    `cmd:"" help:"Bring the schema of a store up to date, then exit."`
	Doctor     doctorCommand     `cmd:"" help:"Say why workflows do not come on, or look into a store."`
	Visibility visibilityCommand `cmd:"" help:"Look after the stores of search records."`
	Health     healthCommand     `cmd:"" help:"Ask a running server whether it is well."`
	Trace      traceCommand      `cmd:"" help:"Show where the time of a workflow went, or send its trace on."`
	Ledger     ledgerCommand     `cmd:"" help:"Add up where the time of a workflow went, by stage."`
	Config     configCommand     `cmd:"" help:"Show what can be configured."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

const description = `Perdure keeps workflows running: it speaks the public Temporal gRPC API, so official SDKs, the temporal CLI and the Web UI are its clients.

Examples:
  perdure dev                                  try it: in memory, gRPC on 127.0.0.1:7233
  perdure dev --db-filename perdure.db         keep everything in one SQLite file
  perdure dev --namespace orders --search-attribute Customer=Keyword
  perdure server --config perdure.yaml         run a real one
  perdure doctor order-42                      why does this workflow not come on?
  perdure config schema                        every key of that file
  perdure COMMAND --help                       all options of a command`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its surroundings as arguments. It returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c, kong.Name("perdure"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}))
	if err != nil {
		return complain(stderr, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	selected, err := parser.Parse(args)
	if exited >= 0 {
		return exited // help was asked for
	}
	if err != nil {
		return complain(stderr, usageError{fmt.Errorf("%w (see perdure --help)", err)})
	}
	return complain(stderr, selected.Run(&console{stdout, stderr}))
}

// console is where a command writes.
type console struct{ out, err io.Writer }

// usageError is a mistake in what the user wrote.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// complain prints each mistake on a line of its own and returns the exit code.
func complain(w io.Writer, err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errTrouble): // it was told already
		return exitTrouble
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintf(w, "perdure: %s\n", line)
	}
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}
