package frontend

import (
	"bytes"
	"context"
	"slices"
	"strings"

	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
	"perdure/server/cluster"
	"perdure/server/deployment"
	"perdure/server/match"
)

// DescribeWorkerDeployment tells the versions of a deployment and its routing.
func (f *Frontend) DescribeWorkerDeployment(ctx context.Context, req *workflowservice.DescribeWorkerDeploymentRequest) (*workflowservice.DescribeWorkerDeploymentResponse, error) {
	if req.GetDeploymentName() == "" {
		return nil, errNoDeploymentName
	}
	s, err := f.deployments.Find(ctx, namespaceOf(ctx).ID, req.GetDeploymentName())
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, serviceerror.NewNotFoundf("no Worker Deployment found with name '%s'; does your Worker Deployment have pollers?", req.GetDeploymentName())
	}
	return s.Describe(), nil
}

// DescribeWorkerDeploymentVersion tells one version of a deployment.
func (f *Frontend) DescribeWorkerDeploymentVersion(ctx context.Context, req *workflowservice.DescribeWorkerDeploymentVersionRequest) (*workflowservice.DescribeWorkerDeploymentVersionResponse, error) {
	if req.GetDeploymentVersion() == nil && req.GetVersion() == "" { //nolint:staticcheck // older clients send it
		return nil, apierr.InvalidArgument("deployment version cannot be empty")
	}
	v, err := versionOf(req)
	if err != nil {
		return nil, err
	}
	s, err := f.deployments.Find(ctx, namespaceOf(ctx).ID, v.Deployment)
	if err != nil {
		return nil, err
	}
	if s == nil || s.Version(v.BuildID) == nil {
		return nil, serviceerror.NewNotFound("Worker Deployment Version not found")
	}
	described := s.DescribeVersion(v.BuildID)
	if req.GetReportTaskQueueStats() {
		f.addQueueStats(ctx, v, described)
	}
	return described, nil
}

// addQueueStats tells what waits for the version in each of its queues.
func (f *Frontend) addQueueStats(ctx context.Context, v match.Version, described *workflowservice.DescribeWorkerDeploymentVersionResponse) {
	source, ok := f.matching.(cluster.VersionStats)
	if !ok {
		return
	}
	for _, q := range described.GetVersionTaskQueues() {
		q.Stats, q.StatsByPriorityKey = source.VersionStats(ctx, cluster.TaskQueue{
			NamespaceID: namespaceOf(ctx).ID, Name: q.GetName(), Type: q.GetType(), Kind: enumspb.TASK_QUEUE_KIND_NORMAL,
		}, v)
	}
}

// versioned is a request about one version, in one of the forms of the API.
type versioned interface {
	GetDeploymentVersion() *deploymentpb.WorkerDeploymentVersion
	GetVersion() string
}

// versionOf is the version that a request names. The newer form wins.
func versionOf(req versioned) (match.Version, error) {
	text := req.GetVersion()
	if given := match.VersionOf(req.GetDeploymentVersion()); req.GetDeploymentVersion() != nil {
		if given.Deployment != "" && given.BuildID != "" {
			return given, nil
		}
		text = given.Deployment + "." + given.BuildID
	}
	v, ok := match.ParseDotted(text)
	switch {
	case !ok:
		return v, errNotDotted(text)
	case v == match.Version{}:
		return v, errNoDeploymentName
	}
	return v, nil
}

func errNotDotted(text string) error {
	return apierr.InvalidArgument("invalid version string %q, expected format is \"<deployment_name>.<build_id>\"", text)
}

var errNoDeploymentName = serviceerror.NewInvalidArgument("WorkerDeploymentName cannot be empty")

// ListWorkerDeployments lists the deployments of a namespace, the newest first.
func (f *Frontend) ListWorkerDeployments(ctx context.Context, req *workflowservice.ListWorkerDeploymentsRequest) (*workflowservice.ListWorkerDeploymentsResponse, error) {
	all, err := f.deployments.List(ctx, namespaceOf(ctx).ID)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b *deployment.State) int { return b.CreateTime.Compare(a.CreateTime) })
	if token := req.GetNextPageToken(); len(token) > 0 {
		name, ok := bytes.CutPrefix(token, []byte(deploymentPagePrefix))
		at := slices.IndexFunc(all, func(s *deployment.State) bool { return s.Name == string(name) })
		if !ok || at < 0 {
			return nil, apierr.InvalidArgument("Invalid NextPageToken.")
		}
		all = all[at:]
	}
	resp := &workflowservice.ListWorkerDeploymentsResponse{}
	size := int(pageSize(req.GetPageSize(), f.limits.VisibilityPageMax))
	if len(all) > size {
		resp.NextPageToken = []byte(deploymentPagePrefix + all[size].Name)
		all = all[:size]
	}
	for _, s := range all {
		resp.WorkerDeployments = append(resp.WorkerDeployments, s.Summary())
	}
	return resp, nil
}

// deploymentPagePrefix begins a page token: behind it is the first deployment of the page.
const deploymentPagePrefix = "deployment/"

// nameBytesMax bounds the name of a deployment and a build id, each: together
// they are the value of a search attribute.
const nameBytesMax = 480

