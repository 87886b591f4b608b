package main

import (
	"errors"
	"fmt"
	"os"

	"perdure/server"
	"perdure/server/config"
	"perdure/server/telemetry"
)

// noPage: the page that tells where things are is for development.
const noPage = -1

type serverCommand struct {
	Config string `short:"c" placeholder:"FILE" env:"PERDURE_CONFIG" help:"YAML file; without it, only the environment counts."`
}

func (s *serverCommand) Help() string {
	return `Each key can also be set by an environment variable, which wins: listen.grpc_port is PERDURE_LISTEN_GRPC_PORT.

A small perdure.yaml:
  store: postgres://perdure@db.example/perdure
  listen: {ip: 0.0.0.0, advertise: "node1.example:7233"}
  namespaces: [default]
  log: {format: json}

Examples:
  perdure server --config perdure.yaml
  PERDURE_STORE=sqlite:///var/lib/perdure/perdure.db perdure server`
}

func (s *serverCommand) Run(c *console) error {
	settings, err := loadConfig(s.Config)
	if err != nil {
		return err
	}
	for _, name := range config.UnknownVariables(os.Environ()) {
		fmt.Fprintf(c.err, "perdure: warning: environment variable %s sets nothing\n", name)
	}
	err = serve(c, settings, noPage)
	var port *server.PortError
	if errors.As(err, &port) {
		return fmt.Errorf("%w; choose another in listen:", err)
	}
	return err
}

// loadConfig reads a file and the environment, or the environment alone.
func loadConfig(path string) (config.Config, error) {
	if path == "" {
		settings := config.Default()
		if err := errors.Join(settings.ApplyEnvironment(os.Environ()), settings.Validate()); err != nil {
			return settings, usageError{err}
		}
		return settings, nil
	}
	settings, err := config.Load(path, os.Environ())
	if err != nil {
		return settings, usageError{err}
	}
	return settings, nil
}

type migrateCommand struct {
	Config string `short:"c" placeholder:"FILE" env:"PERDURE_CONFIG" xor:"from" help:"YAML file that names the store."`
	Store  string `placeholder:"URL" xor:"from" help:"Store: sqlite:///file or postgres://user:password@host/database."`
	Shards int    `default:"0" help:"Number of shards of a store that is created now; 0 takes the configuration's."`
}

func (m *migrateCommand) Help() string {
	return `A server does the same at its start; nodes that start at once wait for one another. A store of a newer schema is left alone.

Examples:
  perdure migrate --store postgres://perdure@db.example/perdure
  perdure migrate --config perdure.yaml`
}

func (m *migrateCommand) Run(c *console) error {
	settings, err := m.settings()
	if err != nil {
		return err
	}
	logger, err := telemetry.NewLogger(c.err, settings.Log.Format, settings.Log.Level, nil)
	if err != nil {
		return usageError{err}
	}
	ctx, stop := interruptible()
	defer stop()
	if err := server.Migrate(ctx, settings, logger); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "The schema of %s is up to date.\n", server.Where(settings.Store))
	return nil
}

func (m *migrateCommand) settings() (config.Config, error) {
	if m.Store == "" {
		return loadConfig(m.Config)
	}
	settings := config.Default()
	settings.Store = m.Store
	if m.Shards != 0 {
		settings.Shards = m.Shards
	}
	if err := settings.Validate(); err != nil {
		return settings, usageError{err}
	}
	return settings, nil
}
