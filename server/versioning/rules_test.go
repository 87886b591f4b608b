package versioning_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/versioning"
)

type rulesRequest = workflowservice.UpdateWorkerVersioningRulesRequest

// full is the percentage of a rule without a ramp.
const full = float32(100)

func rule(build string, percentage float32) *taskqueuepb.BuildIdAssignmentRule {
	r := &taskqueuepb.BuildIdAssignmentRule{TargetBuildId: build}
	if percentage != full {
		r.Ramp = &taskqueuepb.BuildIdAssignmentRule_PercentageRamp{PercentageRamp: &taskqueuepb.RampByPercentage{RampPercentage: percentage}}
	}
	return r
}

func insert(index int32, build string, percentage float32) *rulesRequest {
	return &rulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertAssignmentRule{
		InsertAssignmentRule: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertBuildIdAssignmentRule{RuleIndex: index, Rule: rule(build, percentage)},
	}}
}

func replace(index int32, build string, percentage float32, force bool) *rulesRequest {
	return &rulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_ReplaceAssignmentRule{
		ReplaceAssignmentRule: &workflowservice.UpdateWorkerVersioningRulesRequest_ReplaceBuildIdAssignmentRule{RuleIndex: index, Rule: rule(build, percentage), Force: force},
	}}
}

func remove(index int32, force bool) *rulesRequest {
	return &rulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_DeleteAssignmentRule{
		DeleteAssignmentRule: &workflowservice.UpdateWorkerVersioningRulesRequest_DeleteBuildIdAssignmentRule{RuleIndex: index, Force: force},
	}}
}

func commit(build string, force bool) *rulesRequest {
	return &rulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_CommitBuildId_{
		CommitBuildId: &workflowservice.UpdateWorkerVersioningRulesRequest_CommitBuildId{TargetBuildId: build, Force: force},
	}}
}

func redirect(source, target string) *rulesRequest {
	return &rulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleRedirectRule{
		AddCompatibleRedirectRule: &workflowservice.UpdateWorkerVersioningRulesRequest_AddCompatibleBuildIdRedirectRule{
			Rule: &taskqueuepb.CompatibleBuildIdRedirectRule{SourceBuildId: source, TargetBuildId: target},
		},
	}}
}

func redirectAnew(source, target string) *rulesRequest {
	return &rulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_ReplaceCompatibleRedirectRule{
		ReplaceCompatibleRedirectRule: &workflowservice.UpdateWorkerVersioningRulesRequest_ReplaceCompatibleBuildIdRedirectRule{
			Rule: &taskqueuepb.CompatibleBuildIdRedirectRule{SourceBuildId: source, TargetBuildId: target},
		},
	}}
}

func redirectNoMore(source string) *rulesRequest {
	return &rulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_DeleteCompatibleRedirectRule{
		DeleteCompatibleRedirectRule: &workflowservice.UpdateWorkerVersioningRulesRequest_DeleteCompatibleBuildIdRedirectRule{SourceBuildId: source},
	}}
}

var morning = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func updated(d versioning.Data, request *rulesRequest) (versioning.Data, error) {
	return d.UpdateRules(versioning.RulesUpdate{
		Request: request, Now: morning, Limits: limits, Polled: func(build string) bool { return build == "polled" },
	})
}

func after(t *testing.T, steps ...*rulesRequest) versioning.Data {
	t.Helper()
	var d versioning.Data
	for _, step := range steps {
		next, err := updated(d, step)
		require.NoError(t, err)
		d = next
	}
	return d
}

// showRules writes rules as "2.0@45 1.0 ; 1.0>2.0".
func showRules(d versioning.Data) string {
	var parts []string
	for _, a := range d.ShowAssignments() {
		text := a.GetRule().GetTargetBuildId()
		if p := a.GetRule().GetPercentageRamp().GetRampPercentage(); p != full {
			text += fmt.Sprint("@", p)
		}
		parts = append(parts, text)
	}
	for _, r := range d.ShowRedirects() {
		parts = append(parts, r.GetRule().GetSourceBuildId()+">"+r.GetRule().GetTargetBuildId())
	}
	return strings.Join(parts, " ")
}

func TestRules(t *testing.T) {
	for name, test := range map[string]struct {
		steps []*rulesRequest
		want  string
	}{
		"none":                     {nil, ""},
		"first place":              {[]*rulesRequest{insert(0, "1", full), insert(0, "2", 45)}, "2@45 1"},
		"middle":                   {[]*rulesRequest{insert(0, "1", full), insert(0, "2", 45), insert(1, "3", 5)}, "2@45 3@5 1"},
		"beyond the end":           {[]*rulesRequest{insert(9, "1", full), insert(7, "2", 0)}, "1 2@0"},
		"a part without the whole": {[]*rulesRequest{insert(0, "1", 10), replace(0, "1", 20, false), remove(0, false)}, ""},
		"replace":                  {[]*rulesRequest{insert(0, "1", full), replace(0, "1.1", full, false)}, "1.1"},
		"replace by force":         {[]*rulesRequest{insert(0, "1", full), replace(0, "2", 45, true)}, "2@45"},
		"delete by force":          {[]*rulesRequest{insert(0, "1", full), remove(0, true)}, ""},
		"delete one of two":        {[]*rulesRequest{insert(0, "1", full), insert(0, "2", full), remove(1, false)}, "2"},
		"commit":                   {[]*rulesRequest{insert(0, "1", full), insert(0, "2", 10), insert(0, "3", 30), insert(0, "2", 20), commit("2", true)}, "3@30 2"},
		"commit what polls":        {[]*rulesRequest{commit("polled", false)}, "polled"},
		"redirects, newest first":  {[]*rulesRequest{redirect("1", "2"), redirect("3", "1"), redirect("", "1")}, ">1 3>1 1>2"},
		"another target":           {[]*rulesRequest{redirect("1", "2"), redirect("3", "1"), redirectAnew("1", "4")}, "1>4 3>1"},
		"the same target":          {[]*rulesRequest{redirect("1", "2"), redirectAnew("1", "2")}, "1>2"},
		"no redirect any more":     {[]*rulesRequest{redirect("1", "2"), redirectNoMore("1")}, ""},
		"whole share of a source":  {[]*rulesRequest{redirect("1", "2"), insert(0, "1", full)}, "1 1>2"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, showRules(after(t, test.steps...))) })
	}
}

