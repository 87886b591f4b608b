package versioning

import (
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// RulesUpdate is one operation on the rules of a queue.
type RulesUpdate struct {
	Request *workflowservice.UpdateWorkerVersioningRulesRequest
	Now     time.Time
	Limits  Limits
	// Polled tells whether a worker of a build id polled the queue lately.
	Polled func(build string) bool
}

// UpdateRules does one operation on the rules. Errors are InvalidArgument for
// what can never be, AlreadyExists and NotFound for redirects, and
// FailedPrecondition for what the present rules or the limits do not allow.
func (d Data) UpdateRules(u RulesUpdate) (Data, error) {
	next := d.clone()
	if err := next.updateRules(u); err != nil {
		return d, err
	}
	next.FullyRamped = next.FullyRamped || next.hasFullRamp()
	if count := len(next.Assignments); count > u.Limits.Assignments {
		return d, failedPrecondition("update exceeds number of assignment rules permitted in namespace (%d/%d)", count, u.Limits.Assignments)
	}
	if count := len(next.Redirects); count > u.Limits.Redirects {
		return d, failedPrecondition("update exceeds number of redirect rules permitted in namespace (%d/%d)", count, u.Limits.Redirects)
	}
	return next, nil
}

func (d *Data) updateRules(u RulesUpdate) error {
	switch op := u.Request.GetOperation().(type) {
	case *workflowservice.UpdateWorkerVersioningRulesRequest_InsertAssignmentRule:
		return d.insertAssignment(op.InsertAssignmentRule, u)
	case *workflowservice.UpdateWorkerVersioningRulesRequest_ReplaceAssignmentRule:
		return d.replaceAssignment(op.ReplaceAssignmentRule, u)
	case *workflowservice.UpdateWorkerVersioningRulesRequest_DeleteAssignmentRule:
		return d.deleteAssignment(op.DeleteAssignmentRule)
	case *workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleRedirectRule:
		return d.addRedirect(op.AddCompatibleRedirectRule.GetRule(), u)
	case *workflowservice.UpdateWorkerVersioningRulesRequest_ReplaceCompatibleRedirectRule:
		return d.replaceRedirect(op.ReplaceCompatibleRedirectRule.GetRule(), u)
	case *workflowservice.UpdateWorkerVersioningRulesRequest_DeleteCompatibleRedirectRule:
		return d.deleteRedirect(op.DeleteCompatibleRedirectRule.GetSourceBuildId())
	case *workflowservice.UpdateWorkerVersioningRulesRequest_CommitBuildId_:
		return d.commitBuild(op.CommitBuildId, u)
	default:
		return invalidArgument("an operation must be specified")
	}
}

// assignment reads a rule; without a ramp it is for everything.
func (d *Data) assignment(rule *taskqueuepb.BuildIdAssignmentRule, u RulesUpdate) (Assignment, error) {
	a := Assignment{BuildID: rule.GetTargetBuildId(), Percentage: fullRamp, CreatedAt: u.Now}
	if rule == nil {
		return a, invalidArgument("an assignment rule must be set")
	}
	if err := checkBuildID(a.BuildID, u.Limits); err != nil {
		return a, err
	}
	if ramp := rule.GetPercentageRamp(); ramp != nil {
		a.Percentage = ramp.GetRampPercentage()
	}
	if !(a.Percentage >= 0 && a.Percentage <= fullRamp) { // not a number is out of range, too
		return a, invalidArgument("ramp percentage must be in range [0, 100]")
	}
	if a.Percentage < fullRamp && d.redirectOf(a.BuildID) >= 0 {
		return a, failedPrecondition("update breaks requirement, this build ID cannot be the target of a partially-ramped assignment rule because it is the source of a redirect rule")
	}
	return a, nil
}

func (d Data) hasFullRamp() bool {
	return slices.ContainsFunc(d.Assignments, func(a Assignment) bool { return a.Percentage == fullRamp })
}

// keepFullRamp refuses to lose the last rule for everything unless by force.
func (d Data) keepFullRamp(force bool) error {
	if force || !d.FullyRamped || d.hasFullRamp() {
		return nil
	}
	return failedPrecondition("at least one fully-ramped assignment rule must exist (use force=true to bypass this requirement and set the unversioned queue as the default)")
}

func (d *Data) insertAssignment(op *workflowservice.UpdateWorkerVersioningRulesRequest_InsertBuildIdAssignmentRule, u RulesUpdate) error {
	if op.GetRuleIndex() < 0 {
		return invalidArgument("rule index cannot be negative")
	}
	a, err := d.assignment(op.GetRule(), u)
	if err != nil {
		return err
	}
	d.Assignments = slices.Insert(d.Assignments, min(int(op.GetRuleIndex()), len(d.Assignments)), a)
	return nil
}

func (d Data) checkIndex(i int32) error {
	if i < 0 || int(i) >= len(d.Assignments) {
		return invalidArgument("rule index %d is out of bounds for assignment rule list of length %d", i, len(d.Assignments))
	}
	return nil
}

func (d *Data) replaceAssignment(op *workflowservice.UpdateWorkerVersioningRulesRequest_ReplaceBuildIdAssignmentRule, u RulesUpdate) error {
	a, err := d.assignment(op.GetRule(), u)
	if err != nil {
		return err
	}
	if err := d.checkIndex(op.GetRuleIndex()); err != nil {
		return err
	}
	d.Assignments[op.GetRuleIndex()] = a
	return d.keepFullRamp(op.GetForce())
}

func (d *Data) deleteAssignment(op *workflowservice.UpdateWorkerVersioningRulesRequest_DeleteBuildIdAssignmentRule) error {
	if err := d.checkIndex(op.GetRuleIndex()); err != nil {
		return err
	}
	d.Assignments = slices.Delete(d.Assignments, int(op.GetRuleIndex()), int(op.GetRuleIndex())+1)
	return d.keepFullRamp(op.GetForce())
}

// redirectOf is the index of the rule that redirects a build id; below zero when none does.
func (d Data) redirectOf(source string) int {
	return slices.IndexFunc(d.Redirects, func(r Redirect) bool { return r.Source == source })
}

func (d *Data) addRedirect(rule *taskqueuepb.CompatibleBuildIdRedirectRule, u RulesUpdate) error {
	if err := checkRedirect(rule, u.Limits); err != nil {
		return err
	}
	if d.HasSetOf(rule.GetSourceBuildId()) {
		return failedPrecondition("update breaks requirement, source build ID is already a member of a version set")
	}
	if i := d.redirectOf(rule.GetSourceBuildId()); i >= 0 {
		return serviceerror.NewAlreadyExistsf("source %s already redirects to target %s", rule.GetSourceBuildId(), d.Redirects[i].Target)
	}
	return d.putRedirect(rule, u)
}

func (d *Data) replaceRedirect(rule *taskqueuepb.CompatibleBuildIdRedirectRule, u RulesUpdate) error {
	if err := checkRedirect(rule, u.Limits); err != nil {
		return err
	}
	if err := d.deleteRedirect(rule.GetSourceBuildId()); err != nil {
		return err
	}
	return d.putRedirect(rule, u)
}

func (d *Data) deleteRedirect(source string) error {
	i := d.redirectOf(source)
	if i < 0 {
		return serviceerror.NewNotFoundf("no redirect rule found with source ID %s", source)
	}
	d.Redirects = slices.Delete(d.Redirects, i, i+1)
	return nil
}

func checkRedirect(rule *taskqueuepb.CompatibleBuildIdRedirectRule, limits Limits) error {
	if rule.GetTargetBuildId() == "" {
		return invalidArgument("the unversioned build ID cannot be the target of a redirect rule")
	}
	if err := checkBuildID(rule.GetSourceBuildId(), limits); err != nil {
		return err
	}
	return checkBuildID(rule.GetTargetBuildId(), limits)
}

// putRedirect adds a rule whose source has none.
func (d *Data) putRedirect(rule *taskqueuepb.CompatibleBuildIdRedirectRule, u RulesUpdate) error {
	r := Redirect{Source: rule.GetSourceBuildId(), Target: rule.GetTargetBuildId(), CreatedAt: u.Now}
	partly := func(a Assignment) bool { return a.BuildID == r.Source && a.Percentage < fullRamp }
	if slices.ContainsFunc(d.Assignments, partly) {
		return failedPrecondition("redirect rule source build ID cannot be the target of any partially-ramped assignment rule")
	}
	if d.Follow(r.Target) == r.Source || r.Target == r.Source {
		return failedPrecondition("update would break acyclic requirement")
	}
	d.Redirects = slices.Insert(d.Redirects, 0, r)
	if upstream := d.upstream(d.Follow(r.Target)); upstream > u.Limits.Upstream {
		return failedPrecondition("update exceeds number of upstream build ids permitted in namespace (%d/%d)", upstream, u.Limits.Upstream)
	}
	return nil
}

// upstream counts the build ids that lead to a target.
func (d Data) upstream(target string) int {
	count := 0
	for _, r := range d.Redirects {
		if d.Follow(r.Source) == target {
			count++
		}
	}
	return count
}

// commitBuild ends a ramp: the build id gets all that the rules for part of it leave.
func (d *Data) commitBuild(op *workflowservice.UpdateWorkerVersioningRulesRequest_CommitBuildId, u RulesUpdate) error {
	build := op.GetTargetBuildId()
	if !op.GetForce() && !u.Polled(build) {
		return failedPrecondition("no versioned poller with build ID '%s' seen lately, use force=true to commit anyways", build)
	}
	a, err := d.assignment(&taskqueuepb.BuildIdAssignmentRule{TargetBuildId: build}, u)
	if err != nil {
		return err
	}
	d.Assignments = slices.DeleteFunc(d.Assignments, func(old Assignment) bool {
		return old.BuildID == build || old.Percentage == fullRamp
	})
	d.Assignments = append(d.Assignments, a)
	return nil
}

// ShowAssignments lists the assignment rules as clients see them.
func (d Data) ShowAssignments() []*taskqueuepb.TimestampedBuildIdAssignmentRule {
	var shown []*taskqueuepb.TimestampedBuildIdAssignmentRule
	for _, a := range d.Assignments {
		shown = append(shown, &taskqueuepb.TimestampedBuildIdAssignmentRule{
			Rule: &taskqueuepb.BuildIdAssignmentRule{
				TargetBuildId: a.BuildID,
				Ramp: &taskqueuepb.BuildIdAssignmentRule_PercentageRamp{
					PercentageRamp: &taskqueuepb.RampByPercentage{RampPercentage: a.Percentage},
				},
			},
			CreateTime: timestamppb.New(a.CreatedAt),
		})
	}
	return shown
}

// ShowRedirects lists the redirect rules as clients see them.
func (d Data) ShowRedirects() []*taskqueuepb.TimestampedCompatibleBuildIdRedirectRule {
	var shown []*taskqueuepb.TimestampedCompatibleBuildIdRedirectRule
	for _, r := range d.Redirects {
		shown = append(shown, &taskqueuepb.TimestampedCompatibleBuildIdRedirectRule{
			Rule:       &taskqueuepb.CompatibleBuildIdRedirectRule{SourceBuildId: r.Source, TargetBuildId: r.Target},
			CreateTime: timestamppb.New(r.CreatedAt),
		})
	}
	return shown
}
