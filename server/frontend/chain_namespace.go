package frontend

import (
	"context"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/tasktoken"
)

// Words that clients and their tests know.
const (
	namespaceEmpty    = "Namespace is empty."
	namespaceNotSet   = "Namespace not set on request."
	namespaceIsNotSet = "Namespace is not set on request."
)

// namespaceFree are the RPCs that work without a namespace, or that handle the
// name themselves.
var namespaceFree = map[string]bool{
	"GetSystemInfo": true, "GetClusterInfo": true, "GetSearchAttributes": true,
	"RegisterNamespace": true, "DescribeNamespace": true, "ListNamespaces": true,
	"UpdateNamespace": true, "DeprecateNamespace": true, "DeleteNamespace": true,
	"ListClusters": true, "AddOrUpdateRemoteCluster": true, "RemoveRemoteCluster": true,
	"GetNexusEndpoint": true, "CreateNexusEndpoint": true, "UpdateNexusEndpoint": true,
	"DeleteNexusEndpoint": true, "ListNexusEndpoints": true,
}

// operatorMethods have words of their own for a missing namespace.
var operatorMethods = map[string]bool{
	"AddSearchAttributes": true, "RemoveSearchAttributes": true, "ListSearchAttributes": true,
}

// startMethods make new executions, which a deprecated namespace refuses.
var startMethods = map[string]bool{
	"StartWorkflowExecution": true, "SignalWithStartWorkflowExecution": true,
}

type namespaceKey struct{}

// namespaceOf is the namespace that the interceptor resolved for this call.
func namespaceOf(ctx context.Context) *cluster.Namespace {
	return ctx.Value(namespaceKey{}).(*cluster.Namespace)
}

// isPublic tells an RPC of the public API, or of what is beyond it, from health checks and the like.
func isPublic(info *grpc.UnaryServerInfo) bool {
	return strings.HasPrefix(info.FullMethod, "/temporal.api.") || strings.HasPrefix(info.FullMethod, "/perdure.")
}

func (f *Frontend) resolveNamespace(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method := methodName(info)
	if namespaceFree[method] || !isPublic(info) {
		return next(ctx, req)
	}
	ns, err := f.lookUpNamespace(ctx, method, req)
	if err != nil {
		return nil, err
	}
	if err := checkState(ns, startMethods[method]); err != nil {
		return nil, err
	}
	if c := callOf(ctx); c != nil {
		c.namespace = ns.Name
	}
	return next(context.WithValue(ctx, namespaceKey{}, ns), req)
}

// lookUpNamespace finds the namespace by name, or by the task token of a worker's answer.
func (f *Frontend) lookUpNamespace(ctx context.Context, method string, req any) (*cluster.Namespace, error) {
	name := ""
	if named, ok := req.(interface{ GetNamespace() string }); ok {
		name = named.GetNamespace()
	}
	if answer, ok := req.(interface{ GetTaskToken() []byte }); ok {
		return f.namespaceOfToken(ctx, name, answer.GetTaskToken())
	}
	if name == "" {
		return nil, apierr.InvalidArgument("%s", wordsWithoutNamespace(method, req))
	}
	return f.namespaceNamed(ctx, name)
}

// wordsWithoutNamespace are what a call without a namespace is told: the administration of search attributes looks at those first.
func wordsWithoutNamespace(method string, req any) string {
	added, adds := req.(*operatorservice.AddSearchAttributesRequest)
	removed, removes := req.(*operatorservice.RemoveSearchAttributesRequest)
	switch {
	case adds && len(added.GetSearchAttributes()) == 0, removes && len(removed.GetSearchAttributes()) == 0:
		return searchAttributesNotSet
	case operatorMethods[method]:
		return namespaceIsNotSet
	}
	return namespaceEmpty
}

func (f *Frontend) namespaceNamed(ctx context.Context, name string) (*cluster.Namespace, error) {
	if len(name) > f.limits.IDBytesMax {
		return nil, apierr.InvalidArgument("Namespace length exceeds limit.")
	}
	return f.namespaces.ByName(ctx, name)
}

func (f *Frontend) namespaceOfToken(ctx context.Context, name string, encoded []byte) (*cluster.Namespace, error) {
	var named *cluster.Namespace
	if name != "" {
		ns, err := f.namespaceNamed(ctx, name)
		if err != nil {
			return nil, err
		}
		named = ns
	}
	if len(encoded) == 0 {
		return nil, apierr.InvalidArgument("Task token not set on request.")
	}
	token, err := tasktoken.Decode(encoded)
	if err != nil {
		return nil, apierr.InvalidArgument("Error deserializing task token.")
	}
	if named == nil {
		return f.namespaces.ByID(ctx, token.NamespaceID)
	}
	if named.ID != token.NamespaceID {
		return nil, apierr.InvalidArgument("Operation requested with a token from a different namespace.")
	}
	return named, nil
}

// checkState refuses calls that the state of the namespace does not allow.
func checkState(ns *cluster.Namespace, startsExecution bool) error {
	allowed := []enumspb.NamespaceState{enumspb.NAMESPACE_STATE_REGISTERED}
	if !startsExecution {
		allowed = append(allowed, enumspb.NAMESPACE_STATE_DEPRECATED)
	}
	for _, state := range allowed {
		if ns.State == state {
			return nil
		}
	}
	return serviceerror.NewNamespaceInvalidState(ns.Name, ns.State, allowed)
}
