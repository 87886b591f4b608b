package diagnosis

import (
	"cmp"
	"slices"
)

// Fleet is what was found of the runs of a namespace.
type Fleet struct {
	Namespace  string
	Open       int64 // runs
	Candidates int64 // open runs that have waited for something for longer than a moment, as search knows them
	Examined   int   // of these
	Truncated  bool  // there are more than were looked at
	Healthy    int   // of the examined: come on, or wait by design
	// Groups are the others by their first cause, in order of class, then the most runs first.
	Groups []Group
	// Notes are of the namespace and its stores, not of a run.
	Notes []Cause
}

// Group is the runs that have a cause first.
type Group struct {
	Code     Code
	Class    Class
	Runs     int
	Examples []*Report
}

// Add counts a report. So many are kept of each group, the first ones.
func (f *Fleet) Add(r *Report, examples int) {
	f.Examined++
	if !r.Troubled() {
		f.Healthy++
		return
	}
	place := slices.IndexFunc(f.Groups, func(g Group) bool { return g.Code == r.First() })
	if place < 0 {
		place = len(f.Groups)
		f.Groups = append(f.Groups, Group{Code: r.First(), Class: r.Causes[0].Class})
	}
	group := &f.Groups[place]
	group.Runs++
	if len(group.Examples) < examples {
		group.Examples = append(group.Examples, r)
	}
}

// Finish puts the groups in order.
func (f *Fleet) Finish() {
	slices.SortFunc(f.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(b.Runs, a.Runs), cmp.Compare(placeOf(a.Code), placeOf(b.Code)))
	})
}

// NotesOf are the causes that hold whatever run one looks at.
func NotesOf(f *Facts) []Cause {
	d := &diagnosing{f: f}
	d.owner()
	d.search()
	d.throttled()
	rank(d.causes)
	return d.causes
}
