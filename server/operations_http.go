package server

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"

	"perdure/visibility/audit"
)

// operationsPath begins the paths of operations on the port of metrics.
const operationsPath = "/admin/visibility/"

// AuditLine is one line of an audit's answer: a difference, or at the end the summary or an error.
type AuditLine struct {
	Difference *audit.Difference `json:"difference,omitempty"`
	Summary    *audit.Summary    `json:"summary,omitempty"`
	Error      string            `json:"error,omitempty"`
}

// handler serves operations to callers on this machine, and all other paths as before.
func (o *Operations) handler(others http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", others)
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET " + operationsPath + "stores":     o.serveStatus,
		"POST " + operationsPath + "rebuild":   o.serveRebuild,
		"POST " + operationsPath + "audit":     o.serveAudit,
		"POST " + operationsPath + "dlq/list":  o.serveLetters,
		"POST " + operationsPath + "dlq/retry": o.serveRetry,
		"POST " + operationsPath + "dlq/purge": o.servePurge,
	} {
		mux.HandleFunc(pattern, onlyHere(serve))
	}
	return mux
}

// onlyHere refuses callers on other machines: what is served has no other guard.
func onlyHere(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			http.Error(w, "operations are served to callers on this machine only", http.StatusForbidden)
			return
		}
		serve(w, r)
	}
}

// operationBytesMax is the largest request of an operation.
const operationBytesMax = 64 << 10

func operationOf(w http.ResponseWriter, r *http.Request) (op Operation, ok bool) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, operationBytesMax))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&op); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return op, false
	}
	return op, true
}

func answer(w http.ResponseWriter, what any, err error) {
	switch {
	case errors.Is(err, ErrOperation):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(what) // the caller has gone: nobody is left to tell
	}
}

func (o *Operations) serveStatus(w http.ResponseWriter, r *http.Request) {
	list, err := o.Status(r.Context())
	answer(w, list, err)
}

func (o *Operations) serveRebuild(w http.ResponseWriter, r *http.Request) {
	if op, ok := operationOf(w, r); ok {
		answer(w, struct{}{}, o.Rebuild(r.Context(), op))
	}
}

func (o *Operations) serveLetters(w http.ResponseWriter, r *http.Request) {
	if op, ok := operationOf(w, r); ok {
		letters, err := o.DeadLetters(r.Context(), op)
		answer(w, letters, err)
	}
}

func (o *Operations) serveRetry(w http.ResponseWriter, r *http.Request) {
	if op, ok := operationOf(w, r); ok {
		result, err := o.RetryDeadLetters(r.Context(), op)
		answer(w, result, err)
	}
}

func (o *Operations) servePurge(w http.ResponseWriter, r *http.Request) {
	if op, ok := operationOf(w, r); ok {
		count, err := o.PurgeDeadLetters(r.Context(), op)
		answer(w, count, err)
	}
}

// serveAudit answers line by line, while it looks.
func (o *Operations) serveAudit(w http.ResponseWriter, r *http.Request) {
	op, ok := operationOf(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	summary, err := o.Audit(r.Context(), op, func(d audit.Difference) error { return lines.Encode(AuditLine{Difference: &d}) })
	last := AuditLine{Summary: &summary}
	if err != nil {
		last = AuditLine{Error: err.Error()}
	}
	_ = lines.Encode(last) // the caller has gone: nobody is left to tell
}
