package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"perdure/server/config"
	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/server/store/postgres"
	"perdure/server/store/sqlite"
	"perdure/visibility"
	visibilitymemory "perdure/visibility/memory"
	visibilitypostgres "perdure/visibility/postgres"
	visibilitysqlite "perdure/visibility/sqlite"
)

// openTimeout bounds the time to reach a store and to bring its schema up to date.
const openTimeout = 30 * time.Second

// schemeOf names the backend of a store URL, as metrics and clients see it.
func schemeOf(storeURL string) string {
	scheme, _, _ := strings.Cut(storeURL, ":")
	if scheme == "postgresql" {
		return "postgres"
	}
	return scheme
}

// Where is a store URL without its password, for people.
func Where(storeURL string) string {
	parsed, err := url.Parse(storeURL)
	if err != nil {
		return schemeOf(storeURL)
	}
	return parsed.Redacted()
}

var errKind = errors.New("no such kind of store")

// openStore opens the backend that a URL names and brings its schema up to date.
func openStore(ctx context.Context, storeURL string, shards int, logger *slog.Logger) (store.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	options := store.Options{Shards: shards, Logger: logger}
	var s store.Store
	var err error
	switch schemeOf(storeURL) {
	case "memory":
		s, err = memory.Open(shards)
	case "sqlite":
		s, err = sqlite.Open(ctx, storeURL, options)
	case "postgres":
		s, err = postgres.Open(ctx, storeURL, options)
	default:
		err = errKind
	}
	if err != nil {
		return nil, &StoreError{"store", Where(storeURL), err}
	}
	return s, nil
}

// visibilityURL is where search records live: in the store unless said otherwise.
func visibilityURL(c config.Config) string {
	if c.Visibility != "" {
		return c.Visibility
	}
	return c.Store
}

// OpenVisibility opens the store of search records and brings its schema up to date, which takes minutes where millions of
// records change their form.
func OpenVisibility(ctx context.Context, storeURL string) (visibility.Store, error) {
	var s visibility.Store
	var err error
	switch schemeOf(storeURL) {
	case "memory":
		s = visibilitymemory.New()
	case "sqlite":
		s, err = visibilitysqlite.Open(ctx, storeURL, visibilitysqlite.Options{})
	case "postgres":
		s, err = visibilitypostgres.Open(ctx, storeURL, visibilitypostgres.Options{})
	default:
		err = errKind
	}
	if err != nil {
		return nil, &StoreError{"visibility store", Where(storeURL), err}
	}
	return s, nil
}

// StoreError tells that a store cannot be opened.
type StoreError struct {
	What  string
	Where string // its URL without a password
	Err   error
}

func (e *StoreError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.What, e.Where, strings.Join(strings.Fields(e.Err.Error()), " "))
}

func (e *StoreError) Unwrap() error { return e.Err }

// OpenStores opens the stores of a configuration and brings their schemas up to date, for tools that work on stored data while no
// server does. The caller closes both.
func OpenStores(ctx context.Context, c config.Config, logger *slog.Logger) (store.Store, visibility.Store, error) {
	s, err := openStore(ctx, c.Store, c.Shards, logger)
	if err != nil {
		return nil, nil, err
	}
	v, err := OpenVisibility(ctx, visibilityURL(c))
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, v, nil
}

// Migrate brings the schemas of a configuration's stores up to date and closes them again.
func Migrate(ctx context.Context, c config.Config, logger *slog.Logger) error {
	s, v, err := OpenStores(ctx, c, logger)
	if err != nil {
		return err
	}
	return errors.Join(v.Close(), s.Close())
}
