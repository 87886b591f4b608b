package diagnosis

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Verdict says how a run does.
type Verdict string

const (
	// VerdictMoving comes on.
	VerdictMoving Verdict = "moving"
	// VerdictWaiting waits for what it was told to wait for.
	VerdictWaiting Verdict = "waiting by design"
	// VerdictHeld comes on later or more slowly than it should.
	VerdictHeld Verdict = "held back"
	// VerdictStuck does not come on until somebody acts.
	VerdictStuck Verdict = "stuck"
	// VerdictClosed has closed, and nothing is left to do.
	VerdictClosed Verdict = "closed"
)

// Report is what was found of one run.
type Report struct {
	Namespace, WorkflowID, RunID, Type, Status string
	Verdict                                    Verdict
	LastProgress                               time.Time
	// Causes are in order: the first one is why the run does not come on.
	Causes []Cause
}

// Cause is one reason.
type Cause struct {
	Code  Code
	Class Class
	// Subject is what it is about, where a run has several: an activity, a child.
	Subject  string
	Since    time.Time // zero: not known
	Sentence string
	Evidence []Evidence
	Next     string // what to do
	Runbook  string // page of docs/runbooks, without its ending; empty: docs/doctor.md is all
	// Child is what was found of the child that the cause is about.
	Child *Report
}

// Evidence is a value that the cause rests on.
type Evidence struct{ Name, Value string }

// First is the code of the first cause; empty without one.
func (r *Report) First() Code {
	if len(r.Causes) == 0 {
		return ""
	}
	return r.Causes[0].Code
}

// Troubled tells whether the run does not come on as it should.
func (r *Report) Troubled() bool { return r.Verdict == VerdictStuck || r.Verdict == VerdictHeld }

// rank puts causes in order: by class, then as causes.go lists them, then the oldest, then by subject.
func rank(causes []Cause) {
	slices.SortStableFunc(causes, func(a, b Cause) int {
		return cmp.Or(
			cmp.Compare(a.Class, b.Class), cmp.Compare(placeOf(a.Code), placeOf(b.Code)),
			compareTimes(a.Since, b.Since), strings.Compare(a.Subject, b.Subject), strings.Compare(a.Sentence, b.Sentence),
		)
	})
}

// compareTimes orders times; those that are not known come last.
func compareTimes(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// verdict is what ranked causes come to.
func verdict(open bool, causes []Cause) Verdict {
	for _, c := range causes {
		switch c.Class {
		case Stuck:
			return VerdictStuck
		case Held:
			return VerdictHeld
		case ByDesign:
			return VerdictWaiting
		}
	}
	if !open {
		return VerdictClosed
	}
	return VerdictMoving
}
