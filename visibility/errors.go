package visibility

import (
	"fmt"
	"time"
)

// Class tells what to do about a record that a store did not take.
type Class int

const (
	// Busy: the same record may be taken later.
	Busy Class = iota
	// Blocked: the store as a whole takes nothing now, such as with a full disk or refused credentials.
	Blocked
	// Refused: the store will never take this record as it is.
	Refused
)

func (c Class) String() string {
	switch c {
	case Busy:
		return "busy"
	case Blocked:
		return "blocked"
	default:
		return "refused"
	}
}

// ItemError is one record that was not taken. Index is its place in the call.
type ItemError struct {
	Index int
	Class Class
	Err   error
}

// WriteError tells which records of a Write were not taken. All others are durable.
type WriteError struct{ Items []ItemError }

func (e *WriteError) Error() string {
	if len(e.Items) == 0 {
		return "no record was refused"
	}
	first := e.Items[0]
	return fmt.Sprintf("%d records were not taken, the first, number %d, is %v: %v", len(e.Items), first.Index, first.Class, first.Err)
}

// Unwrap gives the records' errors.
func (e *WriteError) Unwrap() []error {
	errs := make([]error, len(e.Items))
	for i, item := range e.Items {
		errs[i] = item.Err
	}
	return errs
}

// DeadLetter is a record that a store refused. What the record says is not in it: the run tells.
type DeadLetter struct {
	Store       string    `json:"store"`
	NamespaceID string    `json:"namespace_id"`
	WorkflowID  string    `json:"workflow_id"`
	RunID       string    `json:"run_id"`
	Version     int64     `json:"version"` // of the run when it was refused last
	Error       string    `json:"error"`
	FirstAt     time.Time `json:"first_at"`
	Attempts    int       `json:"attempts"` // how often it was refused
}
