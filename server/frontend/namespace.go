package frontend

import (
	"context"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	replicationpb "go.temporal.io/api/replication/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/config"
)

// localClusterName is the name a cluster without others has in this protocol.
const localClusterName = "active"

// RegisterNamespace makes a namespace.
func (f *Frontend) RegisterNamespace(ctx context.Context, req *workflowservice.RegisterNamespaceRequest) (*workflowservice.RegisterNamespaceResponse, error) {
	if err := f.checkNamespaceName(req.GetNamespace()); err != nil {
		return nil, err
	}
	if req.GetIsGlobalNamespace() {
		return nil, apierr.InvalidArgument("Cannot register global namespace when not enabled")
	}
	if err := f.checkClusters(req.GetActiveClusterName(), req.GetClusters()); err != nil {
		return nil, err
	}
	retention, err := f.retention(req.GetWorkflowExecutionRetentionPeriod())
	if err != nil {
		return nil, err
	}
	_, err = f.namespaces.Register(ctx, &cluster.Namespace{
		Name:        req.GetNamespace(),
		Description: req.GetDescription(),
		OwnerEmail:  req.GetOwnerEmail(),
		Data:        req.GetData(),
		Retention:   retention,
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.RegisterNamespaceResponse{}, nil
}

func (f *Frontend) checkNamespaceName(name string) error {
	switch {
	case name == "":
		return apierr.InvalidArgument(namespaceNotSet)
	case f.tooLong(name):
		return apierr.InvalidArgument("Namespace length exceeds limit.")
	}
	return nil
}

// checkClusters refuses clusters other than this one.
func (f *Frontend) checkClusters(active string, clusters []*replicationpb.ClusterReplicationConfig) error {
	names := []string{active}
	for _, c := range clusters {
		names = append(names, c.GetClusterName())
	}
	for _, name := range names {
		if name != "" && name != f.info.ClusterName {
			return apierr.InvalidArgument("Invalid cluster name: %s", name)
		}
	}
	return nil
}

func (f *Frontend) retention(d *durationpb.Duration) (time.Duration, error) {
	capped, wrong := checkDuration(d)
	if wrong != "" || capped.AsDuration() < f.limits.RetentionMin {
		return 0, apierr.InvalidArgument("A valid retention period is not set on request.")
	}
	return capped.AsDuration(), nil
}

// DescribeNamespace tells about a namespace, by name or by id.
func (f *Frontend) DescribeNamespace(ctx context.Context, req *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	ns, err := f.namespaceDescribed(ctx, req.GetNamespace(), req.GetId())
	if err != nil {
		return nil, err
	}
	return f.described(ns), nil
}

func (f *Frontend) namespaceDescribed(ctx context.Context, name, id string) (*cluster.Namespace, error) {
	switch {
	case name != "" && id != "":
		return nil, apierr.InvalidArgument("GetNamespace operation failed.  Both ID and Name specified in request.")
	case id != "":
		return f.namespaces.ByID(ctx, id)
	}
	if err := f.checkNamespaceName(name); err != nil {
		return nil, err
	}
	return f.namespaces.ByName(ctx, name)
}

// ListNamespaces pages through namespaces in order of name. The token is the last name.
func (f *Frontend) ListNamespaces(ctx context.Context, req *workflowservice.ListNamespacesRequest) (*workflowservice.ListNamespacesResponse, error) {
	all, err := f.namespaces.List(ctx)
	if err != nil {
		return nil, err
	}
	size := int(req.GetPageSize())
	if size <= 0 {
		size = config.NamespacePageDefault
	}
	resp := &workflowservice.ListNamespacesResponse{}
	after, last := string(req.GetNextPageToken()), ""
	for _, ns := range all {
		deleted := ns.State == enumspb.NAMESPACE_STATE_DELETED && !req.GetNamespaceFilter().GetIncludeDeleted()
		if deleted || strings.Compare(ns.Name, after) <= 0 {
			continue
		}
		if len(resp.Namespaces) == size {
			resp.NextPageToken = []byte(last)
			break
		}
		resp.Namespaces, last = append(resp.Namespaces, f.described(ns)), ns.Name
	}
	return resp, nil
}

// UpdateNamespace changes what the request sets and leaves the rest alone.
func (f *Frontend) UpdateNamespace(ctx context.Context, req *workflowservice.UpdateNamespaceRequest) (*workflowservice.UpdateNamespaceResponse, error) {
	if err := f.checkNamespaceName(req.GetNamespace()); err != nil {
		return nil, err
	}
	if _, err := f.namespaces.ByName(ctx, req.GetNamespace()); err != nil {
		return nil, err
	}
	if req.GetPromoteNamespace() {
		return nil, apierr.InvalidArgument("global namespace is not enabled on this cluster, cannot update global namespace or promote local namespace: %s", req.GetNamespace())
	}
	replication := req.GetReplicationConfig()
	if err := f.checkClusters(replication.GetActiveClusterName(), replication.GetClusters()); err != nil {
		return nil, err
	}
	ns, err := f.namespaces.Change(ctx, req.GetNamespace(), func(ns *cluster.Namespace) error { return f.changeNamespace(ns, req) })
	if err != nil {
		return nil, err
	}
	d := f.described(ns)
	return &workflowservice.UpdateNamespaceResponse{
		NamespaceInfo: d.GetNamespaceInfo(), Config: d.GetConfig(), ReplicationConfig: d.GetReplicationConfig(),
		FailoverVersion: d.GetFailoverVersion(), IsGlobalNamespace: d.GetIsGlobalNamespace(),
	}, nil
}

func (f *Frontend) changeNamespace(ns *cluster.Namespace, req *workflowservice.UpdateNamespaceRequest) error {
	if err := changeInfo(ns, req.GetUpdateInfo()); err != nil {
		return err
	}
	if ttl := req.GetConfig().GetWorkflowExecutionRetentionTtl(); ttl != nil {
		retention, err := f.retention(ttl)
		if err != nil {
			return err
		}
		ns.Retention = retention
	}
	return f.changeBadBinaries(ns, req.GetConfig().GetBadBinaries().GetBinaries(), req.GetDeleteBadBinary())
}

func changeInfo(ns *cluster.Namespace, info *namespacepb.UpdateNamespaceInfo) error {
	if info.GetDescription() != "" {
		ns.Description = info.GetDescription()
	}
	if info.GetOwnerEmail() != "" {
		ns.OwnerEmail = info.GetOwnerEmail()
	}
	if ns.Data == nil {
		ns.Data = map[string]string{}
	}
	for key, value := range info.GetData() {
		ns.Data[key] = value
	}
	state := info.GetState()
	if state == enumspb.NAMESPACE_STATE_UNSPECIFIED || state == ns.State {
		return nil
	}
	if state < ns.State { // registered, deprecated, deleted: there is no way back
		return apierr.InvalidArgument("Invalid namespace state update.")
	}
	ns.State = state
	return nil
}

func (f *Frontend) changeBadBinaries(ns *cluster.Namespace, add map[string]*namespacepb.BadBinaryInfo, remove string) error {
	if ns.BadBinaries == nil {
		ns.BadBinaries = map[string]*namespacepb.BadBinaryInfo{}
	}
	for checksum, info := range add {
		ns.BadBinaries[checksum] = &namespacepb.BadBinaryInfo{
			Reason: info.GetReason(), Operator: info.GetOperator(), CreateTime: timestamppb.New(f.clock.Now()),
		}
	}
	if len(ns.BadBinaries) > config.BadBinariesMax {
		return apierr.InvalidArgument("Total resetBinaries cannot exceed the max limit: %d", config.BadBinariesMax)
	}
	if remove == "" {
		return nil
	}
	if ns.BadBinaries[remove] == nil {
		return apierr.InvalidArgument("Bad binary checksum %s doesn't exists.", remove)
	}
	delete(ns.BadBinaries, remove)
	return nil
}

// DeprecateNamespace keeps new executions out of a namespace.
func (f *Frontend) DeprecateNamespace(ctx context.Context, req *workflowservice.DeprecateNamespaceRequest) (*workflowservice.DeprecateNamespaceResponse, error) {
	if err := f.checkNamespaceName(req.GetNamespace()); err != nil {
		return nil, err
	}
	if err := f.namespaces.Deprecate(ctx, req.GetNamespace()); err != nil {
		return nil, err
	}
	return &workflowservice.DeprecateNamespaceResponse{}, nil
}
