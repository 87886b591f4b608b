package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"perdure/bench/measure"
)

// File is what one suite measured in one go.
type File struct {
	Suite   string          `json:"suite"`
	Began   time.Time       `json:"began"`
	Command string          `json:"command"`
	Machine measure.Machine `json:"machine"`
	// Stores are the settings of PostgreSQL by target.
	Stores  map[string]map[string]string `json:"stores,omitempty"`
	Results []Result                     `json:"results"`
	Ratios  []Tax                        `json:"ratios,omitempty"` // of suite tax
}

// Save writes the file as SUITE.json. An earlier one is replaced.
func (f *File) Save(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, f.Suite+".json"), append(text, '\n'), 0o644)
}

// Load reads the files of the named suites that a folder has.
func Load(folder string, suites []string) ([]*File, error) {
	var files []*File
	for _, suite := range suites {
		text, err := os.ReadFile(filepath.Join(folder, suite+".json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		f := &File{}
		if err := json.Unmarshal(text, f); err != nil {
			return nil, fmt.Errorf("%s.json: %w", suite, err)
		}
		files = append(files, f)
	}
	return files, nil
}

// targets are those of the results, in order of their first.
func (f *File) targets() []string {
	return distinct(f.Results, func(r Result) string { return r.Target })
}

func distinct[T any, K comparable](values []T, key func(T) K) []K {
	var keys []K
	seen := map[K]bool{}
	for _, value := range values {
		if k := key(value); !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys
}

func selected(results []Result, matches func(Result) bool) []Result {
	var some []Result
	for _, r := range results {
		if matches(r) {
			some = append(some, r)
		}
	}
	return some
}