func TestRulesRefuse(t *testing.T) {
	long := strings.Repeat("b", 256)
	invalid, failed := &serviceerror.InvalidArgument{}, &serviceerror.FailedPrecondition{}
	for name, test := range map[string]struct {
		given   []*rulesRequest
		request *rulesRequest
		want    error
	}{
		"no operation":     {nil, &rulesRequest{}, invalid},
		"no rule":          {nil, &rulesRequest{Operation: &workflowservice.UpdateWorkerVersioningRulesRequest_InsertAssignmentRule{}}, invalid},
		"negative index":   {nil, insert(-1, "1", full), invalid},
		"negative ramp":    {nil, insert(0, "1", -1), invalid},
		"ramp over all":    {nil, insert(0, "1", 100.1), invalid},
		"no number":        {nil, insert(0, "1", float32(math.NaN())), invalid},
		"long build":       {nil, insert(0, long, full), invalid},
		"replace nothing":  {nil, replace(0, "1", full, false), invalid},
		"delete nothing":   {nil, remove(0, true), invalid},
		"delete before":    {[]*rulesRequest{insert(0, "1", full)}, remove(-1, true), invalid},
		"last one":         {[]*rulesRequest{insert(0, "1", full)}, remove(0, false), failed},
		"last one by part": {[]*rulesRequest{insert(0, "1", full)}, replace(0, "2", 99.9, false), failed},
		"part, once whole": {[]*rulesRequest{insert(0, "1", full), replace(0, "2", 45, true)}, remove(0, false), failed},
		"commit nobody":    {nil, commit("1", false), failed},
		"commit too long":  {nil, commit(long, true), invalid},
		"no target":        {[]*rulesRequest{redirect("1", "2")}, redirect("1", ""), invalid},
		"no new target":    {nil, redirectAnew("1", ""), invalid},
		"long source":      {nil, redirect(long, "1"), invalid},
		"long target":      {nil, redirect("1", long), invalid},
		"itself":           {nil, redirect("1", "1"), failed},
		"circle":           {[]*rulesRequest{redirect("1", "2"), redirect("2", "3")}, redirect("3", "1"), failed},
		"circle anew":      {[]*rulesRequest{redirect("1", "2"), redirect("3", "1")}, redirectAnew("1", "3"), failed},
		"source of a part": {[]*rulesRequest{insert(0, "1", 5)}, redirect("1", "2"), failed},
		"part of a source": {[]*rulesRequest{redirect("1", "2")}, insert(0, "1", 5), failed},
		"there":            {[]*rulesRequest{redirect("1", "2")}, redirect("1", "3"), &serviceerror.AlreadyExists{}},
		"not there":        {nil, redirectNoMore("1"), &serviceerror.NotFound{}},
		"none to replace":  {nil, redirectAnew("1", "2"), &serviceerror.NotFound{}},
	} {
		t.Run(name, func(t *testing.T) {
			d := after(t, test.given...)
			got, err := updated(d, test.request)
			require.IsType(t, test.want, err)
			require.Equal(t, d, got)
		})
	}
}

func TestNumberOfRules(t *testing.T) {
	var d versioning.Data
	add := func(request *rulesRequest) (err error) {
		d, err = updated(d, request)
		return err
	}
	for i := range 100 {
		require.NoError(t, add(insert(0, fmt.Sprint(i), full)))
	}
	require.Equal(t, serviceerror.NewFailedPrecondition("update exceeds number of assignment rules permitted in namespace (101/100)"), add(insert(0, "x", full)))
	for i := range 500 {
		require.NoError(t, add(redirect(fmt.Sprint("s", i), fmt.Sprint("t", i))))
	}
	require.Equal(t, serviceerror.NewFailedPrecondition("update exceeds number of redirect rules permitted in namespace (501/500)"), add(redirect("s500", "t500")))
}

func TestNumberOfUpstreamBuilds(t *testing.T) {
	var d versioning.Data
	add := func(request *rulesRequest) (err error) {
		d, err = updated(d, request)
		return err
	}
	for i := range 49 {
		require.NoError(t, add(redirect(fmt.Sprint("s", i), "t")))
	}
	require.NoError(t, add(redirect("a", "s0")), "on a way round, too")
	require.Equal(t, serviceerror.NewFailedPrecondition("update exceeds number of upstream build ids permitted in namespace (51/50)"), add(redirect("b", "s1")))
}

func TestRulesTellTheirAge(t *testing.T) {
	d := after(t, insert(0, "1", full), redirect("1", "2"))
	require.Equal(t, morning, d.ShowAssignments()[0].GetCreateTime().AsTime())
	require.Equal(t, morning, d.ShowRedirects()[0].GetCreateTime().AsTime())
}
