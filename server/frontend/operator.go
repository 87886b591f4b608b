package frontend

import (
	"context"
	"maps"

	"go.temporal.io/api/operatorservice/v1"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/namespace"
	"perdure/visibility/attr"
)

// operator answers the operator service.
type operator struct {
	operatorservice.UnimplementedOperatorServiceServer
	namespaces *namespace.Registry
	deleted    func() // told when a namespace was deleted
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

// DeleteNamespace marks a namespace as deleted, which frees its name at once.
// Its runs are removed in the background, its record at last.
func (o *operator) DeleteNamespace(ctx context.Context, req *operatorservice.DeleteNamespaceRequest) (*operatorservice.DeleteNamespaceResponse, error) {
	ns, err := o.namespaceToDelete(ctx, req.GetNamespace(), req.GetNamespaceId())
	if err != nil {
		return nil, err
	}
	delay, wrong := checkDuration(req.GetNamespaceDeleteDelay())
	if wrong != "" {
		return nil, apierr.InvalidArgument("NamespaceDeleteDelay: %s", wrong)
	}
	deleted, err := o.namespaces.Delete(ctx, ns, delay.AsDuration())
	if err != nil {
		return nil, err
	}
	o.deleted()
	return &operatorservice.DeleteNamespaceResponse{DeletedNamespace: deleted.Name}, nil
}

func (o *operator) namespaceToDelete(ctx context.Context, name, id string) (*cluster.Namespace, error) {
	switch {
	case name != "" && id != "":
		return nil, apierr.InvalidArgument("Only one of namespace name or Id should be set on request.")
	case id != "":
		return o.namespaces.ByID(ctx, id)
	case name != "":
		return o.namespaces.ByName(ctx, name)
	}
	return nil, apierr.InvalidArgument(namespaceNotSet)
}
