// Package visibility defines what can be found about executions, and the store
// that finds it.
package visibility

import (
	"context"
	"errors"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"perdure/visibility/query"
)

// Record is one run as visibility shows it. A store keeps the record with the
// highest Version of a run: replays and races cannot go back in time.
type Record struct {
	NamespaceID string
	WorkflowID  string
	RunID       string
	Version     int64 // raised by every change of the run
	Deleted     bool  // remove the run; later records with a lower version stay out
	Again       bool  // takes the place of a record of the same version, too

	WorkflowType         string
	TaskQueue            string
	Status               enumspb.WorkflowExecutionStatus
	StartTime            time.Time
	ExecutionTime        time.Time // start plus first backoff
	CloseTime            time.Time // zero while open
	HistoryLength        int64
	HistorySizeBytes     int64
	StateTransitionCount int64
	ParentWorkflowID     string
	ParentRunID          string
	RootWorkflowID       string
	RootRunID            string
	Memo                 *commonpb.Memo
	SearchAttributes     *commonpb.SearchAttributes // by the user's names, payloads with metadata "type"
}

// Store finds records. Reads see every write that has returned.
type Store interface {
	// Write stores records, each only when its Version is above the stored one, or is that and the record says Again. All
	// or nothing, unless the error is a *WriteError, which names those that were not taken.
	Write(ctx context.Context, records []*Record) error
	// List returns a page of records in the order of the query (without ORDER BY open first, newest
	// start first; then closed, newest close first; then run id descending) and the token of the next
	// page. The error is an ErrUnsupported when the store lacks a part of the language.
	List(ctx context.Context, req ListRequest) ([]*Record, []byte, error)
	// Count counts records, by group and with aggregates where the query has them. Errors as of List.
	Count(ctx context.Context, namespaceID string, q *query.Query) (CountResult, error)
	// Name of the store as GetClusterInfo reports it, such as "sqlite".
	Name() string
	Close() error
}

// Refresher is a store that shows records later than it takes them.
type Refresher interface {
	// Refresh makes all that is written visible to searches that begin when it has returned.
	Refresh(ctx context.Context) error
}

// ListRequest asks for one page.
type ListRequest struct {
	NamespaceID string
	Query       *query.Query // checked
	PageSize    int          // at most MaxPageSize; without one, MaxPageSize
	PageToken   []byte
}

// MaxPageSize is how many records a page can have.
const MaxPageSize = 1000

// TombstoneAge is how long a store remembers a deletion at least. A record
// that arrives later than that after the deletion of its run would show it again.
const TombstoneAge = 24 * time.Hour

// ErrPageToken tells that a page token is none of this store, or of another query. It
// means an invalid argument.
var ErrPageToken = errors.New("invalid NextPageToken")

// ErrUnsupported tells that a store lacks a part of the language. It means an
// invalid argument.
var ErrUnsupported = errors.New("invalid query: operation is not supported by the visibility store")

// CountResult is a total and, with GROUP BY or SELECT, the groups in the order
// of the query, else in descending count.
type CountResult struct {
	Total     int64
	Groups    []CountGroup
	Truncated bool // there are more groups than query.MaxGroups
}

// CountGroup is one group: its keys, then the aggregates of SELECT, whose
// payloads have MetadataAggregate.
type CountGroup struct {
	Values []*commonpb.Payload
	Count  int64
}
