package frontend

import (
	"context"
	"maps"

	"go.temporal.io/api/operatorservice/v1"

	"perdure/server/apierr"
	"perdure/server/namespace"
	"perdure/visibility/attr"
)

// operator answers the operator service.
type operator struct {
	operatorservice.UnimplementedOperatorServiceServer
	namespaces *namespace.Registry
}

var _ operatorservice.OperatorServiceServer = (*operator)(nil)

const searchAttributesNotSet = "SearchAttributes are not set on request."

// AddSearchAttributes defines custom search attributes of a namespace.
func (o *operator) AddSearchAttributes(ctx context.Context, req *operatorservice.AddSearchAttributesRequest) (*operatorservice.AddSearchAttributesResponse, error) {
	if len(req.GetSearchAttributes()) == 0 {
		return nil, apierr.InvalidArgument(searchAttributesNotSet)
	}
	if err := o.namespaces.AddSearchAttributes(ctx, namespaceOf(ctx).Name, attr.Types(req.GetSearchAttributes())); err != nil {
		return nil, err
	}
	return &operatorservice.AddSearchAttributesResponse{}, nil
}

// RemoveSearchAttributes takes custom search attributes of a namespace away.
func (o *operator) RemoveSearchAttributes(ctx context.Context, req *operatorservice.RemoveSearchAttributesRequest) (*operatorservice.RemoveSearchAttributesResponse, error) {
	if len(req.GetSearchAttributes()) == 0 {
		return nil, apierr.InvalidArgument(searchAttributesNotSet)
	}
	if err := o.namespaces.RemoveSearchAttributes(ctx, namespaceOf(ctx).Name, req.GetSearchAttributes()); err != nil {
		return nil, err
	}
	return &operatorservice.RemoveSearchAttributesResponse{}, nil
}

// ListSearchAttributes tells the search attributes of a namespace.
func (o *operator) ListSearchAttributes(ctx context.Context, _ *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	return &operatorservice.ListSearchAttributesResponse{
		CustomAttributes: maps.Clone(namespaceOf(ctx).SearchAttributes),
		SystemAttributes: attr.NonCustom(),
	}, nil
}
