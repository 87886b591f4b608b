package frontend

import (
	"maps"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	replicationpb "go.temporal.io/api/replication/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"perdure/server/cluster"
)

// completionBytesMax is the largest workflow task completion a worker may
// build before it has to split it; one request still is at most config.RequestBytesMax.
const completionBytesMax = 40 << 20

// described shows a namespace as clients see it.
func (f *Frontend) described(ns *cluster.Namespace) *workflowservice.DescribeNamespaceResponse {
	return &workflowservice.DescribeNamespaceResponse{
		NamespaceInfo: &namespacepb.NamespaceInfo{
			Name:         ns.Name,
			State:        ns.State,
			Description:  ns.Description,
			OwnerEmail:   ns.OwnerEmail,
			Data:         maps.Clone(ns.Data),
			Id:           ns.ID,
			Capabilities: f.namespaceCapabilities(),
			Limits: &namespacepb.NamespaceInfo_Limits{
				BlobSizeLimitError:                   int64(f.limits.BlobBytesMax),
				MemoSizeLimitError:                   int64(f.limits.MemoBytesMax),
				WorkflowTaskCompletionSizeLimitError: completionBytesMax,
			},
		},
		Config: &namespacepb.NamespaceConfig{
			WorkflowExecutionRetentionTtl: durationpb.New(ns.Retention),
			BadBinaries:                   &namespacepb.BadBinaries{Binaries: maps.Clone(ns.BadBinaries)},
			HistoryArchivalState:          enumspb.ARCHIVAL_STATE_DISABLED,
			VisibilityArchivalState:       enumspb.ARCHIVAL_STATE_DISABLED,
		},
		ReplicationConfig: &replicationpb.NamespaceReplicationConfig{
			ActiveClusterName: f.info.ClusterName,
			Clusters:          []*replicationpb.ClusterReplicationConfig{{ClusterName: f.info.ClusterName}},
			State:             enumspb.REPLICATION_STATE_NORMAL,
		},
	}
}

// namespaceCapabilities claims only what works: workers start loops for each claim.
func (f *Frontend) namespaceCapabilities() *namespacepb.NamespaceInfo_Capabilities {
	return &namespacepb.NamespaceInfo_Capabilities{
		EagerWorkflowStart:              true,
		SyncUpdate:                      true,
		AsyncUpdate:                     true,
		WorkerHeartbeats:                true,
		WorkerPollCompleteOnShutdown:    f.features.PollCompleteOnShutdown,
		WorkflowPause:                   f.features.WorkflowPause,
		WorkflowUpdateCallbacks:         f.features.UpdateCallbacks,
		PollerAutoscaling:               true, // polls carry scaling decisions
		ReportedProblemsSearchAttribute: true,
	}
}
