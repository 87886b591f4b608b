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
	"perdure/server/search"
	"perdure/server/store"
	"perdure/server/store/memory"
	"perdure/server/store/postgres"
	"perdure/server/store/sqlite"
	"perdure/visibility"
	visibilityelastic "perdure/visibility/elastic"
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
	case config.NoneScheme:
		s = search.None{}
	case "elasticsearch+http", "elasticsearch+https":
		s, err = openElastic(ctx, storeURL)
	default:
		err = errKind
	}
	if err != nil {
		return nil, &StoreError{"visibility store", Where(storeURL), err}
	}
	return s, nil
}

// openElastic reads a URL such as elasticsearch+http://user:password@host:9200,other:9200/PREFIX?refresh=1s.
func openElastic(ctx context.Context, storeURL string) (visibility.Store, error) {
	parsed, err := url.Parse(storeURL)
	if err != nil {
		return nil, errors.New("cannot be read as a URL")
	}
	options := visibilityelastic.Options{User: parsed.User.Username(), Prefix: strings.Trim(parsed.Path, "/")}
	options.Password, _ = parsed.User.Password()
	scheme := strings.TrimPrefix(parsed.Scheme, "elasticsearch+")
	for _, host := range strings.Split(parsed.Host, ",") {
		options.URLs = append(options.URLs, scheme+"://"+host)
	}
	if text := parsed.Query().Get("refresh"); text != "" {
		if options.Refresh, err = time.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("refresh=%q is no duration", text)
		}
	}
	return visibilityelastic.Open(ctx, options)
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
	v, err := OpenVisibility(ctx, searchURL(c))
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
