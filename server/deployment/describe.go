package deployment

import (
	"time"

	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Clients of this API read versions in two forms; both are filled in.

// Describe is the answer of DescribeWorkerDeployment.
func (s *State) Describe() *workflowservice.DescribeWorkerDeploymentResponse {
	info := &deploymentpb.WorkerDeploymentInfo{
		Name: s.Name, CreateTime: timestamppb.New(s.CreateTime), RoutingConfig: s.routingConfig(),
		LastModifierIdentity: s.LastModifier, ManagerIdentity: s.Manager,
		RoutingConfigUpdateState: enumspb.ROUTING_CONFIG_UPDATE_STATE_COMPLETED,
	}
	for _, v := range s.newestFirst() {
		info.VersionSummaries = append(info.VersionSummaries, s.summary(v))
	}
	return &workflowservice.DescribeWorkerDeploymentResponse{ConflictToken: s.ConflictToken(), WorkerDeploymentInfo: info}
}

// Summary is the deployment in a list.
func (s *State) Summary() *workflowservice.ListWorkerDeploymentsResponse_WorkerDeploymentSummary {
	summary := &workflowservice.ListWorkerDeploymentsResponse_WorkerDeploymentSummary{
		Name: s.Name, CreateTime: timestamppb.New(s.CreateTime), RoutingConfig: s.routingConfig(),
	}
	if versions := s.newestFirst(); len(versions) > 0 {
		summary.LatestVersionSummary = s.summary(versions[0])
	}
	if v := s.version(s.Routing.Current); v != nil {
		summary.CurrentVersionSummary = s.summary(v)
	}
	if v := s.version(s.Routing.Ramping); v != nil && s.Routing.HasRamp {
		summary.RampingVersionSummary = s.summary(v)
	}
	return summary
}

func (s *State) routingConfig() *deploymentpb.RoutingConfig {
	r := s.Routing
	config := &deploymentpb.RoutingConfig{
		CurrentVersion: s.Named(r.Current).Dotted(), CurrentDeploymentVersion: s.Named(r.Current).Proto(),
		RampingVersionPercentage: r.Percentage, RevisionNumber: r.Revision,
		CurrentVersionChangedTime: stamp(r.CurrentChanged), RampingVersionChangedTime: stamp(r.RampingChanged),
		RampingVersionPercentageChangedTime: stamp(r.PercentageChanged),
	}
	if r.HasRamp {
		config.RampingVersion, config.RampingDeploymentVersion = s.Named(r.Ramping).Dotted(), s.Named(r.Ramping).Proto()
	}
	return config
}

// stamp is nil for the zero time.
func stamp(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}

func (v *Version) drainageInfo() *deploymentpb.VersionDrainageInfo {
	if v.Drainage == enumspb.VERSION_DRAINAGE_STATUS_UNSPECIFIED {
		return nil
	}
	return &deploymentpb.VersionDrainageInfo{
		Status: v.Drainage, LastChangedTime: stamp(v.DrainageChanged), LastCheckedTime: stamp(v.DrainageChecked),
	}
}

func (s *State) summary(v *Version) *deploymentpb.WorkerDeploymentInfo_WorkerDeploymentVersionSummary {
	name := s.Named(v.BuildID)
	return &deploymentpb.WorkerDeploymentInfo_WorkerDeploymentVersionSummary{
		Version: name.Dotted(), DeploymentVersion: name.Proto(), Status: s.Status(v), CreateTime: stamp(v.CreateTime),
		DrainageStatus: v.Drainage, DrainageInfo: v.drainageInfo(),
		CurrentSinceTime: stamp(v.CurrentSince), RampingSinceTime: stamp(v.RampingSince), RoutingUpdateTime: stamp(v.RoutingChanged),
		FirstActivationTime: stamp(v.FirstActivation), LastCurrentTime: stamp(v.LastCurrent), LastDeactivationTime: stamp(v.LastDeactivation),
	}
}

// DescribeVersion is the answer of DescribeWorkerDeploymentVersion, but for the
// statistics of its queues. The version must exist.
func (s *State) DescribeVersion(build string) *workflowservice.DescribeWorkerDeploymentVersionResponse {
	v := s.version(build)
	name := s.Named(build)
	info := &deploymentpb.WorkerDeploymentVersionInfo{
		Version: name.Dotted(), DeploymentVersion: name.Proto(), Status: s.Status(v), CreateTime: stamp(v.CreateTime),
		RoutingChangedTime: stamp(v.RoutingChanged), CurrentSinceTime: stamp(v.CurrentSince), RampingSinceTime: stamp(v.RampingSince),
		FirstActivationTime: stamp(v.FirstActivation), LastCurrentTime: stamp(v.LastCurrent), LastDeactivationTime: stamp(v.LastDeactivation),
		DrainageInfo: v.drainageInfo(), LastModifierIdentity: v.LastModifier,
	}
	if s.ramping(v) {
		info.RampPercentage = s.Routing.Percentage
	}
	if len(v.Metadata) > 0 {
		info.Metadata = &deploymentpb.VersionMetadata{Entries: v.Metadata}
	}
	r := &workflowservice.DescribeWorkerDeploymentVersionResponse{WorkerDeploymentVersionInfo: info}
	for _, q := range v.Queues {
		info.TaskQueueInfos = append(info.TaskQueueInfos, &deploymentpb.WorkerDeploymentVersionInfo_VersionTaskQueueInfo{Name: q.Name, Type: q.Type})
		r.VersionTaskQueues = append(r.VersionTaskQueues, &workflowservice.DescribeWorkerDeploymentVersionResponse_VersionTaskQueue{Name: q.Name, Type: q.Type})
	}
	return r
}
