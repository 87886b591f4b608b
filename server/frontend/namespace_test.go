package frontend_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func (b *bundle) register(t *testing.T, name string) {
	t.Helper()
	_, err := b.client.RegisterNamespace(context.Background(), &workflowservice.RegisterNamespaceRequest{
		Namespace: name, Description: "d", OwnerEmail: "o", Data: map[string]string{"a": "1"},
		WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(t, err)
}

func TestNamespaceUpdateChangesWhatIsSet(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	b.register(t, "orders")
	updated, err := b.client.UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace:  "orders",
		UpdateInfo: &namespacepb.UpdateNamespaceInfo{OwnerEmail: "p", Data: map[string]string{"b": "2"}},
		Config: &namespacepb.NamespaceConfig{
			WorkflowExecutionRetentionTtl: durationpb.New(2 * time.Hour),
			BadBinaries:                   &namespacepb.BadBinaries{Binaries: map[string]*namespacepb.BadBinaryInfo{"c": {Reason: "r"}}},
		},
	})
	require.NoError(t, err)
	described, err := b.client.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Id: updated.GetNamespaceInfo().GetId()})
	require.NoError(t, err)
	info := described.GetNamespaceInfo()
	require.Equal(t, "orders", info.GetName())
	require.Equal(t, "d", info.GetDescription())
	require.Equal(t, "p", info.GetOwnerEmail())
	require.Equal(t, map[string]string{"a": "1", "b": "2"}, info.GetData())
	require.Equal(t, 2*time.Hour, described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
	require.NotNil(t, described.GetConfig().GetBadBinaries().GetBinaries()["c"].GetCreateTime())
	require.Equal(t, "active", described.GetReplicationConfig().GetActiveClusterName())

	poll := &workflowservice.PollWorkflowTaskQueueRequest{Namespace: "orders", TaskQueue: startRequest().GetTaskQueue(), BinaryChecksum: "c"}
	short, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err = b.client.PollWorkflowTaskQueue(short, poll)
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	require.Equal(t, "Binary c already marked as bad deployment.", status.Convert(err).Message())
}

func TestNamespaceStatesGoForward(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	b.register(t, "orders")
	_, err := b.client.DeprecateNamespace(ctx, &workflowservice.DeprecateNamespaceRequest{Namespace: "orders"})
	require.NoError(t, err)
	_, err = b.client.UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: "orders", UpdateInfo: &namespacepb.UpdateNamespaceInfo{State: enumspb.NAMESPACE_STATE_REGISTERED},
	})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	_, err = b.client.UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: "orders", UpdateInfo: &namespacepb.UpdateNamespaceInfo{State: enumspb.NAMESPACE_STATE_DELETED},
	})
	require.NoError(t, err)
	_, err = b.client.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: "orders"})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.Equal(t, "Namespace has invalid state: Deleted. Must be Registered or Deprecated.", status.Convert(err).Message())
}

func TestNamespacesArePaged(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	b.register(t, "a")
	b.register(t, "z")
	var names []string
	var token []byte
	for pages := 0; ; pages++ {
		require.Less(t, pages, 5)
		got, err := b.client.ListNamespaces(ctx, &workflowservice.ListNamespacesRequest{PageSize: 2, NextPageToken: token})
		require.NoError(t, err)
		for _, ns := range got.GetNamespaces() {
			names = append(names, ns.GetNamespaceInfo().GetName())
		}
		if token = got.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	require.Equal(t, []string{"a", "default", "temporal-system", "z"}, names)
}

func TestSearchAttributesShowAtOnce(t *testing.T) {
	t.Parallel()
	b, ctx := setup(t), context.Background()
	admin := operatorservice.NewOperatorServiceClient(b.conn)
	city := map[string]enumspb.IndexedValueType{"City": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
	_, err := admin.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: "default", SearchAttributes: city})
	require.NoError(t, err)
	listed, err := admin.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: "default"})
	require.NoError(t, err)
	require.Equal(t, city, listed.GetCustomAttributes())
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_DATETIME, listed.GetSystemAttributes()["StartTime"])
	all, err := b.client.GetSearchAttributes(ctx, &workflowservice.GetSearchAttributesRequest{})
	require.NoError(t, err)
	require.Equal(t, listed.GetSystemAttributes(), all.GetKeys())
	_, err = b.client.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", Query: "City = 'Rome'"})
	require.NoError(t, err)
	_, err = admin.RemoveSearchAttributes(ctx, &operatorservice.RemoveSearchAttributesRequest{Namespace: "default", SearchAttributes: []string{"City"}})
	require.NoError(t, err)
	_, err = b.client.ListWorkflowExecutions(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", Query: "City = 'Rome'"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
}
