package versioning_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"perdure/server/versioning"
)

var someBuilds = rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})

// drawSets draws an operation on sets.
func drawSets(t *rapid.T) *setsRequest {
	one, two := someBuilds.Draw(t, "one"), someBuilds.Draw(t, "two")
	return rapid.SampledFrom([]*setsRequest{
		newSet(one), compatible(one, two, rapid.Bool().Draw(t, "default")), promoteSet(one), promoteBuild(one), merge(one, two),
	}).Draw(t, "sets")
}

// drawRules draws an operation on rules.
func drawRules(t *rapid.T) *rulesRequest {
	one, two := someBuilds.Draw(t, "one"), someBuilds.Draw(t, "two")
	index, force := rapid.Int32Range(0, 4).Draw(t, "index"), rapid.Bool().Draw(t, "force")
	share := rapid.SampledFrom([]float32{0, 30, full}).Draw(t, "share")
	return rapid.SampledFrom([]*rulesRequest{
		insert(index, one, share), replace(index, one, share, force), remove(index, force), commit(one, force),
		redirect(one, two), redirectAnew(one, two), redirectNoMore(one),
	}).Draw(t, "rules")
}

func encoded(t require.TestingT, d versioning.Data) string {
	text, err := json.Marshal(d)
	require.NoError(t, err)
	return string(text)
}

// TestLaws does random operations and checks what must always hold.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d versioning.Data
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			before := encoded(t, d)
			var next versioning.Data
			var err error
			if rapid.Bool().Draw(t, "kind") {
				request := drawSets(t)
				next, err = d.UpdateSets(request, limits)
				if err == nil {
					again, err := next.UpdateSets(request, limits)
					require.NoError(t, err, "a repeated request")
					require.Equal(t, showSets(next), showSets(again))
				}
			} else {
				next, err = updated(d, drawRules(t))
			}
			require.Equal(t, before, encoded(t, d), "an update changes nothing in place")
			if err != nil {
				require.Equal(t, d, next)
			}
			requireSound(t, next)
			d = next
		}
	})
}

func requireSound(t require.TestingT, d versioning.Data) {
	seen := map[string]bool{}
	for _, set := range d.Sets {
		require.NotEmpty(t, set.Builds)
		for _, b := range set.Builds {
			require.False(t, seen[b.ID], "%s is in two sets", b.ID)
			seen[b.ID] = true
		}
	}
	sources := map[string]bool{}
	for _, r := range d.Redirects {
		require.False(t, sources[r.Source], "%s is redirected twice", r.Source)
		sources[r.Source] = true
	}
	for source := range sources {
		require.False(t, sources[d.Follow(source)], "the way from %s ends", source)
	}
	for _, a := range d.Assignments {
		require.False(t, a.Percentage < full && sources[a.BuildID], "part of %s is redirected", a.BuildID)
	}
	var back versioning.Data
	require.NoError(t, json.Unmarshal([]byte(encoded(t, d)), &back))
	require.Equal(t, encoded(t, d), encoded(t, back))
}

func TestFollow(t *testing.T) {
	d := after(t, redirect("1", "2"), redirect("2", "3"), redirect("", "1"))
	for build, want := range map[string]string{"": "3", "1": "3", "2": "3", "3": "3", "4": "4"} {
		require.Equal(t, want, d.Follow(build), build)
	}
	require.Equal(t, "x", versioning.Data{}.Follow("x"))
}

func TestAssign(t *testing.T) {
	require.Empty(t, versioning.Data{}.Assign("w"), "unversioned")
	require.Equal(t, "1", after(t, insert(0, "1", full)).Assign("w"))
	require.Equal(t, "1", after(t, insert(0, "1", full), insert(0, "2", 0)).Assign("w"), "nothing of it yet")
	d := after(t, insert(0, "1", full), insert(0, "2", 30), insert(1, "3", 50))
	const keys = 20_000
	counts := map[string]int{}
	for i := range keys {
		key := fmt.Sprint("order-", i)
		counts[d.Assign(key)]++
		require.Equal(t, d.Assign(key), d.Assign(key))
	}
	// Each rule tests the same place of a key: the second gets what is between 30 and 50.
	require.InDelta(t, 0.30, float64(counts["2"])/keys, 0.02)
	require.InDelta(t, 0.20, float64(counts["3"])/keys, 0.02)
	require.InDelta(t, 0.50, float64(counts["1"])/keys, 0.02)
}
