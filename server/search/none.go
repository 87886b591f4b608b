package search

import (
	"context"
	"fmt"

	"perdure/visibility"
	"perdure/visibility/query"
)

// None is what a server has that keeps no search records: nothing is written, and no list or count is answered.
type None struct{}

var _ visibility.Store = None{}

// errNone is of the kind that clients get as an invalid argument: trying again does not help.
var errNone = fmt.Errorf("%w: this server keeps no search records (visibility is none:)", visibility.ErrUnsupported)

// Name implements visibility.Store.
func (None) Name() string { return "none" }

// Write implements visibility.Store.
func (None) Write(context.Context, []*visibility.Record) error { return nil }

// List implements visibility.Store.
func (None) List(context.Context, visibility.ListRequest) ([]*visibility.Record, []byte, error) {
	return nil, nil, errNone
}

// Count implements visibility.Store.
func (None) Count(context.Context, string, *query.Query) (visibility.CountResult, error) {
	return visibility.CountResult{}, errNone
}

// Close implements visibility.Store.
func (None) Close() error { return nil }
