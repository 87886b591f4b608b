package versioning

import (
	"cmp"
	"slices"

	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// UpdateSets does the operation of a request, which CheckSets has found
// complete. Repeating an operation changes nothing. Errors are NotFound for an
// unknown build id, InvalidArgument for what contradicts the sets, and
// FailedPrecondition beyond the limits.
func (d Data) UpdateSets(req *workflowservice.UpdateWorkerBuildIdCompatibilityRequest, limits Limits) (Data, error) {
	next := d.clone()
	if err := next.updateSets(req); err != nil {
		return d, err
	}
	slices.SortFunc(next.Sets, func(a, b Set) int { return cmp.Compare(a.Since, b.Since) })
	builds := 0
	for _, s := range next.Sets {
		slices.SortFunc(s.Builds, func(a, b Build) int { return cmp.Compare(a.Since, b.Since) })
		builds += len(s.Builds)
	}
	switch {
	case len(next.Sets) > limits.Sets:
		return d, failedPrecondition("update would exceed number of compatible version sets permitted in namespace dynamic config (%d/%d)", len(next.Sets), limits.Sets)
	case builds > limits.Builds:
		return d, failedPrecondition("update would exceed number of build IDs permitted in namespace dynamic config (%d/%d)", builds, limits.Builds)
	}
	return next, nil
}

func (d *Data) updateSets(req *workflowservice.UpdateWorkerBuildIdCompatibilityRequest) error {
	switch op := req.GetOperation().(type) {
	case *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewBuildIdInNewDefaultSet:
		return d.addSet(op.AddNewBuildIdInNewDefaultSet)
	case *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleBuildId:
		return d.addCompatible(op.AddNewCompatibleBuildId)
	case *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_PromoteSetByBuildId:
		return d.promoteSet(op.PromoteSetByBuildId)
	case *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_PromoteBuildIdWithinSet:
		return d.promoteBuild(op.PromoteBuildIdWithinSet)
	case *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_MergeSets_:
		return d.mergeSets(op.MergeSets)
	default:
		return invalidArgument("an operation must be specified")
	}
}

// CheckSets refuses a request that is not complete.
func CheckSets(req *workflowservice.UpdateWorkerBuildIdCompatibilityRequest, limits Limits) error {
	var build string
	switch op := req.GetOperation().(type) {
	case nil:
		return invalidArgument("an operation must be specified")
	case *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewBuildIdInNewDefaultSet:
		if build = op.AddNewBuildIdInNewDefaultSet; build == "" {
			return invalidArgument("`add_new_build_id_in_new_default_set` must be set")
		}
	case *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleBuildId:
		build = op.AddNewCompatibleBuildId.GetNewBuildId()
		if build == "" || op.AddNewCompatibleBuildId.GetExistingCompatibleBuildId() == "" {
			return invalidArgument("`new_build_id` and `existing_compatible_build_id` must be set")
		}
	}
	return checkBuildID(build, limits)
}

func checkBuildID(build string, limits Limits) error {
	if len(build) > limits.BuildIDBytes {
		return invalidArgument("BuildId must be <= %d characters, was %d", limits.BuildIDBytes, len(build))
	}
	return nil
}

// NewBuild is the build id that an operation brings into the sets; empty: it
// brings none, or the sets have it.
func (d Data) NewBuild(req *workflowservice.UpdateWorkerBuildIdCompatibilityRequest) string {
	build := req.GetAddNewBuildIdInNewDefaultSet()
	if op := req.GetAddNewCompatibleBuildId(); op != nil {
		build = op.GetNewBuildId()
	}
	if d.HasSetOf(build) {
		return ""
	}
	return build
}

// setOf is the index of the set that has a build id; below zero when none has.
func (d Data) setOf(build string) int {
	return slices.IndexFunc(d.Sets, func(s Set) bool { return s.has(build) })
}

// HasSetOf tells whether a build id is in one of the sets.
func (d Data) HasSetOf(build string) bool { return d.setOf(build) >= 0 }

func (d Data) findSet(build, role string) (int, error) {
	i := d.setOf(build)
	if i < 0 {
		return i, serviceerror.NewNotFoundf("targeted %s %s not found", role, build)
	}
	return i, nil
}

func (d *Data) addSet(build string) error {
	last := len(d.Sets) - 1
	switch i := d.setOf(build); {
	case i < 0:
		now := d.tick()
		d.Sets = append(d.Sets, Set{Builds: []Build{{ID: build, Since: now}}, Since: now})
		return nil
	case i == last && len(d.Sets[i].Builds) == 1:
		return nil // a repeated request
	default:
		return invalidArgument("version %s already exists", build)
	}
}

func (d *Data) addCompatible(op *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleVersion) error {
	target, err := d.findSet(op.GetExistingCompatibleBuildId(), "compatible_version")
	if err != nil {
		return err
	}
	build := op.GetNewBuildId()
	if existing := d.setOf(build); existing >= 0 {
		return d.repeated(op, existing, target)
	}
	set := &d.Sets[target]
	set.Builds = append(set.Builds, Build{ID: build, Since: d.tick()})
	if op.GetMakeSetDefault() {
		set.Since = d.tick()
	}
	return nil
}

// repeated tells whether a build id that is there already is as the request wants it.
func (d *Data) repeated(op *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleVersion, existing, target int) error {
	build := op.GetNewBuildId()
	switch {
	case existing != target:
		return invalidArgument("%s requested to be made compatible with %s but both versions exist and are incompatible",
			build, op.GetExistingCompatibleBuildId())
	case d.Sets[existing].Default() != build:
		return invalidArgument("version %s already exists and is not default in set", build)
	case op.GetMakeSetDefault() && existing != len(d.Sets)-1:
		return invalidArgument("version %s already exists and is not default for queue", build)
	}
	return nil
}

func (d *Data) promoteSet(build string) error {
	i, err := d.findSet(build, "version")
	if err == nil && i != len(d.Sets)-1 {
		d.Sets[i].Since = d.tick()
	}
	return err
}

func (d *Data) promoteBuild(build string) error {
	i, err := d.findSet(build, "version")
	if err != nil || d.Sets[i].Default() == build {
		return err
	}
	d.renew(i, build)
	return nil
}

// renew makes a build id the default of its set.
func (d *Data) renew(set int, build string) {
	builds := d.Sets[set].Builds
	i := slices.IndexFunc(builds, func(b Build) bool { return b.ID == build })
	builds[i].Since = d.tick()
}

// mergeSets joins two sets; the default of the first is that of both, and if
// one of them was the queue's default the joint one is.
func (d *Data) mergeSets(op *workflowservice.UpdateWorkerBuildIdCompatibilityRequest_MergeSets) error {
	primary, err := d.findSet(op.GetPrimarySetBuildId(), "primary version")
	if err != nil {
		return err
	}
	secondary, err := d.findSet(op.GetSecondarySetBuildId(), "secondary version")
	if err != nil || primary == secondary {
		return err
	}
	into, from := &d.Sets[primary], d.Sets[secondary]
	build := into.Default()
	into.Builds = append(into.Builds, from.Builds...)
	into.Since = max(into.Since, from.Since)
	d.renew(primary, build)
	d.Sets = slices.Delete(d.Sets, secondary, secondary+1)
	return nil
}

// ShowSets lists the sets as clients see them, the queue's default last; only
// the last most ones when most is positive.
func (d Data) ShowSets(most int) []*taskqueuepb.CompatibleVersionSet {
	sets := d.Sets
	if most > 0 && most < len(sets) {
		sets = sets[len(sets)-most:]
	}
	var shown []*taskqueuepb.CompatibleVersionSet
	for _, s := range sets {
		one := &taskqueuepb.CompatibleVersionSet{}
		for _, b := range s.Builds {
			one.BuildIds = append(one.BuildIds, b.ID)
		}
		shown = append(shown, one)
	}
	return shown
}
