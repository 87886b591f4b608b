// Command dashboards writes the folder grafana: boards, recording rules, alerts,
// data sources and provisioning. All of it is made from the
// definitions of server/metrics, so that a metric that goes breaks the build
// and not a panel.
//
// The tests of this package parse every query, compare its names and labels
// with the definitions, let promtool try every alert, and run every query on a
// Prometheus that watches a server at work.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// links lead from boards and alerts to other pages.
type links struct {
	ui       string // of the Web UI
	runbooks string // folder of docs/runbooks as a browser sees it
}

func main() {
	folder := flag.String("out", "grafana", "folder to write to")
	var l links
	flag.StringVar(&l.ui, "ui", defaultLinks.ui, "address of the Web UI that links lead to")
	flag.StringVar(&l.runbooks, "runbooks", defaultLinks.runbooks, "address of the folder of runbooks")
	flag.Parse()
	if err := write(*folder, l); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

// defaultLinks are those of the committed files.
var defaultLinks = links{ui: "http://localhost:8080", runbooks: "docs/runbooks"}

func write(folder string, l links) error {
	files, err := generate(l)
	if err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate makes every file of the folder by its name there.
func generate(l links) (map[string]string, error) {
	files := map[string]string{}
	for _, b := range boards() {
		text, err := b.json(l)
		if err != nil {
			return nil, fmt.Errorf("board %s: %w", b.uid, err)
		}
		files["dashboards/"+b.uid+".json"] = text
	}
	files["prometheus/rules.yaml"] = rulesFile(l)
	for name, text := range provisioning {
		files[name] = text
	}
	return files, nil
}
