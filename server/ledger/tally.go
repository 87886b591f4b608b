package ledger

import "time"

// Tally adds up the stages that only the server sees. It is a plain value,
// guarded by whatever guards its run; adding allocates nothing.
type Tally struct {
	lines [ServerStages]tallyLine
}

type tallyLine struct {
	count          int64
	total, maximum time.Duration
}

// Add enters a time. A negative one, by clocks that were set, counts as none.
func (t *Tally) Add(stage Stage, d time.Duration) {
	line := &t.lines[int(stage)-HistoryStages]
	d = max(0, d)
	line.count++
	line.total += d
	line.maximum = max(line.maximum, d)
}

// Lines are the stages that happened, in order. One change at a time is under
// way for most of them, so Covered is Total.
func (t *Tally) Lines() []Line {
	var made []Line
	for i, line := range t.lines {
		if line.count > 0 {
			made = append(made, Line{
				Stage: Stage(HistoryStages + i), Count: line.count, Total: line.total, Maximum: line.maximum, Covered: line.total,
			})
		}
	}
	return made
}
