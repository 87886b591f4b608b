package match

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	blue  = Version{Deployment: "shop", BuildID: "1.0"}
	green = Version{Deployment: "shop", BuildID: "2.0"}
)

func TestTarget(t *testing.T) {
	t.Parallel()
	ramped := Routing{Current: blue, Ramping: green, HasRamp: true, Percentage: 100, CurrentRevision: 3, RampingRevision: 4}
	idle := ramped
	idle.Percentage = 0
	for name, c := range map[string]struct {
		routing  Routing
		d        Directive
		member   bool
		want     Version
		revision int64
	}{
		"nothing set":                  {want: Version{}},
		"current":                      {routing: Routing{Current: blue, CurrentRevision: 3}, want: blue, revision: 3},
		"all ramp":                     {routing: ramped, d: Directive{Key: "w"}, want: green, revision: 4},
		"none ramps":                   {routing: idle, d: Directive{Key: "w"}, want: blue, revision: 3},
		"ramping asked for":            {routing: idle, d: Directive{Key: "w", Ramping: true}, want: green, revision: 4},
		"ramping asked, but none":      {routing: Routing{Current: blue}, d: Directive{Ramping: true}, want: blue},
		"ramp to workers without one":  {routing: Routing{Current: blue, HasRamp: true, Percentage: 100}, want: Version{}},
		"pinned":                       {routing: ramped, d: Directive{Pinned: blue}, want: blue},
		"pinned, if the queue is one":  {routing: ramped, d: Directive{Pinned: blue, IfMember: true}, member: true, want: blue},
		"pinned, but the queue is not": {routing: ramped, d: Directive{Pinned: blue, IfMember: true}, want: green, revision: 4},
	} {
		version, revision := c.routing.Target(c.d, c.member)
		require.Equal(t, c.want, version, name)
		require.Equal(t, c.revision, revision, name)
	}
}

func TestRampSharesGrow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		small := rapid.Float32Range(0, 100).Draw(t, "small")
		large := rapid.Float32Range(small, 100).Draw(t, "large")
		require.False(t, InRamp(key, 0))
		require.True(t, InRamp(key, 100))
		require.True(t, !InRamp(key, small) || InRamp(key, large))
	})
}

func TestRampIsFair(t *testing.T) {
	t.Parallel()
	const keys = 20_000
	for _, percentage := range []float32{1, 30, 50, 99} {
		n := 0
		for i := range keys {
			if InRamp(fmt.Sprintf("order-%d", i), percentage) {
				n++
			}
		}
		require.InDelta(t, percentage, 100*float64(n)/keys, 1.5)
	}
}

func TestVersionForms(t *testing.T) {
	t.Parallel()
	require.Equal(t, "shop:1.0", blue.String())
	require.Equal(t, "shop.1.0", blue.Dotted())
	require.Equal(t, Unversioned, Version{}.String())
	for text, want := range map[string]Version{"shop.1.0": blue, Unversioned: {}} {
		parsed, ok := ParseDotted(text)
		require.True(t, ok)
		require.Equal(t, want, parsed)
	}
	for _, text := range []string{"", "shop", "shop.", ".1", "shop:1"} {
		_, ok := ParseDotted(text)
		require.False(t, ok, text)
	}
	require.Equal(t, blue, VersionOf(blue.Proto()))
	require.Nil(t, Version{}.Proto())
}
