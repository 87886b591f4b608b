// Package ledger accounts where the time of a run went. It is pure: a history
// goes in, a ledger comes out.
//
// What a history tells is the stages from [StartDelay] to [Idle]: how long a
// task, an activity, a timer or a child was under way, and how long nothing was.
// What it does not tell (the server's own part: locks, commits, matching) are
// the stages from [Frontend] to [HandOver]; the server adds these up in a
// [Tally] while it has the run in memory.
//
// Stages may overlap: two activities at the same time are twice the time in
// Total, and once in Covered.
package ledger
