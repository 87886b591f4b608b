package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"perdure/internal/pgtest"
	"perdure/internal/serverprocess"
)

// stopTimeout bounds the drain of the server at the end.
const stopTimeout = 30 * time.Second

// withServer starts the binary on a fresh store, runs the plan with every source of costs, and stops both.
func (s settings) withServer(ctx context.Context, store string, p plan) (_ []result, err error) {
	folder, err := os.MkdirTemp("", "perdure-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	log, err := os.Create(filepath.Join(folder, "server.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	options := serverprocess.Options{Binary: s.binary, Log: log}
	switch store {
	case "memory":
	case "sqlite":
		options.DatabaseFile = filepath.Join(folder, "perdure.db")
	case "postgres":
		url, stop, startErr := pgtest.Standalone()
		if startErr != nil {
			return nil, startErr
		}
		defer func() { err = errors.Join(err, stop()) }()
		options.Store, s.sources.postgres = url, url
	default:
		return nil, fmt.Errorf("unknown store %q, one of memory, sqlite, postgres", store)
	}
	server, err := serverprocess.Start(ctx, options)
	if err != nil {
		output, _ := os.ReadFile(log.Name()) // only to explain
		return nil, fmt.Errorf("%w\n%s", err, output)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, server.Stop(ctx))
	}()
	s.address, s.sources.pid = server.Address, server.PID()
	s.sources.metricsURL = "http://" + server.MetricsAddress + "/metrics"
	return p.against(ctx, s, store)
}
