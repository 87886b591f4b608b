package history

import "time"

// pace lets small groups rest. Where several callers are at work and the
// processor is what they wait for, a group of one or two changes costs as much of
// it as one of ten, so the next small group does not begin before the committer
// has been idle as long as the last commit took, at most restMax. A caller that is
// alone never waits: its groups have one change.
type pace struct {
	size float64   // moving average of the changes of a group
	next time.Time // before it a small group does not begin
}

const (
	restMax      = 3 * time.Millisecond
	smallGroup   = 4   // changes; larger groups begin at once
	loneSize     = 1.2 // changes: with less on average there is one caller
	paceWeight   = 1.0 / 16
	restGrainMin = 50 * time.Microsecond // shorter rests are not worth a timer
)

// committed tells of a group that took a while and ended now.
func (p *pace) committed(changes int, took time.Duration, now time.Time) {
	p.size += (float64(changes) - p.size) * paceWeight
	p.next = now.Add(min(took, restMax))
}

// rest is how long the group that waits has to, zero for not at all.
func (p *pace) rest(waiting int, now time.Time) time.Duration {
	if waiting == 0 || waiting >= smallGroup || p.size < loneSize {
		return 0
	}
	if d := p.next.Sub(now); d >= restGrainMin {
		return d
	}
	return 0
}
