package versioning_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"perdure/server/versioning"
)

var limits = versioning.Limits{Sets: 10, Builds: 100, Assignments: 100, Redirects: 500, Upstream: 50, BuildIDBytes: 255}

type setsRequest = workflowservice.UpdateWorkerBuildIdCompatibilityRequest

func newSet(build string) *setsRequest {
	return &setsRequest{Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewBuildIdInNewDefaultSet{AddNewBuildIdInNewDefaultSet: build}}
}

func compatible(build, with string, makeDefault bool) *setsRequest {
	return &setsRequest{Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleBuildId{
		AddNewCompatibleBuildId: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_AddNewCompatibleVersion{
			NewBuildId: build, ExistingCompatibleBuildId: with, MakeSetDefault: makeDefault,
		},
	}}
}

func promoteSet(build string) *setsRequest {
	return &setsRequest{Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_PromoteSetByBuildId{PromoteSetByBuildId: build}}
}

func promoteBuild(build string) *setsRequest {
	return &setsRequest{Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_PromoteBuildIdWithinSet{PromoteBuildIdWithinSet: build}}
}

func merge(primary, secondary string) *setsRequest {
	return &setsRequest{Operation: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_MergeSets_{
		MergeSets: &workflowservice.UpdateWorkerBuildIdCompatibilityRequest_MergeSets{PrimarySetBuildId: primary, SecondarySetBuildId: secondary},
	}}
}

// showSets writes sets as "1.0 1.1 | 2.0": the defaults are at the ends.
func showSets(d versioning.Data) string {
	var sets []string
	for _, s := range d.ShowSets(0) {
		sets = append(sets, strings.Join(s.GetBuildIds(), " "))
	}
	return strings.Join(sets, " | ")
}

func TestSets(t *testing.T) {
	for name, test := range map[string]struct {
		steps []*setsRequest
		want  string
	}{
		"none":                             {nil, ""},
		"a new set is the default":         {[]*setsRequest{newSet("1.0"), newSet("2.0")}, "1.0 | 2.0"},
		"again":                            {[]*setsRequest{newSet("1.0"), newSet("2.0"), newSet("2.0")}, "1.0 | 2.0"},
		"compatible":                       {[]*setsRequest{newSet("1.0"), newSet("2.0"), compatible("1.1", "1.0", false)}, "1.0 1.1 | 2.0"},
		"compatible again":                 {[]*setsRequest{newSet("1.0"), compatible("1.1", "1.0", false), compatible("1.1", "1.0", false)}, "1.0 1.1"},
		"compatible and default":           {[]*setsRequest{newSet("1.0"), newSet("2.0"), compatible("1.1", "1.0", true)}, "2.0 | 1.0 1.1"},
		"compatible and default again":     {[]*setsRequest{newSet("1.0"), compatible("1.1", "1.0", true), compatible("1.1", "1.0", true)}, "1.0 1.1"},
		"compatible with itself":           {[]*setsRequest{newSet("1.0"), compatible("1.0", "1.0", false)}, "1.0"},
		"promote a set":                    {[]*setsRequest{newSet("1.0"), newSet("2.0"), promoteSet("1.0")}, "2.0 | 1.0"},
		"promote the default set":          {[]*setsRequest{newSet("1.0"), newSet("2.0"), promoteSet("2.0")}, "1.0 | 2.0"},
		"promote a build":                  {[]*setsRequest{newSet("1.0"), compatible("1.1", "1.0", false), promoteBuild("1.0")}, "1.1 1.0"},
		"promote the default build":        {[]*setsRequest{newSet("1.0"), compatible("1.1", "1.0", false), promoteBuild("1.1")}, "1.0 1.1"},
		"merge keeps the first default":    {[]*setsRequest{newSet("1.0"), newSet("2.0"), merge("1.0", "2.0")}, "2.0 1.0"},
		"merge keeps order":                {[]*setsRequest{newSet("1.0"), newSet("2.0"), compatible("2.1", "2.0", false), newSet("3.0"), merge("2.0", "3.0")}, "1.0 | 2.0 3.0 2.1"},
		"merge takes the later place":      {[]*setsRequest{newSet("a"), newSet("b"), newSet("c"), newSet("d"), merge("a", "c")}, "b | c a | d"},
		"merge takes the later place, too": {[]*setsRequest{newSet("a"), newSet("b"), newSet("c"), newSet("d"), merge("c", "a")}, "b | a c | d"},
		"merge with itself":                {[]*setsRequest{newSet("a"), compatible("b", "a", false), merge("a", "b")}, "a b"},
		"merge after a promotion": {[]*setsRequest{
			newSet("a"), newSet("b"), compatible("a2", "a", false), promoteBuild("a"), merge("a2", "b"),
		}, "b a2 a"},
	} {
		t.Run(name, func(t *testing.T) {
			var d versioning.Data
			for _, step := range test.steps {
				require.NoError(t, versioning.CheckSets(step, limits))
				next, err := d.UpdateSets(step, limits)
				require.NoError(t, err)
				d = next
			}
			require.Equal(t, test.want, showSets(d))
		})
	}
}

