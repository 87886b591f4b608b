package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// SearchStore is one store of search records.
type SearchStore struct {
	Name  string
	URL   string
	Reads bool // it answers searches
}

// MainStore is the name of the store of search records where there is but one.
const MainStore = "main"

// SearchStores are the stores of search records, in order of name.
func (c *Config) SearchStores() []SearchStore {
	if len(c.Search.Stores) == 0 {
		return []SearchStore{{MainStore, c.orStore(c.Visibility), true}}
	}
	var stores []SearchStore
	for _, name := range slices.Sorted(maps.Keys(c.Search.Stores)) {
		reads := name == c.Search.Reads || len(c.Search.Stores) == 1
		for _, other := range c.Search.NamespaceReads {
			reads = reads || other == name
		}
		stores = append(stores, SearchStore{name, c.orStore(c.Search.Stores[name]), reads})
	}
	return stores
}

// SearchReads is the store that answers searches unless a namespace has another.
func (c *Config) SearchReads() string {
	switch {
	case len(c.Search.Stores) == 0:
		return MainStore
	case c.Search.Reads != "":
		return c.Search.Reads
	}
	return c.SearchStores()[0].Name
}

func (c *Config) orStore(url string) string {
	if url == "" {
		return c.Store
	}
	return url
}

var searchName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

func (c *Config) validateSearch() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Search.Stores) > 0 && c.Visibility != "" {
		fail("search.stores: excludes visibility, which names the only store")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Search.Stores)) {
		if !searchName.MatchString(name) {
			fail("search.stores: %q is no name; want small letters, digits and hyphens", name)
		}
		errs = append(errs, checkSearchURL("search.stores."+name, c.Search.Stores[name]))
	}
	known := func(key, name string) {
		if _, ok := c.Search.Stores[name]; !ok && name != "" {
			fail("%s: there is no search store %q", key, name)
		}
	}
	known("search.reads", c.Search.Reads)
	known("search.shadow", c.Search.Shadow)
	for _, namespace := range slices.Sorted(maps.Keys(c.Search.NamespaceReads)) {
		known("search.namespace_reads."+namespace, c.Search.NamespaceReads[namespace])
	}
	if len(c.Search.Stores) > 1 && c.Search.Reads == "" {
		fail("search.reads: which of the stores is to answer searches?")
	}
	return errors.Join(errs...)
}

// ElasticSchemes are the forms of an Elasticsearch URL.
var ElasticSchemes = []string{"elasticsearch+http", "elasticsearch+https"}

func checkSearchURL(key, text string) error {
	scheme, _, _ := strings.Cut(text, ":")
	if key == "visibility" && scheme == NoneScheme {
		return nil
	}
	if !slices.Contains(ElasticSchemes, scheme) {
		return checkStoreURL(key, text, false)
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		return fmt.Errorf("%s: %q cannot be read as a URL", key, redact(text))
	}
	return nil
}
