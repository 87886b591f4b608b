package main

import (
	"fmt"

	"perdure/server"
	"perdure/server/telemetry"
)

type doctorCommand struct {
	Verify verifyCommand `cmd:"" help:"Compare every run in a store with its history."`
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
