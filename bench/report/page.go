package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SuiteVersus is the suite that measures two servers.
const SuiteVersus = "versus"

// WritePage draws the pictures of the suites' files in a folder and writes its README.md with their tables.
func WritePage(folder string, suites []string) error {
	files, err := Load(folder, suites)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("<!-- Written by bench from the JSON files beside it; do not edit. -->\n# Results\n\n")
	b.WriteString("[How to read this](../README.md). Costs are per unit of the scenario; a run that is not flat does not count.\n")
	for _, f := range files {
		if err := f.removePictures(folder); err != nil {
			return err
		}
		if err := f.write(&b, folder); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "README.md"), []byte(b.String()), 0o644)
}

// removePictures takes away those of a suite, some of which may be of results that were replaced.
func (f *File) removePictures(folder string) error {
	old, err := filepath.Glob(filepath.Join(folder, f.Suite+"*.svg"))
	for _, path := range old {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func (f *File) write(b *strings.Builder, folder string) error {
	fmt.Fprintf(b, "\n## %s\n\n%s. `%s`\n\n", f.Suite, f.where(), f.Command)
	markdownCells(b, cells(resultColumns, f.Results))
	if parts := partsOf(f.Results); len(parts) > 0 {
		b.WriteString("\n")
		markdownCells(b, cells(partColumns, parts))
	}
	if found := pairs(f.Results); f.Suite == SuiteVersus && len(found) > 0 {
		fmt.Fprintf(b, "\nRatio: %s divided by %s.\n\n", found[0].ours.Target, found[0].other.Target)
		markdownCells(b, cells(ratioColumns(found[0].other.Target, found[0].ours.Target), found))
	}
	for _, t := range f.Ratios {
		fmt.Fprintf(b, "\n- %s\n", t)
	}
	for _, p := range f.pictures() {
		if err := p.draw(folder); err != nil {
			return err
		}
		fmt.Fprintf(b, "\n![%s](%s)\n", p.about, p.name)
	}
	return nil
}

// where tells day, machine, servers and stores.
func (f *File) where() string {
	m := f.Machine
	parts := []string{
		f.Began.UTC().Format("2006-01-02"),
		fmt.Sprintf("%d cores of %s shared by server, store and generator", m.Cores, m.Processor),
		fmt.Sprintf("%d GiB", (m.MemoryBytes+1<<29)>>30), "Linux " + m.Kernel, m.Go,
	}
	for _, target := range f.targets() {
		first := f.Results[slices.IndexFunc(f.Results, func(r Result) bool { return r.Target == target })]
		text := fmt.Sprintf("%s: version %s", target, first.Server)
		if settings := f.Stores[target]; settings != nil {
			text += fmt.Sprintf(", PostgreSQL %s with fsync %s, synchronous_commit %s, shared_buffers %s",
				settings["server_version"], settings["fsync"], settings["synchronous_commit"], settings["shared_buffers"])
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
