package metrics

// Workers is what worker processes tell of themselves.
const Workers Domain = "Workers"

// SDK names a client library.
type SDK struct{ Sdk string }

var (
	// WorkersRegistered counts worker processes that sent a heartbeat lately.
	WorkersRegistered = gauge[SDK](Def{Domain: Workers, Name: "perdure_workers_registered", Unit: "workers",
		Help: "Worker processes that sent a heartbeat lately, by SDK; SDKs beyond the twenty with most workers are _other_."})
	// WorkersEvicted counts workers forgotten for want of room.
	WorkersEvicted = counter[None](Def{Domain: Workers, Name: "perdure_workers_evicted_total", Unit: "workers",
		Help: "Worker processes forgotten before their time, since the registry was full."})
)
