package visibility

import (
	"context"

	"perdure/visibility/query"
)

// Explainer is a Store that tells how it would answer a query without doing so.
// Not every store can.
type Explainer interface {
	Explain(ctx context.Context, req ExplainRequest) (Plan, error)
}

// ExplainRequest asks how a query would be answered.
type ExplainRequest struct {
	NamespaceID string
	Query       *query.Query // checked
	Counts      bool         // the query counts; else it lists its first page
}

// Plan is how a store would answer a query.
type Plan struct {
	// Statement is what the store sends to its database, without the values of the query.
	Statement string
	// Steps are the parts of the work, the outermost first. They name no values of the query.
	Steps []Step
}

// Step is one part of a plan.
type Step struct {
	Kind  string // such as "Index Scan"
	Index string // empty: none is used
	Rows  int64  // that the store expects; 0: unknown
}
