package cluster

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"

	"perdure/visibility/attr"
)

// Namespace is one namespace as all services see it. Values are immutable:
// a change makes a new value.
type Namespace struct {
	ID               string
	Name             string
	State            enumspb.NamespaceState
	Description      string
	OwnerEmail       string
	Data             map[string]string
	Retention        time.Duration
	BadBinaries      map[string]*namespacepb.BadBinaryInfo
	CreatedAt        time.Time
	SearchAttributes attr.Types // custom attributes by the user's name
	AttributeKeys    attr.Keys  // under which stores have the custom attributes
	Version          int64      // of the stored record
	// RemoveAfter is when the record of a deleted namespace may go; zero: it is not deleted.
	RemoveAfter time.Time
}

// Namespaces resolves namespaces. Unknown ones are serviceerror.NamespaceNotFound.
type Namespaces interface {
	ByName(ctx context.Context, name string) (*Namespace, error)
	ByID(ctx context.Context, id string) (*Namespace, error)
}
