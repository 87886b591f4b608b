package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"perdure/bench/fill"
	"perdure/bench/load"
	"perdure/bench/measure"
	"perdure/internal/pgtest"
	"perdure/internal/serverprocess"
	"perdure/server"
	"perdure/server/config"
)

// stopTimeout bounds the drain of the server at the end.
const stopTimeout = 30 * time.Second

// target is a server under load.
type target struct {
	name, address, namespace string
	sources                  measure.Sources
	facts                    load.Facts
	server                   *serverprocess.Process // nil: somebody else's
	storeURL                 string                 // of our server; empty: in memory
	filled                   map[string]int         // copies so far, by kind
	unmeasured               bool                   // it has no metrics
	atEnd                    []func() error
}

// reach is a server that runs already.
func (s settings) reach(ctx context.Context, name, address string, sources measure.Sources) (t *target, err error) {
	t = &target{name: name, address: address, namespace: s.namespace, sources: sources, filled: map[string]int{}}
	t.facts, err = load.Ask(ctx, address, s.namespace)
	return t, err
}

// launch starts our server on a fresh store, or on the one that the flags name.
func (s settings) launch(ctx context.Context, store string) (t *target, err error) {
	t = &target{name: store, namespace: s.namespace, filled: map[string]int{}, unmeasured: s.unmeasured}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.close())
		}
	}()
	folder, err := os.MkdirTemp("", "perdure-bench-")
	if err != nil {
		return t, err
	}
	t.atEnd = append(t.atEnd, func() error { return os.RemoveAll(folder) })
	options := serverprocess.Options{Binary: s.binary, ExtraArguments: strings.Fields(s.serverArguments), Environment: s.environment}
	if err := t.prepareStore(s, store, folder, &options); err != nil {
		return t, err
	}
	log, err := os.Create(filepath.Join(folder, "server.log"))
	if err != nil {
		return t, err
	}
	t.atEnd = append(t.atEnd, log.Close)
	options.Log = log
	if t.server, err = serverprocess.Start(ctx, options); err != nil {
		output, _ := os.ReadFile(log.Name()) // only to explain
		t.server = nil
		return t, fmt.Errorf("%w\n%s", err, output)
	}
	t.locate()
	t.facts, err = load.Ask(ctx, t.address, s.namespace)
	return t, err
}

func (t *target) prepareStore(s settings, store, folder string, options *serverprocess.Options) error {
	base, search, _ := strings.Cut(store, "+")
	if err := t.prepareBase(s, base, folder, options); err != nil {
		return err
	}
	return t.withSearch(search, options)
}

func (t *target) prepareBase(s settings, store, folder string, options *serverprocess.Options) error {
	switch store {
	case "memory":
	case "sqlite":
		options.DatabaseFile = s.storePath
		if s.storePath == "" {
			options.DatabaseFile = filepath.Join(folder, "perdure.db")
		}
		file, err := filepath.Abs(options.DatabaseFile)
		t.sources.DatabaseFile, t.storeURL = file, (&url.URL{Scheme: "sqlite", Path: file}).String()
		return err
	case "postgres":
		options.Store = s.storeURL
		if s.storeURL == "" {
			address, stop, err := pgtest.Standalone()
			if err != nil {
				return err
			}
			t.atEnd = append(t.atEnd, stop)
			options.Store = address
		}
		t.storeURL, t.sources.Postgres = options.Store, options.Store
	default:
		return fmt.Errorf("unknown store %q, one of memory, sqlite, postgres", store)
	}
	return nil
}

// locate notes where the server is, which has just been started.
func (t *target) locate() {
	t.address, t.sources.PID = t.server.Address, t.server.PID()
	if !t.unmeasured {
		t.sources.MetricsURL = "http://" + t.server.MetricsAddress + "/metrics"
	}
}

func (t *target) close() error {
	var errs []error
	if t.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		errs = append(errs, t.server.Stop(ctx))
	}
	for i := len(t.atEnd) - 1; i >= 0; i-- {
		errs = append(errs, t.atEnd[i]())
	}
	return errors.Join(errs...)
}

// Kinds of workflows that a store is filled with.
const (
	kindClosed = "closed"
	kindOpen   = "open"
)

// fill brings the number of workflows of a kind that have no purpose but to be there up to count: by copies in the store of our own server,
// and through the API elsewhere.
func (t *target) fill(ctx context.Context, kind string, count int) error {
	have := t.filled[kind]
	if count <= have {
		return nil
	}
	say("%s: filling with %d %s workflows", t.name, count, kind)
	options := load.Options{Address: t.address, Namespace: t.namespace, Tell: say}
	t.filled[kind] = count
	if t.server == nil || t.storeURL == "" {
		return load.Seeds(ctx, options, kind == kindOpen, count-have, func(number int) string { return fill.ID(kind, have+number) })
	}
	if have == 0 {
		template := func(number int) string { return fill.ID(kind, 0) }
		if err := load.Seeds(ctx, options, kind == kindOpen, 1, template); err != nil {
			return err
		}
	}
	return t.copy(ctx, kind, max(1, have), count-1)
}

// copy stops the server, writes copies into its store and starts it again.
func (t *target) copy(ctx context.Context, kind string, first, last int) (err error) {
	stopping, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := t.server.Stop(stopping); err != nil {
		return err
	}
	c := config.Default()
	c.Store = t.storeURL
	s, v, err := server.OpenStores(ctx, c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	told := time.Now()
	err = fill.Copies(ctx, s, v, t.facts.NamespaceID, kind, first, last, func(done int) {
		if time.Since(told) > tellInterval {
			told = time.Now()
			say("%s: %d of %d copied", t.name, done, last-first+1)
		}
	})
	if err = errors.Join(err, v.Close(), s.Close()); err != nil {
		return err
	}
	if err := t.settleStore(ctx); err != nil {
		return err
	}
	if err := t.server.Restart(ctx); err != nil {
		return err
	}
	t.locate()
	return nil
}

// settleStore lets PostgreSQL do now what it would otherwise do some time during the measurement.
func (t *target) settleStore(ctx context.Context) error {
	if t.sources.Postgres == "" {
		return nil
	}
	connection, err := pgx.Connect(ctx, t.sources.Postgres)
	if err != nil {
		return err
	}
	defer connection.Close(ctx)
	for _, statement := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := connection.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
