package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"perdure/server/config"
	"perdure/server/history"
	"perdure/server/metrics"
	"perdure/server/namespace"
	"perdure/server/search"
	"perdure/server/store"
	"perdure/visibility"
	visibilityelastic "perdure/visibility/elastic"
	"perdure/visibility/indexer"
)

// searchURL is where the store is that answers searches.
func searchURL(c config.Config) string {
	stores := c.SearchStores()
	return stores[slices.IndexFunc(stores, func(s config.SearchStore) bool { return s.Name == c.SearchReads() })].URL
}

// searchStore is one store of search records with its indexer.
type searchStore struct {
	config.SearchStore
	store   visibility.Store
	indexer *indexer.Indexer
	dead    *search.DeadLetters
}

// searchStores are all of them, in order of name.
type searchStores []*searchStore

func isElastic(storeURL string) bool { return strings.HasPrefix(storeURL, "elasticsearch") }

// openSearchStores opens them. One that is no database may be out of reach at the start: it is filled when it is not any more.
func openSearchStores(ctx context.Context, c config.Config, records store.Store, logger *slog.Logger, reg *metrics.Registry) (searchStores, error) {
	var opened searchStores
	for _, named := range c.SearchStores() {
		s := &searchStore{SearchStore: named, dead: search.NewDeadLetters(records, named.Name, c.Limits.DeadLettersMax)}
		if err := s.open(ctx, logger); err != nil {
			return opened, err
		}
		if reg != nil {
			observePools(s.store, reg)
		}
		opened = append(opened, s)
	}
	return opened, nil
}

func (s *searchStore) open(ctx context.Context, logger *slog.Logger) (err error) {
	if !isElastic(s.URL) {
		s.store, err = OpenVisibility(ctx, s.URL)
		return err
	}
	late, err := search.OpenLate(ctx, "elasticsearch", func(ctx context.Context) (visibility.Store, error) { return OpenVisibility(ctx, s.URL) })
	if err != nil {
		logger.Warn("a search store is out of reach; it is tried again", "store", s.Name, "error", err)
	}
	s.store = late
	return nil
}

// startIndexers lets each store have its records.
func (list searchStores) startIndexers(c config.Config, logger *slog.Logger, reg *metrics.Registry) {
	for _, s := range list {
		writers := 1
		if isElastic(s.URL) { // its processors are others than those of the executions' store
			writers = visibilityelastic.WritersDefault
		}
		s.indexer = indexer.New(indexer.Config{
			Store: s.store, Name: s.label(), Logger: logger, Metrics: reg, DeadLetters: s.dead, Writers: writers,
			MaxWaiting: c.Limits.VisibilityQueueMax, MaxWaitingBytes: c.Limits.VisibilityQueueBytesMax,
		})
	}
}

// label names the store in metrics: where there is but one, by its kind.
func (s *searchStore) label() string {
	if s.Name == config.MainStore {
		return s.store.Name()
	}
	return s.Name
}

// feeds is what history feeds: all that keep something.
func (list searchStores) feeds(c config.Config) []history.Feed {
	first := slices.IndexFunc(list, func(s *searchStore) bool { return !isElastic(s.URL) })
	var feeds []history.Feed
	for i, s := range list {
		if schemeOf(s.URL) == config.NoneScheme {
			continue
		}
		feeds = append(feeds, history.Feed{
			Name: s.Name, Label: s.label(), Indexer: s.indexer, Store: s.store, Reads: s.Reads, First: i == first,
			Volatile: schemeOf(s.URL) == "memory" && schemeOf(c.Store) != "memory",
		})
	}
	return feeds
}

func (list searchStores) named(name string) *searchStore {
	if place := slices.IndexFunc(list, func(s *searchStore) bool { return s.Name == name }); place >= 0 {
		return list[place]
	}
	return nil
}

// route makes the store that searches go to.
func (list searchStores) route(c config.Config, namespaces *namespace.Registry, reg *metrics.Registry) visibility.Store {
	route := search.RouteConfig{Default: list.named(c.SearchReads()).store, Metrics: reg}
	if shadow := list.named(c.Search.Shadow); shadow != nil {
		route.Shadow = shadow.store
	}
	if len(c.Search.NamespaceReads) > 0 {
		route.Of = func(ctx context.Context, id string) visibility.Store {
			ns, err := namespaces.ByID(ctx, id)
			if err != nil {
				return nil
			}
			if s := list.named(c.Search.NamespaceReads[ns.Name]); s != nil {
				return s.store
			}
			return nil
		}
	}
	return search.Route(route)
}

// stopIndexers waits a while for what waits to be written.
func (list searchStores) stopIndexers(ctx context.Context) error {
	var errs []error
	for _, s := range list {
		if s.indexer != nil && !s.indexer.Blocked() {
			errs = append(errs, s.indexer.Close(ctx))
		} else if s.indexer != nil {
			over, cancel := context.WithCancel(ctx)
			cancel()
			_ = s.indexer.Close(over) // what it could not write is written after the next start
		}
	}
	return errors.Join(errs...)
}

func (list searchStores) close() error {
	var errs []error
	for _, s := range list {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}
