// Package frontend is the public face of the server: the gRPC services and the
// HTTP/JSON API made from them.
//
// A call passes six interceptors (see chain.go): errors, telemetry, namespace,
// rates, client version, and then the handler. A handler checks all that can
// be checked from the request alone, fills in defaults, and hands the request
// to one of three interfaces: cluster.History for executions,
// cluster.Matching for task queues, visibility.Store for lists. What depends
// on the state of an execution is decided there, never here.
//
// There is one file for each family of RPCs. An RPC without a method here
// answers UNIMPLEMENTED, and no capability claims it.
//
// # What the services behind can count on
//
// The namespace is resolved and in a state that allows the call. Task tokens
// can be decoded and belong to it. Of an execution the workflow id is set and
// the run id is empty or a UUID; ids other than the workflow id of a reference
// are at most Limits.IDBytesMax long.
//
//   - A start has a normal task queue, resolved policies, timeouts capped by one
//     another with a workflow task timeout, a complete retry policy, a cron
//     schedule that can be read, a request id, and search attributes that fit.
//   - A signal and a cancel request have a request id.
//   - An update has an id and waits for ACCEPTED or COMPLETED; ADMITTED, for a
//     stage this server does not know, asks for an answer at once.
//   - A read of history has a page size of 1 to Limits.HistoryPageMax and one of
//     the two filters.
//   - Failures, results and details are small enough to keep: what was not came
//     as the failure that stands for it.
//   - Contexts of calls that wait end when the server stops.
//
// A command of a workflow task is checked by history, since a wrong one fails
// the task.
package frontend