func TestSetsRefuse(t *testing.T) {
	var d versioning.Data
	for _, step := range []*setsRequest{newSet("1.0"), compatible("1.1", "1.0", false), newSet("2.0")} {
		next, err := d.UpdateSets(step, limits)
		require.NoError(t, err)
		d = next
	}
	for name, test := range map[string]struct {
		request *setsRequest
		want    error
	}{
		"set of an old build":   {newSet("1.1"), serviceerror.NewInvalidArgument("version 1.1 already exists")},
		"unknown compatible":    {compatible("3.0", "9", false), serviceerror.NewNotFound("targeted compatible_version 9 not found")},
		"elsewhere":             {compatible("1.1", "2.0", false), serviceerror.NewInvalidArgument("1.1 requested to be made compatible with 2.0 but both versions exist and are incompatible")},
		"not the set's default": {compatible("1.0", "1.1", false), serviceerror.NewInvalidArgument("version 1.0 already exists and is not default in set")},
		"not the queue's":       {compatible("1.1", "1.0", true), serviceerror.NewInvalidArgument("version 1.1 already exists and is not default for queue")},
		"unknown set":           {promoteSet("9"), serviceerror.NewNotFound("targeted version 9 not found")},
		"unknown build":         {promoteBuild("9"), serviceerror.NewNotFound("targeted version 9 not found")},
		"unknown primary":       {merge("9", "1.0"), serviceerror.NewNotFound("targeted primary version 9 not found")},
		"unknown secondary":     {merge("1.0", "9"), serviceerror.NewNotFound("targeted secondary version 9 not found")},
		"no operation":          {&setsRequest{}, serviceerror.NewInvalidArgument("an operation must be specified")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := d.UpdateSets(test.request, limits)
			require.Equal(t, test.want, err)
			require.Equal(t, d, got)
		})
	}
}

func TestIncompleteRequests(t *testing.T) {
	long := strings.Repeat("b", 256)
	for name, request := range map[string]*setsRequest{
		"no operation":      {},
		"no build":          newSet(""),
		"no new build":      compatible("", "1.0", false),
		"no existing build": compatible("1.1", "", false),
		"long build":        newSet(long),
		"long compatible":   compatible(long, "1.0", false),
	} {
		require.IsType(t, &serviceerror.InvalidArgument{}, versioning.CheckSets(request, limits), name)
	}
	require.NoError(t, versioning.CheckSets(newSet(long[:255]), limits))
}

func TestNumberOfSetsAndBuilds(t *testing.T) {
	var d versioning.Data
	add := func(request *setsRequest) (err error) {
		d, err = d.UpdateSets(request, limits)
		return err
	}
	for i := range 10 {
		require.NoError(t, add(newSet(fmt.Sprint("s", i))))
	}
	require.Equal(t, serviceerror.NewFailedPrecondition(
		"update would exceed number of compatible version sets permitted in namespace dynamic config (11/10)"), add(newSet("s10")))
	for i := range 90 {
		require.NoError(t, add(compatible(fmt.Sprint("b", i), "s0", false)))
	}
	require.Equal(t, serviceerror.NewFailedPrecondition(
		"update would exceed number of build IDs permitted in namespace dynamic config (101/100)"), add(compatible("b90", "s0", false)))
	require.NoError(t, add(merge("s0", "s1")))
	require.Error(t, add(newSet("s10")), "still too many builds")
}

func TestShownSets(t *testing.T) {
	var d versioning.Data
	for _, build := range []string{"1", "2", "3"} {
		d, _ = d.UpdateSets(newSet(build), limits)
	}
	require.Len(t, d.ShowSets(0), 3)
	require.Len(t, d.ShowSets(-1), 3)
	require.Len(t, d.ShowSets(5), 3)
	require.Equal(t, []string{"3"}, d.ShowSets(1)[0].GetBuildIds())
}
