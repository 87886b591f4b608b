package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"perdure/visibility/inside"
)

// Search says where search records live when there are several stores, each of which hears of every change, and what
// search may look at inside runs. Nothing of them is looked at unless it is named here.
type Search struct {
	Stores         map[string]string `doc:"Name and URL of each store of search records: the forms of store, empty for the store itself, or elasticsearch+http://user:password@host:9200/PREFIX?refresh=1s (or +https; PREFIX begins the names of indexes, refresh is how late a record may be found). Without any there is one, named main, that visibility gives."`
	Reads          string            `doc:"The store that answers searches; needed when there are several."`
	NamespaceReads map[string]string `doc:"Namespaces (name: store) whose searches another store answers."`
	Shadow         string            `doc:"A store to which searches are sent as well, to compare its answers; perdure_visibility_shadow_total counts them."`
	Repair         bool              `default:"true" doc:"Whether the comparisons of limits.visibility_audit_interval also bring in line what differs; else they only tell, by log and perdure_visibility_audit_differences_total."`
	Inside         map[string]string `doc:"What search looks at inside the runs of a namespace, by its name, or * for those that are not named: memo, input, result, activities (types and ids), signals (names), pending (activities, children and timers under way), separated by spaces, or all. Only JSON and plain text are read, 8 KiB of each; runs are found by it from their next change on."`
	Redact         []string          `doc:"Regular expressions: what they match in any of that is left out of search."`
}

// EveryNamespace stands for the namespaces that are not named.
const EveryNamespace = "*"

// Looks are the settings of a validated configuration by namespace.
func (s *Search) Looks() map[string]inside.Look {
	looks, _ := s.looks() // Validate has seen the error
	return looks
}

func (s *Search) looks() (map[string]inside.Look, error) {
	var patterns []*regexp.Regexp
	var errs []error
	for i, text := range s.Redact {
		pattern, err := regexp.Compile(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("search.redact: expression %d: %w", i+1, err))
			continue
		}
		patterns = append(patterns, pattern)
	}
	looks := map[string]inside.Look{}
	for _, name := range slices.Sorted(maps.Keys(s.Inside)) {
		look, err := inside.Parse(s.Inside[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("search.inside: %s: %w", name, err))
			continue
		}
		look.Redact = patterns
		looks[name] = look
	}
	return looks, errors.Join(errs...)
}

func (s *Search) validate() error {
	_, err := s.looks()
	return err
}
