package metrics

// RPC is what clients and workers see.
const RPC Domain = "RPC"

// Call labels one finished RPC. Code is the gRPC code's name.
type Call struct{ Method, Code, Namespace string }

// LongPoll labels one finished long poll: task, empty, canceled or error.
type LongPoll struct{ Method, Outcome string }

// Rejection labels a call refused by a limit. Scope is host or namespace, Cause the resource.
type Rejection struct{ Namespace, Scope, Cause string }

// Message labels a message. Dir is request or response.
type Message struct{ Method, Dir string }

// HTTPCall labels one finished HTTP request.
type HTTPCall struct{ Method, Code string }

var (
	// GRPCRequests counts finished RPCs.
	GRPCRequests = counter[Call](Def{Domain: RPC, Name: "perdure_grpc_requests_total", Unit: "requests",
		Help: "RPCs answered, by method, gRPC code and namespace."})
	// GRPCDuration times RPCs that are no long polls.
	GRPCDuration = histogram[Method](Def{Domain: RPC, Name: "perdure_grpc_request_duration_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time from receiving an RPC to its answer; long polls are left out."})
	// GRPCLongPoll times long polls.
	GRPCLongPoll = histogram[LongPoll](Def{Domain: RPC, Name: "perdure_grpc_longpoll_duration_seconds", Unit: "seconds", Buckets: slow,
		Help: "Time a long poll waited, by what ended it (task, empty, canceled, error)."})
	// GRPCInflight counts RPCs under way.
	GRPCInflight = gauge[Method](Def{Domain: RPC, Name: "perdure_grpc_inflight", Unit: "requests",
		Help: "RPCs under way, long polls included."})
	// GRPCMessageBytes tells how large messages are.
	GRPCMessageBytes = histogram[Message](Def{Domain: RPC, Name: "perdure_grpc_message_bytes", Unit: "bytes", Buckets: size,
		Help: "Size of requests and responses of RPCs, by dir (request, response)."})
	// Panics counts faults of the server itself.
	Panics = counter[Method](Def{Domain: RPC, Name: "perdure_panics_total", Unit: "panics",
		Help: "Panics while an RPC was answered: each is a fault of the server, and the log has its stack."})
	// RateLimitRejected counts calls refused by a limit.
	RateLimitRejected = counter[Rejection](Def{Domain: RPC, Name: "perdure_ratelimit_rejected_total", Unit: "requests",
		Help: "Calls refused with RESOURCE_EXHAUSTED, by scope and cause."})
	// HTTPRequests counts requests to the HTTP/JSON API.
	HTTPRequests = counter[HTTPCall](Def{Domain: RPC, Name: "perdure_http_requests_total", Unit: "requests",
		Help: "Requests to the HTTP/JSON API, by HTTP method and status."})
	// HTTPDuration times requests to the HTTP/JSON API.
	HTTPDuration = histogram[None](Def{Domain: RPC, Name: "perdure_http_request_duration_seconds", Unit: "seconds", Buckets: fast,
		Help: "Time from receiving an HTTP request to its answer."})
)
