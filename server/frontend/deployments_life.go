package frontend

import (
	"context"

	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/apierr"
	"perdure/server/deployment"
	"perdure/server/match"
)

// CreateWorkerDeployment makes a deployment before its first worker comes.
func (f *Frontend) CreateWorkerDeployment(ctx context.Context, req *workflowservice.CreateWorkerDeploymentRequest) (*workflowservice.CreateWorkerDeploymentResponse, error) {
	if req.GetDeploymentName() == "" {
		return nil, apierr.InvalidArgument("deployment name cannot be empty")
	}
	if err := f.checkCreated(match.Version{Deployment: req.GetDeploymentName()}, req.GetIdentity(), req.GetRequestId()); err != nil {
		return nil, err
	}
	d, err := f.deployments.Do(ctx, namespaceOf(ctx).ID, req.GetDeploymentName(), deployment.Create{
		RequestID: req.GetRequestId(), Identity: req.GetIdentity(),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.CreateWorkerDeploymentResponse{ConflictToken: d.State.ConflictToken()}, nil
}

func (f *Frontend) checkCreated(v match.Version, identity, requestID string) error {
	if err := f.checkIdentity(identity); err != nil {
		return err
	}
	if err := f.checkRequestID(requestID); err != nil {
		return err
	}
	return checkVersionNames(v)
}

// CreateWorkerDeploymentVersion makes a version before its first worker comes.
func (f *Frontend) CreateWorkerDeploymentVersion(ctx context.Context, req *workflowservice.CreateWorkerDeploymentVersionRequest) (*workflowservice.CreateWorkerDeploymentVersionResponse, error) {
	v := match.VersionOf(req.GetDeploymentVersion())
	switch {
	case v.Deployment == "":
		return nil, apierr.InvalidArgument("deployment name cannot be empty")
	case v.BuildID == "":
		return nil, apierr.InvalidArgument("build ID cannot be empty")
	case req.GetComputeConfig() != nil:
		return nil, serviceerror.NewUnimplemented("This server does not start workers: a version cannot have a compute configuration.")
	}
	if err := f.checkCreated(v, req.GetIdentity(), req.GetRequestId()); err != nil {
		return nil, err
	}
	_, err := f.deployments.Do(ctx, namespaceOf(ctx).ID, v.Deployment, deployment.CreateVersion{
		BuildID: v.BuildID, RequestID: req.GetRequestId(), Identity: req.GetIdentity(),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.CreateWorkerDeploymentVersionResponse{}, nil
}

// UpdateWorkerDeploymentVersionMetadata changes what users keep with a version.
func (f *Frontend) UpdateWorkerDeploymentVersionMetadata(ctx context.Context, req *workflowservice.UpdateWorkerDeploymentVersionMetadataRequest) (*workflowservice.UpdateWorkerDeploymentVersionMetadataResponse, error) {
	if len(req.GetUpsertEntries()) == 0 && len(req.GetRemoveEntries()) == 0 {
		return nil, apierr.InvalidArgument("At least one of remove_entries or upsert_entries must be provided")
	}
	v, err := versionOf(req)
	if err != nil {
		return nil, err
	}
	if err := f.checkIdentity(req.GetIdentity()); err != nil {
		return nil, err
	}
	d, err := f.deployments.Do(ctx, namespaceOf(ctx).ID, v.Deployment, deployment.UpdateMetadata{
		BuildID: v.BuildID, Upsert: req.GetUpsertEntries(), Remove: req.GetRemoveEntries(), Identity: req.GetIdentity(),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.UpdateWorkerDeploymentVersionMetadataResponse{
		Metadata: &deploymentpb.VersionMetadata{Entries: d.Reply.(map[string]*commonpb.Payload)},
	}, nil
}

// DeleteWorkerDeploymentVersion removes a version that nobody needs.
func (f *Frontend) DeleteWorkerDeploymentVersion(ctx context.Context, req *workflowservice.DeleteWorkerDeploymentVersionRequest) (*workflowservice.DeleteWorkerDeploymentVersionResponse, error) {
	v, err := versionOf(req)
	if err != nil {
		return nil, err
	}
	_, err = f.deployments.Do(ctx, namespaceOf(ctx).ID, v.Deployment, deployment.DeleteVersion{
		BuildID: v.BuildID, SkipDrainage: req.GetSkipDrainage(), Identity: req.GetIdentity(),
	})
	if err != nil {
		return nil, err
	}
	return &workflowservice.DeleteWorkerDeploymentVersionResponse{}, nil
}

// DeleteWorkerDeployment removes a deployment without versions.
func (f *Frontend) DeleteWorkerDeployment(ctx context.Context, req *workflowservice.DeleteWorkerDeploymentRequest) (*workflowservice.DeleteWorkerDeploymentResponse, error) {
	if req.GetDeploymentName() == "" {
		return nil, errNoDeploymentName
	}
	if _, err := f.deployments.Do(ctx, namespaceOf(ctx).ID, req.GetDeploymentName(), deployment.Delete{}); err != nil {
		return nil, err
	}
	return &workflowservice.DeleteWorkerDeploymentResponse{}, nil
}
