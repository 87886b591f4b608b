package versioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"perdure/server/versioning"
)

// withSets is a queue after operations on its sets.
func withSets(t *testing.T, d versioning.Data, steps ...*setsRequest) versioning.Data {
	t.Helper()
	for _, step := range steps {
		next, err := d.UpdateSets(step, limits)
		require.NoError(t, err)
		d = next
	}
	return d
}

func TestAssigned(t *testing.T) {
	rules, ramp := after(t, insert(0, "1", full)), after(t, insert(0, "1", 0))
	for name, c := range map[string]struct {
		data   versioning.Data
		build  string
		byRule bool
	}{
		"nothing is known":                  {versioning.Data{}, "", false},
		"by a rule":                         {rules, "1", true},
		"redirects come later":              {after(t, insert(0, "1", full), redirect("1", "2")), "1", true},
		"a ramp of nothing gives nothing":   {ramp, "", false},
		"by the default set":                {withSets(t, versioning.Data{}, newSet("1"), newSet("2"), compatible("2.1", "2", false)), "2.1", false},
		"rules come before sets":            {withSets(t, rules, newSet("s")), "1", true},
		"without a rule that fits, by sets": {withSets(t, ramp, newSet("s")), "s", false},
	} {
		build, byRule := c.data.Assigned("w")
		require.Equal(t, c.build, build, name)
		require.Equal(t, c.byRule, byRule, name)
	}
}

func TestNewest(t *testing.T) {
	sets := withSets(t, versioning.Data{}, newSet("1"), compatible("1.1", "1", false), newSet("2"))
	chain := after(t, insert(0, "1", full), redirect("1", "1.1"), redirect("1.1", "1.2"))
	for name, c := range map[string]struct {
		data        versioning.Data
		build, want string
	}{
		"nothing is known of the build":        {versioning.Data{}, "9", "9"},
		"an unversioned run stays with sets":   {sets, "", ""},
		"an unversioned run stays with rules":  {chain, "", ""},
		"an unversioned run may be redirected": {after(t, redirect("", "1")), "", "1"},
		"redirects are followed to their end":  {chain, "1", "1.2"},
		"the end of redirects is itself":       {chain, "1.2", "1.2"},
		"the default of its set goes on":       {sets, "1", "1.1"},
		"another set does not matter":          {sets, "2", "2"},
		"a build of no set stays":              {sets, "9", "9"},
	} {
		require.Equal(t, c.want, c.data.Newest(c.build), name)
	}
}

// TestNewestLaw: who gets the tasks of another build is never told of a newer one.
func TestNewestLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d versioning.Data
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			var next versioning.Data
			var err error
			if rapid.Bool().Draw(t, "kind") {
				next, err = d.UpdateSets(drawSets(t), limits)
			} else {
				next, err = updated(d, drawRules(t))
			}
			if err == nil {
				d = next
			}
		}
		newest := d.Newest(rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(t, "build"))
		require.Equal(t, newest, d.Newest(newest))
		build, byRule := d.Assigned("w")
		require.True(t, !byRule || build != "")
		require.True(t, build != "" || len(d.Sets) == 0)
	})
}