// checkVersionNames refuses names that could not be told apart in the text form of a version.
func checkVersionNames(v match.Version) error {
	switch {
	case len(v.Deployment) > nameBytesMax:
		return apierr.InvalidArgument("size of WorkerDeploymentName larger than the maximum allowed")
	case len(v.BuildID) > nameBytesMax:
		return apierr.InvalidArgument("size of BuildID larger than the maximum allowed")
	case strings.Contains(v.Deployment, "."):
		return apierr.InvalidArgument("worker deployment name cannot contain '.'")
	case strings.Contains(v.Deployment, ":"):
		return apierr.InvalidArgument("worker deployment name cannot contain ':'")
	case strings.HasPrefix(v.Deployment, "__"):
		return apierr.InvalidArgument("WorkerDeploymentName cannot start with '__'")
	case strings.HasPrefix(v.BuildID, "__"):
		return apierr.InvalidArgument("BuildID cannot start with '__'")
	}
	return nil
}

// routed is a request that changes the routing of a deployment.
type routed interface {
	GetDeploymentName() string
	GetBuildId() string
	GetVersion() string
	GetIdentity() string
}

// buildOf is the build id that a change of routing names; empty: workers without a version.
func (f *Frontend) buildOf(req routed) (string, error) {
	name, build := req.GetDeploymentName(), req.GetBuildId()
	if name == "" {
		return "", apierr.InvalidArgument("deployment name cannot be empty")
	}
	if text := req.GetVersion(); text != "" && build == "" {
		v, ok := match.ParseDotted(text)
		switch {
		case !ok:
			return "", errNotDotted(text)
		case v != match.Version{} && v.Deployment != name:
			return "", apierr.InvalidArgument("invalid version string '%s' does not match deployment name '%s'", text, name)
		}
		build = v.BuildID
	}
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return "", err
	}
	return build, checkVersionNames(match.Version{Deployment: name, BuildID: build})
}

// SetWorkerDeploymentCurrentVersion makes a version the current one.
func (f *Frontend) SetWorkerDeploymentCurrentVersion(ctx context.Context, req *workflowservice.SetWorkerDeploymentCurrentVersionRequest) (*workflowservice.SetWorkerDeploymentCurrentVersionResponse, error) {
	build, err := f.buildOf(req)
	if err != nil {
		return nil, err
	}
	d, err := f.deployments.Do(ctx, namespaceOf(ctx).ID, req.GetDeploymentName(), deployment.SetCurrent{
		BuildID: build, Identity: req.GetIdentity(), Token: req.GetConflictToken(),
		IgnoreMissing: req.GetIgnoreMissingTaskQueues(), AllowNoPollers: req.GetAllowNoPollers(),
	})
	if err != nil {
		return nil, err
	}
	former := d.State.Named(d.Reply.(deployment.Routing).Current)
	return &workflowservice.SetWorkerDeploymentCurrentVersionResponse{
		ConflictToken: d.State.ConflictToken(), PreviousVersion: former.Dotted(), PreviousDeploymentVersion: former.Proto(),
	}, nil
}

// SetWorkerDeploymentRampingVersion gives a share of the work to a version, or ends the ramp.
func (f *Frontend) SetWorkerDeploymentRampingVersion(ctx context.Context, req *workflowservice.SetWorkerDeploymentRampingVersionRequest) (*workflowservice.SetWorkerDeploymentRampingVersionResponse, error) {
	if p := req.GetPercentage(); !(p >= 0 && p <= 100) {
		return nil, apierr.InvalidArgument("Percentage must be between 0 and 100 (inclusive)")
	}
	build, err := f.buildOf(req)
	if err != nil {
		return nil, err
	}
	d, err := f.deployments.Do(ctx, namespaceOf(ctx).ID, req.GetDeploymentName(), deployment.SetRamping{
		BuildID: build, Percentage: req.GetPercentage(), Identity: req.GetIdentity(), Token: req.GetConflictToken(),
		IgnoreMissing: req.GetIgnoreMissingTaskQueues(), AllowNoPollers: req.GetAllowNoPollers(),
	})
	if err != nil {
		return nil, err
	}
	resp := &workflowservice.SetWorkerDeploymentRampingVersionResponse{ConflictToken: d.State.ConflictToken()}
	if former := d.Reply.(deployment.Routing); former.HasRamp {
		v := d.State.Named(former.Ramping)
		resp.PreviousVersion, resp.PreviousDeploymentVersion, resp.PreviousPercentage = v.Dotted(), v.Proto(), former.Percentage
	}
	return resp, nil
}

// SetWorkerDeploymentManager lets one client alone change a deployment, or all again.
func (f *Frontend) SetWorkerDeploymentManager(ctx context.Context, req *workflowservice.SetWorkerDeploymentManagerRequest) (*workflowservice.SetWorkerDeploymentManagerResponse, error) {
	manager := req.GetManagerIdentity()
	if req.GetSelf() {
		manager = req.GetIdentity()
	}
	switch {
	case req.GetDeploymentName() == "":
		return nil, errNoDeploymentName
	case req.GetIdentity() == "":
		return nil, apierr.InvalidArgument("Identity is required")
	case f.tooLong(manager):
		return nil, apierr.InvalidArgument("ManagerIdentity length exceeds limit.")
	}
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	d, err := f.deployments.Do(ctx, namespaceOf(ctx).ID, req.GetDeploymentName(), deployment.SetManager{
		Manager: manager, Identity: req.GetIdentity(), Token: req.GetConflictToken(),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.SetWorkerDeploymentManagerResponse{ConflictToken: d.State.ConflictToken(), PreviousManagerIdentity: d.Reply.(string)}, nil
}
