package frontend

import (
	"context"
	"maps"

	"go.temporal.io/api/workflowservice/v1"

	"perdure/visibility/attr"
)

// GetSystemInfo tells a client at its connection what the server can do. A
// capability is claimed only when the feature is there.
func (f *Frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{
		ServerVersion: ServerVersion,
		Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{
			SignalAndQueryHeader:            true,
			InternalErrorDifferentiation:    true, // passing trouble is UNAVAILABLE, never INTERNAL
			ActivityFailureIncludeHeartbeat: true,
			EncodedFailureAttributes:        true,
			BuildIdBasedVersioning:          true, // build ids are recorded
			UpsertMemo:                      true,
			EagerWorkflowStart:              true,
			SdkMetadata:                     true,
			CountGroupByExecutionStatus:     true,
		},
	}, nil
}

// GetClusterInfo tells people and tools what the server runs on.
func (f *Frontend) GetClusterInfo(context.Context, *workflowservice.GetClusterInfoRequest) (*workflowservice.GetClusterInfoResponse, error) {
	return &workflowservice.GetClusterInfoResponse{
		SupportedClients:         maps.Clone(supportedClients),
		ServerVersion:            ServerVersion,
		ClusterId:                f.info.ClusterID,
		ClusterName:              f.info.ClusterName,
		HistoryShardCount:        f.info.ShardCount,
		PersistenceStore:         f.info.PersistenceStore,
		VisibilityStore:          f.visibility.Name(),
		InitialFailoverVersion:   1,
		FailoverVersionIncrement: 10,
	}, nil
}

// GetSearchAttributes tells the search attributes that every namespace has; those of a namespace are for who may ask for it.
func (f *Frontend) GetSearchAttributes(context.Context, *workflowservice.GetSearchAttributesRequest) (*workflowservice.GetSearchAttributesResponse, error) {
	return &workflowservice.GetSearchAttributesResponse{Keys: attr.NonCustom()}, nil
}
