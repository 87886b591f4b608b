package metrics

// LimitName is a limit by its name in docs/limits.md, and where it was passed.
type LimitName struct{ Namespace, Limit string }

// LimitsPassed counts what was larger than a limit. It belongs to no one kind
// of thing that is limited, so operators have one number to watch.
var LimitsPassed = counter[LimitName](Def{Domain: Workflow, Name: "perdure_limits_passed_total", Unit: "times",
	Help: "Times something passed a limit of docs/limits.md, by limit: those that end in _warn refuse nothing."})
