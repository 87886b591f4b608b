package metrics

// Outbound is what the server calls outside of itself.
const Outbound Domain = "Outbound calls"

// OutboundCall labels a call: what it is for (callback), and how its destination is
// (healthy, failing; not_made: it was not wanted any more or cut off).
type OutboundCall struct{ Kind, Outcome string }

var (
	// OutboundCalls counts calls to addresses outside.
	OutboundCalls = counter[OutboundCall](Def{Domain: Outbound, Name: "perdure_outbound_calls_total", Unit: "calls",
		Help: "Calls to addresses outside, by kind (callback) and outcome (healthy, failing, not_made)."})
	// OutboundDuration times calls with the commit of what came of them.
	OutboundDuration = histogram[OutboundCall](Def{Domain: Outbound, Name: "perdure_outbound_call_duration_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time of one call to an address outside, until its outcome was durable."})
	// OutboundWaiting counts calls that wait for a place.
	OutboundWaiting = gauge[None](Def{Domain: Outbound, Name: "perdure_outbound_calls_waiting", Unit: "calls",
		Help: "Calls that wait because too many are under way."})
	// OutboundUnderWay counts calls under way.
	OutboundUnderWay = gauge[None](Def{Domain: Outbound, Name: "perdure_outbound_calls_under_way", Unit: "calls",
		Help: "Calls to addresses outside under way."})
	// OutboundBlocked counts destinations that are left alone.
	OutboundBlocked = gauge[None](Def{Domain: Outbound, Name: "perdure_outbound_destinations_blocked", Unit: "destinations",
		Help: "Destinations that failed so often in a row that they are left alone for a while."})
	// CallbackAttempts counts attempts to tell a completion callback.
	CallbackAttempts = counter[NamespaceOutcome](Def{Domain: Outbound, Name: "perdure_callback_attempts_total", Unit: "attempts",
		Help: "Attempts to deliver completion callbacks, by outcome (succeeded, retried, failed)."})
)
