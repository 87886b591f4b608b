package ledger

import (
	"slices"
	"time"
)

// Line is what a stage took.
type Line struct {
	Stage Stage
	// Count is how often it happened, Open how many of these have not ended.
	Count, Open int64
	// Total adds up all of them, also those at the same time; Maximum is the longest.
	Total, Maximum time.Duration
	// Covered is for how long at least one was under way.
	Covered time.Duration
}

// Ledger is where the time of a run went.
type Ledger struct {
	Start time.Time
	// End is when the run closed; zero: it has not, and Life goes up to when it was asked.
	End  time.Time
	Life time.Duration
	// Lines are the stages that happened, in order.
	Lines []Line
}

// Share is the part of the run's life, 0 to 1, during which the stage was under way.
func (l Ledger) Share(line Line) float64 {
	if l.Life <= 0 {
		return 0
	}
	return float64(line.Covered) / float64(l.Life)
}

// span is a part of a run's life.
type span struct{ from, to time.Time }

// union merges spans. They are sorted in place and without gaps or overlaps after.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	merged := spans[:0]
	for _, s := range spans {
		if last := len(merged) - 1; last >= 0 && !s.from.After(merged[last].to) {
			if s.to.After(merged[last].to) {
				merged[last].to = s.to
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// length adds up spans.
func length(spans []span) time.Duration {
	var sum time.Duration
	for _, s := range spans {
		sum += s.to.Sub(s.from)
	}
	return sum
}

// gaps are what spans, which have been merged, leave of a life.
func gaps(life span, merged []span) []span {
	var left []span
	at := life.from
	for _, s := range merged {
		if s.from.After(at) {
			left = append(left, span{at, s.from})
		}
		if s.to.After(at) {
			at = s.to
		}
	}
	if life.to.After(at) {
		left = append(left, span{at, life.to})
	}
	return left
}

// Report is a run's ledger with what the server knows beside its history.
type Report struct {
	WorkflowID, RunID, WorkflowType string
	Ledger                          Ledger
	// Server are the stages that only the server sees, since Since. Complete tells that this goes back to the run's start.
	Server   []Line
	Since    time.Time
	Complete bool
}
