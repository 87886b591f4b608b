package match

import (
	"cmp"
	"strings"

	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
)

// Unversioned is the name that clients know for workers without a version.
const Unversioned = "__unversioned__"

// Version names the workers of one build of a worker deployment. The zero
// value stands for all workers without a version; without a deployment it is the
// workers of a build id by the older versioning.
type Version struct{ Deployment, BuildID string }

// VersionOf reads the API's form; nil is the zero version.
func VersionOf(v *deploymentpb.WorkerDeploymentVersion) Version {
	return Version{Deployment: v.GetDeploymentName(), BuildID: v.GetBuildId()}
}

// WorkerVersion is the version of a worker that sends these options: the zero
// version unless the worker is versioned.
func WorkerVersion(o *deploymentpb.WorkerDeploymentOptions) Version {
	if o.GetWorkerVersioningMode() != enumspb.WORKER_VERSIONING_MODE_VERSIONED {
		return Version{}
	}
	return Version{Deployment: o.GetDeploymentName(), BuildID: o.GetBuildId()}
}

// RoutedVersion tells which tasks a worker gets: those of its version, else, by
// the older versioning, those of its build id, else those without a version.
func RoutedVersion(o *deploymentpb.WorkerDeploymentOptions, older Stamp) Version {
	if v := WorkerVersion(o); v != (Version{}) {
		return v
	}
	return Version{BuildID: StampedBuild(older)}
}

// Stamp is what a worker tells of itself by the older versioning.
type Stamp interface {
	GetBuildId() string
	GetUseVersioning() bool
}

// StampedBuild is the build id of a worker that the older versioning tells
// apart; empty for others.
func StampedBuild(s Stamp) string {
	if !s.GetUseVersioning() {
		return ""
	}
	return s.GetBuildId()
}

// Deployed is the version of a worker deployment; zero for workers of the older versioning, too.
func (v Version) Deployed() Version {
	if v.Deployment == "" {
		return Version{}
	}
	return v
}

// Older is the build id of a worker of the older versioning; empty for others.
func (v Version) Older() string {
	if v.Deployment != "" {
		return ""
	}
	return v.BuildID
}

// Proto is the API's form; nil for the zero version.
func (v Version) Proto() *deploymentpb.WorkerDeploymentVersion {
	if v == (Version{}) {
		return nil
	}
	return &deploymentpb.WorkerDeploymentVersion{DeploymentName: v.Deployment, BuildId: v.BuildID}
}

// String is the form of search attributes and messages: "deployment:build".
func (v Version) String() string { return v.join(":") }

// Dotted is the deprecated form that older clients read: "deployment.build".
func (v Version) Dotted() string { return v.join(".") }

func (v Version) join(separator string) string {
	if v == (Version{}) {
		return Unversioned
	}
	if v.Deployment == "" {
		return v.BuildID
	}
	return v.Deployment + separator + v.BuildID
}

// ParseDotted reads the deprecated form. False: the text has no separator.
// A deployment has no dot in its name, a build id may.
func ParseDotted(text string) (Version, bool) {
	if text == Unversioned {
		return Version{}, true
	}
	name, build, found := strings.Cut(text, ".")
	return Version{Deployment: name, BuildID: build}, found && name != "" && build != ""
}

// Compare orders versions by deployment, then build id.
func (v Version) Compare(w Version) int {
	return cmp.Or(strings.Compare(v.Deployment, w.Deployment), strings.Compare(v.BuildID, w.BuildID))
}
