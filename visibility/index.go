package visibility

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
)

// IndexUse is what an index of one attribute makes quick.
type IndexUse string

// Uses of an index.
const (
	IndexValues IndexUse = "values" // equality and IN, in the default order: for Keyword and Bool
	IndexOrder  IndexUse = "order"  // ranges and ORDER BY: for numbers and times
	IndexInfix  IndexUse = "infix"  // LIKE, CONTAINS and ENDS_WITH: for Keyword
)

// AttributeIndex is an index of one attribute that an operator asked for. It serves all namespaces.
type AttributeIndex struct {
	Attribute string
	Type      enumspb.IndexedValueType
	Use       IndexUse
}

// BuiltIndex is an AttributeIndex that is there.
type BuiltIndex struct {
	AttributeIndex
	Bytes int64
	Scans int64 // since the database counts; -1: it does not
}

// IndexAdvice is an index that past queries would have been quicker with.
type IndexAdvice struct {
	AttributeIndex
	Queries int64
	Seconds float64 // they took in all
}

// IndexKeeper is a Store in which attributes can have indexes of their own, which are built while it is written to.
type IndexKeeper interface {
	// CreateIndex builds an index and returns when it is there; nothing happens when it is there already. The error is a
	// *query.Error where no such index makes sense.
	CreateIndex(ctx context.Context, index AttributeIndex) error
	// DropIndex removes an index.
	DropIndex(ctx context.Context, index AttributeIndex) error
	// Indexes lists the indexes of attributes, by attribute.
	Indexes(ctx context.Context) ([]BuiltIndex, error)
	// AdviseIndexes lists what would have helped, the most expensive first.
	AdviseIndexes(ctx context.Context) ([]IndexAdvice, error)
}
